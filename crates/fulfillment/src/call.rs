//! One call to a supplier: what was claimed becomes a question, the answer becomes evidence.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use domain::life::{Call, LEASE};
use domain::{Catalogue, Evidence, Source, Verdict};
use store::life::Claimed;
use suppliers::{Attach, Heard, QueryCall, SubmitCall};
use tokio::time::Instant;

use crate::desk::Counter;

/// What recording the answer may take: a call that could end later than its lease allows is not begun.
const RECORD_TIME: Duration = Duration::from_secs(15);
/// Why a call was given up.
const LEASE_ENDS: &str = "the lease was about to end";

/// How a supplier did at a call: what its breaker and its pace go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Showing {
    /// It took an order or refused it: it is there.
    Answered,
    /// It gave no usable answer to an order, or there was no connection.
    Failed,
    /// No order was put to it. How it does at questions is another matter: it may have closed its doors to new orders only.
    NotTried,
}

impl Showing {
    const fn of(source: Source, verdict: &Verdict) -> Self {
        match (source, verdict) {
            (Source::Submit, Verdict::Unknown { .. } | Verdict::NotSent) => Self::Failed,
            (Source::Submit, _) => Self::Answered,
            _ => Self::NotTried,
        }
    }
}

/// Makes the call that was claimed. `claimed_at` is a moment before the claim began, by this process's monotonic clock.
pub(crate) async fn make(
    claimed: &Claimed,
    counter: &Counter,
    catalogue: &Catalogue,
    claimed_at: Instant,
) -> (Evidence, Showing) {
    let source = match claimed.call {
        Call::Submit(_) => Source::Submit,
        Call::Query(_) => Source::Query,
    };
    match try_to(claimed, counter, catalogue, claimed_at).await {
        Ok(heard) => {
            let showing = Showing::of(source, &heard.verdict);
            (heard.into_evidence(source), showing)
        }
        Err(ours) => (ours.evidence(source), Showing::NotTried),
    }
}

async fn try_to(
    claimed: &Claimed,
    counter: &Counter,
    catalogue: &Catalogue,
    claimed_at: Instant,
) -> Result<Heard, OurDoing> {
    let timeout = catalogue
        .suppliers
        .get(&claimed.supplier)
        .map_or(domain::card::SupplierCard::MAX_TIMEOUT, |s| s.card.timeout);
    if claimed_at.elapsed() + timeout + RECORD_TIME > LEASE {
        let reason = "the claim had become too old";
        return Err(OurDoing::NotBegun(reason.into()));
    }
    let question = QueryCall {
        reference: &claimed.reference,
        account: &claimed.account,
        face_value: claimed.spec,
    };
    if matches!(claimed.call, Call::Query(_)) {
        return Ok(counter.adapter.query(&question).await);
    }
    let attach = attach_values(claimed, catalogue).map_err(OurDoing::NotBegun)?;
    let call = SubmitCall {
        reference: question.reference,
        sku: &claimed.sku,
        account: question.account,
        face_value: question.face_value,
        max_cost: claimed.cost,
        attach: &attach,
    };
    halt::at("call", "about to begin").await;
    let calling = async {
        let mut calling = pin!(counter.adapter.submit(&call));
        tokio::select! {
            biased;
            heard = &mut calling => heard,
            () = halt::amid("call", "on its way") => calling.await,
        }
    };
    let heard = while_leased(claimed_at, calling).await?;
    halt::at("call", "answered").await;
    Ok(heard)
}

/// What kept a call from an answer and is not the supplier's.
#[derive(Debug)]
enum OurDoing {
    /// Nothing was sent.
    NotBegun(String),
    /// The lease was about to end.
    BrokenOff,
}

impl OurDoing {
    fn evidence(self, source: Source) -> Evidence {
        let (sent, reason) = match self {
            Self::NotBegun(reason) => (false, reason),
            Self::BrokenOff => (true, LEASE_ENDS.to_owned()),
        };
        let verdict = if source == Source::Submit && !sent {
            Verdict::NotSent
        } else {
            Verdict::Unknown {
                reason: reason.clone(),
            }
        };
        Evidence {
            source,
            verdict,
            upstream_no: None,
            detail: reason,
            actor: None,
        }
    }
}

/// Goes on with a call only as long as its claim is safely in force. The clock is looked at last before each step: a process that was
/// stopped for a while (a debugger, a snapshot, a starved machine) must not send, when it goes on, what others have given up by then.
async fn while_leased<T>(
    claimed_at: Instant,
    call: impl Future<Output = T>,
) -> Result<T, OurDoing> {
    let end = claimed_at + LEASE.saturating_sub(RECORD_TIME);
    let mut call = pin!(call);
    let mut had_begun = false;
    let step = poll_fn(|cx| {
        if Instant::now() >= end {
            return Poll::Ready(None);
        }
        had_begun = true;
        call.as_mut().poll(cx).map(Some)
    });
    let done = tokio::time::timeout_at(end, step).await;
    done.ok().flatten().ok_or(if had_begun {
        OurDoing::BrokenOff
    } else {
        OurDoing::NotBegun(LEASE_ENDS.to_owned())
    })
}

/// The dictionary may have changed since the order was taken in; then the order waits until it fits again.
fn attach_values(claimed: &Claimed, catalogue: &Catalogue) -> Result<Vec<Attach>, String> {
    let product = catalogue
        .products
        .get(&claimed.product)
        .ok_or("the product is no longer in the catalogue")?;
    Attach::of_order(product, claimed.attach.as_deref())
        .map_err(|fault| format!("{}: {}", fault.field, fault.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_once_the_lease_is_about_to_end() {
        let claimed_at = Instant::now();
        let mut polled = false;
        let fine = while_leased(claimed_at, async { polled = true }).await;
        assert!(fine.is_ok() && polled);
        tokio::time::advance(LEASE).await;
        let late = while_leased(claimed_at, async { panic!("it was sent") }).await;
        let evidence = late.map(|(): ()| ()).unwrap_err().evidence(Source::Submit);
        assert_eq!(evidence.verdict, Verdict::NotSent);
        let begun = Instant::now();
        let endless = while_leased(begun, std::future::pending::<()>()).await;
        let evidence = endless.unwrap_err().evidence(Source::Submit);
        assert!(matches!(evidence.verdict, Verdict::Unknown { .. }));
        assert!(begun.elapsed() < LEASE);
    }
}
