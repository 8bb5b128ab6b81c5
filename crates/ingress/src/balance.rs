//! `POST /v1/openapi/merchant/business/balance` (`CONTRACT.md` §4).

use std::sync::Arc;

use openapi::replies::{Balance, CallbackHealth};
use openapi::requests::BalanceRequest;

use crate::answer::{Done, Refusal};
use crate::authenticate::Signed;
use crate::front::Front;

/// Answers how much money a business has.
pub(crate) async fn show(front: Arc<Front>, signed: Signed) -> Result<Done, Refusal> {
    let asked = signed.read(&front, BalanceRequest::read).await?;
    let business = &signed.account.business;
    if asked.business != business.id {
        return Err(Refusal::OtherBusiness);
    }
    if asked.merchant != business.merchant {
        return Err(Refusal::NotItsMerchant);
    }
    let found = front.store.balance(&business.id).await?.unwrap_or_default();
    Done::with(Balance {
        merchant: asked.merchant,
        business: asked.business,
        credit_line: found.credit_line,
        amount: found
            .prepaid
            .checked_sub(found.held)
            .unwrap_or(found.prepaid),
        held: found.held,
        callback_health: CallbackHealth {
            waiting: found.reports_retrying,
            parked: found.reports_parked,
            set_aside: found.endpoints_set_aside,
        },
    })
}
