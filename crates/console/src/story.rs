//! From an order's rows to one timeline.

use domain::UnixMs;
use store::story::{MOST_ENTRIES, OrderStory};

use crate::words::address;

/// One thing that happened.
pub(crate) struct Moment {
    /// When.
    pub(crate) at: UnixMs,
    /// What it belongs to; also the class of its mark.
    pub(crate) kind: &'static str,
    /// What happened.
    pub(crate) what: String,
    /// What else is known of it.
    pub(crate) more: String,
}

/// All that happened to an order, in the order of time; at the same time, in the order of the order's way.
pub(crate) fn timeline(story: &OrderStory) -> Vec<Moment> {
    let mut moments = vec![Moment {
        at: story.created_at,
        kind: "order",
        what: format!("stored with batch {}", story.batch_biz_code),
        more: String::new(),
    }];
    moments.extend(story.postings.iter().map(|posting| Moment {
        at: posting.at,
        kind: "money",
        what: posting.kind.clone(),
        more: format!(
            "prepaid {}, held {}",
            signed(posting.prepaid.units()),
            signed(posting.held.units())
        ),
    }));
    for attempt in &story.attempts {
        moments.push(Moment {
            at: attempt.first_call_at,
            kind: "attempt",
            what: format!("attempt {} at {}", attempt.no.0, attempt.supplier),
            more: format!(
                "reference {}, sku {}, at most {}",
                attempt.reference, attempt.sku, attempt.cost
            ),
        });
        moments.extend(attempt.closed_at.map(|at| Moment {
            at,
            kind: "attempt",
            what: format!("attempt {} closed: {}", attempt.no.0, attempt.state.word()),
            more: listed(&[("upstream number", attempt.upstream_no.as_deref())]),
        }));
    }
    moments.extend(story.evidence.iter().map(|evidence| Moment {
        at: evidence.at,
        kind: "evidence",
        what: format!(
            "attempt {}, {}: {}",
            evidence.attempt.0, evidence.source, evidence.verdict
        ),
        more: listed(&[
            ("", Some(&evidence.detail)),
            ("upstream number", evidence.upstream_no.as_deref()),
            ("decided by", evidence.actor.as_deref()),
        ]),
    }));
    for doubt in &story.doubts {
        moments.push(Moment {
            at: doubt.opened_at,
            kind: "doubt",
            what: format!("{}: a person has to look", doubt.kind),
            more: doubt.reason.clone(),
        });
        moments.extend(doubt.closed.as_ref().map(|(at, by)| Moment {
            at: *at,
            kind: "doubt",
            what: format!("{} closed", doubt.kind),
            more: listed(&[("by", Some(by))]),
        }));
    }
    moments.extend(story.finished_at.map(|at| Moment {
        at,
        kind: "order",
        what: format!("final: {}", story.state.word()),
        more: story.message.clone().unwrap_or_default(),
    }));
    moments.extend(story.report.as_ref().map(|report| Moment {
        at: report.created_at,
        kind: "report",
        what: "report written".into(),
        more: format!("to {}", address(&report.url)),
    }));
    moments.extend(story.tries.iter().map(|a_try| {
        let status = a_try.http_status.map(|s| s.to_string());
        let took = a_try.duration_ms.map(|ms| format!("{ms} ms"));
        Moment {
            at: a_try.started_at,
            kind: "report",
            what: format!(
                "report sent, round {} try {}: {}",
                a_try.round,
                a_try.no,
                a_try.outcome.as_deref().unwrap_or("no result")
            ),
            more: listed(&[
                ("HTTP", status.as_deref()),
                ("", took.as_deref()),
                ("", a_try.detail.as_deref()),
                ("fault:", a_try.fault.as_deref()),
                ("", (!a_try.charged).then_some("does not count as a try")),
            ]),
        }
    }));
    moments.sort_by_key(|moment| moment.at);
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
    let money = domain::Money::from_units(units);
    if units > 0 {
        format!("+{money}")
    } else {
        money.to_string()
    }
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
