//! Reports that were given up, and the jobs that send reports again.

use serde_json::{Value, json};
use store::callbacks::ParkedReport;
use store::resend::{JobState, ResendJob};

/// A report that was given up.
pub fn parked_report(report: &ParkedReport) -> Value {
    let outcome = report.outcome.as_deref().unwrap_or("never tried, or lost");
    let detail = report.detail.as_deref().unwrap_or_default();
    json!({
        "business": report.key.business.as_str(), "order": report.key.order.to_string(),
        "rounds": report.rounds, "outcome": outcome, "http_status": report.http_status, "detail": detail,
        "created_at": report.created_at.0, "last_try_at": report.last_try_at.map(|at| at.0),
    })
}

/// The word for how a job stands.
pub const fn job_state(state: JobState) -> &'static str {
    match state {
        JobState::Running => "running",
        JobState::Paused => "paused",
        JobState::Cancelled => "cancelled",
        JobState::Done => "done",
    }
}

/// A job.
pub fn job(job: &ResendJob) -> Value {
    json!({
        "job": job.id.to_string(), "business": job.business.as_str(), "state": job_state(job.state), "reports": job.total, "done": job.done,
        "per_second": job.per_second, "asked_by": job.asked_by, "asked_at": job.asked_at.0,
    })
}

/// How many reports a job would send.
pub fn would_be_sent(reports: i64) -> Value {
    json!({ "reports": reports })
}
