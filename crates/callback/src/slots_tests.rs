//! Who gets a slot, and who has to wait.

use store::endpoints::{EndpointLine, Standing};

use super::*;

const QUICK: Duration = Duration::from_millis(2);
const TIMED_OUT: Duration = Duration::from_secs(10);

fn slots(most: usize, per_endpoint: usize, per_business: usize) -> Slots {
    Slots::new(Standings::default(), most, per_endpoint, per_business)
}

fn business(name: &str) -> BusinessId {
    BusinessId::new(name)
}

fn endpoint(n: usize) -> Endpoint {
    Endpoint::new(format!("https://shop{n}.example"))
}

fn all_of(slots: &Slots, endpoint: &Endpoint, line: Line) -> Vec<Slot> {
    std::iter::from_fn(|| slots.take(&business("b"), endpoint, line)).collect()
}

fn hear(slots: &Slots, endpoint: &Endpoint, reach: Reach, took: Duration) -> Heard {
    let slot = slots.take_probe(&business("b"), endpoint).unwrap();
    slots.heard(&slot, reach, took, Instant::now())
}

#[test]
fn an_endpoint_begins_with_sixteen_and_a_business_has_its_own_bound() {
    let many = slots(1_000, 64, 1_000);
    assert_eq!(all_of(&many, &endpoint(1), Line::First).len(), 16);
    let few = slots(1_000, 64, 5);
    let held = all_of(&few, &endpoint(1), Line::First);
    assert_eq!(held.len(), 5);
    assert!(
        few.take(&business("other"), &endpoint(1), Line::First)
            .is_some()
    );
    drop(held);
    assert!(
        few.take(&business("b"), &endpoint(2), Line::First)
            .is_some()
    );
}

#[test]
fn a_flood_of_replays_or_retries_takes_no_slot_of_first_tries() {
    let slots = slots(100, 64, 1_000);
    for line in [Line::Replay, Line::Retry] {
        let mut held = vec![];
        for n in 0..50 {
            held.extend(all_of(&slots, &endpoint(n), line));
        }
        assert!(held.len() <= 20, "{line:?}: {}", held.len());
        let first: Vec<Slot> = (0..50)
            .flat_map(|n| all_of(&slots, &endpoint(n), Line::First))
            .collect();
        assert_eq!(first.len(), 50, "{line:?}");
    }
}

#[test]
fn slow_endpoints_have_slots_of_their_own() {
    let slots = slots(100, 64, 1_000);
    let slow = endpoint(1);
    for _ in 0..4 {
        hear(&slots, &slow, Reach::Answered, TIMED_OUT);
    }
    let held = all_of(&slots, &slow, Line::First);
    assert_eq!(held.len(), 15);
    let first: usize = (2..6).map(|n| slots.room(&endpoint(n), Line::First)).sum();
    assert_eq!(first, 64);
}

#[test]
fn five_calls_in_a_row_that_do_not_arrive_set_an_endpoint_aside_and_wrong_answers_do_not() {
    let slots = slots(100, 64, 1_000);
    for _ in 0..50 {
        assert_eq!(
            hear(&slots, &endpoint(2), Reach::Answered, QUICK).news,
            None
        );
    }
    for _ in 0..4 {
        assert_eq!(
            hear(&slots, &endpoint(1), Reach::Unreached, QUICK).news,
            None
        );
    }
    let fifth = hear(&slots, &endpoint(1), Reach::Unreached, QUICK);
    assert_eq!(fifth.news, Some(News::SetAside { alone: true }));
}

#[test]
fn a_host_of_which_one_port_answers_is_not_dead() {
    let slots = slots(100, 64, 1_000);
    let port = |n: usize| Endpoint::new(format!("http://shop.example:{n}"));
    hear(&slots, &port(80), Reach::Answered, QUICK);
    let heard: Vec<Heard> = (0..5)
        .map(|_| hear(&slots, &port(81), Reach::Unreached, QUICK))
        .collect();
    assert_eq!(heard[4].news, Some(News::SetAside { alone: false }));
}

