//! The shapes that upstream suppliers speak.
