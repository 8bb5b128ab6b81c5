//! Which facts raise which alarms.

use domain::{Endpoint, Lane, SupplierId, UnixMs};
use queue::QueueName;
use store::vitals::{Holder, LaneVitals, ReportVitals, Waiting};
use uuid::Uuid;

use super::Wrong::{
    Blocked, BlockedByUnknown, BrokerAway, BrokerBlocked, ClaimsOverdue, ContradictedMoney,
    DiscrepanciesMany, DiscrepancyOld, DoubtOld, DoubtfulMoney, DoubtsMany, EndpointsAside,
    LanePaused, LaneWaits, NobodyTakes, OutboxOld, Parked, ReportsGivenUp, ReportsLate, RoleGone,
    SupplierFails, SupplierPaused, Tripped, Unanswered, VersionsDiffer,
};
use super::*;

struct Known {
    vitals: Vitals,
    suppliers: Vec<SupplierLine>,
    outcomes: HashMap<SupplierId, SupplierOutcomes>,
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
        broker_blocked: None,
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

fn outcomes(heard: i64, unusable: i64) -> (SupplierId, SupplierOutcomes) {
    let swift = SupplierId::new("swift");
    let outcomes = SupplierOutcomes {
        supplier: swift.clone(),
        charged: heard - unusable,
        failed: 0,
        open: unusable,
        heard,
        unusable,
        mean_ms: None,
    };
    (swift, outcomes)
}

fn mobile() -> QueueName {
    QueueName::orders(&Lane::new("mobile")).unwrap()
}

const A_LITTLE: Duration = Duration::from_millis(1);

fn waiting(count: i64, oldest: Duration) -> Waiting {
    Waiting { count, oldest }
}

fn cases() -> DoubtVitals {
    DoubtVitals {
        waiting: waiting(CASES, CASE_OLD),
        money: CASE_MONEY,
    }
}

/// A fleet that is well and busy, everything just within its bound.
fn well() -> Known {
    Known {
        vitals: Vitals {
            at: UnixMs(0),
            outbox: waiting(3, OUTBOX_OLD),
            lanes: vec![LaneVitals {
                lane: Lane::new("mobile"),
                is_paused: false,
                stored: waiting(10_000, LANE_OLD),
                waiting: waiting(10_000, LANE_OLD),
                calling: waiting(9, LANE_OLD * 2),
                overdue: OVERDUE,
                asked: waiting(9, UNANSWERED),
            }],
            suppliers: vec![],
            doubts: cases(),
            discrepancies: cases(),
            reports: ReportVitals {
                first: 99,
                parked: REPORTS_GIVEN_UP,
                overdue: REPORT_LATE,
                ..ReportVitals::default()
            },
            blocked: BlockedVitals {
                sessions: 1,
                longest: BLOCKED,
                holder: Some(Holder {
                    pid: 7,
                    user: "ops".into(),
                    application: "psql".into(),
                }),
            },
        },
        suppliers: vec![SupplierLine {
            id: SupplierId::new("swift"),
            is_enabled: true,
            tripped: None,
            calling: 1,
        }],
        outcomes: [outcomes(100, 20)].into(),
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
            vitals: &self.vitals,
            suppliers: &self.suppliers,
            outcomes: &self.outcomes,
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
            raised(|k| k.vitals.blocked.longest += A_LITTLE),
            one(Blocked, "psql (ops, pid 7)", "5 s"),
        ),
        (
            raised(|k| {
                k.vitals.blocked.longest += A_LITTLE;
                k.vitals.blocked.holder = None;
            }),
            one(BlockedByUnknown, "", "5 s"),
        ),
        (
            raised(|k| k.vitals.outbox.oldest += A_LITTLE),
            one(OutboxOld, "", "60 s"),
        ),
        (
            raised(|k| k.vitals.lanes[0].waiting.oldest += A_LITTLE),
            one(LaneWaits, "mobile", "5 min"),
        ),
        (
            raised(|k| k.vitals.lanes[0].overdue += A_LITTLE),
            one(ClaimsOverdue, "mobile", "5 min"),
        ),
        (
            raised(|k| k.vitals.lanes[0].asked.oldest += A_LITTLE),
            one(Unanswered, "mobile", "60 min"),
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
            raised(|k| k.outcomes = [outcomes(100, 21)].into()),
            one(SupplierFails, "swift", "21 %"),
        ),
        (
            raised(|k| k.pauses = vec![pause(Some("swift"), None)]),
            one(SupplierPaused, "swift", "wang"),
        ),
        (
            raised(|k| k.vitals.reports.overdue += A_LITTLE),
            one(ReportsLate, "", "60 s"),
        ),
        (
            raised(|k| k.vitals.reports.parked += 1),
            one(ReportsGivenUp, "", "51"),
        ),
        (
            raised(|k| k.vitals.doubts.waiting.count += 1),
            one(DoubtsMany, "", "21"),
        ),
        (
            raised(|k| k.vitals.doubts.waiting.oldest += A_LITTLE),
            one(DoubtOld, "", "4 h"),
        ),
        (
            raised(|k| k.vitals.discrepancies.waiting.count += 1),
            one(DiscrepanciesMany, "", "21"),
        ),
        (
            raised(|k| k.vitals.discrepancies.waiting.oldest += A_LITTLE),
            one(DiscrepancyOld, "", "4 h"),
        ),
        (
            raised(|k| k.vitals.discrepancies.money = Money::from_yuan(10_001)),
            one(ContradictedMoney, "", "10,001.00"),
        ),
        (
            raised(|k| k.vitals.doubts.money = Money::from_yuan(10_001)),
            one(DoubtfulMoney, "", "10,001.00"),
        ),
        (
            raised(|k| drop(k.instances.pop())),
            one(RoleGone, "callback", ""),
        ),
        (
            raised(|k| {
                for one in &mut k.instances {
                    one.broker_blocked = Some("low on disk".into());
                }
            }),
            one(
                BrokerBlocked,
                "callback, fulfillment, ingress",
                "low on disk",
            ),
        ),
        (
            raised(|k| k.instances[0].version = "2".into()),
            one(VersionsDiffer, "", "1, 2"),
        ),
    ];
    for (got, expected) in &tests {
        assert_eq!(got, expected);
    }
    let tested = |wrong: &Wrong| tests.iter().any(|(_, one)| one[0].0 == *wrong);
    let others: Vec<_> = Wrong::ALL.iter().filter(|wrong| !tested(wrong)).collect();
    assert_eq!(others, [&EndpointsAside, &LanePaused]);
}

