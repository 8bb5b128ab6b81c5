//! What becomes of an order when a supplier is heard, or stays silent.

use super::*;

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
