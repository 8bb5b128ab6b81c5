//! `POST /v1/openapi/order/events` (`CONTRACT.md` §4).

use std::sync::Arc;

use openapi::replies::{CallbackReport, Events};
use openapi::requests::EventsRequest;

use crate::answer::{Done, Refusal};
use crate::authenticate::Signed;
use crate::front::Front;

/// Answers what has happened to the business's orders since the cursor.
pub(crate) async fn list(front: Arc<Front>, signed: Signed) -> Result<Done, Refusal> {
    let asked = signed.read(&front, EventsRequest::read).await?;
    let business = &signed.request.business;
    let found = front
        .store
        .events(business, asked.after, i64::from(asked.limit))
        .await?;
    let last = found.last().map_or(asked.after, |event| event.no);
    Done::with(Events {
        cursor: last.to_string(),
        events: found
            .into_iter()
            .map(|event| CallbackReport(event.order))
            .collect(),
    })
}
