//! Between the numbers in the tables and the types of `domain`.

use domain::life::{Attempt, Wait};
use domain::{AttemptNo, AttemptState, Catalogue, Money, SupplierId, UnixMs, reference};

use super::load::Loaded;
use crate::StoreError;

/// What a call needs to know of its attempt, fixed when the attempt was written.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) supplier: SupplierId,
    pub(super) reference: String,
    pub(super) sku: String,
    pub(super) cost: Money,
}

/// The ticket of an attempt that is about to be written.
pub(super) fn new_ticket(
    order: &Loaded,
    no: AttemptNo,
    supplier: &SupplierId,
    catalogue: &Catalogue,
) -> Result<Ticket, StoreError> {
    let (route, _) = catalogue
        .routes_of(&order.product)
        .find(|(route, _)| &route.supplier == supplier)
        .ok_or_else(|| StoreError::unreadable("a way that is not in the catalogue"))?;
    Ok(Ticket {
        supplier: supplier.clone(),
        reference: reference::of_attempt(order.key.order, no),
        sku: route.sku.clone(),
        cost: catalogue
            .products
            .get(&order.product)
            .map_or(route.cost, |product| route.cost_of(product, order.spec)),
    })
}

pub(super) fn attempt_state(number: i16) -> Result<AttemptState, StoreError> {
    AttemptState::from_number(number)
        .ok_or_else(|| StoreError::unreadable(format!("attempt state {number}")))
}

/// A timer row; none: nothing is waited for.
pub(super) fn wait(kind: Option<i16>, due_at: Option<i64>) -> Result<Wait, StoreError> {
    match (kind, due_at.map(UnixMs)) {
        (None, _) => Ok(Wait::Nothing),
        (Some(0), Some(at)) => Ok(Wait::Hint(at)),
        (Some(1), Some(at)) => Ok(Wait::Lease(at)),
        (Some(2), Some(at)) => Ok(Wait::Check(at)),
        (Some(kind), _) => Err(StoreError::unreadable(format!("timer kind {kind}"))),
    }
}

/// The timer row of a wait.
pub(super) const fn timer(wait: Wait) -> Option<(i16, i64)> {
    match wait {
        Wait::Hint(at) => Some((0, at.0)),
        Wait::Lease(at) => Some((1, at.0)),
        Wait::Check(at) => Some((2, at.0)),
        Wait::Nothing => None,
    }
}

/// A row of `attempts` with the columns that `load` names, from `first` on.
pub(super) fn attempt(row: &tokio_postgres::Row) -> Result<(Attempt, Ticket), StoreError> {
    let supplier = SupplierId::new(row.get::<_, String>("supplier_id"));
    let attempt = Attempt {
        no: AttemptNo(row.get("attempt_no")),
        supplier: supplier.clone(),
        state: attempt_state(row.get("state"))?,
        first_call_at: UnixMs(row.get("first_call_ms")),
        last_call_at: UnixMs(row.get("last_call_ms")),
        calls: row.get("calls"),
        last_verdict: row.get("last_verdict"),
    };
    let ticket = Ticket {
        supplier,
        reference: row.get("reference"),
        sku: row.get("sku"),
        cost: Money::from_units(row.get("cost")),
    };
    Ok((attempt, ticket))
}
