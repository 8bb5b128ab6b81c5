//! Suppliers and lanes, shut for new orders and opened again.

use domain::{Catalogue, Lane, SupplierId};
use serde_json::json;
use store::Store;

use super::{Action, Actor, NotDone, begin, text};

/// What is shut or opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// A supplier.
    Supplier(SupplierId),
    /// A supplier, in one lane.
    SupplierInLane(SupplierId, Lane),
    /// A lane, whichever supplier.
    Lane(Lane),
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Supplier(supplier) => write!(f, "supplier {supplier}"),
            Self::SupplierInLane(supplier, lane) => write!(f, "supplier {supplier} in lane {lane}"),
            Self::Lane(lane) => write!(f, "lane {lane}"),
        }
    }
}

impl Gate {
    const fn parts(&self) -> (Option<&SupplierId>, Option<&Lane>) {
        match self {
            Self::Supplier(supplier) => (Some(supplier), None),
            Self::SupplierInLane(supplier, lane) => (Some(supplier), Some(lane)),
            Self::Lane(lane) => (None, Some(lane)),
        }
    }

    fn is_in(&self, catalogue: &Catalogue) -> Result<(), NotDone> {
        let (supplier, lane) = self.parts();
        if let Some(id) = supplier.filter(|id| !catalogue.suppliers.contains_key(*id)) {
            return Err(NotDone::Refused(format!("there is no supplier {id}")));
        }
        if let Some(lane) = lane.filter(|lane| !catalogue.lanes().contains(*lane)) {
            return Err(NotDone::Refused(format!(
                "no product travels the lane {lane}"
            )));
        }
        Ok(())
    }
}

/// Shuts it for new orders; what a supplier has is still cleared up. The whole fleet knows within seconds.
pub async fn pause(
    store: &Store,
    actor: &Actor,
    gate: &Gate,
    reason: &str,
    catalogue: &Catalogue,
) -> Result<(), NotDone> {
    let action = match gate {
        Gate::Lane(_) => Action::PauseLane,
        _ => Action::PauseSupplier,
    };
    let begun = begin(
        store,
        actor,
        action,
        gate.to_string(),
        json!({ "reason": reason }),
    )
    .await?;
    let work = async {
        let reason = text("reason", reason, 0, 200)?;
        gate.is_in(catalogue)?;
        let (supplier, lane) = gate.parts();
        if store
            .pause(supplier, lane, &actor.name, &reason, &begun.deed)
            .await?
        {
            return Ok(());
        }
        Err(NotDone::Unchanged(format!("{gate} was paused already")))
    };
    let done = work.await;
    begun.ended(done).await
}

/// Opens it again.
pub async fn resume(store: &Store, actor: &Actor, gate: &Gate) -> Result<(), NotDone> {
    let action = match gate {
        Gate::Lane(_) => Action::ResumeLane,
        _ => Action::ResumeSupplier,
    };
    let begun = begin(store, actor, action, gate.to_string(), json!({})).await?;
    let (supplier, lane) = gate.parts();
    let done = match store.resume(supplier, lane, &begun.deed).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(NotDone::Unchanged(format!("{gate} was not paused"))),
        Err(error) => Err(error.into()),
    };
    begun.ended(done).await
}
