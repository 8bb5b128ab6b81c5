//! The life of an order, event by event.

use super::*;
use crate::life::Posting;
use crate::verdict::Source;
use crate::{Epoch, SupplierId};
use std::collections::HashMap;

const SECOND: i64 = 1_000;
const NOW: UnixMs = UnixMs(1_000_000 * SECOND);

fn card(resubmit: &str) -> SupplierCard {
    serde_json::from_value(serde_json::json!({
        "resubmit": resubmit,
        "resubmit_for": "1h",
        "not_found_final_after": "2m",
        "first_query_after": "10s",
        "query_every": "20s",
        "query_for": "1h",
    }))
    .unwrap()
}

fn way(name: &str) -> Way {
    Way {
        supplier: SupplierId::new(name),
        is_open: true,
        has_room: true,
    }
}

/// Decides with suppliers whose names are their kinds.
fn decide_at(now: UnixMs, life: &Life, event: &Event, ways: &[Way]) -> Decision {
    let cards: HashMap<&str, SupplierCard> = ["query", "idempotent", "never"]
        .into_iter()
        .map(|kind| (kind, card(kind)))
        .collect();
    let world = World {
        now,
        ways,
        wait_for: Duration::from_mins(1),
        card: &|id| cards.get(id.as_str().trim_end_matches(char::is_numeric)),
    };
    decide(life, event, &world)
}

fn change_of(life: &Life, event: &Event, ways: &[Way]) -> Change {
    match decide_at(NOW, life, event, ways) {
        Decision::Change(change) => *change,
        Decision::Ignore(why) => panic!("ignored: {why:?}"),
    }
}

fn ignored(life: &Life, event: &Event) -> Ignored {
    match decide_at(NOW, life, event, &[way("query")]) {
        Decision::Ignore(why) => why,
        Decision::Change(change) => panic!("changed: {change:?}"),
    }
}

fn stored() -> Life {
    Life {
        state: OrderState::Stored,
        epoch: Epoch(0),
        created_at: NOW,
        wait: Wait::Hint(NOW.after(Duration::from_mins(1))),
        in_doubt: false,
        attempts: vec![],
    }
}

/// An order whose one attempt at `supplier` was submitted `ago` seconds before now.
fn submitted(supplier: &str, state: AttemptState, ago: i64) -> Life {
    let at = UnixMs(NOW.0 - ago * SECOND);
    Life {
        state: OrderState::Processing,
        epoch: Epoch(1),
        wait: Wait::Lease(at.after(LEASE)),
        attempts: vec![Attempt {
            no: AttemptNo(1),
            supplier: SupplierId::new(supplier),
            state,
            first_call_at: at,
            last_call_at: at,
            calls: 1,
            last_verdict: None,
        }],
        ..stored()
    }
}

fn says(verdict: Verdict) -> Event {
    Event::Answer {
        epoch: Epoch(1),
        attempt: AttemptNo(1),
        source: Source::Submit,
        verdict,
    }
}

fn query_says(verdict: Verdict) -> Event {
    Event::Answer {
        epoch: Epoch(1),
        attempt: AttemptNo(1),
        source: Source::Query,
        verdict,
    }
}

fn pushed(verdict: Verdict) -> Event {
    Event::Push {
        attempt: AttemptNo(1),
        verdict,
    }
}

fn success() -> Verdict {
    Verdict::Succeeded { voucher: None }
}

fn failure() -> Verdict {
    Verdict::Failed {
        reason: "no such number".into(),
    }
}

fn rejection() -> Verdict {
    Verdict::Rejected {
        reason: "closed".into(),
    }
}

fn unknown() -> Verdict {
    Verdict::Unknown {
        reason: "time-out".into(),
    }
}

