//! What needs somebody, and what waits: what the overview begins with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use store::instances::Instance;
use store::vitals::DoubtVitals;

use super::answer::Answer;
use super::gates::{lane, seconds, waiting};
use super::orders::listed;
use crate::alarms::Alarm;
use crate::desk::Desk;
use crate::pages::sight;
use crate::tongue::ENGLISH;

pub(super) async fn overview(State(desk): State<Arc<Desk>>) -> Answer {
    let sight = sight(&desk).await?;
    let vitals = &sight.vitals;
    let reports = &vitals.reports;
    Ok(Json(json!({
        "at": vitals.at.0, "catalogueVersion": sight.catalogue_version, "alarms": listed(&sight.alarms, alarm),
        "doubts": cases(&vitals.doubts), "discrepancies": cases(&vitals.discrepancies),
        "reports": {
            "waiting": reports.waiting(), "parked": reports.parked, "overdueSeconds": seconds(reports.overdue),
        },
        "unannounced": waiting(vitals.outbox),
        "lanes": listed(&vitals.lanes, |vitals| lane(vitals, &sight.pauses)),
        "instances": listed(&sight.instances, instance),
    })))
}

fn alarm(alarm: &Alarm) -> Value {
    json!({
        "what": alarm.words(&ENGLISH), "urgent": alarm.wrong.is_urgent(), "place": alarm.place, "measure": alarm.measure,
        "page": alarm.page, "section": alarm.wrong.section(),
    })
}

fn cases(cases: &DoubtVitals) -> Value {
    let mut told = waiting(cases.waiting);
    told["money"] = cases.money.to_string().into();
    told
}

fn instance(instance: &Instance) -> Value {
    json!({
        "role": instance.role, "version": instance.version, "host": instance.host, "startedAt": instance.started_at.0,
        "seenMsAgo": instance.seen_ms_ago, "brokerBlocked": instance.broker_blocked,
    })
}
