//! The outside of the platform, for the demo, the tests and the merchants' sandbox: suppliers with their own books, a merchant that
//! receives reports, and a merchant's client.
//!
//! Depends on no other room, on purpose: it is written from the contract alone, so that a wrong reading of it cannot agree with itself.
//!
//! Read `magic.rs` first: what an account makes a supplier do. Then `book.rs`, which is what every proof rests on.

mod book;
mod client;
mod clock;
mod error;
mod form_md5;
mod form_sign;
mod keys;
mod magic;
mod merchant;
mod misbehaviour;
mod name_server;
mod open_platform;
mod open_sign;
mod pages;
mod push;
mod server;
mod strength;

pub use book::{BookSummary, End, Entry};
pub use client::{Answered, Item, MerchantClient};
pub use error::SimulatorError;
pub use form_md5::{FormMd5Settings, FormMd5Supplier};
pub use keys::RsaPair;
pub use magic::Behaviour;
pub use merchant::{
    MerchantReceiver, MerchantReceiverSettings, Received, ReceivedHandle, ReceivedSummary,
};
pub use misbehaviour::Misbehaviour;
pub use name_server::NameServer;
pub use open_platform::{OpenPlatformSettings, OpenPlatformSupplier};
pub use open_sign::SignedHeaders;
