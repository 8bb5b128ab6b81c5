//! The answer to `order/product/list`.

use domain::product::{Face, Price, Product, Rate};
use domain::{BusinessId, Catalogue, Money, ProductCode};
use regex::Regex;
use serde::{Serialize, Serializer};

use crate::exact;

/// One product that is sold to the business. Fields that do not apply are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductEntry {
    product_code: ProductCode,
    product_name: String,
    #[serde(
        serialize_with = "exact::optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    face_value: Option<Money>,
    #[serde(
        serialize_with = "exact::optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    min_spec: Option<Money>,
    #[serde(
        serialize_with = "exact::optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    max_spec: Option<Money>,
    #[serde(
        serialize_with = "exact::optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    step: Option<Money>,
    #[serde(
        serialize_with = "exact::optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    settlement_price: Option<Money>,
    #[serde(
        serialize_with = "optional_rate",
        skip_serializing_if = "Option::is_none"
    )]
    rate: Option<Rate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_pattern: Option<String>,
    attach_fields: Vec<AttachEntry>,
    on_sale: bool,
}

/// One field of a product's dictionary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct AttachEntry {
    name: String,
    label: String,
    required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
}

/// The products that have a price for the business, by code.
pub fn product_list(catalogue: &Catalogue, business: &BusinessId) -> Vec<ProductEntry> {
    let mut entries: Vec<_> = catalogue
        .prices
        .get(business)
        .into_iter()
        .flatten()
        .filter_map(|(code, price)| Some(entry(catalogue.products.get(code)?, *price)))
        .collect();
    entries.sort_unstable_by(|one, other| one.product_code.cmp(&other.product_code));
    entries
}

fn entry(product: &Product, price: Price) -> ProductEntry {
    let (face_value, range) = match product.face {
        Face::Fixed(face) => (Some(face), None),
        Face::Range { min, max, step } => (None, Some((min, max, step))),
    };
    let (settlement_price, rate) = match price {
        Price::Fixed(price) => (Some(price), None),
        Price::Rate(rate) => (None, Some(rate)),
    };
    ProductEntry {
        product_code: product.code.clone(),
        product_name: product.name.clone(),
        face_value,
        min_spec: range.map(|(min, _, _)| min),
        max_spec: range.map(|(_, max, _)| max),
        step: range.map(|(_, _, step)| step),
        settlement_price,
        rate,
        account_pattern: product.account_pattern.as_ref().map(shown),
        attach_fields: product
            .attach_fields
            .iter()
            .map(|field| AttachEntry {
                name: field.name.clone(),
                label: field.label.clone(),
                required: field.required,
                pattern: field.pattern.as_ref().map(shown),
            })
            .collect(),
        on_sale: product.on_sale,
    }
}

/// A pattern as it was written: the catalogue anchors it at both ends.
fn shown(pattern: &Regex) -> String {
    let text = pattern.as_str();
    text.strip_prefix(r"\A(?:")
        .and_then(|inside| inside.strip_suffix(r")\z"))
        .unwrap_or(text)
        .to_owned()
}

#[expect(clippy::ref_option, reason = "the form that serde calls")]
fn optional_rate<S: Serializer>(rate: &Option<Rate>, serializer: S) -> Result<S::Ok, S::Error> {
    exact::optional_number(&rate.map(Rate::decimal), serializer)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use domain::Lane;

    use super::*;

    fn product(code: &str, face: Face) -> (ProductCode, Product) {
        let product = Product {
            code: ProductCode::new(code),
            name: format!("the {code}"),
            lane: Lane::new("mobile"),
            face,
            account_pattern: domain::catalogue_file::whole_text("1[0-9]{10}").ok(),
            attach_fields: vec![],
            on_sale: true,
            counted: false,
            wait_for: Duration::from_mins(1),
        };
        (product.code.clone(), product)
    }

    #[test]
    fn only_what_is_sold_to_the_business_is_listed_with_exact_numbers() {
        let business = BusinessId::new("b");
        let money = |text: &str| text.parse::<Money>().unwrap();
        let range = Face::Range {
            min: money("0.30"),
            max: money("200"),
            step: money("0.10"),
        };
        let catalogue = Catalogue {
            products: HashMap::from([
                product("B", range),
                product("A", Face::Fixed(money("50.00"))),
                product("C", Face::Fixed(money("1"))),
            ]),
            prices: HashMap::from([(
                business.clone(),
                HashMap::from([
                    (ProductCode::new("A"), Price::Fixed(money("49.10"))),
                    (
                        ProductCode::new("B"),
                        Price::Rate(Rate::parse("0.9850").unwrap()),
                    ),
                    (ProductCode::new("gone"), Price::Fixed(money("1"))),
                ]),
            )]),
            ..Catalogue::default()
        };
        assert_eq!(
            serde_json::to_string(&product_list(&catalogue, &business)).unwrap(),
            concat!(
                r#"[{"productCode":"A","productName":"the A","faceValue":50,"settlementPrice":49.1,"accountPattern":"1[0-9]{10}","attachFields":[],"onSale":true},"#,
                r#"{"productCode":"B","productName":"the B","minSpec":0.3,"maxSpec":200,"step":0.1,"rate":0.985,"accountPattern":"1[0-9]{10}","attachFields":[],"onSale":true}]"#
            )
        );
        assert!(product_list(&catalogue, &BusinessId::new("other")).is_empty());
    }
}
