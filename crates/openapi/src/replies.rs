//! What is answered and reported, written with a fixed order of fields; and the same, read from another platform that speaks the
//! contract (`CONTRACT.md` §3, §4 and §6).

mod balance;
mod batch_report;
mod events;
mod orders;
mod products;
mod received;

pub use balance::{Balance, CallbackHealth};
pub use batch_report::BatchReport;
pub use events::{Events, Resent};
pub use orders::{BatchInfo, CallbackReport, OrderInfo, StateCounts, StoredItem};
pub use products::{ProductEntry, product_list};
pub use received::{ReceivedItem, ReceivedOrder};
