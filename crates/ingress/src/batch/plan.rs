//! What a batch comes to, without I/O: its orders with their prices, or why it cannot be.

use domain::catalogue::Business;
use domain::product::{Fault, Price, Product};
use domain::{Catalogue, OrderCode};
use openapi::network_rule::judge_url;
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
    if let Some(url) = &batch.callback_url
        && let Err(closed) = judge_url(url.url(), &catalogue.platform.callback_allow)
    {
        let fault = Fault {
            field: "callbackUrl",
            reason: closed.to_string(),
        };
        return Err(Refused {
            refusal: Refusal::from(BadRequest::Field(fault)),
            claim: Some(claim),
        });
    }
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
            traceparent: None,
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
    if catalogue.routes_of(&product.code).next().is_none() {
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::Duration;

    use domain::catalogue::{KeyKind, Route, Supplier};
    use domain::product::{Face, Rate};
    use domain::{BusinessId, Lane, MerchantId, Money, ProductCode, SupplierId};

    use super::*;

    fn business() -> Business {
        Business {
            id: BusinessId::new("b"),
            merchant: MerchantId::new("m"),
            enabled: true,
            rsa_allowed: true,
            md5_allowed: false,
            keys: vec![],
            callback_url: Some("https://default.example/".into()),
            callback_sign: KeyKind::Rsa,
            callback_keys: vec!["default".into()],
            batch_report: false,
            ip_allow: vec![],
            rate_limit: 0,
            order_limit: 0,
            max_in_flight: 0,
        }
    }

    fn product(code: &str, face: Face, on_sale: bool) -> (ProductCode, Product) {
        let product = Product {
            code: ProductCode::new(code),
            name: code.into(),
            lane: Lane::new("mobile"),
            face,
            account_pattern: domain::catalogue_file::whole_text("1[0-9]{10}").ok(),
            attach_fields: vec![],
            on_sale,
            counted: false,
            wait_for: Duration::from_mins(1),
        };
        (product.code.clone(), product)
    }

    fn supplier() -> Supplier {
        Supplier {
            id: SupplierId::new("s"),
            adapter: "form_md5".into(),
            base_url: "http://s.example".into(),
            push_base_url: None,
            enabled: true,
            card: serde_json::from_str(r#"{"resubmit":"query"}"#).unwrap(),
            credentials: HashMap::new(),
        }
    }

    fn catalogue() -> Arc<Catalogue> {
        let fifty = Face::Fixed(Money::from_yuan(50));
        let range = Face::Range {
            min: "0.30".parse().unwrap(),
            max: "200".parse().unwrap(),
            step: "0.10".parse().unwrap(),
        };
        let price = Price::Fixed("49.10".parse().unwrap());
        let rate = Price::Rate(Rate::parse("0.985").unwrap());
        let route = Route {
            supplier: SupplierId::new("s"),
            sku: "1".into(),
            cost: Money::from_yuan(48),
            priority: 1,
            enabled: true,
            may_cost_more: false,
        };
        let routed =
            ["FIX", "OFF", "RANGE"].map(|code| (ProductCode::new(code), vec![route.clone()]));
        Arc::new(Catalogue {
            products: HashMap::from([
                product("FIX", fifty, true),
                product("OFF", fifty, false),
                product("RANGE", range, true),
                product("NOWAY", fifty, true),
                product("UNPRICED", fifty, true),
            ]),
            prices: HashMap::from([(
                BusinessId::new("b"),
                HashMap::from([
                    (ProductCode::new("FIX"), price),
                    (ProductCode::new("OFF"), price),
                    (ProductCode::new("NOWAY"), price),
                    (ProductCode::new("RANGE"), rate),
                ]),
            )]),
            suppliers: HashMap::from([(SupplierId::new("s"), supplier())]),
            routes: HashMap::from(routed),
            ..Catalogue::default()
        })
    }

    fn planned(product: &str, rest: &str) -> Result<Option<NewBatch>, Refused> {
        let body = format!(
            r#"{{"merchantId":"m","businessId":"b","batchBizCode":"B","productCode":"{product}"{rest}}}"#
        );
        plan(
            body.as_bytes(),
            &business(),
            &catalogue(),
            BatchLimits::default(),
        )
    }

    fn items(accounts: &[&str], spec: &str) -> String {
        let item = |(n, account)| format!(r#"{{"bizCode":"{n}","account":"{account}"{spec}}}"#);
        let items: Vec<_> = accounts.iter().enumerate().map(item).collect();
        format!(r#","itemList":[{}]"#, items.join(","))
    }

    fn status(refused: &Refused) -> i32 {
        refused.refusal.decide().status.number()
    }

    #[test]
    fn a_good_batch_becomes_orders_with_prices_and_growing_codes() {
        let batch = planned(
            "RANGE",
            &items(&["13900000001", "13900000002"], r#","spec":"0.50""#),
        );
        let batch = batch.unwrap().unwrap();
        assert_eq!(
            batch.callback_url.as_deref(),
            Some("https://default.example/")
        );
        assert_eq!(batch.orders[0].price, "0.4925".parse().unwrap());
        assert_eq!(batch.orders[0].spec, "0.5".parse().unwrap());
        assert!(batch.orders[0].code < batch.orders[1].code);
        let given = items(&["13900000001"], "") + r#","callbackUrl":"mine.example/r""#;
        let batch = planned("FIX", &given).unwrap().unwrap();
        assert_eq!(
            batch.callback_url.as_deref(),
            Some("https://mine.example/r")
        );
        assert_eq!(batch.orders[0].spec, Money::from_yuan(50));
    }

    #[test]
    fn without_items_there_is_nothing_to_store() {
        assert!(planned("FIX", "").unwrap().is_none());
        assert!(planned("NOSUCH", r#","itemList":[]"#).unwrap().is_none());
    }

    #[test]
    fn every_business_rule_has_its_status_and_may_yet_be_a_batch_that_was_stored() {
        let good = items(&["13900000001"], "");
        let bad = items(&["13900000001", "nobody"], "");
        for (product, rest, expected) in [
            ("NOSUCH", &good, 7),
            ("UNPRICED", &good, 7),
            ("OFF", &good, 11),
            ("NOWAY", &good, 11),
            ("FIX", &bad, 3),
            ("OFF", &bad, 3),
            ("RANGE", &good, 3),
        ] {
            let refused = planned(product, rest).unwrap_err();
            assert_eq!(status(&refused), expected, "{product}");
            assert!(refused.claim.is_some(), "{product}");
        }
    }

    #[test]
    fn whose_batch_it_is_comes_before_everything_else_and_was_never_stored() {
        for (merchant, business_id, expected) in [("other", "b", 7), ("m", "other", 3)] {
            let body = format!(
                r#"{{"merchantId":"{merchant}","businessId":"{business_id}","batchBizCode":"B","productCode":"NOSUCH"}}"#
            );
            let limits = BatchLimits::default();
            let refused = plan(body.as_bytes(), &business(), &catalogue(), limits).unwrap_err();
            assert_eq!(status(&refused), expected);
            assert!(refused.claim.is_none());
        }
        assert_eq!(status(&planned("FIX", ",").unwrap_err()), 3);
    }
}
