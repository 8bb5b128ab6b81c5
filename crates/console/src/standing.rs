//! Why an order stands where it stands, and what happens next: a pure function of its story and of what the catalogue knows.

use domain::catalogue::Route;
use domain::{AttemptState, Catalogue, Lane, SupplierId, UnixMs, Verdict};
use store::story::{AttemptLine, OrderStory};

use crate::codes::explained;
use crate::tongue::Words;
use crate::words::second;

/// Why it stands where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// In a sentence or two; where `next` is known, they end before it.
    pub(crate) why: String,
    /// When something happens next.
    pub(crate) next: Option<UnixMs>,
}

/// Where an order stands.
pub(crate) fn standing(w: &'static Words, story: &OrderStory, catalogue: &Catalogue) -> Standing {
    let said = |why: &str, next| Standing {
        why: why.to_owned(),
        next,
    };
    let open = |kind: &str| {
        let mut doubts = story.doubts.iter();
        doubts.any(|doubt| doubt.kind == kind && doubt.closed.is_none())
    };
    if !story.state.is_final() {
        return match story.waits {
            _ if open("doubt") => said(w.waits_person, None),
            Some(("a worker", at)) => said(w.waits_worker, Some(at)),
            Some(("the end of a call", at)) => said(w.waits_call, Some(at)),
            Some((_, at)) => waits_for_a_look(w, story, catalogue, at),
            None => said(w.stands_still, None),
        };
    }
    if open("discrepancy") {
        return said(w.contradicted, None);
    }
    match &story.report {
        None => said(w.ended_no_report, None),
        Some(report) => match report.state {
            "delivered" => said(w.ended_told, None),
            "parked" => said(w.ended_given_up, None),
            _ => said(w.ended_telling, report.due_at),
        },
    }
}

/// Its supplier is asked again, or one is looked for: that depends on whether an attempt may still charge.
fn waits_for_a_look(
    w: &'static Words,
    story: &OrderStory,
    catalogue: &Catalogue,
    at: UnixMs,
) -> Standing {
    let live = story.attempts.iter().find(|a| a.state.is_live());
    let why = match live.map(|attempt| attempt.state) {
        Some(AttemptState::Accepted) => w.waits_look.to_owned(),
        Some(_) => w.waits_unknown.to_owned(),
        None => no_supplier_has_it(w, story, catalogue, at),
    };
    Standing {
        why,
        next: Some(at),
    }
}

fn no_supplier_has_it(
    w: &'static Words,
    story: &OrderStory,
    catalogue: &Catalogue,
    at: UnixMs,
) -> String {
    let reasons = what_keeps_it(w, story, catalogue).join(w.between);
    let product = catalogue.products.get(&story.product);
    // Whoever is looked at later than that waits for nothing but room, and has it when there is some.
    let until = product
        .map(|product| story.created_at.after(product.wait_for))
        .filter(|until| *until >= at)
        .map(|until| w.waits_until.replace("{}", &second(until)))
        .unwrap_or_default();
    let why = w.waits_way.replace("{}", &reasons);
    format!("{why}{until}{}", w.waits_next)
}

/// What is known of it: who is shut, and what was heard last.
fn what_keeps_it(w: &'static Words, story: &OrderStory, catalogue: &Catalogue) -> Vec<String> {
    let product = catalogue.products.get(&story.product);
    let lane = product.map(|product| &product.lane);
    let gates = &catalogue.gates;
    let last = story
        .attempts
        .last()
        .map(|attempt| last_word(story, attempt));
    let mut reasons = vec![];
    if let Some(lane) = lane.filter(|lane| gates.paused.contains(&(None, Some((*lane).clone())))) {
        reasons.push(w.lane_is_paused.replace("{}", lane.as_str()));
    } else {
        let ways = catalogue.routes_of(&story.product).map(|(route, _)| route);
        let left = ways.filter(|way| !has_refused(story, way));
        reasons.extend(left.filter_map(|way| shut(w, catalogue, &way.supplier, lane)));
    }
    match (story.attempts.last(), last) {
        (Some(attempt), Some(word)) if word == Verdict::NotSent.word() => {
            reasons.push(w.last_not_sent.replace("{}", attempt.supplier.as_str()));
        }
        (Some(attempt), Some(word)) => {
            if reasons.is_empty() {
                reasons.push(w.no_way_now.to_owned());
            }
            let said = w.last_said.replace("{}", attempt.supplier.as_str());
            reasons.push(format!("{said} {}", explained(w, word)));
        }
        _ if reasons.is_empty() => reasons.push(w.no_way_now.to_owned()),
        _ => {}
    }
    reasons
}

/// What keeps new orders from a supplier.
fn shut(
    w: &Words,
    catalogue: &Catalogue,
    supplier: &SupplierId,
    lane: Option<&Lane>,
) -> Option<String> {
    let gates = &catalogue.gates;
    let words = if lane.is_some_and(|lane| gates.is_paused(supplier, lane)) {
        w.supplier_is_paused
    } else if gates.tripped.contains_key(supplier) {
        w.supplier_is_tripped
    } else {
        return None;
    };
    Some(words.replace("{}", supplier.as_str()))
}

/// Whether an order that is at no supplier has been at this one, as `domain::life` has it: a call that was never sent is no refusal.
fn has_refused(story: &OrderStory, way: &Route) -> bool {
    let mut there = story.attempts.iter();
    there.any(|a| a.supplier == way.supplier && last_word(story, a) != Verdict::NotSent.word())
}

/// The last that was heard about an attempt, in a word.
fn last_word(story: &OrderStory, attempt: &AttemptLine) -> &'static str {
    let heard = story.evidence.iter().rfind(|e| e.attempt == attempt.no);
    heard.map_or(attempt.state.word(), |evidence| evidence.verdict)
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
