//! Status reports: claimed, tried, recorded (`CONTRACT.md` §6).
//!
//! ```text
//!  state        becomes     when
//!  -----------  ----------  ---------------------------------------------------------------
//!  0 waiting    1 sending   claimed (`claim`): its time has come, or its first hint is here
//!  1 sending    2 delivered the merchant took it (`record`)
//!  1 sending    0 waiting   it did not, and the schedule has another try
//!  1 sending    3 parked    it did not, and that was the last try
//!  1 sending    1 sending   the lease ran out: the worker was lost, and with it the try
//!  2, 3         0 waiting   sent again on request: a new round of tries (`resend`)
//! ```
//!
//! A claim raises the epoch; what is recorded under an older one changes nothing but its own try's row.

mod batch;
mod claim;
mod delays;
mod desk;
pub(crate) mod lines;
mod marks;
mod record;

use std::time::Duration;

use domain::{BatchFacts, Endpoint, Epoch, OrderFacts, OrderKey};

pub use claim::Wanted;
pub use delays::Delays;
pub use desk::ParkedReport;
pub use lines::{Head, Pick};

/// A report that is to be sent now, before its lease ends. Its try is written already.
#[derive(Clone, Debug)]
pub struct ClaimedReport {
    /// Which order it reports; of a batch, its id stands where the order's code would.
    pub key: OrderKey,
    /// What its result must carry.
    pub epoch: Epoch,
    /// Which round of tries.
    pub round: i16,
    /// Which try of the round, from 1.
    pub try_no: i16,
    /// Where it goes.
    pub url: String,
    /// What has to be reached for that.
    pub endpoint: Endpoint,
    /// How long ago it was made, at the claim: when its order became final.
    pub since_final: Duration,
    /// What it says: final, so the same on each try.
    pub subject: Subject,
    /// The trace that the order belongs to; not for what is sent again on request, long after it.
    pub traceparent: Option<String>,
}

/// What a report tells about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An order.
    Order(OrderFacts),
    /// A batch whose orders are all final.
    Batch(BatchFacts),
}

/// Why a report waits. Each line has its own index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// It has not been tried.
    First,
    /// A try has failed, or was lost with its worker.
    Retry,
    /// It is sent again on request.
    Replay,
}

impl Line {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 3] = [Self::First, Self::Retry, Self::Replay];
}

/// What one try came to.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Which order's report.
    pub key: OrderKey,
    /// The claim that made the try.
    pub epoch: Epoch,
    /// Its round.
    pub round: i16,
    /// Its number in the round.
    pub try_no: i16,
    /// How long the call took.
    pub duration: Duration,
    /// From the order's end to the end of the call.
    pub since_final: Duration,
    /// The HTTP status, where there was an answer.
    pub http_status: Option<u16>,
    /// One word for it.
    pub outcome: &'static str,
    /// What happened, bounded and without secrets.
    pub detail: Option<String>,
    /// Whose fault it was, in one word.
    pub fault: Option<&'static str>,
    /// Whether the call did not reach the endpoint: then the report goes out as soon as the endpoint is well.
    pub unreached: bool,
    /// What follows.
    pub next: Next,
}

/// What follows from a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The merchant has it.
    Delivered,
    /// Once more, after this.
    Again(Duration),
    /// No more, until it is asked for.
    Parked,
    /// As if it had not been tried, after this: the fault was on our side.
    Uncharged(Duration),
}
