//! An order's story as a command tells it: what its page shows, in the page's English words.

use domain::{OrderCode, UnixMs};
use store::story::{MOST_ENTRIES, OrderStory};
use store::{Store, StoreError};

use crate::standing::{Standing, standing};
pub use crate::story::Moment;
use crate::story::{is_cut, timeline};
use crate::tongue::ENGLISH;

/// An order, and what is to be said about it.
pub struct Told {
    /// What is known about it.
    pub order: OrderStory,
    /// All that happened to it, in the order of time.
    pub moments: Vec<Moment>,
    /// Why it stands where it stands, and what happens next.
    pub standing: String,
    /// When that happens.
    pub next_at: Option<UnixMs>,
    /// Whether only the newest entries of some kind are told.
    pub is_cut: bool,
}

/// Tells an order's story; `None`: there is no such order.
pub async fn order(store: &Store, code: OrderCode) -> Result<Option<Told>, StoreError> {
    let Some(order) = store.order_story(&code).await? else {
        return Ok(None);
    };
    let deeds = store.deeds_about(&order, MOST_ENTRIES).await?;
    let catalogue = store.catalogue().await?;
    let Standing { why, next } = standing(&ENGLISH, &order, &catalogue);
    Ok(Some(Told {
        moments: timeline(&ENGLISH, &order, &deeds),
        standing: why,
        next_at: next,
        is_cut: is_cut(&order),
        order,
    }))
}
