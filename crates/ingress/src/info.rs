//! `POST /v1/openapi/order/info` (`CONTRACT.md` §4).

use std::sync::Arc;

use openapi::replies::OrderInfo;
use openapi::requests::OrderInfoRequest;
use store::reads::OrderName;

use crate::answer::{Done, Refusal};
use crate::authenticate::Signed;
use crate::front::Front;

/// Answers what is known about one order of the business.
pub(crate) async fn show(front: Arc<Front>, signed: Signed) -> Result<Done, Refusal> {
    let asked = signed.read(&front, OrderInfoRequest::read).await?;
    let name = name(&asked).ok_or(Refusal::NoOrder)?;
    let found = front.store.order(&signed.request.business, &name).await?;
    let order = found
        .filter(|order| asked.biz_code.as_ref().is_none_or(|b| *b == order.biz_code))
        .ok_or(Refusal::NoOrder)?;
    Done::with(OrderInfo(order))
}

/// By our number where one is given; a text that is none names no order.
fn name(asked: &OrderInfoRequest) -> Option<OrderName> {
    match (&asked.order_code, &asked.biz_code) {
        (Some(code), _) => code.parse().ok().map(OrderName::Code),
        (None, Some(biz_code)) => Some(OrderName::BizCode(biz_code.clone())),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_number_comes_first_and_a_text_that_is_none_names_nothing() {
        let code = "0199f3c2a1b47c3e8d5f60718293a4b5";
        let asked = |order_code: Option<&str>| OrderInfoRequest {
            order_code: order_code.map(str::to_owned),
            ..OrderInfoRequest::by_biz_code("n-1")
        };
        assert_eq!(
            name(&asked(Some(code))),
            Some(OrderName::Code(code.parse().unwrap()))
        );
        assert_eq!(name(&asked(Some("n-1"))), None);
        assert_eq!(name(&asked(None)), Some(OrderName::BizCode("n-1".into())));
    }
}
