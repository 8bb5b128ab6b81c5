//! The merchant contract on the wire (`CONTRACT.md`): what a request must look like, how it is signed, and what is answered.
//!
//! Used from both ends: ingress reads requests and writes answers, the callback worker signs reports, and the `openapi` supplier
//! shape does all of it the other way round. Pure: no I/O, no runtime, no HTTP library; depends on `domain` only.
//! Whether a request is *allowed* (who owns what, prices, balances) is decided elsewhere: here is only what can be seen in its bytes.
//!
//! Read `headers` first (what authenticates a request), then `signature`, then `requests` and `replies`.

pub mod answer;
pub mod caller;
mod exact;
pub mod headers;
pub mod network_rule;
pub mod replies;
pub mod requests;
pub mod signature;
pub mod status;
pub mod strict_json;

pub use answer::{Answer, ReceivedAnswer, Unreadable};
pub use headers::{AuthHeaders, HeaderError};
pub use signature::{
    DatedKey, KeyError, SignType, SigningKey, VerifyingKey, VerifyingKeys, WrongSignature,
};
pub use status::{Accepted, Status};
