//! The order in which a batch is taken in, searched through: three requests for the same batch (one of them the same bytes again), two
//! of them handled at a time, each handler killed at any step.
//!
//! Right is what `store::intake` does: nonce, batch and hold in one transaction, and only then the answer. Each wrong order must be caught.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test stops at the first surprise"
)]

use std::collections::HashSet;

/// One step of a handler. What is within `Commit` happens as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// Refused where the nonce has been used.
    UseNonce,
    /// Answered from the book where the batch is there already.
    TakeHold,
    InsertBatch,
    /// All three, and the unique batch number decides between two at once.
    Commit,
    Answer,
}

const RIGHT: &[Step] = &[Step::Commit, Step::Answer];

/// Wrong orders, and what they break.
const WRONG: [(&str, &[Step]); 4] = [
    (
        "nonce outside the transaction",
        &[Step::UseNonce, Step::Commit, Step::Answer],
    ),
    (
        "hold outside the transaction",
        &[Step::InsertBatch, Step::TakeHold, Step::Answer],
    ),
    (
        "a second hold for the same batch",
        &[Step::TakeHold, Step::Commit, Step::Answer],
    ),
    ("answered before the commit", &[Step::Answer, Step::Commit]),
];

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    /// By request: 0 and 1 carry the same nonce.
    nonces: [bool; 2],
    batches: u8,
    holds: u8,
    accepted: bool,
    /// Where the handler of each request stands; `None`: not begun, or over.
    handlers: [Option<usize>; 3],
    begun: [bool; 3],
}

const NONCE_OF: [usize; 3] = [0, 0, 1];

/// Everything that may come next.
fn next(state: &State, order: &[Step]) -> Vec<State> {
    let mut found = vec![];
    let running = state.handlers.iter().flatten().count();
    for request in 0..state.handlers.len() {
        match state.handlers[request] {
            None if !state.begun[request] && running < 2 => {
                let mut begun = state.clone();
                begun.begun[request] = true;
                begun.handlers[request] = Some(0);
                found.push(begun);
            }
            None => {}
            Some(at) => {
                let mut killed = state.clone();
                killed.handlers[request] = None;
                found.push(killed);
                found.push(step(state, order, request, at));
            }
        }
    }
    found
}

fn step(state: &State, order: &[Step], request: usize, at: usize) -> State {
    let mut after = state.clone();
    let nonce = NONCE_OF[request];
    let mut goes_on = true;
    match order[at] {
        Step::UseNonce => {
            goes_on = !after.nonces[nonce];
            after.nonces[nonce] = true;
        }
        Step::TakeHold => after.holds += 1,
        Step::InsertBatch => {
            goes_on = after.batches == 0;
            after.batches = 1;
        }
        Step::Commit => {
            // The same content again, by whichever nonce, is answered from the book and changes nothing else.
            if after.batches == 0 {
                after.batches = 1;
                after.holds += 1;
            }
            after.nonces[nonce] = true;
        }
        Step::Answer => after.accepted = true,
    }
    after.handlers[request] = (goes_on && at + 1 < order.len()).then_some(at + 1);
    after
}

/// What is promised, at any moment or when nobody is at work.
fn broken(state: &State) -> Option<&'static str> {
    if state.accepted && state.batches == 0 {
        return Some("accepted, and not stored");
    }
    if state.handlers.iter().any(Option::is_some) {
        return None;
    }
    if state.holds != state.batches {
        return Some("what is held is not the price of what is stored");
    }
    if state.nonces.contains(&true) && state.batches == 0 {
        return Some("a nonce was used up for nothing");
    }
    None
}

/// All states that can be reached, or the first broken promise.
fn search(order: &[Step]) -> Result<usize, &'static str> {
    let mut seen = HashSet::from([State::default()]);
    let mut open = vec![State::default()];
    while let Some(state) = open.pop() {
        if let Some(promise) = broken(&state) {
            return Err(promise);
        }
        for state in next(&state, order) {
            if seen.insert(state.clone()) {
                open.push(state);
            }
        }
    }
    Ok(seen.len())
}

#[test]
fn one_transaction_and_then_the_answer_keeps_every_promise() {
    assert!(search(RIGHT).unwrap() > 50);
}

#[test]
fn every_wrong_order_is_caught() {
    for (name, order) in WRONG {
        let promise = search(order).expect_err(name);
        println!("{name}: {promise}");
    }
}