#[test]
fn a_lane_that_is_paused_waits_because_somebody_wants_it_to() {
    let late = raised(|known| {
        known.vitals.lanes[0].stored.oldest = 2 * LANE_OLD;
        known.vitals.lanes[0].is_paused = true;
        known.pauses = vec![pause(None, Some("mobile"))];
    });
    assert_eq!(late, one(LanePaused, "mobile", "wang"));
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
fn a_supplier_fails_by_more_than_two_calls_and_not_while_it_is_spared() {
    let few = raised(|k| k.outcomes = [outcomes(2, 2)].into());
    assert_eq!(few, []);
    let all = raised(|k| k.outcomes = [outcomes(3, 3)].into());
    assert_eq!(all, one(SupplierFails, "swift", "100 %"));
    let tripped = raised(|k| {
        k.outcomes = [outcomes(3, 3)].into();
        k.suppliers[0].tripped = Some(("slow".into(), 1, UnixMs(0)));
    });
    assert_eq!(tripped, one(Tripped, "swift", "slow"));
    let off = raised(|k| {
        k.outcomes = [outcomes(3, 3)].into();
        k.suppliers[0].is_enabled = false;
    });
    assert_eq!(off, []);
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
        known.vitals.doubts.waiting.count += 1;
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
    for &wrong in Wrong::ALL {
        let section = wrong.section();
        assert!(runbook.contains(&format!("\n### {section}\n")), "{section}");
        let (_, alert) = alerts.split_once(&format!("alert: {section}\n")).unwrap();
        let severity = alert.split("severity: ").nth(1).unwrap();
        let pages = severity.starts_with("page");
        // That something is paused is a word of a person, not a fault.
        let is_wanted = [SupplierPaused, LanePaused].contains(&wrong);
        assert!(is_wanted || pages == wrong.is_urgent(), "{section}");
    }
}

#[test]
fn an_alarm_leads_to_where_its_orders_are() {
    let mut known = well();
    known.vitals.lanes[0].overdue += A_LITTLE;
    known.vitals.lanes[0].asked.oldest += A_LITTLE;
    known.vitals.discrepancies.waiting.count += 1;
    known.pauses = vec![pause(Some("swift"), Some("mobile"))];
    known.outcomes = [outcomes(3, 3)].into();
    let pages: Vec<_> = known.alarms().into_iter().map(|a| a.page).collect();
    assert_eq!(
        pages,
        [
            "/lanes/mobile/calling",
            "/lanes/mobile/asked",
            "/suppliers#supplier-swift",
            "/discrepancies",
            "/suppliers#supplier-swift"
        ]
    );
}
