//! What needs somebody now: one pure function, from what the console knows to a list. The bounds are those of
//! `deploy/prometheus/alerts.yml`, and each alarm has its section in `deploy/RUNBOOK.md`.

use std::time::Duration;

use domain::{Money, SupplierId};
use store::endpoints::{EndpointLine, Standing};
use store::gates::{Pause, SupplierLine};
use store::instances::Instance;
use store::vitals::{BlockedVitals, DoubtVitals, Vitals};

use crate::queues::QueueLine;
use crate::tongue::Words;
use crate::words::{age, counted, money};

const DOUBTS: i64 = 20;
const DOUBT_OLD: Duration = Duration::from_hours(4);
const DOUBTFUL_MONEY: Money = Money::from_yuan(10_000);
const OUTBOX_OLD: Duration = Duration::from_mins(1);
const BLOCKED: Duration = Duration::from_secs(5);
const LANE_OLD: Duration = Duration::from_mins(5);
const REPORT_LATE: Duration = Duration::from_mins(1);
const REPORTS_GIVEN_UP: i64 = 50;
/// What every fleet has; a process of `refill dev` is all of them.
const ROLES: [&str; 3] = ["ingress", "fulfillment", "callback"];

/// What the console knows at one moment.
pub(crate) struct Facts<'f> {
    pub(crate) vitals: &'f Vitals,
    pub(crate) suppliers: &'f [SupplierLine],
    pub(crate) pauses: &'f [Pause],
    pub(crate) endpoints: &'f [EndpointLine],
    pub(crate) instances: &'f [Instance],
    /// Nothing when the broker is away.
    pub(crate) queues: Option<&'f [QueueLine]>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    RoleGone,
    Blocked,
    BrokerAway,
    OutboxOld,
    LaneWaits,
    NobodyTakes,
    Tripped,
    ReportsLate,
    DoubtfulMoney,
    DoubtOld,
    DoubtsMany,
    Parked,
    ReportsGivenUp,
    EndpointsAside,
    Paused,
    VersionsDiffer,
}

impl Wrong {
    /// Whether somebody gets up for it.
    pub(crate) const fn is_urgent(self) -> bool {
        matches!(
            self,
            Self::RoleGone
                | Self::Blocked
                | Self::BrokerAway
                | Self::OutboxOld
                | Self::LaneWaits
                | Self::NobodyTakes
                | Self::Tripped
                | Self::ReportsLate
                | Self::DoubtfulMoney
        )
    }

    /// Its section in the runbook.
    pub(crate) const fn section(self) -> &'static str {
        match self {
            Self::RoleGone => "RefillRoleGone",
            Self::Blocked => "RefillDatabaseBlocked",
            Self::BrokerAway => "RefillBrokerDisconnected",
            Self::OutboxOld => "RefillOutboxTooOld",
            Self::LaneWaits | Self::Paused => "RefillOrdersWait",
            Self::NobodyTakes => "RefillNoDeliveries",
            Self::Tripped => "RefillBreakerOpen",
            Self::ReportsLate => "RefillReportsLate",
            Self::DoubtfulMoney => "RefillDoubtsMoney",
            Self::DoubtOld => "RefillDoubtOld",
            Self::DoubtsMany => "RefillDoubtsMany",
            Self::Parked => "RefillMessagesParked",
            Self::ReportsGivenUp | Self::EndpointsAside => "RefillReportsParked",
            Self::VersionsDiffer => "RefillVersionsDiffer",
        }
    }

    /// Where it is looked at.
    const fn page(self) -> &'static str {
        match self {
            Self::RoleGone | Self::VersionsDiffer => "/#instances",
            Self::Blocked => "/",
            Self::BrokerAway | Self::OutboxOld | Self::LaneWaits | Self::NobodyTakes => "/lanes",
            Self::Tripped | Self::Paused => "/suppliers",
            Self::ReportsLate | Self::ReportsGivenUp => "/callbacks",
            Self::DoubtfulMoney | Self::DoubtOld | Self::DoubtsMany => "/doubts",
            Self::Parked => "/parked",
            Self::EndpointsAside => "/endpoints",
        }
    }

    const fn words(self, w: &Words) -> &'static str {
        match self {
            Self::RoleGone => w.a_role_gone,
            Self::Blocked => w.a_blocked,
            Self::BrokerAway => w.broker_away,
            Self::OutboxOld => w.a_outbox_old,
            Self::LaneWaits => w.a_lane_waits,
            Self::NobodyTakes => w.a_nobody_takes,
            Self::Tripped => w.tripped,
            Self::ReportsLate => w.a_reports_late,
            Self::DoubtfulMoney => w.a_doubtful_money,
            Self::DoubtOld => w.a_doubt_old,
            Self::DoubtsMany => w.wait_for_person,
            Self::Parked => w.a_parked,
            Self::ReportsGivenUp => w.reports_parked,
            Self::EndpointsAside => w.endpoints_aside,
            Self::Paused => w.paused,
            Self::VersionsDiffer => w.a_versions_differ,
        }
    }
}

/// Something that needs somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) wrong: Wrong,
    /// Where: a lane, a supplier, a role; empty when there is but one place.
    pub(crate) place: String,
    /// How much, or for how long.
    pub(crate) measure: String,
    /// Where it is looked at.
    pub(crate) page: &'static str,
}

