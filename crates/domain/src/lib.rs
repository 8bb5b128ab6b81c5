//! What Refill knows about orders, money and suppliers, without any I/O.

mod ids;
mod money;

pub use ids::{
    AttemptNo, BusinessId, Epoch, Lane, MerchantId, NotAnOrderCode, OrderCode, OrderKey,
    ProductCode, SupplierId, UnixMs,
};
pub use money::{Money, MoneyError};
