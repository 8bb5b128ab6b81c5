//! What needs somebody now: one pure function, from what the console knows to a list. The bounds are those of
//! `deploy/prometheus/alerts.yml`, and each alarm has its section in `deploy/RUNBOOK.md`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use domain::{Money, SupplierId};
use store::endpoints::{EndpointLine, Standing};
use store::gates::{Pause, SupplierLine};
use store::instances::Instance;
use store::story::SupplierOutcomes;
use store::vitals::{BlockedVitals, DoubtVitals, Vitals};

use crate::queues::QueueLine;
use crate::tongue::Words;
use crate::words::{age, counted, money, share};

const CASES: i64 = 20;
const CASE_OLD: Duration = Duration::from_hours(4);
const CASE_MONEY: Money = Money::from_yuan(10_000);
const OUTBOX_OLD: Duration = Duration::from_mins(1);
const BLOCKED: Duration = Duration::from_secs(5);
const LANE_OLD: Duration = Duration::from_mins(5);
const OVERDUE: Duration = Duration::from_mins(5);
const UNANSWERED: Duration = Duration::from_hours(1);
/// One of so many newest attempts without a usable answer is too many; two of a few are everyday life.
const UNUSABLE_OF: i64 = 5;
const UNUSABLE_LEAST: i64 = 3;
const REPORT_LATE: Duration = Duration::from_mins(1);
const REPORTS_GIVEN_UP: i64 = 50;
/// What every fleet has; a process of `refill dev` is all of them.
const ROLES: [&str; 3] = ["ingress", "fulfillment", "callback"];

/// What the console knows at one moment.
pub(crate) struct Facts<'f> {
    pub(crate) vitals: &'f Vitals,
    pub(crate) suppliers: &'f [SupplierLine],
    pub(crate) outcomes: &'f HashMap<SupplierId, SupplierOutcomes>,
    pub(crate) pauses: &'f [Pause],
    pub(crate) endpoints: &'f [EndpointLine],
    pub(crate) instances: &'f [Instance],
    /// Nothing when the broker is away.
    pub(crate) queues: Option<&'f [QueueLine]>,
}

macro_rules! wrongs {
    ($($wrong:ident: $urgency:ident, $section:literal, $page:literal, $words:ident;)*) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Wrong {
            $($wrong,)*
        }

        impl Wrong {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$wrong,)*];

            const fn urgency(self) -> Urgency {
                match self {
                    $(Self::$wrong => Urgency::$urgency,)*
                }
            }

            /// Its section in the runbook.
            pub(crate) const fn section(self) -> &'static str {
                match self {
                    $(Self::$wrong => $section,)*
                }
            }

            /// Where it is looked at; `{}` stands for the place.
            const fn page(self) -> &'static str {
                match self {
                    $(Self::$wrong => $page,)*
                }
            }

            const fn words(self, w: &Words) -> &'static str {
                match self {
                    $(Self::$wrong => w.$words,)*
                }
            }
        }
    };
}

