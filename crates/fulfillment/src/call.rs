//! One call to a supplier: what was claimed becomes a question, the answer becomes evidence.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use domain::life::{Call, LEASE};
use domain::{Catalogue, Evidence, Source, Verdict};
use store::life::Claimed;
use suppliers::{Attach, QueryCall, SubmitCall};
use tokio::time::Instant;

use crate::desk::Counter;

/// What recording the answer may take: a call that could end later than its lease allows is not begun.
const RECORD_TIME: Duration = Duration::from_secs(15);

/// Makes the call that was claimed. `claimed_at` is a moment before the claim began, by this process's monotonic clock.
pub(crate) async fn make(
    claimed: &Claimed,
    counter: &Counter,
    catalogue: &Catalogue,
    claimed_at: Instant,
) -> Evidence {
    let source = match claimed.call {
        Call::Submit(_) => Source::Submit,
        Call::Query(_) => Source::Query,
    };
    let timeout = catalogue
        .suppliers
        .get(&claimed.supplier)
        .map_or(domain::card::SupplierCard::MAX_TIMEOUT, |s| s.card.timeout);
    if claimed_at.elapsed() + timeout + RECORD_TIME > LEASE {
        return not_sent(source, "the claim had become too old");
    }
    let question = QueryCall {
        reference: &claimed.reference,
        account: &claimed.account,
        face_value: claimed.spec,
    };
    let heard = match claimed.call {
        Call::Query(_) => counter.adapter.query(&question).await,
        Call::Submit(_) => {
            let attach = match attach_values(claimed, catalogue) {
                Ok(attach) => attach,
                Err(reason) => return not_sent(source, &reason),
            };
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
            match while_leased(claimed_at, calling).await {
                Ok(heard) => {
                    halt::at("call", "answered").await;
                    heard
                }
                Err(late) => return late.evidence(),
            }
        }
    };
    heard.into_evidence(source)
}

/// The lease was about to end.
struct Late {
    had_begun: bool,
}

impl Late {
    fn evidence(&self) -> Evidence {
        let reason = "the lease was about to end";
        if !self.had_begun {
            return not_sent(Source::Submit, reason);
        }
        Evidence {
            source: Source::Submit,
            verdict: Verdict::Unknown {
                reason: reason.to_owned(),
            },
            upstream_no: None,
            detail: reason.to_owned(),
            actor: None,
        }
    }
}

/// Goes on with a call only as long as its claim is safely in force. The clock is looked at last before each step: a process that was
/// stopped for a while (a debugger, a snapshot, a starved machine) must not send, when it goes on, what others have given up by then.
async fn while_leased<T>(claimed_at: Instant, call: impl Future<Output = T>) -> Result<T, Late> {
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
    done.ok().flatten().ok_or(Late { had_begun })
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

fn not_sent(source: Source, reason: &str) -> Evidence {
    let verdict = match source {
        Source::Submit => Verdict::NotSent,
        _ => Verdict::Unknown {
            reason: reason.to_owned(),
        },
    };
    Evidence {
        source,
        verdict,
        upstream_no: None,
        detail: reason.to_owned(),
        actor: None,
    }
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
        let evidence = late.map(|(): ()| ()).unwrap_err().evidence();
        assert_eq!(evidence.verdict, Verdict::NotSent);
        let begun = Instant::now();
        let endless = while_leased(begun, std::future::pending::<()>()).await;
        let evidence = endless.unwrap_err().evidence();
        assert!(matches!(evidence.verdict, Verdict::Unknown { .. }));
        assert!(begun.elapsed() < LEASE);
    }
}
