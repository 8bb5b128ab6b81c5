//! `POST /v1/openapi/callback/resend` (`CONTRACT.md` §4).

use std::sync::Arc;

use openapi::replies::Resent;
use openapi::requests::ResendRequest as Asked;
use store::reads::OrderName;
use store::resend::{NoJob, Resend, ResendRequest};

use crate::answer::{Done, Refusal};
use crate::authenticate::Signed;
use crate::front::Front;

/// Reports a second, for an account without a rate of its own.
const USUAL_RATE: u32 = 20;

/// Has reports of the business sent again.
pub(crate) async fn ask(front: Arc<Front>, signed: Signed) -> Result<Done, Refusal> {
    let asked = signed.read(&front, Asked::read).await?;
    let (which, nothing) = match asked {
        Asked::Order(text) => {
            let code = text.parse().map_err(|_| Refusal::NoOrder)?;
            (Resend::Order(OrderName::Code(code)), Refusal::NoOrder)
        }
        Asked::BizCode(text) => (Resend::Order(OrderName::BizCode(text)), Refusal::NoOrder),
        Asked::Batch(text) => (Resend::Batch(text), Refusal::NoBatch),
    };
    let business = &signed.account.business;
    let request = ResendRequest {
        business: business.id.clone(),
        which,
        only_parked: false,
        per_second: match business.rate_limit {
            0 => USUAL_RATE,
            rate => rate,
        },
        asked_by: "the merchant".into(),
    };
    match front.store.begin_resend(&request).await {
        Ok(job) => {
            tracing::info!(business = %business.id, job = %job.id, reports = job.total, "reports are sent again");
            Done::with(Resent { resent: job.total })
        }
        Err(NoJob::NothingNamed) => Err(nothing),
        Err(NoJob::TooMany) => Err(Refusal::TooManyResends),
        Err(NoJob::Store(error)) => Err(error.into()),
    }
}