#[test]
fn a_claim_opens_an_attempt_before_the_call() {
    let change = change_of(&stored(), &Event::Claim, &[way("query")]);
    assert_eq!(change.state, OrderState::Processing);
    assert_eq!(change.epoch, Epoch(1));
    assert_eq!(change.wait, Wait::Lease(NOW.after(LEASE)));
    assert_eq!(change.call, Some(Call::Submit(AttemptNo(1))));
    assert!(matches!(
        change.attempt,
        AttemptChange::Open {
            no: AttemptNo(1),
            ..
        }
    ));
}

#[test]
fn a_claim_without_room_waits_for_the_first_way() {
    let full = Way {
        has_room: false,
        ..way("query")
    };
    let change = change_of(&stored(), &Event::Claim, &[full, way("never")]);
    assert_eq!(change.state, OrderState::Stored);
    assert_eq!(change.call, None);
    assert_eq!(change.wait, Wait::Check(NOW.after(ROOM_WAIT)));
}

#[test]
fn an_order_without_a_way_waits_and_then_fails() {
    let shut = Way {
        is_open: false,
        ..way("query")
    };
    for ways in [&[][..], std::slice::from_ref(&shut)] {
        let waited = |seconds: i64| {
            let life = Life {
                created_at: UnixMs(NOW.0 - seconds * SECOND),
                ..stored()
            };
            match change_of(&life, &Event::Claim, ways).wait {
                Wait::Check(at) => at.since(NOW).as_secs(),
                other => panic!("{other:?}"),
            }
        };
        // The longer it has waited, the seldomer it looks, and once more when its time is over.
        assert_eq!([0, 20, 40, 58].map(waited), [2, 5, 10, 2]);
    }
    // Refused by one, it waits for the other one as long as its product allows.
    let mut refused = submitted("never", AttemptState::NotCharged, 5);
    refused.attempts[0].last_verdict = Some(rejection().number());
    refused.created_at = NOW;
    refused.wait = Wait::Check(NOW);
    let ways = [way("never"), shut];
    let change = change_of(&refused, &Event::Claim, &ways);
    assert_eq!((change.state, change.call), (refused.state, None));
    refused.created_at = UnixMs(NOW.0 - 60 * SECOND);
    let change = change_of(&refused, &Event::Claim, &ways);
    assert_eq!(change.state, OrderState::Failed);
    let old = Life {
        created_at: UnixMs(NOW.0 - 61 * SECOND),
        ..stored()
    };
    let change = change_of(&old, &Event::Claim, &[]);
    assert_eq!(change.state, OrderState::Failed);
    assert_eq!(change.posting(old.state), Some(Posting::Release));
}

#[test]
fn a_claim_leaves_alone_what_is_leased_early_final_or_in_doubt() {
    let leased = submitted("query", AttemptState::Calling, 10);
    assert_eq!(ignored(&leased, &Event::Claim), Ignored::Leased);
    let early = Life {
        wait: Wait::Check(UnixMs(NOW.0 + 1)),
        ..leased.clone()
    };
    assert_eq!(ignored(&early, &Event::Claim), Ignored::Early);
    let doubtful = Life {
        in_doubt: true,
        wait: Wait::Nothing,
        ..leased.clone()
    };
    assert_eq!(ignored(&doubtful, &Event::Claim), Ignored::InDoubt);
    let ended = Life {
        state: OrderState::Succeeded,
        ..leased
    };
    assert_eq!(ignored(&ended, &Event::Claim), Ignored::Final);
}

#[test]
fn a_call_whose_worker_died_is_cleared_by_the_card() {
    let query = submitted("query", AttemptState::Calling, 61);
    let change = change_of(&query, &Event::Claim, &[way("query")]);
    assert_eq!(change.call, Some(Call::Query(AttemptNo(1))));
    assert_eq!(change.attempt, AttemptChange::Keep);

    let same_number = submitted("idempotent", AttemptState::Calling, 61);
    let change = change_of(&same_number, &Event::Claim, &[way("idempotent")]);
    assert_eq!(change.call, Some(Call::Submit(AttemptNo(1))));
    assert_eq!(change.attempt, AttemptChange::Again { no: AttemptNo(1) });

    let never = submitted("never", AttemptState::Calling, 61);
    let change = change_of(&never, &Event::Claim, &[way("never"), way("query")]);
    assert_eq!(change.call, None);
    assert!(matches!(change.doubt, Doubt::Open(_)));
    assert_eq!(change.state, OrderState::Processing);
}

