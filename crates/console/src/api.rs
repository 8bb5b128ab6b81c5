//! The same for programs: what the pages show and do, as JSON. `API.md` describes it; a test holds the two together.
//!
//! A program comes with an operator's token (`door`), and never by a cookie, so that no browser can be made to speak for anybody. What is
//! done is the function that the pages and the subcommands call (`actions`), what is told has the shape that they print (`told`).

mod answer;
mod callbacks;
mod catalogue;
mod door;
mod doubts;
mod gates;
mod orders;
mod overview;
mod parked;
mod people;
mod said;

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use store::operators::Role;

use self::answer::Refusal;
use crate::actions::Action;
use crate::desk::Desk;

/// Something that may be asked for. Who may is decided by `actions`; what stands here of it is what the document says.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "a test holds the document against it")
)]
struct Route {
    method: Method,
    /// Below `/api/v1`.
    path: &'static str,
    /// The least role that is answered.
    least: Role,
    /// What it does; nothing where it only tells.
    does: Option<Action>,
    handler: MethodRouter<Arc<Desk>>,
}

/// What everybody who comes in may read.
fn told<H, T>(path: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<Desk>>,
    T: 'static,
{
    Route {
        method: Method::GET,
        path,
        least: Role::Viewer,
        does: None,
        handler: get(handler),
    }
}

/// What the role that may do this may do.
fn done<H, T>(action: Action, path: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<Desk>>,
    T: 'static,
{
    Route {
        method: Method::POST,
        path,
        least: action.least(),
        does: Some(action),
        handler: post(handler),
    }
}

/// All that may be asked for.
fn routes() -> Vec<Route> {
    vec![
        told("/overview", overview::overview),
        told("/orders", orders::search),
        told("/orders/{code}", orders::order),
        told("/batches/{business}", orders::batch),
        told("/doubts", doubts::doubts),
        told("/discrepancies", doubts::discrepancies),
        told("/suppliers", gates::suppliers),
        told("/lanes", gates::lanes),
        told("/lanes/{lane}/{standing}", gates::at_suppliers),
        told("/endpoints", gates::endpoints),
        told("/parked", parked::parked),
        told("/callbacks", callbacks::callbacks),
        told("/businesses", catalogue::businesses),
        told("/businesses/{id}", catalogue::business),
        told("/products", catalogue::products),
        told("/audit", people::audit),
        Route {
            least: people::LISTING.least(),
            ..told("/operators", people::operators)
        },
        done(Action::CancelOrder, "/orders/{code}/cancel", orders::cancel),
        done(
            Action::CancelOrder,
            "/batches/{business}/cancel",
            orders::cancel_batch,
        ),
        done(
            Action::ProposeDoubt,
            "/doubts/{code}/propose",
            doubts::propose,
        ),
        done(
            Action::ConfirmDoubt,
            "/doubts/{code}/confirm",
            doubts::confirm,
        ),
        done(
            Action::PauseSupplier,
            "/suppliers/{supplier}/pause",
            gates::pause_supplier,
        ),
        done(
            Action::ResumeSupplier,
            "/suppliers/{supplier}/resume",
            gates::resume_supplier,
        ),
        done(Action::PauseLane, "/lanes/{lane}/pause", gates::pause_lane),
        done(
            Action::ResumeLane,
            "/lanes/{lane}/resume",
            gates::resume_lane,
        ),
        done(
            Action::PauseEndpoint,
            "/endpoints/pause",
            gates::pause_endpoint,
        ),
        done(
            Action::ResumeEndpoint,
            "/endpoints/resume",
            gates::resume_endpoint,
        ),
        done(Action::RequeueParked, "/parked/requeue", parked::requeue),
        done(Action::DropParked, "/parked/drop", parked::discard),
        done(Action::Resend, "/callbacks/resend", callbacks::resend),
        done(
            Action::PauseJob,
            "/callbacks/jobs/{id}/pause",
            callbacks::pause_job,
        ),
        done(
            Action::ResumeJob,
            "/callbacks/jobs/{id}/resume",
            callbacks::resume_job,
        ),
        done(
            Action::CancelJob,
            "/callbacks/jobs/{id}/cancel",
            callbacks::cancel_job,
        ),
        done(Action::AddOperator, "/operators", people::add),
        done(Action::SetRole, "/operators/{name}/role", people::set_role),
        done(
            Action::SetActive,
            "/operators/{name}/disable",
            people::disable,
        ),
        done(
            Action::SetActive,
            "/operators/{name}/enable",
            people::enable,
        ),
    ]
}

/// All of it, behind its own door; to be put below `/api`.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    let routes = routes().into_iter();
    let routes = routes.fold(Router::new(), |router, route| {
        router.route(route.path, route.handler)
    });
    let routes = routes.method_not_allowed_fallback(async || Refusal::WRONG_METHOD);
    Router::new()
        .nest("/v1", routes)
        .fallback(async || Refusal::NOWHERE)
        .layer(from_fn_with_state(Arc::clone(&desk), door::enter))
        .with_state(desk)
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
