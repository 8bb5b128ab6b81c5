//! What waits now, and how fast it goes; the page keeps itself fresh.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use domain::{Lane, SupplierId};
use futures::{FutureExt, Stream};
use store::endpoints::{EndpointLine, Standing};
use store::gates::{Pause, SupplierLine};
use store::instances::Instance;
use store::story::{BalanceLine, SupplierOutcomes};
use store::vitals::Vitals;

use super::{Page, page};
use crate::alarms::{Alarm, Facts, alarms};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::pulse::Rhythm;
use crate::queues::{QueueLine, of_lane};
use crate::tongue::Words;
use crate::trouble::Trouble;
use crate::words;

/// How often a page that is looked at is renewed.
const EVERY: Duration = Duration::from_secs(2);
/// How often a stream renews its page; then the browser asks again, and whoever is signed out by then is told so.
const RENEWALS: u32 = 60;
/// The most endpoints that are shown.
const ENDPOINTS: usize = 100;
/// The most balances that are shown.
const BALANCES: i64 = 100;

/// What is seen at one moment.
pub(crate) struct Sight {
    pub(crate) vitals: Arc<Vitals>,
    balances: Vec<BalanceLine>,
    rhythm: Arc<Rhythm>,
    suppliers: Vec<SupplierLine>,
    outcomes: Arc<HashMap<SupplierId, SupplierOutcomes>>,
    pub(crate) pauses: Vec<Pause>,
    endpoints: Vec<EndpointLine>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) catalogue_version: i64,
    /// Nothing when the broker is away.
    queues: Option<Vec<QueueLine>>,
    pub(crate) alarms: Vec<Alarm>,
}

impl Sight {
    fn pause_of(&self, lane: &Lane) -> Option<&Pause> {
        self.pauses.iter().find(|pause| pause.is_of_lane(lane))
    }

    fn queue_of(&self, lane: &Lane) -> Option<&QueueLine> {
        of_lane(self.queues.as_deref(), lane)
    }

    async fn of(desk: &Desk) -> Result<Self, Trouble> {
        let store = &desk.store;
        let mut endpoints = desk.ask(store.unwell_endpoints()).await?;
        let vitals = desk.vitals().await?;
        let suppliers = desk.ask(store.suppliers()).await?;
        let pauses = desk.ask(store.pauses()).await?;
        let instances = desk.ask(store.instances()).await?;
        let outcomes = desk.outcomes().await?;
        let queues = desk.queues.lines();
        let alarms = alarms(&Facts {
            vitals: &vitals,
            suppliers: &suppliers,
            outcomes: &outcomes,
            pauses: &pauses,
            endpoints: &endpoints,
            instances: &instances,
            queues: queues.as_deref(),
        });
        endpoints.truncate(ENDPOINTS);
        Ok(Self {
            vitals,
            balances: desk.ask(store.least_balances(BALANCES)).await?,
            rhythm: desk.rhythm().await,
            suppliers,
            outcomes,
            pauses,
            endpoints,
            instances,
            catalogue_version: desk.catalogue().version,
            queues,
            alarms,
        })
    }
}

pub(crate) async fn sight(desk: &Desk) -> Result<Arc<Sight>, Trouble> {
    desk.sight.or(Sight::of(desk).boxed()).await
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    w: &'static Words,
    frame: Frame,
    sight: Arc<Sight>,
}

#[derive(Template)]
#[template(path = "overview_body.html")]
struct OverviewBody<'f> {
    w: &'static Words,
    frame: &'f Frame,
    sight: Arc<Sight>,
}

pub(super) async fn overview(State(desk): State<Arc<Desk>>, frame: Frame) -> Page {
    let sight = sight(&desk).await?;
    page(&OverviewPage {
        w: frame.w,
        frame,
        sight,
    })
}

/// The overview's content, again and again.
pub(super) async fn live(State(desk): State<Arc<Desk>>, mut frame: Frame) -> Page {
    let place = Arc::clone(&desk.watchers).try_acquire_owned();
    let place = place.map_err(|_| Trouble::TooSlow)?;
    // Its forms lead back to the page, not to the stream.
    frame.here = "/".into();
    Ok(Sse::new(renewals(desk, frame, place)).into_response())
}

fn renewals(
    desk: Arc<Desk>,
    frame: Frame,
    place: tokio::sync::OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold(
        (desk, frame, place, 0),
        |(desk, frame, place, renewed)| async move {
            let next = desk
                .stopping
                .run_until_cancelled(tokio::time::sleep(EVERY))
                .await;
            if renewed >= RENEWALS || next.is_none() {
                return None;
            }
            let body = match sight(&desk).await {
                Ok(sight) => OverviewBody {
                    w: frame.w,
                    frame: &frame,
                    sight,
                }
                .render()
                .ok(),
                Err(_) => None,
            };
            let event = match body {
                Some(body) => Event::default().event("page").data(body),
                None => Event::default().event("stale").data("-"),
            };
            Some((Ok(event), (desk, frame, place, renewed + 1)))
        },
    )
}