#[test]
fn the_same_number_is_not_sent_after_its_time() {
    let old = submitted("idempotent", AttemptState::Unknown, 3_601);
    let change = change_of(&old, &Event::Claim, &[way("idempotent")]);
    assert_eq!(change.call, None);
    assert!(matches!(change.doubt, Doubt::Open(_)));
}

#[test]
fn success_settles_once() {
    let life = submitted("query", AttemptState::Calling, 1);
    let change = change_of(&life, &says(success()), &[]);
    assert_eq!(change.state, OrderState::Succeeded);
    assert_eq!(change.posting(life.state), Some(Posting::Settle));
    assert_eq!(change.wait, Wait::Nothing);
}

#[test]
fn a_refusal_moves_on_to_the_next_way_and_then_fails() {
    for verdict in [failure(), rejection()] {
        let life = submitted("query1", AttemptState::Calling, 1);
        let change = change_of(
            &life,
            &says(verdict.clone()),
            &[way("query1"), way("query2")],
        );
        assert_eq!(change.state, OrderState::Processing);
        assert_eq!(change.wait, Wait::Check(NOW));
        let change = change_of(&life, &says(verdict), &[way("query1")]);
        assert_eq!(change.state, OrderState::Failed);
        assert_eq!(change.posting(life.state), Some(Posting::Release));
    }
}

#[test]
fn nothing_but_proof_frees_the_order_for_another_supplier() {
    let ways = [way("query1"), way("query2")];
    for verdict in [
        unknown(),
        Verdict::NotFound,
        Verdict::Accepted,
        Verdict::Processing,
    ] {
        let life = submitted("query1", AttemptState::Calling, 1);
        let change = change_of(&life, &says(verdict), &ways);
        assert_eq!(change.state, OrderState::Processing);
        assert_eq!(change.posting(life.state), None);
        assert!(matches!(
            change.attempt,
            AttemptChange::Set { state, .. } if state.is_live()
        ));
        assert!(matches!(change.wait, Wait::Check(at) if at > NOW));
    }
}

#[test]
fn a_refusal_of_a_repeated_submit_says_nothing_about_the_first() {
    let mut life = submitted("idempotent", AttemptState::Calling, 61);
    life.attempts[0].calls = 2;
    let change = change_of(
        &life,
        &says(rejection()),
        &[way("idempotent"), way("query")],
    );
    assert!(matches!(
        change.attempt,
        AttemptChange::Set {
            state: AttemptState::Unknown,
            ..
        }
    ));
}

#[test]
fn not_found_is_proof_only_when_it_was_asked_after_the_call_and_the_drain() {
    let state_after = |state, called_s, asked_s: i64| {
        let mut life = submitted("query", state, called_s);
        life.wait = Wait::Lease(UnixMs(NOW.0 - asked_s * SECOND).after(LEASE));
        let said = query_says(Verdict::NotFound);
        change_of(&life, &said, &[way("query")]).state
    };
    assert_eq!(
        state_after(AttemptState::Unknown, 179, 0),
        OrderState::Processing
    );
    assert_eq!(
        state_after(AttemptState::Unknown, 180, 0),
        OrderState::Failed
    );
    assert_eq!(
        state_after(AttemptState::Accepted, 180, 0),
        OrderState::Processing
    );
    // Asked while the call could still arrive, and recorded by a worker that had been stopped meanwhile.
    assert_eq!(
        state_after(AttemptState::Unknown, 400, 390),
        OrderState::Processing
    );
}

