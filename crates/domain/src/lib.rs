//! What Refill knows about orders, money, products and suppliers, without any I/O.
//!
//! Depends on no other room. Everything here is a value or a pure function: no tokio, no SQL, no HTTP.
//!
//! Read `life/decide.rs` first: the one decision that everything else carries out.
//! `tests/search.rs` tries that decision against every schedule of two workers, and against wrong variants of itself.
//! Then `reason.rs` (why an order waits for a person), `verdict.rs` (what suppliers say), `card.rs` (what they promise), `product.rs`
//! (what merchants may ask for).

mod account;
mod batch_facts;
pub mod card;
pub mod catalogue;
pub mod catalogue_file;
mod endpoint;
pub mod gates;
mod ids;
pub mod life;
mod money;
mod order_facts;
pub mod product;
mod reason;
pub mod reference;
pub mod schedule;
mod state;
mod verdict;

pub use account::masked_account;
pub use batch_facts::{BatchFacts, FailedItem};
pub use catalogue::Catalogue;
pub use endpoint::Endpoint;
pub use ids::{
    AttemptNo, BusinessId, Epoch, Lane, MerchantId, NotAnOrderCode, OrderCode, OrderKey,
    ProductCode, SupplierId, UnixMs,
};
pub use money::{Money, MoneyError};
pub use order_facts::OrderFacts;
pub use reason::Reason;
pub use state::{AttemptState, OrderState};
pub use verdict::{Evidence, Source, Verdict};
