//! What becomes of an order that is claimed, put off or cancelled.

use super::*;

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
fn only_a_stored_order_is_cancelled() {
    let change = change_of(&stored(), &Event::Cancel, &[]);
    assert_eq!(change.state, OrderState::Cancelled);
    assert_eq!(change.posting(OrderState::Stored), Some(Posting::Release));
    let claimed = submitted("query", AttemptState::Calling, 1);
    assert_eq!(ignored(&claimed, &Event::Cancel), Ignored::Refused);
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