#[test]
fn a_call_of_unknown_outcome_is_asked_after_for_as_long_as_it_takes_to_know() {
    // Its worker died: the lease alone has used up more than the hour for which an accepted order is asked after.
    let step = |state, called_s| {
        let mut life = submitted("query", state, called_s);
        life.wait = Wait::Check(NOW);
        change_of(&life, &Event::Claim, &[])
    };
    let asked = Some(Call::Query(AttemptNo(1)));
    assert_eq!(step(AttemptState::Calling, 3_600 + 179).call, asked);
    assert!(matches!(
        step(AttemptState::Calling, 3_600 + 180).doubt,
        Doubt::Open(_)
    ));
    assert_eq!(step(AttemptState::Accepted, 3_599).call, asked);
    assert!(matches!(
        step(AttemptState::Accepted, 3_600).doubt,
        Doubt::Open(_)
    ));
}

#[test]
fn the_same_number_is_sent_again_only_if_it_arrives_while_it_is_remembered() {
    // An hour of memory, less the lease and the drain of a call.
    let in_time = submitted("idempotent", AttemptState::Unknown, 3_600 - 180);
    let too_late = submitted("idempotent", AttemptState::Unknown, 3_600 - 179);
    let claimed = |mut life: Life| {
        life.wait = Wait::Check(NOW);
        change_of(&life, &Event::Claim, &[])
    };
    assert_eq!(claimed(in_time).call, Some(Call::Submit(AttemptNo(1))));
    assert!(matches!(claimed(too_late).doubt, Doubt::Open(_)));
}

#[test]
fn a_call_that_was_never_sent_may_go_to_the_same_supplier_again() {
    let life = submitted("never", AttemptState::Calling, 1);
    let change = change_of(&life, &says(Verdict::NotSent), &[way("never")]);
    assert!(matches!(
        change.attempt,
        AttemptChange::Set {
            state: AttemptState::NotCharged,
            ..
        }
    ));
    let mut again = life;
    again.attempts[0].state = AttemptState::NotCharged;
    again.attempts[0].last_verdict = Some(Verdict::NotSent.number());
    again.wait = Wait::Check(NOW);
    let change = change_of(&again, &Event::Claim, &[way("never")]);
    assert_eq!(change.call, Some(Call::Submit(AttemptNo(2))));
}

#[test]
fn who_cannot_be_reached_keeps_nobody_from_the_next_supplier_nor_longer_than_the_product_waits() {
    let mut life = submitted("never", AttemptState::NotCharged, 1);
    life.attempts[0].last_verdict = Some(Verdict::NotSent.number());
    life.wait = Wait::Check(NOW);
    let ways = [way("never"), way("query")];
    let change = change_of(&life, &Event::Claim, &ways);
    let supplier = SupplierId::new("query");
    let no = AttemptNo(2);
    assert_eq!(change.attempt, AttemptChange::Open { no, supplier });
    life.created_at = UnixMs(0);
    let change = change_of(&life, &Event::Claim, &ways);
    assert_eq!(change.state, OrderState::Failed);
    assert_eq!(change.posting(life.state), Some(Posting::Release));
}

#[test]
fn after_an_end_that_contradicts_a_refusal_no_other_supplier_is_asked() {
    let mut life = submitted("query", AttemptState::NotCharged, 1);
    life.attempts[0].last_verdict = Some(
        Verdict::Failed {
            reason: "no".into(),
        }
        .number(),
    );
    life.wait = Wait::Check(NOW);
    let ways = [way("query"), way("never")];
    let goes_on = change_of(&life, &Event::Claim, &ways);
    assert!(matches!(goes_on.call, Some(Call::Submit(_))));
    let told = change_of(&life, &pushed(success()), &ways);
    assert!(told.discrepancy.is_some());
    for verdict in [Verdict::SUCCEEDED, Verdict::DISCREPANT] {
        life.attempts[0].last_verdict = Some(verdict);
        let stopped = change_of(&life, &Event::Claim, &ways);
        assert_eq!((stopped.state, stopped.call), (OrderState::Failed, None));
    }
}

