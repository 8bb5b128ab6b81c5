//! `POST /v1/openapi/order/product/list` (`CONTRACT.md` §4).

use std::sync::Arc;

use openapi::replies::product_list;
use openapi::requests::ProductListRequest;

use crate::answer::{Done, Refusal};
use crate::authenticate::Signed;
use crate::front::Front;

/// Answers what is sold to the business.
pub(crate) async fn list(front: Arc<Front>, signed: Signed) -> Result<Done, Refusal> {
    let asked = signed.read(&front, ProductListRequest::read).await?;
    let business = &signed.account.business;
    if asked.merchant != business.merchant {
        return Err(Refusal::NotItsMerchant);
    }
    Done::with(product_list(&signed.known.catalogue, &business.id))
}
