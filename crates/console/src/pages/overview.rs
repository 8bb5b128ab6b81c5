//! What waits now, and how fast it goes; the page keeps itself fresh.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use domain::{Lane, SupplierId};
use futures::Stream;
use store::endpoints::{EndpointLine, Standing};
use store::gates::{Pause, SupplierLine};
use store::instances::Instance;
use store::story::{Overview, Pulse, SupplierOutcomes};

use super::{Page, page};
use crate::alarms::{Alarm, Facts, alarms};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::pulse::{Beat, Chart};
use crate::tongue::Words;
use crate::trouble::Trouble;
use crate::words;

/// How often a page that is looked at is renewed.
const EVERY: Duration = Duration::from_secs(2);
/// How often a stream renews its page; then the browser asks again, and whoever is signed out by then is told so.
const RENEWALS: u32 = 60;
/// What several people look at is read once for all of them.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// The most endpoints that are shown.
const ENDPOINTS: usize = 100;

/// What is seen at one moment.
pub(crate) struct Sight {
    now: Overview,
    pulse: Pulse,
    beat: Beat,
    charts: Vec<Chart>,
    suppliers: Vec<SupplierLine>,
    outcomes: HashMap<SupplierId, SupplierOutcomes>,
    pauses: Vec<Pause>,
    endpoints: Vec<EndpointLine>,
    instances: Vec<Instance>,
    catalogue_version: i64,
    alarms: Vec<Alarm>,
}

impl Sight {
    fn pause_of(&self, lane: &Lane) -> Option<&Pause> {
        self.pauses.iter().find(|pause| pause.is_of_lane(lane))
    }

    async fn of(desk: &Desk) -> Result<Self, Trouble> {
        let store = &desk.store;
        let outcomes = desk.ask(store.supplier_outcomes()).await?;
        let outcomes = outcomes
            .into_iter()
            .map(|line| (line.supplier.clone(), line));
        let mut endpoints = desk.ask(store.unwell_endpoints()).await?;
        let (pulse, now) = (
            desk.ask(store.pulse()).await?,
            desk.ask(store.overview()).await?,
        );
        let suppliers = desk.ask(store.suppliers()).await?;
        let pauses = desk.ask(store.pauses()).await?;
        let instances = desk.ask(store.instances()).await?;
        let queues = desk.queues.lines();
        let alarms = alarms(&Facts {
            now: &now,
            pulse: &pulse,
            suppliers: &suppliers,
            pauses: &pauses,
            endpoints: &endpoints,
            instances: &instances,
            queues: queues.as_deref(),
        });
        endpoints.truncate(ENDPOINTS);
        Ok(Self {
            now,
            beat: desk.heart.beat(),
            charts: desk.heart.charts(),
            pulse,
            suppliers,
            outcomes: outcomes.collect(),
            pauses,
            endpoints,
            instances,
            catalogue_version: desk.catalogue().version,
            alarms,
        })
    }
}

/// The last sight, for whoever looks at the same moment.
#[derive(Default)]
pub(crate) struct LastSight(tokio::sync::Mutex<Option<(Instant, Arc<Sight>)>>);

async fn sight(desk: &Desk) -> Result<Arc<Sight>, Trouble> {
    let mut last = desk.last_sight.0.lock().await;
    if let Some((at, sight)) = &*last
        && at.elapsed() < FRESH_FOR
    {
        return Ok(Arc::clone(sight));
    }
    let fresh = Arc::new(Sight::of(desk).await?);
    *last = Some((Instant::now(), Arc::clone(&fresh)));
    Ok(fresh)
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