#[test]
fn what_is_another_end_than_was_asked_for_is_a_persons_alone() {
    let mut life = submitted("query", AttemptState::Accepted, 60);
    let reason = "20 of 50".to_owned();
    let change = change_of(&life, &pushed(Verdict::Discrepant { reason }), &[]);
    assert!(matches!(change.doubt, Doubt::Open(_)));
    assert_eq!(change.wait, Wait::Nothing, "no query settles it");
    life.attempts[0].last_verdict = Some(Verdict::SUCCEEDED);
    let change = change_of(&life, &pushed(failure()), &[]);
    assert!(
        matches!(change.doubt, Doubt::Open(_)),
        "a late success was heard"
    );
    assert_eq!(change.wait, Wait::Nothing);
}

#[test]
fn a_query_that_was_never_sent_says_nothing_about_the_submit() {
    let life = submitted("query", AttemptState::Unknown, 60);
    let change = change_of(&life, &query_says(Verdict::NotSent), &[]);
    assert_eq!(change.state, OrderState::Processing);
    assert!(matches!(
        change.attempt,
        AttemptChange::Set {
            state: AttemptState::Unknown,
            ..
        }
    ));
}

#[test]
fn a_push_settles_and_outdates_the_worker_that_still_waits() {
    let life = submitted("query", AttemptState::Calling, 1);
    let change = change_of(&life, &pushed(success()), &[]);
    assert_eq!(change.state, OrderState::Succeeded);
    assert!(change.epoch > life.epoch);
}

#[test]
fn a_stale_worker_changes_nothing_but_its_evidence_is_kept() {
    let life = Life {
        epoch: Epoch(2),
        ..submitted("query", AttemptState::Unknown, 100)
    };
    assert_eq!(ignored(&life, &says(unknown())), Ignored::Stale);
    let change = change_of(&life, &says(success()), &[]);
    assert_eq!(change.attempt, AttemptChange::Note { no: AttemptNo(1) });
    assert_eq!(
        (change.state, change.epoch, change.wait),
        (life.state, life.epoch, life.wait)
    );
}

#[test]
fn what_contradicts_an_end_opens_a_discrepancy_and_flips_nothing() {
    let mut life = submitted("query", AttemptState::NotCharged, 100);
    life.state = OrderState::Failed;
    let change = change_of(&life, &pushed(success()), &[]);
    assert!(change.discrepancy.is_some());
    assert_eq!(change.state, OrderState::Failed);
    assert_eq!(change.posting(life.state), None);

    life.attempts[0].state = AttemptState::Charged;
    life.state = OrderState::Succeeded;
    assert_eq!(ignored(&life, &pushed(success())), Ignored::Final);
    let change = change_of(&life, &pushed(failure()), &[]);
    assert!(change.discrepancy.is_some());
    assert_eq!(change.state, OrderState::Succeeded);
}

