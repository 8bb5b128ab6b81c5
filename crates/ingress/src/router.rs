//! Which path leads where, and what is the same for all of them: every request runs to its end, is answered, counted and logged once.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{Request, Response};
use axum::routing::{MethodRouter, post};
use domain::SupplierId;

use crate::answer::{Done, Refusal};
use crate::authenticate::{Signed, admit};
use crate::front::Front;
use crate::meters::{self, InFlight};
use crate::push::{self, NotTaken};
use crate::{balance, batch, batch_info, info, products};

/// The label of requests that lead nowhere.
const NOWHERE: &str = "none";

/// All paths.
pub(crate) fn router(front: &Arc<Front>) -> Router {
    Router::new()
        .route(
            "/v1/openapi/order/batch",
            signed(front, "order/batch", batch::place),
        )
        .route(
            "/v1/openapi/order/info",
            signed(front, "order/info", info::show),
        )
        .route(
            "/v1/openapi/order/batch/info",
            signed(front, "order/batch/info", batch_info::show),
        )
        .route(
            "/v1/openapi/merchant/business/balance",
            signed(front, "merchant/business/balance", balance::show),
        )
        .route(
            "/v1/openapi/order/product/list",
            signed(front, "order/product/list", products::list),
        )
        .route("/v1/supplier/{id}/push", pushed(front))
        .fallback(|| async { nowhere(&Refusal::NoSuchPath) })
        .method_not_allowed_fallback(|| async { nowhere(&Refusal::WrongMethod) })
}

/// A merchant's path: let in, then acted on.
fn signed<Act, Acting>(front: &Arc<Front>, path: &'static str, act: Act) -> MethodRouter
where
    Act: Fn(Arc<Front>, Signed) -> Acting + Copy + Send + Sync + 'static,
    Acting: Future<Output = Result<Done, Refusal>> + Send,
{
    let front = Arc::clone(front);
    post(move |request: Request<Body>| {
        let front = Arc::clone(&front);
        async move {
            let begun = Instant::now();
            let acting = Arc::clone(&front);
            let work = async move {
                let signed = admit(&acting, request).await?;
                act(acting, signed).await
            };
            let answer = to_its_end(&front, work)
                .await
                .unwrap_or(Err(Refusal::Broken));
            let status = match &answer {
                Ok(_) => 0,
                Err(refusal) => refused(path, refusal),
            };
            let response = answer.map_or_else(|refusal| refusal.response(), Done::response);
            meters::answered(
                path,
                response.status().as_u16(),
                Some(status),
                begun.elapsed(),
            );
            response
        }
    })
}

/// The suppliers' path.
fn pushed(front: &Arc<Front>) -> MethodRouter {
    const PATH: &str = "supplier/push";
    let front = Arc::clone(front);
    post(
        move |supplier: Result<Path<String>, PathRejection>, request: Request<Body>| {
            let front = Arc::clone(&front);
            async move {
                let begun = Instant::now();
                let hearing = Arc::clone(&front);
                let work = async move {
                    let Path(supplier) = supplier.map_err(|_| NotTaken::UnknownSupplier)?;
                    push::hear(hearing, SupplierId::new(supplier), request).await
                };
                let taken = to_its_end(&front, work)
                    .await
                    .unwrap_or(Err(NotTaken::Body(Refusal::Broken)));
                if let Err(refusal) = &taken {
                    tracing::warn!(reason = %refusal, "a supplier's push was not taken");
                }
                let response = push::response(taken);
                meters::answered(PATH, response.status().as_u16(), None, begun.elapsed());
                response
            }
        },
    )
}

fn nowhere(refusal: &Refusal) -> Response<Body> {
    let response = refusal.response();
    let status = refusal.decide().status.number();
    meters::answered(
        NOWHERE,
        response.status().as_u16(),
        Some(status),
        std::time::Duration::ZERO,
    );
    response
}

/// Runs a request to its end, whether its caller waits or not. `None`: it panicked.
async fn to_its_end<W>(front: &Front, work: W) -> Option<W::Output>
where
    W: Future<Output: Send + 'static> + Send + 'static,
{
    let in_flight = InFlight::begin();
    let running = front.requests.spawn(async move {
        let output = work.await;
        drop(in_flight);
        output
    });
    running
        .await
        .inspect_err(|error| tracing::error!(%error, "a request broke"))
        .ok()
}

/// Logs a refusal and gives its status. What strangers can cause at will is not worth a line.
fn refused(path: &'static str, refusal: &Refusal) -> i32 {
    match refusal {
        Refusal::Store(error) => tracing::error!(%error, path, "the database failed a request"),
        _ => tracing::debug!(path, reason = %refusal, "request refused"),
    }
    refusal.decide().status.number()
}
