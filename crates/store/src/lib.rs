//! PostgreSQL: everything that is remembered, and the only clock that counts. All SQL of Refill is in this room.
//!
//! Depends on `domain` (whose `life::decide` it carries out) and `trust` (whom it believes by TLS); knows no HTTP, no broker, no supplier.
//! Every function is one piece of work with a bound on its time (`session`, `transaction`); none holds a transaction open across a call to
//! the outside.
//!
//! Read in the order of an order's way: `intake` (a batch is stored), `life` (claimed, called, recorded), `callbacks` (reported);
//! then `sweep` and `waiting` (what stood still, who waits), `months` (old orders out of the way), `reads` (what merchants ask), `story` (what our own people ask), `pulse` (how it went), `vitals` (what waits now, for metrics and console alike), `catalogue` (what changes seldom), `operators` and `audit` (who may do what, who did what), `check` (what must hold).

pub mod audit;
pub mod callbacks;
mod catalogue;
mod check;
mod connection;
pub mod doubt_desk;
pub mod endpoints;
mod error;
pub mod feed;
mod find;
mod fleet;
pub mod gates;
pub mod instances;
pub mod intake;
pub mod life;
pub mod load;
mod migrate;
mod months;
pub mod operators;
mod patience;
pub mod pulse;
pub mod reads;
pub mod resend;
mod seal;
mod session;
pub mod story;
mod sweep;
mod transaction;
pub mod vitals;
mod waiting;

pub use catalogue::{CatalogueTask, ImportError, Imported, Sealed, Secrets};
pub use check::{BillCheck, BillLine, Check, Difference, Finding};
pub use error::StoreError;
pub use find::Referenced;
pub use fleet::{Share, WorkerId};
pub use migrate::{Migrated, SCHEMA_NEEDED, Schema};
pub use seal::MasterKeys;
pub use session::{Connections, Settings, Store};
pub use sweep::Unannounced;
pub use waiting::{Waiter, Waiting};
