//! What only evidence or a person can end, and what contradicts an end.

use super::*;

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
fn an_adjustment_brings_what_was_paid_to_what_is_owed() {
    let yuan = |n: i64| Money::from_units(n * 10_000);
    assert_eq!(adjustment(yuan(49), yuan(49), false), yuan(49));
    assert_eq!(adjustment(yuan(49), yuan(0), true), yuan(-49));
    assert_eq!(adjustment(yuan(49), yuan(49), true), yuan(0));
    assert_eq!(adjustment(yuan(49), yuan(0), false), yuan(0));
}
