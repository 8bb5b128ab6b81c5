//! Suppliers, lanes and endpoints: how they stand, and shutting and opening them.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use domain::catalogue::{Route, Supplier};
use domain::{Catalogue, Endpoint, Lane, SupplierId};
use queue::QueueName;
use serde::Deserialize;
use store::endpoints::{EndpointLine, Standing};
use store::gates::{Pause, SupplierLine};
use store::story::SupplierOutcomes;
use store::vitals::Vitals;

use super::{Page, back, page};
use crate::actions::{self, Gate};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::pulse::Rhythm;
use crate::queues::{QueueLine, of_lane};
use crate::tongue::Words;
use crate::trouble::Trouble;
use crate::words;

#[derive(Template)]
#[template(path = "suppliers.html")]
struct SuppliersPage {
    w: &'static Words,
    frame: Frame,
    lines: Vec<SupplierLine>,
    pauses: Vec<Pause>,
    outcomes: Arc<HashMap<SupplierId, SupplierOutcomes>>,
    catalogue: Arc<Catalogue>,
}

impl SuppliersPage {
    fn card(&self, id: &SupplierId) -> Option<&Supplier> {
        self.catalogue.suppliers.get(id)
    }

    fn pauses_of(&self, id: &SupplierId) -> Vec<&Pause> {
        let pauses = self.pauses.iter();
        pauses
            .filter(|pause| pause.supplier.as_ref() == Some(id))
            .collect()
    }

    /// What it delivers, with the route, by product.
    fn routes_of(&self, id: &SupplierId) -> Vec<(String, &Route)> {
        let mut routes: Vec<(String, &Route)> = self
            .catalogue
            .routes
            .iter()
            .flat_map(|(product, routes)| {
                routes.iter().map(move |route| (product.to_string(), route))
            })
            .filter(|(_, route)| &route.supplier == id)
            .collect();
        routes.sort_by(|a, b| a.0.cmp(&b.0));
        routes.truncate(200);
        routes
    }
}

pub(super) async fn suppliers(State(desk): State<Arc<Desk>>, frame: Frame) -> Page {
    page(&SuppliersPage {
        w: frame.w,
        frame,
        lines: desk.ask(desk.store.suppliers()).await?,
        pauses: desk.ask(desk.store.pauses()).await?,
        outcomes: desk.outcomes().await?,
        catalogue: desk.catalogue(),
    })
}

#[derive(Template)]
#[template(path = "lanes.html")]
struct LanesPage {
    w: &'static Words,
    frame: Frame,
    vitals: Arc<Vitals>,
    pauses: Vec<Pause>,
    catalogue: Arc<Catalogue>,
    /// Nothing when the broker is away.
    queues: Option<Vec<QueueLine>>,
    rhythm: Arc<Rhythm>,
}

impl LanesPage {
    fn queue_of(&self, lane: &Lane) -> Option<&QueueLine> {
        of_lane(self.queues.as_deref(), lane)
    }

    /// The queues that are no lane's.
    fn others(&self) -> Vec<&QueueLine> {
        let others = [QueueName::callbacks(), QueueName::parked()];
        let lines = self.queues.iter().flatten();
        lines.filter(|line| others.contains(&line.queue)).collect()
    }

    fn pause_of(&self, lane: &Lane) -> Option<&Pause> {
        self.pauses.iter().find(|pause| pause.is_of_lane(lane))
    }

    fn suppliers_of(&self, lane: &Lane) -> Vec<String> {
        let suppliers = self.catalogue.suppliers_of_lane(lane);
        suppliers.iter().map(ToString::to_string).collect()
    }
}

pub(super) async fn lanes(State(desk): State<Arc<Desk>>, frame: Frame) -> Page {
    page(&LanesPage {
        w: frame.w,
        frame,
        vitals: desk.vitals().await?,
        pauses: desk.ask(desk.store.pauses()).await?,
        catalogue: desk.catalogue(),
        queues: desk.queues.lines(),
        rhythm: desk.rhythm().await,
    })
}

#[derive(Template)]
#[template(path = "endpoints.html")]
struct EndpointsPage {
    w: &'static Words,
    frame: Frame,
    endpoints: Vec<EndpointLine>,
    more: usize,
}

pub(super) async fn endpoints(State(desk): State<Arc<Desk>>, frame: Frame) -> Page {
    let (endpoints, more) = desk.endpoints().await?;
    page(&EndpointsPage {
        w: frame.w,
        frame,
        endpoints,
        more,
    })
}

#[derive(Deserialize)]
pub(super) struct Shift {
    what: String,
    #[serde(default)]
    lane: String,
    #[serde(default)]
    reason: String,
    back: String,
}

/// Pauses or resumes a supplier (all of it, or in one lane), a lane, or an endpoint.
pub(super) async fn shift(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Path((kind, step)): Path<(String, String)>,
    form: Result<Form<Shift>, FormRejection>,
) -> Page {
    let Form(said) = form.map_err(|_| Trouble::Unreadable("what is to be paused or resumed"))?;
    let actor = frame.actor()?;
    let store = &desk.store;
    let gate = match (kind.as_str(), said.lane.trim()) {
        ("supplier", "") => Some(Gate::Supplier(SupplierId::new(said.what.trim()))),
        ("supplier", lane) => {
            let (supplier, lane) = (SupplierId::new(said.what.trim()), Lane::new(lane));
            Some(Gate::SupplierInLane(supplier, lane))
        }
        ("lane", _) => Some(Gate::Lane(Lane::new(said.what.trim()))),
        ("endpoint", _) => None,
        _ => return Err(Trouble::Nowhere),
    };
    match (gate, step.as_str()) {
        (Some(gate), "pause") => {
            actions::pause(store, &actor, &gate, &said.reason, &desk.catalogue()).await?;
        }
        (Some(gate), "resume") => actions::resume(store, &actor, &gate).await?,
        (None, "pause") => {
            let endpoint = Endpoint::new(said.what.trim());
            actions::pause_endpoint(store, &actor, &endpoint, &said.reason).await?;
        }
        (None, "resume") => {
            actions::resume_endpoint(store, &actor, &Endpoint::new(said.what.trim())).await?;
        }
        _ => return Err(Trouble::Nowhere),
    }
    Ok(back(&said.back))
}