#[test]
fn one_that_recovers_goes_back_at_the_first_failure() {
    let standings = Standings::default();
    standings.read(&[EndpointLine {
        endpoint: endpoint(1),
        standing: Standing::Recovering { for_ms: 60_000 },
        reason: String::new(),
        probes: 1,
        since: domain::UnixMs(0),
    }]);
    let slots = Slots::new(standings, 100, 64, 1_000);
    let heard = hear(&slots, &endpoint(1), Reach::Unreached, QUICK);
    assert!(matches!(heard.news, Some(News::SetAside { .. })));
}

#[test]
fn when_nearly_all_fail_nobody_is_blamed_and_only_probes_go_out() {
    let slots = slots(100, 64, 1_000);
    let heard: Vec<Heard> = (0..40)
        .map(|n| hear(&slots, &endpoint(n % 8), Reach::Unreached, QUICK))
        .collect();
    assert_eq!(heard[7].egress, Some(Turn::Froze));
    assert!(heard[7..].iter().all(|h| h.ours && h.news.is_none()));
    assert!(
        slots
            .take(&business("b"), &endpoint(99), Line::First)
            .is_none()
    );
    for n in 0..3 {
        hear(&slots, &endpoint(n), Reach::Answered, QUICK);
    }
    assert!(
        slots
            .take(&business("b"), &endpoint(99), Line::First)
            .is_some()
    );
}

#[test]
fn probes_of_the_dead_that_fail_do_not_make_it_our_fault() {
    let standings = Standings::default();
    for n in 0..20 {
        standings.set_aside(&endpoint(n));
    }
    let slots = Slots::new(standings, 100, 64, 1_000);
    for n in 0..20 {
        let heard = hear(&slots, &endpoint(n), Reach::Unreached, QUICK);
        assert_eq!((heard.egress, heard.ours), (None, false));
    }
}

#[tokio::test]
async fn a_first_try_without_a_slot_is_told_when_there_is_one_again() {
    let slots = slots(100, 1, 1_000);
    let held = slots
        .take(&business("b"), &endpoint(1), Line::First)
        .unwrap();
    assert!(
        slots
            .take(&business("b"), &endpoint(1), Line::First)
            .is_none()
    );
    assert!(slots.overflowing(10).is_empty());
    drop(held);
    slots.freed().await;
    assert_eq!(slots.overflowing(10), [(endpoint(1), 1)]);
    slots.overflow_ended(&endpoint(1));
    assert!(slots.overflowing(10).is_empty());
}

#[test]
fn endpoints_that_nothing_goes_to_are_forgotten_in_time() {
    let slots = slots(100, 1, 1_000);
    for n in 0..3 * REMEMBERED {
        drop(slots.take(&business("b"), &endpoint(n), Line::First));
    }
    let taken = slots.lock();
    assert!(taken.endpoints.len() <= REMEMBERED);
    assert!(taken.businesses.is_empty());
}

#[tokio::test]
async fn a_line_that_found_no_slot_is_remembered_until_it_is_looked_at() {
    let slots = slots(100, 1, 1_000);
    let told = |slots: &Slots| futures::FutureExt::now_or_never(slots.freed()).is_some();
    let replay = |slots: &Slots| slots.take(&business("b"), &endpoint(1), Line::Replay);
    drop(replay(&slots).unwrap());
    assert!(!told(&slots), "nobody waits");
    let held = replay(&slots).unwrap();
    slots.hunger(Line::Retry);
    slots.hunger(Line::Retry);
    drop(held);
    assert!(told(&slots));
    drop(replay(&slots).unwrap());
    assert!(told(&slots), "it has not been looked at yet");
    assert_eq!(slots.take_hungry(), [Line::Retry]);
    assert!(slots.take_hungry().is_empty());
    drop(replay(&slots).unwrap());
    assert!(!told(&slots));
}
