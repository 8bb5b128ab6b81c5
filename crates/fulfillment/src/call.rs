//! One call to a supplier: what was claimed becomes a question, the answer becomes evidence.

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
            counter.adapter.submit(&call).await
        }
    };
    heard.into_evidence(source)
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
