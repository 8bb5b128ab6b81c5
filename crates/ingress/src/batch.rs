//! `POST /v1/openapi/order/batch` (`CONTRACT.md` §3): planned without I/O, stored in one transaction, announced after the commit.

mod plan;

use std::sync::Arc;

use domain::Money;
use openapi::replies::StoredItem;
use openapi::requests::ItemProblems;
use store::StoreError;
use store::intake::{self, Asked, BatchClaim, Intake, NewBatch, Nonce, StoredOrder};
use traces::{Kind, Span};

use crate::admission::Admitted;
use crate::announce::StoredBatch;
use crate::answer::{Done, Refusal};
use crate::authenticate::Signed;
use crate::front::Front;
use crate::intake::Told;
use crate::meters;
use plan::{Refused, plan};

/// Stores a batch, or says why not.
pub(crate) async fn place(front: Arc<Front>, signed: Signed) -> Result<Done, Refusal> {
    let (arrived, followed) = (signed.request.arrived, signed.followed.as_ref());
    let mut span = Span::first("batch", Kind::Server, arrived, followed);
    let planned = plan(
        &signed.body.bytes,
        &signed.account.business,
        &signed.known.catalogue,
        front.settings.batch_limits(),
    );
    let outcome = match planned {
        Ok(Some(batch)) => match front.admission.admit(&signed.account.business, &batch) {
            Ok(admitted) => store(&front, &signed, batch, admitted, &mut span).await,
            Err(refusal) => refuse(&front, &signed, refusal, Some(batch.claim)).await,
        },
        Ok(None) => match front.spend_nonce(&signed.request).await {
            Ok(()) => Done::with([(); 0]),
            Err(refusal) => Err(refusal),
        },
        Err(Refused { refusal, claim }) => refuse(&front, &signed, refusal, claim).await,
    };
    if let Err(refusal) = &outcome {
        let decision = refusal.decide();
        let status = decision.status.number();
        span.note("outcome", "refused");
        span.note("status", status);
        if decision.http.is_server_error() {
            span.failed();
        }
        tracing::info!(business = %signed.request.business, status, reason = %refusal, "batch refused");
    }
    outcome
}

async fn store(
    front: &Front,
    signed: &Signed,
    mut batch: NewBatch,
    admitted: Admitted<'_>,
    span: &mut Span,
) -> Result<Done, Refusal> {
    batch.traceparent = span.context().map(|context| context.to_string());
    let request = signed.request.clone();
    let told = front.intake.store(Asked { request, batch }).await;
    if was_written(&told) {
        admitted.counts();
    }
    let Told { intake, asked } = told?;
    let batch = &asked.batch;
    match intake? {
        Intake::Stored(batch_id) => {
            let business = &signed.request.business;
            front.announcer.announce(StoredBatch {
                business,
                batch_id,
                lane: &batch.lane,
                orders: batch.orders.iter().map(|o| o.code).collect(),
                trace: span.context(),
            });
            let items = batch.orders.len();
            span.note("outcome", "stored");
            span.note("batch", batch_id.simple());
            span.note("lane", &batch.lane);
            span.note("orders", items);
            meters::stored(items);
            let amount: Money = batch.orders.iter().map(|o| o.price).sum();
            tracing::info!(%business, batch = %batch_id, batch_biz_code = batch.claim.biz_code, items, %amount, "batch stored");
            Done::with(batch.orders.iter().map(new_item).collect::<Vec<_>>())
        }
        Intake::Replayed(orders) => {
            span.note("outcome", "stored before");
            replayed(signed, &batch.claim, &orders)
        }
        Intake::Refused(refusal) => Err(refused(refusal, batch)),
    }
}

/// Whether it cost what a stored batch costs. What is refused at the end, as for want of money, was written and taken back.
fn was_written(told: &Result<Told, StoreError>) -> bool {
    let intake = told.as_ref().and_then(|told| told.intake.as_ref());
    match intake {
        Ok(Intake::Stored(_)) | Err(StoreError::CommitUnknown) => true,
        Ok(Intake::Refused(refusal)) => *refusal != intake::Refusal::TooLate,
        Ok(Intake::Replayed(_)) | Err(_) => false,
    }
}

/// Uses up the nonce. A batch that is refused today may have been stored before; then that is the answer.
async fn refuse(
    front: &Front,
    signed: &Signed,
    refusal: Refusal,
    claim: Option<BatchClaim>,
) -> Result<Done, Refusal> {
    let (nonce, stored) = front.use_nonce(&signed.request, claim.clone()).await?;
    match (nonce, stored, claim) {
        (Nonce::Repeated, _, _) => Err(Refusal::NonceRepeated),
        (Nonce::Used, Some(Intake::Replayed(orders)), Some(claim)) => {
            replayed(signed, &claim, &orders)
        }
        (Nonce::Used, Some(Intake::Refused(intake::Refusal::OtherContent)), _) => {
            Err(Refusal::OtherContent)
        }
        (Nonce::Used, _, _) => Err(refusal),
    }
}

fn replayed(signed: &Signed, claim: &BatchClaim, orders: &[StoredOrder]) -> Result<Done, Refusal> {
    let items = orders.len();
    tracing::info!(business = %signed.request.business, batch_biz_code = claim.biz_code, items, "batch had been stored before");
    Done::with(orders.iter().map(old_item).collect::<Vec<_>>())
}

fn new_item(order: &intake::NewOrder) -> StoredItem {
    StoredItem {
        order_code: order.code,
        biz_code: order.biz_code.clone(),
        settlement_price: order.price,
    }
}

fn old_item(order: &StoredOrder) -> StoredItem {
    StoredItem {
        order_code: order.code,
        biz_code: order.biz_code.clone(),
        settlement_price: order.price,
    }
}

/// What the database's refusal answers.
fn refused(refusal: intake::Refusal, batch: &NewBatch) -> Refusal {
    match refusal {
        intake::Refusal::NonceUsed => Refusal::NonceRepeated,
        intake::Refusal::OtherContent => Refusal::OtherContent,
        intake::Refusal::NumbersUsed(numbers) => Refusal::NumbersUsed(used(&numbers, batch)),
        intake::Refusal::OutOfStock => Refusal::OutOfStock,
        intake::Refusal::BalanceInsufficient => Refusal::BalanceInsufficient,
        intake::Refusal::TooLate => Refusal::TooLate,
    }
}

fn used(numbers: &[String], batch: &NewBatch) -> ItemProblems {
    let numbers: std::collections::HashSet<_> = numbers.iter().map(String::as_str).collect();
    let mut problems = ItemProblems::default();
    for (index, order) in batch.orders.iter().enumerate() {
        if numbers.contains(order.biz_code.as_str()) {
            problems.note(index, Some(&order.biz_code), plan::number_used());
        }
    }
    problems
}
