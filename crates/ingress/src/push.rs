//! `POST /v1/supplier/{id}/push`: a supplier says what became of an order.
//!
//! Its adapter checks the signature and reads the verdict, the verdict is recorded, and only after the commit the supplier hears that
//! it was heard. A stranger hears a bare HTTP status.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use domain::{Source, SupplierId};
use queue::QueueName;
use store::StoreError;
use store::life::{Fate, Moved, Pushed};
use suppliers::{PushRefused, QueryCall};
use traces::{Kind, Span, TraceParent};

use crate::answer::Refusal;
use crate::body::Bounds;
use crate::front::Front;
use crate::meters;

/// Why a push is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    #[error("no such supplier")]
    UnknownSupplier,
    #[error(transparent)]
    Body(#[from] Refusal),
    #[error(transparent)]
    Refused(#[from] PushRefused),
    #[error("the supplier was never given this reference")]
    UnknownReference,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl NotTaken {
    /// The decision: which HTTP status each refusal answers. A supplier tries again after any of them.
    pub(crate) const fn http(&self) -> StatusCode {
        match self {
            Self::UnknownSupplier | Self::UnknownReference => StatusCode::NOT_FOUND,
            Self::Body(refusal) => match refusal {
                Refusal::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                Refusal::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_REQUEST,
            },
            Self::Refused(PushRefused::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Refused(PushRefused::WrongSignature) => StatusCode::UNAUTHORIZED,
            Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Records a push and returns the supplier's word for "heard".
pub(crate) async fn hear(
    front: Arc<Front>,
    supplier: SupplierId,
    request: Request<Body>,
) -> Result<&'static str, NotTaken> {
    let known = front.known();
    let adapter = known.adapter(&supplier).ok_or(NotTaken::UnknownSupplier)?;
    let (head, body) = request.into_parts();
    let bounds = Bounds {
        most_bytes: suppliers::MAX_BODY_BYTES,
        within: Duration::from_millis(front.settings.body_timeout_ms),
    };
    let body = front.body_memory.read(&head.headers, body, bounds).await?;
    let push = adapter.read_push(&head.headers, &body.bytes)?;
    let _place = front.place(supplier.as_str())?;
    let begun = Instant::now();

    let named = (supplier, push.reference().to_owned());
    let mut found = front
        .store
        .find_references(std::slice::from_ref(&named))
        .await?;
    let attempt = found.remove(&named).ok_or(NotTaken::UnknownReference)?;
    let result = push.against(&QueryCall {
        reference: &named.1,
        account: &attempt.account,
        face_value: attempt.spec,
    });
    tracing::info!(
        supplier = %named.0,
        order = %attempt.key.order,
        verdict = result.verdict.word(),
        "the supplier pushed a result"
    );
    meters::pushed(&named.0, result.verdict.word());
    let pushed = Pushed {
        key: attempt.key,
        attempt: attempt.attempt,
        evidence: result.into_evidence(Source::Push),
    };
    for order in front.pushes.record(pushed).await? {
        let trace = order.traceparent.as_deref().and_then(TraceParent::parse);
        let mut span = Span::after(trace.as_ref(), "push", Kind::Server, begun);
        span.note("order", order.key.order);
        span.note("supplier", &named.0);
        span.note("outcome", order.state.word());
        hint(&front, order, trace);
    }
    Ok(adapter.push_answer())
}

/// Tells whoever is next. Not waited for: what gets lost is found by the sweepers.
fn hint(front: &Front, moved: Moved, trace: Option<TraceParent>) {
    meters::moved(&moved);
    let queue = match moved.fate {
        Fate::Finished { report: true } => QueueName::callbacks(),
        Fate::Again => match QueueName::orders(&moved.lane) {
            Ok(queue) => queue,
            Err(_) => return,
        },
        Fate::Finished { report: false } | Fate::Waiting | Fate::Doubt => return,
    };
    if let Err(error) = front.publisher.try_publish(&queue, vec![moved.key], trace) {
        tracing::debug!(%error, "left to the sweeper");
    }
}

/// What a supplier is answered.
pub(crate) fn response(taken: Result<&'static str, NotTaken>) -> Response<Body> {
    let (http, text) = match taken {
        Ok(word) => (StatusCode::OK, word),
        Err(refusal) => (refusal.http(), ""),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = http;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_hears_a_bare_status() {
        for (refusal, http) in [
            (NotTaken::UnknownSupplier, 404),
            (NotTaken::UnknownReference, 404),
            (PushRefused::WrongSignature.into(), 401),
            (PushRefused::Missing("sign").into(), 400),
            (PushRefused::TooLarge.into(), 413),
            (StoreError::TooSlow.into(), 503),
            (StoreError::CommitUnknown.into(), 503),
            (StoreError::Locked.into(), 503),
            (Refusal::Overloaded.into(), 503),
        ] {
            assert_eq!(response(Err(refusal)).status().as_u16(), http);
        }
    }
}
