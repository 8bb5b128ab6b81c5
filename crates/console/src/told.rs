//! What commands print with `--json` and the API answers: one shape for both. And an order's story as they tell it, which is what its page
//! shows, in the page's English words. Money is decimal text, moments are milliseconds since 1970.

mod callbacks;
mod doubts;
mod gates;
mod operators;
mod orders;
mod queues;

use domain::{Catalogue, OrderCode, UnixMs};
use store::story::{MOST_ENTRIES, OrderStory};
use store::{Store, StoreError};

use crate::standing::{Standing, standing};
pub use crate::story::Moment;
use crate::story::{is_cut, timeline};
use crate::tongue::ENGLISH;

pub use callbacks::{job, job_state, parked_report, would_be_sent};
pub use doubts::{case, closed, outcome, proposed};
pub(crate) use gates::pause;
pub use gates::{
    endpoint, endpoint_paused, endpoint_resumed, endpoint_state, paused, resumed, suppliers,
};
pub use operators::{
    MAY_AGAIN, MAY_NOT, audit_line, changed, is_now, may_sign_in, new_token, operator, token,
};
pub use orders::{cancelled, found};
pub use queues::{parked_message, queue, settled};

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
    order_by(store, code, &store.catalogue().await?).await
}

/// The same by a catalogue that is known already.
pub(crate) async fn order_by(
    store: &Store,
    code: OrderCode,
    catalogue: &Catalogue,
) -> Result<Option<Told>, StoreError> {
    let Some(order) = store.order_story(&code).await? else {
        return Ok(None);
    };
    let deeds = store.deeds_about(&order, MOST_ENTRIES).await?;
    let Standing { why, next } = standing(&ENGLISH, &order, catalogue);
    Ok(Some(Told {
        moments: timeline(&ENGLISH, &order, &deeds),
        standing: why,
        next_at: next,
        is_cut: is_cut(&order),
        order,
    }))
}
