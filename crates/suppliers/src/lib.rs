//! The shapes that upstream suppliers speak: what we ask is written in their words, what they answer is read as a verdict.
//!
//! An adapter only translates. It makes one call, and says what was heard; what follows is decided in `domain::life`, the same for
//! all suppliers. Anything that is not explicit (a time-out, a broken connection, a 5xx, a body that cannot be read, a number that was
//! sent before, a code that nobody listed) is `Unknown`, never `Failed`.
//!
//! May depend on `domain` (cards, verdicts) and `openapi` (the contract, for platforms that speak it). Knows no SQL, no queue, no
//! other room. `fulfillment` submits and queries; `ingress` reads pushes.
//!
//! Read `adapter.rs` first, then `told.rs` (an answer is held against the order before it counts), then a shape: `form_md5.rs`,
//! `open_platform.rs`. A new shape is a file beside these and a line in [`Adapter`].

mod adapter;
mod amount;
mod call;
mod form_md5;
mod line;
mod open_platform;
mod push;
mod told;
mod words;

pub use adapter::{Adapter, AdapterError};
pub use call::{Attach, Heard, QueryCall, SubmitCall};
pub use form_md5::FormMd5;
pub use line::MAX_BODY_BYTES;
pub use open_platform::OpenPlatform;
pub use push::{Push, PushRefused};