impl Alarm {
    pub(crate) const fn words(&self, w: &Words) -> &'static str {
        self.wrong.words(w)
    }
}

/// What needs somebody, the urgent first.
pub(crate) fn alarms(facts: &Facts<'_>) -> Vec<Alarm> {
    let mut found = vec![];
    let mut raise = |wrong: Wrong, place: &str, measure: String| {
        found.push(Alarm {
            wrong,
            place: place.to_owned(),
            measure,
            page: wrong.page(),
        });
    };
    fleet(facts, &mut raise);
    blocked(&facts.vitals.blocked, &mut raise);
    lanes(facts, &mut raise);
    suppliers(facts, &mut raise);
    reports(facts, &mut raise);
    doubts(&facts.vitals.doubts, &mut raise);
    doubts(&facts.vitals.discrepancies, &mut raise);
    // A lane is paused on a page of its own.
    for pause in facts.pauses.iter().filter(|pause| pause.supplier.is_none()) {
        let lane = pause.lane.as_ref().map_or("", |lane| lane.as_str());
        found.push(Alarm {
            wrong: Wrong::Paused,
            place: lane.to_owned(),
            measure: pause.by.clone(),
            page: "/lanes",
        });
    }
    found.sort_by_key(|alarm| !alarm.wrong.is_urgent());
    found
}

fn fleet(facts: &Facts<'_>, raise: &mut impl FnMut(Wrong, &str, String)) {
    let runs = |role: &str| facts.instances.iter().any(|one| one.role == role);
    for role in ROLES {
        if !runs(role) && !runs("dev") {
            raise(Wrong::RoleGone, role, String::new());
        }
    }
    let versions = facts.instances.iter().map(|one| one.version.as_str());
    let versions: std::collections::BTreeSet<_> = versions.collect();
    if versions.len() > 1 {
        let all: Vec<_> = versions.into_iter().collect();
        raise(Wrong::VersionsDiffer, "", all.join(", "));
    }
}

/// Who keeps the lock is the place: a person ends that session, by its process at the server.
fn blocked(blocked: &BlockedVitals, raise: &mut impl FnMut(Wrong, &str, String)) {
    if blocked.longest > BLOCKED {
        let holder = blocked.holder.as_ref();
        let who = holder.map(|h| format!("{} ({}, pid {})", h.application, h.user, h.pid));
        raise(
            Wrong::Blocked,
            &who.unwrap_or_default(),
            age(blocked.longest),
        );
    }
}

fn lanes(facts: &Facts<'_>, raise: &mut impl FnMut(Wrong, &str, String)) {
    let outbox = facts.vitals.outbox.oldest;
    if outbox > OUTBOX_OLD {
        raise(Wrong::OutboxOld, "", age(outbox));
    }
    for lane in &facts.vitals.lanes {
        let oldest = lane.oldest_unasked();
        if oldest > LANE_OLD && !lane.is_paused {
            raise(Wrong::LaneWaits, lane.lane.as_str(), age(oldest));
        }
    }
    let Some(queues) = facts.queues else {
        return raise(Wrong::BrokerAway, "", String::new());
    };
    for line in queues {
        let name = line.queue.as_str();
        if line.queue == queue::QueueName::parked() {
            if line.ready > 0 {
                raise(Wrong::Parked, "", line.ready.to_string());
            }
        } else if line.ready > 0 && line.consumers == 0 {
            raise(Wrong::NobodyTakes, name, line.ready.to_string());
        }
    }
}

fn suppliers(facts: &Facts<'_>, raise: &mut impl FnMut(Wrong, &str, String)) {
    for supplier in facts
        .suppliers
        .iter()
        .filter(|supplier| supplier.is_enabled)
    {
        if let Some((reason, ..)) = &supplier.tripped {
            raise(Wrong::Tripped, supplier.id.as_str(), reason.clone());
        }
    }
    let named = facts.pauses.iter().filter_map(|pause| {
        let supplier: &SupplierId = pause.supplier.as_ref()?;
        Some((supplier, pause))
    });
    for (supplier, pause) in named {
        raise(Wrong::Paused, supplier.as_str(), pause.by.clone());
    }
}

fn reports(facts: &Facts<'_>, raise: &mut impl FnMut(Wrong, &str, String)) {
    let reports = &facts.vitals.reports;
    if reports.overdue > REPORT_LATE {
        raise(Wrong::ReportsLate, "", age(reports.overdue));
    }
    if reports.parked > REPORTS_GIVEN_UP {
        raise(Wrong::ReportsGivenUp, "", counted(reports.parked));
    }
    let is_aside = |line: &&EndpointLine| !matches!(line.standing, Standing::Recovering { .. });
    let aside = facts.endpoints.iter().filter(is_aside).count();
    if aside > 0 {
        raise(Wrong::EndpointsAside, "", aside.to_string());
    }
}

fn doubts(cases: &DoubtVitals, raise: &mut impl FnMut(Wrong, &str, String)) {
    if cases.money > DOUBTFUL_MONEY {
        raise(Wrong::DoubtfulMoney, "", money(cases.money));
    }
    if cases.waiting.oldest > DOUBT_OLD {
        raise(Wrong::DoubtOld, "", age(cases.waiting.oldest));
    }
    if cases.waiting.count > DOUBTS {
        raise(Wrong::DoubtsMany, "", counted(cases.waiting.count));
    }
}

#[cfg(test)]
#[path = "alarms_tests.rs"]
mod tests;
