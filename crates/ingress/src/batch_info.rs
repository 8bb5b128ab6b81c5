//! `POST /v1/openapi/order/batch/info` (`CONTRACT.md` §4).

use std::sync::Arc;

use domain::{Money, OrderState};
use openapi::replies::{BatchInfo, OrderInfo, StateCounts};
use openapi::requests::BatchInfoRequest;
use store::reads::BatchView;

use crate::answer::{Done, Refusal};
use crate::authenticate::Signed;
use crate::front::Front;

/// Answers how a batch of the business stands, with one page of its orders.
pub(crate) async fn show(front: Arc<Front>, signed: Signed) -> Result<Done, Refusal> {
    let asked = signed.read(&front, BatchInfoRequest::read).await?;
    let limit = i64::from(asked.page_size);
    let offset = i64::from(asked.page_no - 1) * limit;
    let business = &signed.request.business;
    let found = front
        .store
        .batch(business, &asked.batch_biz_code, offset, limit)
        .await?;
    Done::with(batch_info(found.ok_or(Refusal::NoBatch)?, &asked))
}

/// The database's view in the contract's words.
fn batch_info(batch: BatchView, asked: &BatchInfoRequest) -> BatchInfo {
    use OrderState::{Cancelled, Failed, Processing, Stored, Succeeded};
    let of = |state: OrderState| {
        batch
            .by_state
            .get(state as usize)
            .copied()
            .unwrap_or_default()
    };
    let count = |state| of(state).0;
    let amount = |states: &[OrderState]| -> Money { states.iter().map(|s| of(*s).1).sum() };
    BatchInfo {
        item_count: OrderState::ALL.into_iter().map(count).sum(),
        counts: StateCounts {
            stored: count(Stored),
            processing: count(Processing),
            succeeded: count(Succeeded),
            failed: count(Failed),
            cancelled: count(Cancelled),
        },
        total_amount: amount(&OrderState::ALL),
        held_amount: amount(&[Stored, Processing]),
        settled_amount: amount(&[Succeeded]),
        released_amount: amount(&[Failed, Cancelled]),
        batch_biz_code: batch.biz_code,
        product_code: batch.product,
        create_time: batch.created_at.0,
        page_no: asked.page_no,
        page_size: asked.page_size,
        order_list: batch.page.into_iter().map(OrderInfo).collect(),
    }
}

#[cfg(test)]
mod tests {
    use domain::{ProductCode, UnixMs};

    use super::*;

    #[test]
    fn what_is_not_final_is_held_and_the_parts_are_the_whole() {
        let yuan = |count: i64| (count, Money::from_yuan(count * 10));
        let batch = BatchView {
            biz_code: "B".into(),
            product: ProductCode::new("P"),
            created_at: UnixMs(5),
            by_state: [yuan(1), yuan(2), yuan(3), yuan(4), yuan(5)],
            page: vec![],
        };
        let asked = BatchInfoRequest {
            batch_biz_code: "B".into(),
            page_no: 2,
            page_size: 7,
        };
        let info = batch_info(batch, &asked);
        assert_eq!(info.item_count, 15);
        assert_eq!(info.counts.failed, 4);
        assert_eq!(info.held_amount, Money::from_yuan(30));
        assert_eq!(info.settled_amount, Money::from_yuan(30));
        assert_eq!(info.released_amount, Money::from_yuan(90));
        assert_eq!(info.total_amount, Money::from_yuan(150));
    }
}