#[test]
fn what_is_in_doubt_is_asked_after_now_and_then_and_stays_in_doubt_until_an_end_is_known() {
    let mut life = submitted("query", AttemptState::Unknown, 9_000);
    let aside = change_of(&life, &Event::Claim, &[]);
    let later = Wait::Check(NOW.after(Duration::from_mins(10)));
    assert!(matches!(aside.doubt, Doubt::Open(_)));
    assert_eq!(aside.wait, later);
    life.in_doubt = true;
    life.wait = later;
    assert_eq!(ignored(&life, &Event::Claim), Ignored::Early);
    life.wait = Wait::Check(NOW);
    let asked = change_of(&life, &Event::Claim, &[]);
    assert_eq!(asked.call, Some(Call::Query(AttemptNo(1))));
    assert_eq!(asked.doubt, Doubt::Keep);
    life.wait = Wait::Lease(NOW.after(LEASE));
    let still = change_of(&life, &query_says(Verdict::Processing), &[]);
    assert_eq!((still.doubt, still.wait), (Doubt::Keep, later));
    let voucher = None;
    let done = change_of(&life, &query_says(Verdict::Succeeded { voucher }), &[]);
    assert_eq!(
        (done.doubt, done.state),
        (Doubt::Close, OrderState::Succeeded)
    );
    // One that cannot be asked waits for the person alone.
    let mut silent = submitted("never", AttemptState::Unknown, 9_000);
    silent.wait = Wait::Check(NOW);
    assert_eq!(change_of(&silent, &Event::Claim, &[]).wait, Wait::Nothing);
    // Nor is one looked at for ever that could be asked until its supplier's card was changed.
    silent.in_doubt = true;
    for wait in [Wait::Check(NOW), Wait::Lease(NOW)] {
        silent.wait = wait;
        let left = change_of(&silent, &Event::Claim, &[]);
        assert_eq!((left.doubt, left.wait), (Doubt::Keep, Wait::Nothing));
        assert_eq!(left.call, None);
    }
}

#[test]
fn a_person_settles_only_what_is_in_doubt() {
    let decision = |charged| Event::Operator {
        charged,
        reason: "their statement".into(),
    };
    let sure = submitted("never", AttemptState::Unknown, 100);
    assert_eq!(ignored(&sure, &decision(true)), Ignored::Refused);
    let doubtful = Life {
        in_doubt: true,
        wait: Wait::Nothing,
        ..sure
    };
    let change = change_of(&doubtful, &decision(true), &[]);
    assert_eq!(
        (change.state, change.doubt),
        (OrderState::Succeeded, Doubt::Close)
    );
    let change = change_of(&doubtful, &decision(false), &[way("query")]);
    assert_eq!(change.state, OrderState::Failed);
}

#[test]
fn evidence_settles_what_is_in_doubt() {
    let doubtful = Life {
        in_doubt: true,
        wait: Wait::Nothing,
        ..submitted("never", AttemptState::Unknown, 100)
    };
    let change = change_of(&doubtful, &pushed(success()), &[]);
    assert_eq!(
        (change.state, change.doubt),
        (OrderState::Succeeded, Doubt::Close)
    );
}

#[test]
fn only_a_stored_order_is_cancelled() {
    let change = change_of(&stored(), &Event::Cancel, &[]);
    assert_eq!(change.state, OrderState::Cancelled);
    assert_eq!(change.posting(OrderState::Stored), Some(Posting::Release));
    let claimed = submitted("query", AttemptState::Calling, 1);
    assert_eq!(ignored(&claimed, &Event::Cancel), Ignored::Refused);
}

#[test]
fn an_adjustment_brings_what_was_paid_to_what_is_owed() {
    let yuan = |n: i64| Money::from_units(n * 10_000);
    assert_eq!(adjustment(yuan(49), yuan(49), false), yuan(49));
    assert_eq!(adjustment(yuan(49), yuan(0), true), yuan(-49));
    assert_eq!(adjustment(yuan(49), yuan(49), true), yuan(0));
    assert_eq!(adjustment(yuan(49), yuan(0), false), yuan(0));
}

#[test]
fn what_is_put_off_stays_as_it_is_and_looks_again_the_seldomer_the_longer_it_waits() {
    let wait_after = |asked_s| {
        let life = submitted("query", AttemptState::Unknown, asked_s);
        let change = put_off(&life, NOW);
        assert_eq!(
            (change.state, change.epoch, &change.attempt, change.call),
            (life.state, life.epoch, &AttemptChange::Keep, None)
        );
        change.wait
    };
    let seconds = |s| Wait::Check(NOW.after(Duration::from_secs(s)));
    for (asked, wait) in [(1, 1), (40, 10), (4_000, 30)] {
        assert_eq!(wait_after(asked), seconds(wait), "{asked}");
    }
    assert_eq!(put_off(&stored(), NOW).wait, seconds(1));
}
