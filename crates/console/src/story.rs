//! From an order's rows to one timeline.

use domain::UnixMs;
use store::audit::AuditLine;
use store::story::{MOST_ENTRIES, OrderStory};

use crate::codes::{explained, reason};
use crate::tongue::Words;
use crate::words::{address, money, outcome, state};

/// One thing that happened.
pub struct Moment {
    /// When.
    pub at: UnixMs,
    /// What it belongs to; also the class of its mark.
    pub kind: &'static str,
    /// What happened.
    pub what: String,
    /// What else is known of it.
    pub more: String,
}

/// All that happened to an order, in the order of time; at the same time, in the order of the order's way.
pub(crate) fn timeline(w: &'static Words, story: &OrderStory, deeds: &[AuditLine]) -> Vec<Moment> {
    let mut moments = happened(w, story);
    moments.extend(deeds.iter().map(|deed| Moment {
        at: deed.at,
        kind: "person",
        what: format!(
            "{}: {}, {}",
            deed.operator,
            explained(w, &deed.action),
            outcome(w, &deed.outcome)
        ),
        more: listed(&[("", Some(&deed.parameters)), ("", Some(&deed.detail))]),
    }));
    moments.sort_by_key(|moment| moment.at);
    moments
}

fn happened(w: &'static Words, story: &OrderStory) -> Vec<Moment> {
    let mut moments = vec![Moment {
        at: story.created_at,
        kind: "order",
        what: format!("{} {}", w.t_stored, story.batch_biz_code),
        more: String::new(),
    }];
    for attempt in &story.attempts {
        moments.push(Moment {
            at: attempt.first_call_at,
            kind: "attempt",
            what: format!(
                "{} {} {} {}",
                w.t_attempt, attempt.no.0, w.t_at, attempt.supplier
            ),
            more: format!(
                "{} {}, sku {}, {} {}",
                w.reference,
                attempt.reference,
                attempt.sku,
                w.t_at_most,
                money(attempt.cost)
            ),
        });
        moments.extend(attempt.closed_at.map(|at| Moment {
            at,
            kind: "attempt",
            what: format!(
                "{} {} {} {}",
                w.t_attempt,
                attempt.no.0,
                w.t_closed,
                explained(w, attempt.state.word())
            ),
            more: listed(&[(w.t_upstream, attempt.upstream_no.as_deref())]),
        }));
    }
    moments.extend(story.evidence.iter().map(|evidence| Moment {
        at: evidence.at,
        kind: "evidence",
        what: format!(
            "{} {}, {}: {}",
            w.t_attempt,
            evidence.attempt.0,
            explained(w, evidence.source),
            explained(w, evidence.verdict)
        ),
        more: listed(&[
            ("", Some(&evidence.detail)),
            (w.t_upstream, evidence.upstream_no.as_deref()),
            (w.t_decided_by, evidence.actor.as_deref()),
        ]),
    }));
    for doubt in &story.doubts {
        moments.push(Moment {
            at: doubt.opened_at,
            kind: "doubt",
            what: format!("{}: {}", explained(w, &doubt.kind), w.t_person),
            more: reason(w, &doubt.reason).to_owned(),
        });
        moments.extend(doubt.closed.as_ref().map(|(at, by)| Moment {
            at: *at,
            kind: "doubt",
            what: format!("{} {}", explained(w, &doubt.kind), w.t_over),
            more: listed(&[(w.t_by, Some(by))]),
        }));
    }
    moments.extend(story.postings.iter().map(|posting| Moment {
        at: posting.at,
        kind: "money",
        what: explained(w, &posting.kind).into_owned(),
        more: format!(
            "{} {}, {} {}",
            w.t_prepaid,
            signed(posting.prepaid.units()),
            w.t_held,
            signed(posting.held.units())
        ),
    }));
    moments.extend(story.finished_at.map(|at| Moment {
        at,
        kind: "order",
        what: format!("{} {}", w.t_final, state(w, story.state)),
        more: story.message.clone().unwrap_or_default(),
    }));
    moments.extend(story.report.as_ref().map(|report| Moment {
        at: report.created_at,
        kind: "report",
        what: w.t_report.into(),
        more: format!("{} {}", w.t_to, address(&report.url)),
    }));
    moments.extend(story.tries.iter().map(|a_try| {
        let status = a_try.http_status.map(|s| s.to_string());
        let fault = a_try.fault.as_deref().map(|fault| explained(w, fault));
        let took = a_try.duration_ms.map(|ms| format!("{ms} ms"));
        Moment {
            at: a_try.started_at,
            kind: "report",
            what: format!(
                "{} {}-{}: {}",
                w.t_sent,
                a_try.round,
                a_try.no,
                explained(w, a_try.outcome.as_deref().unwrap_or(w.t_no_result))
            ),
            more: listed(&[
                ("HTTP", status.as_deref()),
                ("", took.as_deref()),
                ("", a_try.detail.as_deref()),
                (w.t_fault, fault.as_deref()),
                ("", (!a_try.charged).then_some(w.t_not_counted)),
            ]),
        }
    }));
    moments
}

/// Whether the order has more entries of some kind than a story tells.
pub(crate) fn is_cut(story: &OrderStory) -> bool {
    let most = usize::try_from(MOST_ENTRIES).unwrap_or(usize::MAX);
    let lengths = [
        story.attempts.len(),
        story.evidence.len(),
        story.doubts.len(),
        story.tries.len(),
    ];
    lengths.into_iter().any(|length| length >= most)
}

fn signed(units: i64) -> String {
    let told = money(domain::Money::from_units(units));
    if units > 0 { format!("+{told}") } else { told }
}

/// The parts that are there, each with its name.
fn listed(parts: &[(&str, Option<&str>)]) -> String {
    let there: Vec<String> = parts
        .iter()
        .filter_map(|(name, value)| Some((name, value.filter(|v| !v.is_empty())?)))
        .map(|(name, value)| format!("{name} {value}").trim_start().to_owned())
        .collect();
    there.join(", ")
}
