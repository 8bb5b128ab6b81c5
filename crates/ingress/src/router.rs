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
use crate::{balance, batch, batch_info, events, info, products, resend};

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
        .route(
            "/v1/openapi/order/events",
            signed(front, "order/events", events::list),
        )
        .route(
            "/v1/openapi/callback/resend",
            signed(front, "callback/resend", resend::ask),
        )
        .route("/v1/supplier/{id}/push", pushed(front))
        .fallback(|| async { nowhere(&Refusal::NoSuchPath) })
        .method_not_allowed_fallback(|| async { nowhere(&Refusal::WrongMethod) })
}

/// A merchant's path: let in, then acted on.
fn signed<Act, Acting>(front: &Arc<Front>, path: &'static str, act: Act) -> MethodRouter
where
    Act: Fn(Arc<Front>, Signed) -> Acting + Clone + Send + Sync + 'static,
    Acting: Future<Output = Result<Done, Refusal>> + Send,
{
    let front = Arc::clone(front);
    post(move |request: Request<Body>| {
        let (front, act) = (Arc::clone(&front), act.clone());
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
    meters::refused(NOWHERE, refusal.word());
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

/// Counts and logs a refusal and gives its status. What strangers can cause at will is not worth a line.
fn refused(path: &'static str, refusal: &Refusal) -> i32 {
    if let Refusal::Store(error) = refusal {
        tracing::error!(%error, path, "the database failed a request");
    } else {
        tracing::debug!(path, reason = %refusal, "request refused");
    }
    meters::refused(path, refusal.word());
    refusal.decide().status.number()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::catalogue::{Business, BusinessKey, KeyKind};
    use domain::{BusinessId, Catalogue, MerchantId};
    use openapi::SigningKey;
    use queue::Publisher;
    use store::Store;
    use tokio::sync::watch;
    use tower::ServiceExt;

    use super::*;
    use crate::admission::Admission;
    use crate::announce::Announcer;
    use crate::front::BackRooms;
    use crate::intake::IntakeHandle;
    use crate::known::Known;
    use crate::nonces::NonceHandle;
    use crate::pushes::PushHandle;
    use crate::settings::Settings;

    const SECRET: &str = "7c1d0e4b92f5484cbd83c1d20b6a55e9";
    const PATH: &str = "/path";

    /// What all requests share, with nothing behind it: no database, no broker.
    fn front(settings: Settings) -> Arc<Front> {
        let business = Business {
            id: BusinessId::new("b"),
            merchant: MerchantId::new("m"),
            enabled: true,
            rsa_allowed: false,
            md5_allowed: true,
            keys: vec![BusinessKey {
                kind: KeyKind::Md5,
                text: SECRET.into(),
                not_before: None,
                not_after: None,
            }],
            callback_url: None,
            callback_sign: KeyKind::Md5,
            callback_keys: vec!["default".into()],
            batch_report: false,
            ip_allow: vec![],
            rate_limit: 0,
            order_limit: 0,
            max_in_flight: 0,
        };
        let known = Known::of(Arc::new(Catalogue {
            businesses: [(business.id.clone(), business)].into(),
            ..Catalogue::default()
        }));
        let store = Store::new(&store::Settings::for_url("postgres://127.0.0.1:1/none")).unwrap();
        let broker = queue::Settings::new("amqp://127.0.0.1:1/%2f", "ingress").unwrap();
        let (publisher, _) = Publisher::new(broker);
        let (announcer, _) =
            Announcer::new(publisher.clone(), store.clone(), 1, Duration::from_secs(1));
        let (_, known) = watch::channel(Arc::new(known));
        let rooms = BackRooms {
            intake: IntakeHandle::new(store.clone(), 1).0,
            nonces: NonceHandle::new(store.clone(), 1).0,
            pushes: PushHandle::new(store.clone(), known.clone(), 1).0,
            announcer,
            admission: Admission::default(),
        };
        Arc::new(Front::new(settings, store, publisher, known, rooms))
    }

    fn request() -> Request<Body> {
        let key = SigningKey::md5(SECRET).unwrap();
        let signed = key
            .sign(&BusinessId::new("b"), Front::now(), b"{}")
            .unwrap();
        let mut request = Request::post(PATH).header("content-type", "application/json");
        for (name, value) in signed.pairs() {
            request = request.header(name, value);
        }
        request.body(Body::from("{}")).unwrap()
    }

    async fn answered(router: Router) -> (u16, String) {
        let response = router.oneshot(request()).await.unwrap();
        let http = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1_000)
            .await
            .unwrap();
        (http, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_request_that_panics_is_answered_query_before_acting() {
        let front = front(Settings::default());
        let broken = signed(&front, "path", |_, _| async { panic!("a bug") });
        let (http, body) = answered(Router::new().route(PATH, broken)).await;
        assert_eq!(http, 500);
        assert!(
            body.contains(r#""status":98"#) && body.contains(r#""accepted":"unknown""#),
            "{body}"
        );
    }

    #[tokio::test]
    async fn more_requests_than_there_are_places_are_turned_away_at_once() {
        let front = front(Settings {
            max_in_flight: 1,
            ..Settings::default()
        });
        let (begun, mut seen) = watch::channel(false);
        let (release, held) = watch::channel(false);
        let (begun, held) = (Arc::new(begun), Arc::new(held));
        let slow = signed(&front, "path", move |_, signed: Signed| {
            let (begun, mut held) = (Arc::clone(&begun), (*held).clone());
            async move {
                begun.send_replace(true);
                let _ = held.wait_for(|go| *go).await;
                drop(signed);
                Done::with(())
            }
        });
        let router = Router::new().route(PATH, slow);
        let first = tokio::spawn(answered(router.clone()));
        seen.wait_for(|begun| *begun).await.unwrap();
        let (http, body) = answered(router.clone()).await;
        assert_eq!(http, 503);
        assert!(body.contains(r#""accepted":"no""#), "{body}");
        release.send_replace(true);
        assert_eq!(first.await.unwrap().0, 200);
        assert_eq!(answered(router).await.0, 200);
    }
}
