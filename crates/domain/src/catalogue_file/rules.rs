//! The rules of the catalogue file that can be checked without the database, each named with its place.

use std::collections::HashSet;

use regex::Regex;

use super::{BusinessEntry, CatalogueFile, PriceEntry, ProductEntry, SupplierEntry};
use crate::Money;
use crate::catalogue::KeyKind;
use crate::product::{Price, Rate};

/// A rule that the file breaks: where, and which.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {rule}")]
pub struct FileFault {
    /// Like `product M50, step`.
    pub at: String,
    /// The rule.
    pub rule: String,
}

impl FileFault {
    fn new(at: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            rule: rule.into(),
        }
    }
}

impl PriceEntry {
    /// The price that the entry names.
    pub fn price(&self) -> Result<Price, FileFault> {
        let at = || format!("price of {} for {}", self.product, self.business);
        match (self.price, &self.rate) {
            (Some(price), None) if price > Money::ZERO => Ok(Price::Fixed(price)),
            (Some(_), None) => Err(FileFault::new(at(), "price must be above 0")),
            (None, Some(rate)) => Rate::parse(rate).map(Price::Rate).ok_or_else(|| {
                FileFault::new(
                    at(),
                    "rate must be above 0, at most 10, with at most 6 decimals",
                )
            }),
            _ => Err(FileFault::new(at(), "needs either price or rate")),
        }
    }
}

impl CatalogueFile {
    /// Checks every rule that can be checked without the database.
    pub fn check(&self) -> Result<(), FileFault> {
        for business in &self.business {
            check_business(business)?;
        }
        for product in &self.product {
            check_product(product)?;
        }
        for price in &self.price {
            price.price()?;
        }
        for key in &self.platform_key {
            let at = format!("platform_key {}", key.id);
            if !is_code(&key.id) {
                return Err(FileFault::new(at, "id must be 1 to 64 of A-Z a-z 0-9 _ -"));
            }
            check_times(&at, [&key.not_before, &key.not_after])?;
            if key.private_key.is_none() {
                return Err(FileFault::new(
                    at,
                    "private_key or private_key_file is required",
                ));
            }
        }
        for supplier in &self.supplier {
            check_supplier(supplier)?;
        }
        let mut ways = HashSet::new();
        for route in &self.route {
            let at = format!("route of {} to {}", route.product, route.supplier);
            if route.cost < Money::ZERO {
                return Err(FileFault::new(at, "cost must not be below 0"));
            }
            if !ways.insert((&route.product, &route.supplier)) {
                return Err(FileFault::new(at, "stands twice in the file"));
            }
        }
        Ok(())
    }
}

fn check_business(business: &BusinessEntry) -> Result<(), FileFault> {
    let at = |field: &str| format!("business {}, {field}", business.id);
    if !is_code(business.id.as_str()) {
        return Err(FileFault::new(
            at("id"),
            "must be 1 to 64 of A-Z a-z 0-9 _ -",
        ));
    }
    let named = business
        .sign_types
        .iter()
        .chain(&business.callback_sign_type);
    for name in named {
        if KeyKind::from_name(name).is_none() {
            return Err(FileFault::new(
                at("sign_types"),
                format!("{name} is neither SHA256-RSA nor MD5"),
            ));
        }
    }
    for key in &business.keys {
        if KeyKind::from_name(&key.sign_type).is_none() {
            return Err(FileFault::new(
                at("keys"),
                format!("{} is neither SHA256-RSA nor MD5", key.sign_type),
            ));
        }
        check_times(&at("keys"), [&key.not_before, &key.not_after])?;
    }
    let has_md5 =
        !business.md5_keys.is_empty() || business.keys.iter().any(|k| k.sign_type == "MD5");
    if business.callback_sign_type.as_deref() == Some("MD5") && !has_md5 {
        return Err(FileFault::new(
            at("callback_sign_type"),
            "MD5 needs one of md5_keys",
        ));
    }
    if business.credit_line < Money::ZERO {
        return Err(FileFault::new(at("credit_line"), "must not be below 0"));
    }
    if business.opening_deposit < Money::ZERO {
        return Err(FileFault::new(at("opening_deposit"), "must not be below 0"));
    }
    Ok(())
}

fn check_product(product: &ProductEntry) -> Result<(), FileFault> {
    let at = |field: &str| format!("product {}, {field}", product.code);
    let lane_ok = (1..=64).contains(&product.lane.len())
        && product
            .lane
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if !lane_ok {
        return Err(FileFault::new(at("lane"), "must be 1 to 64 of a-z 0-9 _ -"));
    }
    match (
        product.face_value,
        product.min_spec,
        product.max_spec,
        product.step,
    ) {
        (Some(face), None, None, None) if face > Money::ZERO => {}
        (None, Some(min), Some(max), Some(step))
            if min > Money::ZERO && max >= min && step > Money::ZERO => {}
        _ => {
            return Err(FileFault::new(
                at("face_value"),
                "needs either face_value above 0, or min_spec, max_spec and step above 0",
            ));
        }
    }
    let of_account = product.account_pattern.as_deref();
    let of_fields = product
        .attach_fields
        .iter()
        .map(|f| ("attach_fields.pattern", f.pattern.as_deref()));
    for (field, pattern) in of_fields.chain([("account_pattern", of_account)]) {
        pattern
            .map(whole_text)
            .transpose()
            .map_err(|e| FileFault::new(at(field), e.to_string()))?;
    }
    Ok(())
}

fn check_supplier(supplier: &SupplierEntry) -> Result<(), FileFault> {
    let at = |field: &str| format!("supplier {}, {field}", supplier.id);
    if !is_code(supplier.id.as_str()) {
        return Err(FileFault::new(
            at("id"),
            "must be 1 to 64 of A-Z a-z 0-9 _ -",
        ));
    }
    let urls = [Some(&supplier.base_url), supplier.push_base_url.as_ref()];
    for url in urls.into_iter().flatten() {
        match url::Url::parse(url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
            _ => {
                return Err(FileFault::new(
                    at("base_url"),
                    "must be an http or https address",
                ));
            }
        }
    }
    match supplier.card.fault() {
        Some((field, rule)) => Err(FileFault::new(at(field), rule)),
        None => Ok(()),
    }
}

/// A moment with its zone; whether there is such a day, the database says.
fn check_times(at: &str, times: [&Option<String>; 2]) -> Result<(), FileFault> {
    for time in times.into_iter().flatten() {
        let shape = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$";
        if !Regex::new(shape).is_ok_and(|shape| shape.is_match(time)) {
            return Err(FileFault::new(
                at,
                "not_before and not_after must be like 2026-11-24T08:00:00Z",
            ));
        }
    }
    Ok(())
}

/// A pattern that must match the whole text, with a bound on what it may cost.
pub fn whole_text(pattern: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
        .size_limit(1 << 20)
        .build()
}

fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