// Each with what it takes: whether somebody gets up for it, its section in the runbook, where it is looked at, its words.
wrongs! {
    RoleGone: Now, "RefillRoleGone", "/#instances", a_role_gone;
    Blocked: Now, "RefillDatabaseBlocked", "/", a_blocked;
    BlockedByUnknown: Now, "RefillDatabaseBlocked", "/", a_blocked_by_unknown;
    BrokerBlocked: Now, "RefillBrokerDisconnected", "/lanes", a_broker_blocked;
    BrokerAway: Now, "RefillBrokerDisconnected", "/lanes", broker_away;
    OutboxOld: Now, "RefillOutboxTooOld", "/lanes", a_outbox_old;
    LaneWaits: Now, "RefillOrdersWait", "/lanes#lane-{}", a_lane_waits;
    NobodyTakes: Now, "RefillNoDeliveries", "/lanes", a_nobody_takes;
    ClaimsOverdue: Now, "RefillClaimsOverdue", "/lanes/{}/calling", a_claims_overdue;
    Unanswered: Later, "RefillOrdersUnanswered", "/lanes/{}/asked", a_unanswered;
    Tripped: Now, "RefillBreakerOpen", "/suppliers#supplier-{}", tripped;
    SupplierFails: Later, "RefillSupplierFails", "/suppliers#supplier-{}", a_supplier_fails;
    ReportsLate: Now, "RefillReportsLate", "/callbacks", a_reports_late;
    DoubtfulMoney: Now, "RefillDoubtsMoney", "/doubts", a_doubtful_money;
    DoubtOld: Later, "RefillDoubtOld", "/doubts", a_doubt_old;
    DoubtsMany: Later, "RefillDoubtsMany", "/doubts", wait_for_person;
    ContradictedMoney: Now, "RefillDoubtsMoney", "/discrepancies", a_contradicted_money;
    DiscrepancyOld: Later, "RefillDoubtOld", "/discrepancies", a_discrepancy_old;
    DiscrepanciesMany: Later, "RefillDoubtsMany", "/discrepancies", a_discrepancies_many;
    Parked: Later, "RefillMessagesParked", "/parked", a_parked;
    ReportsGivenUp: Later, "RefillReportsParked", "/callbacks", reports_parked;
    EndpointsAside: Later, "RefillReportsParked", "/endpoints", endpoints_aside;
    SupplierPaused: Later, "RefillOrdersWait", "/suppliers#supplier-{}", paused;
    LanePaused: Later, "RefillOrdersWait", "/lanes#lane-{}", paused;
    VersionsDiffer: Later, "RefillVersionsDiffer", "/#instances", a_versions_differ;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Urgency {
    /// Somebody gets up for it.
    Now,
    /// Within the working day.
    Later,
}

impl Wrong {
    /// Whether somebody gets up for it.
    pub(crate) fn is_urgent(self) -> bool {
        self.urgency() == Urgency::Now
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
    pub(crate) page: String,
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
            page: wrong.page().replace("{}", place),
        });
    };
    fleet(facts, &mut raise);
    blocked(&facts.vitals.blocked, &mut raise);
    lanes(facts, &mut raise);
    suppliers(facts, &mut raise);
    reports(facts, &mut raise);
    cases(&facts.vitals.doubts, DOUBTS, &mut raise);
    cases(&facts.vitals.discrepancies, DISCREPANCIES, &mut raise);
    pauses(facts, &mut raise);
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
    let mut blocked: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for one in facts.instances {
        if let Some(reason) = &one.broker_blocked {
            blocked.entry(reason).or_default().insert(&one.role);
        }
    }
    for (reason, roles) in blocked {
        let roles: Vec<_> = roles.into_iter().collect();
        raise(Wrong::BrokerBlocked, &roles.join(", "), reason.to_owned());
    }
    let versions = facts.instances.iter().map(|one| one.version.as_str());
    let versions: BTreeSet<_> = versions.collect();
    if versions.len() > 1 {
        let all: Vec<_> = versions.into_iter().collect();
        raise(Wrong::VersionsDiffer, "", all.join(", "));
    }
}

/// Who keeps the lock is the place: a person ends that session, by its process at the server.
fn blocked(blocked: &BlockedVitals, raise: &mut impl FnMut(Wrong, &str, String)) {
    if blocked.longest > BLOCKED {
        let waited = age(blocked.longest);
        match &blocked.holder {
            Some(by) => {
                let who = format!("{} ({}, pid {})", by.application, by.user, by.pid);
                raise(Wrong::Blocked, &who, waited);
            }
            None => raise(Wrong::BlockedByUnknown, "", waited),
        }
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
        if lane.overdue > OVERDUE {
            raise(Wrong::ClaimsOverdue, lane.lane.as_str(), age(lane.overdue));
        }
        if lane.asked.oldest > UNANSWERED {
            raise(
                Wrong::Unanswered,
                lane.lane.as_str(),
                age(lane.asked.oldest),
            );
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
        } else if line.is_left_alone() {
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
        let id = supplier.id.as_str();
        if let Some((reason, ..)) = &supplier.tripped {
            raise(Wrong::Tripped, id, reason.clone());
        } else if let Some(heard) = facts.outcomes.get(&supplier.id)
            && heard.unusable >= UNUSABLE_LEAST
            && heard.unusable * UNUSABLE_OF > heard.heard
        {
            let usable = heard.heard - heard.unusable;
            raise(Wrong::SupplierFails, id, share(heard.unusable, usable));
        }
    }
}

fn pauses(facts: &Facts<'_>, raise: &mut impl FnMut(Wrong, &str, String)) {
    for pause in facts.pauses {
        let (wrong, place) = match (&pause.supplier, &pause.lane) {
            (Some(supplier), _) => (Wrong::SupplierPaused, supplier.as_str()),
            (None, Some(lane)) => (Wrong::LanePaused, lane.as_str()),
            (None, None) => continue,
        };
        raise(wrong, place, pause.by.clone());
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

/// What is wrong with a kind of case: too much money, too old, too many.
type CaseWrongs = [Wrong; 3];
const DOUBTS: CaseWrongs = [Wrong::DoubtfulMoney, Wrong::DoubtOld, Wrong::DoubtsMany];
const DISCREPANCIES: CaseWrongs = [
    Wrong::ContradictedMoney,
    Wrong::DiscrepancyOld,
    Wrong::DiscrepanciesMany,
];

fn cases(
    cases: &DoubtVitals,
    [much, old, many]: CaseWrongs,
    raise: &mut impl FnMut(Wrong, &str, String),
) {
    if cases.money > CASE_MONEY {
        raise(much, "", money(cases.money));
    }
    if cases.waiting.oldest > CASE_OLD {
        raise(old, "", age(cases.waiting.oldest));
    }
    if cases.waiting.count > CASES {
        raise(many, "", counted(cases.waiting.count));
    }
}

#[cfg(test)]
#[path = "alarms_tests.rs"]
mod tests;
