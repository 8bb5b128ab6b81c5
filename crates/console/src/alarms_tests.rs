//! Which facts raise which alarms.

use domain::{Endpoint, Lane, UnixMs};
use queue::QueueName;
use store::story::LaneBacklog;
use uuid::Uuid;

use super::Wrong::{
    BrokerAway, DoubtOld, DoubtfulMoney, DoubtsMany, EndpointsAside, LaneWaits, NobodyTakes,
    OutboxOld, Parked, Paused, ReportsGivenUp, ReportsLate, RoleGone, Tripped, VersionsDiffer,
};
use super::*;

struct Known {
    now: Overview,
    pulse: Pulse,
    suppliers: Vec<SupplierLine>,
    pauses: Vec<Pause>,
    endpoints: Vec<EndpointLine>,
    instances: Vec<Instance>,
    queues: Option<Vec<QueueLine>>,
}

fn process(role: &str, version: &str) -> Instance {
    Instance {
        id: Uuid::nil(),
        role: role.into(),
        version: version.into(),
        host: "h".into(),
        started_at: UnixMs(0),
        seen_ms_ago: 0,
    }
}

fn line(queue: QueueName, ready: u32, consumers: u32) -> QueueLine {
    QueueLine {
        queue,
        ready,
        consumers,
        growth: None,
    }
}

fn pause(supplier: Option<&str>, lane: Option<&str>) -> Pause {
    Pause {
        supplier: supplier.map(SupplierId::new),
        lane: lane.map(Lane::new),
        by: "wang".into(),
        reason: String::new(),
        since: UnixMs(0),
    }
}

fn mobile() -> QueueName {
    QueueName::orders(&Lane::new("mobile")).unwrap()
}

/// A fleet that is well and busy, everything just within its bound.
fn well() -> Known {
    Known {
        now: Overview {
            at: UnixMs(0),
            lanes: vec![LaneBacklog {
                lane: Lane::new("mobile"),
                hints: 10_000,
                leases: 9,
                checks: 9,
                late_ms: LANE_MS,
            }],
            doubts: DOUBTS,
            reports_waiting: 99,
            reports_late_ms: REPORT_MS,
            reports_parked: REPORTS_GIVEN_UP,
            unannounced: 3,
            balances: vec![],
        },
        pulse: Pulse {
            at: UnixMs(0),
            stored: 0,
            ended: 0,
            doubts: DOUBTS,
            oldest_doubt_ms: DOUBT_MS,
            doubtful_money: DOUBTFUL_MONEY,
            outbox_ms: OUTBOX_MS,
        },
        suppliers: vec![SupplierLine {
            id: SupplierId::new("swift"),
            is_enabled: true,
            tripped: None,
            calling: 1,
        }],
        pauses: vec![],
        endpoints: vec![],
        instances: ROLES.map(|role| process(role, "1")).to_vec(),
        queues: Some(vec![
            line(mobile(), 10_000, 1),
            line(QueueName::callbacks(), 0, 0),
            line(QueueName::parked(), 0, 0),
        ]),
    }
}

impl Known {
    fn alarms(&self) -> Vec<Alarm> {
        alarms(&Facts {
            now: &self.now,
            pulse: &self.pulse,
            suppliers: &self.suppliers,
            pauses: &self.pauses,
            endpoints: &self.endpoints,
            instances: &self.instances,
            queues: self.queues.as_deref(),
        })
    }
}

/// What a fleet raises of which one thing is not well.
fn raised(spoil: impl FnOnce(&mut Known)) -> Vec<(Wrong, String, String)> {
    let mut known = well();
    spoil(&mut known);
    let alarms = known.alarms().into_iter();
    alarms.map(|a| (a.wrong, a.place, a.measure)).collect()
}

fn one(wrong: Wrong, place: &str, measure: &str) -> Vec<(Wrong, String, String)> {
    vec![(wrong, place.into(), measure.into())]
}

#[test]
fn a_fleet_within_its_bounds_needs_nobody() {
    assert_eq!(well().alarms(), []);
}

