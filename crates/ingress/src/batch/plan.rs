//! What a batch comes to, without I/O: its orders with their prices, or why it cannot be.

use domain::catalogue::Business;
use domain::product::{Fault, Price, Product};
use domain::{Catalogue, OrderCode};
use openapi::requests::{BadRequest, BatchItem, BatchLimits, ItemProblems, OrderBatch};
use store::intake::{BatchClaim, NewBatch, NewOrder};

use crate::answer::Refusal;

/// Why a batch cannot be stored now, and, where it could have been stored before, the name it would have then.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) claim: Option<BatchClaim>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            claim: None,
        }
    }
}

impl From<BadRequest> for Refused {
    fn from(bad: BadRequest) -> Self {
        Refusal::from(bad).into()
    }
}

/// The batch to store; `None`: it has no items, so there is nothing to store.
pub(super) fn plan(
    body: &[u8],
    business: &Business,
    catalogue: &Catalogue,
    limits: BatchLimits,
) -> Result<Option<NewBatch>, Refused> {
    let batch = OrderBatch::read(body, limits)?;
    if batch.business != business.id {
        return Err(Refusal::OtherBusiness.into());
    }
    if batch.merchant != business.merchant {
        return Err(Refusal::NotItsMerchant.into());
    }
    if batch.items.is_empty() {
        return Ok(None);
    }
    let claim = BatchClaim {
        biz_code: batch.batch_biz_code.clone(),
        digest: *batch.content_digest().as_bytes(),
    };
    match orders(&batch, business, catalogue) {
        Ok((product, orders)) => Ok(Some(NewBatch {
            claim,
            product: product.code.clone(),
            lane: product.lane.clone(),
            counted: product.counted,
            callback_url: batch
                .callback_url
                .map(|url| url.to_string())
                .or_else(|| business.callback_url.clone()),
            orders,
        })),
        Err(refusal) => Err(Refused {
            refusal,
            claim: Some(claim),
        }),
    }
}

/// The business rules, in the contract's order of statuses: 7, then the items' own 3, then 11.
fn orders<'c>(
    batch: &OrderBatch,
    business: &Business,
    catalogue: &'c Catalogue,
) -> Result<(&'c Product, Vec<NewOrder>), Refusal> {
    let sold = catalogue
        .products
        .get(&batch.product)
        .zip(catalogue.price(&business.id, &batch.product));
    let (product, price) = sold.ok_or(Refusal::NoProduct)?;
    let mut problems = ItemProblems::default();
    let mut orders = Vec::with_capacity(batch.items.len());
    for (index, item) in batch.items.iter().enumerate() {
        match order(item, product, price) {
            Ok(order) => orders.push(order),
            Err(fault) => problems.note(index, Some(&item.biz_code), fault),
        }
    }
    if !problems.is_empty() {
        return Err(Refusal::Items(problems));
    }
    if !product.on_sale {
        return Err(Refusal::OffSale);
    }
    if catalogue.open_routes(&product.code).next().is_none() {
        return Err(Refusal::NoSupplier);
    }
    Ok((product, orders))
}

fn order(item: &BatchItem, product: &Product, price: Price) -> Result<NewOrder, Fault> {
    product.check_account(&item.account)?;
    product.attach_values(item.attach_values.as_deref())?;
    let requested = item.spec.map(|spec| spec.to_string());
    let spec = product.face_value(requested.as_deref())?;
    let price = price.of(spec).ok_or_else(|| Fault {
        field: "spec",
        reason: "is out of range".to_owned(),
    })?;
    Ok(NewOrder {
        code: OrderCode::generate(),
        biz_code: item.biz_code.clone(),
        account: item.account.clone(),
        attach: item.attach_values.clone(),
        spec,
        price,
    })
}

/// What is wrong with an item whose number another batch has used.
pub(super) fn number_used() -> Fault {
    Fault {
        field: "bizCode",
        reason: "has been used before in another batch".to_owned(),
    }
}
