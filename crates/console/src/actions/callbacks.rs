//! Reports that are sent again, and the jobs that do it.

use domain::UnixMs;
use serde_json::json;
use store::Store;
use store::audit::Deed;
use store::reads::OrderName;
use store::resend::{JobOrder, Resend, ResendJob, ResendRequest};
use uuid::Uuid;

use super::{Action, Actor, NotDone, begin};

/// Reports a second that a job sends, unless somebody says otherwise.
pub const PER_SECOND: u32 = 20;

/// The reports of orders that were placed from the first moment to before the second.
pub fn placed(from: UnixMs, to: UnixMs) -> Result<Resend, NotDone> {
    if from < to {
        return Ok(Resend::Placed(from, to));
    }
    Err(NotDone::Invalid("from", "must be before to".into()))
}

/// Sends reports again; a job does it, a few each second.
pub async fn resend(
    store: &Store,
    actor: &Actor,
    request: &ResendRequest,
) -> Result<ResendJob, NotDone> {
    let which = match &request.which {
        Resend::Order(OrderName::Code(code)) => json!({ "order": code }),
        Resend::Order(OrderName::BizCode(number)) => json!({ "biz_code": number }),
        Resend::Batch(batch) => json!({ "batch": batch }),
        Resend::Parked => json!("parked"),
        Resend::Placed(from, to) => json!({ "placed_from": from.0, "to": to.0 }),
    };
    let parameters = json!({
        "which": which, "only_parked": request.only_parked, "per_second": request.per_second,
    });
    // What is about one order or one batch is found with it.
    let object = match &request.which {
        Resend::Order(OrderName::Code(code)) => Deed::order(*code),
        Resend::Batch(batch) => Deed::batch(&request.business, batch),
        _ => format!("business {}", request.business),
    };
    let begun = begin(store, actor, Action::Resend, object, parameters).await?;
    let job = store.begin_resend_by(request, &begun.deed).await;
    begun.ended(job.map_err(NotDone::from)).await
}

/// Pauses, resumes or cancels a job.
pub async fn order_job(
    store: &Store,
    actor: &Actor,
    id: Uuid,
    order: JobOrder,
) -> Result<ResendJob, NotDone> {
    let (action, state) = match order {
        JobOrder::Pause => (Action::PauseJob, "running"),
        JobOrder::Resume => (Action::ResumeJob, "paused"),
        JobOrder::Cancel => (Action::CancelJob, "running or paused"),
    };
    let begun = begin(store, actor, action, format!("job {id}"), json!({})).await?;
    let done = match store.order_resend_job(id, order, &begun.deed).await {
        Ok(Some(job)) => Ok(job),
        Ok(None) => Err(NotDone::Unchanged(format!("no job {id} is {state}"))),
        Err(error) => Err(error.into()),
    };
    begun.ended(done).await
}
