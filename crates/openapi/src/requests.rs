//! What merchants ask, read from a body's bytes (`CONTRACT.md` §3 and §4).
//!
//! Reading finds everything that is wrong with the bytes alone, each problem named by field and rule. The `openapi` supplier shape
//! writes the same types.

mod batch;
mod callback_url;
mod digest;
mod fields;
mod problems;
mod reads;

pub use batch::{BatchItem, BatchLimits, OrderBatch};
pub use callback_url::{CallbackUrl, NotACallbackUrl};
pub use digest::ContentDigest;
pub use problems::{BadRequest, ItemProblem, ItemProblems, MOST_LISTED};
pub use reads::{
    BalanceRequest, BatchInfoRequest, EventsRequest, OrderInfoRequest, ProductListRequest,
    ResendRequest,
};