#[test]
fn each_fact_beyond_its_bound_raises_its_alarm() {
    let tests = [
        (raised(|k| k.queues = None), one(BrokerAway, "", "")),
        (
            raised(|k| k.pulse.outbox_ms += 1),
            one(OutboxOld, "", "60 s"),
        ),
        (
            raised(|k| k.now.lanes[0].late_ms += 1),
            one(LaneWaits, "mobile", "5 min"),
        ),
        (
            raised(|k| k.queues = Some(vec![line(mobile(), 7, 0)])),
            one(NobodyTakes, "refill.orders.mobile", "7"),
        ),
        (
            raised(|k| k.queues = Some(vec![line(QueueName::parked(), 2, 0)])),
            one(Parked, "", "2"),
        ),
        (
            raised(|k| k.suppliers[0].tripped = Some(("slow".into(), 1, UnixMs(0)))),
            one(Tripped, "swift", "slow"),
        ),
        (
            raised(|k| k.pauses = vec![pause(Some("swift"), None)]),
            one(Paused, "swift", "wang"),
        ),
        (
            raised(|k| k.now.reports_late_ms += 1),
            one(ReportsLate, "", "60 s"),
        ),
        (
            raised(|k| k.now.reports_parked += 1),
            one(ReportsGivenUp, "", "51"),
        ),
        (raised(|k| k.pulse.doubts += 1), one(DoubtsMany, "", "21")),
        (
            raised(|k| k.pulse.oldest_doubt_ms += 1),
            one(DoubtOld, "", "4 h"),
        ),
        (
            raised(|k| k.pulse.doubtful_money = Money::from_yuan(10_001)),
            one(DoubtfulMoney, "", "10,001.00"),
        ),
        (
            raised(|k| drop(k.instances.pop())),
            one(RoleGone, "callback", ""),
        ),
        (
            raised(|k| k.instances[0].version = "2".into()),
            one(VersionsDiffer, "", "1, 2"),
        ),
    ];
    for (got, expected) in tests {
        assert_eq!(got, expected);
    }
}

#[test]
fn a_lane_that_is_paused_waits_because_somebody_wants_it_to() {
    let late = raised(|known| {
        known.now.lanes[0].late_ms = 9_000_000;
        known.pauses = vec![pause(None, Some("mobile"))];
    });
    assert_eq!(late, one(Paused, "mobile", "wang"));
}

#[test]
fn an_endpoint_that_recovers_needs_nobody_and_others_do() {
    let endpoint = |standing| EndpointLine {
        endpoint: Endpoint::new("https://shop.example"),
        standing,
        reason: String::new(),
        probes: 1,
        since: UnixMs(0),
    };
    let aside = raised(|known| {
        known.endpoints = vec![
            endpoint(Standing::Recovering { for_ms: 1 }),
            endpoint(Standing::SetAside { probe_in_ms: 1 }),
            endpoint(Standing::Paused),
        ];
    });
    assert_eq!(aside, one(EndpointsAside, "", "2"));
}

#[test]
fn a_switched_off_supplier_trips_nobody_and_one_process_may_be_all_roles() {
    let off = raised(|known| {
        known.suppliers[0].tripped = Some(("slow".into(), 1, UnixMs(0)));
        known.suppliers[0].is_enabled = false;
        known.instances = vec![process("dev", "1")];
    });
    assert_eq!(off, []);
}

#[test]
fn the_urgent_come_first() {
    let both = raised(|known| {
        known.pulse.doubts += 1;
        known.instances.clear();
        known.queues = None;
    });
    let wrongs: Vec<_> = both.iter().map(|(wrong, ..)| *wrong).collect();
    assert_eq!(
        wrongs,
        [RoleGone, RoleGone, RoleGone, BrokerAway, DoubtsMany]
    );
}

#[test]
fn each_alarm_has_its_section_and_is_as_urgent_as_its_alert() {
    let runbook = include_str!("../../../deploy/RUNBOOK.md");
    let alerts = include_str!("../../../deploy/prometheus/alerts.yml");
    for wrong in [
        RoleGone,
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
    ] {
        let section = wrong.section();
        assert!(runbook.contains(&format!("\n### {section}\n")), "{section}");
        let (_, alert) = alerts.split_once(&format!("alert: {section}\n")).unwrap();
        let severity = alert.split("severity: ").nth(1).unwrap();
        let pages = severity.starts_with("page");
        // That something is paused is a word of a person, not a fault.
        assert!(wrong == Paused || pages == wrong.is_urgent(), "{section}");
    }
}
