//! Status reports: claimed, tried, recorded.
