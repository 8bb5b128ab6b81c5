//! The catalogue file (TOML): what `refill catalog import` reads. Unknown keys are refused, so that a misspelt one is noticed.

use std::collections::{HashMap, HashSet};

use ipnet::IpNet;
use regex::Regex;
use serde::{Deserialize, Deserializer, de};

use crate::card::SupplierCard;
use crate::catalogue::KeyKind;
use crate::product::{Price, Rate};
use crate::{BusinessId, MerchantId, Money, ProductCode, SupplierId};

/// A whole catalogue file. Every section may be absent: an import changes what the file names and leaves the rest.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogueFile {
    /// `[[merchant]]`
    pub merchant: Vec<MerchantEntry>,
    /// `[[business]]`
    pub business: Vec<BusinessEntry>,
    /// `[[product]]`
    pub product: Vec<ProductEntry>,
    /// `[[price]]`
    pub price: Vec<PriceEntry>,
    /// `[[supplier]]`
    pub supplier: Vec<SupplierEntry>,
    /// `[[route]]`
    pub route: Vec<RouteEntry>,
    /// `[platform]`
    pub platform: Option<PlatformEntry>,
    /// `[[platform_key]]`
    pub platform_key: Vec<PlatformKeyEntry>,
}

/// `[[merchant]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MerchantEntry {
    /// The `merchantId` of the contract.
    pub id: MerchantId,
    /// For people.
    #[serde(default)]
    pub name: String,
}

/// `[[business]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusinessEntry {
    /// The `businessId` of the contract.
    pub id: BusinessId,
    /// Its owner.
    pub merchant: MerchantId,
    /// How it may sign; RSA only unless said otherwise.
    #[serde(default = "rsa_only")]
    pub sign_types: Vec<String>,
    /// PEM texts.
    #[serde(default)]
    pub rsa_public_keys: Vec<String>,
    /// Shared secrets.
    #[serde(default)]
    pub md5_keys: Vec<String>,
    /// Where reports go when a batch names no address.
    #[serde(default)]
    pub callback_url: Option<String>,
    /// How its reports are signed.
    #[serde(default)]
    pub callback_sign_type: Option<String>,
    /// Keys with a time, besides `rsa_public_keys` and `md5_keys`, which are valid for ever.
    #[serde(default)]
    pub keys: Vec<KeyEntry>,
    /// The platform's keys whose public half the merchant has.
    #[serde(default = "default_key")]
    pub callback_keys: Vec<String>,
    /// One more report when the last order of a batch is final.
    #[serde(default)]
    pub batch_report: bool,
    /// Where its requests may come from.
    #[serde(default)]
    pub ip_allow: Vec<IpNet>,
    /// How far below zero its balance may go.
    #[serde(default)]
    pub credit_line: Money,
    /// Booked once, when the account is opened.
    #[serde(default)]
    pub opening_deposit: Money,
    /// Requests per second; 0: no limit.
    #[serde(default)]
    pub rate_limit: u32,
    /// Orders at suppliers at the same time; 0: no limit.
    #[serde(default)]
    pub max_in_flight: u32,
    /// Switched off: answered like an unknown account.
    #[serde(default = "yes")]
    pub enabled: bool,
}

impl std::fmt::Debug for BusinessEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BusinessEntry")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// `[[business.keys]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// `SHA256-RSA` or `MD5`.
    pub sign_type: String,
    /// The PEM text of a public key, or the secret.
    pub key: String,
    /// Valid from then on, like `2026-11-24T00:00:00Z`.
    #[serde(default)]
    pub not_before: Option<String>,
    /// Valid until then.
    #[serde(default)]
    pub not_after: Option<String>,
}

/// `[[platform_key]]`: a key that signs reports.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformKeyEntry {
    /// By this name accounts say that they have its public half; `default`: those that say nothing.
    pub id: String,
    /// The PEM text …
    #[serde(default)]
    pub private_key: Option<String>,
    /// … or the file that holds it.
    #[serde(default)]
    pub private_key_file: Option<std::path::PathBuf>,
    /// Valid from then on, like `2026-11-24T00:00:00Z`.
    #[serde(default)]
    pub not_before: Option<String>,
    /// Valid until then.
    #[serde(default)]
    pub not_after: Option<String>,
}

impl std::fmt::Debug for PlatformKeyEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlatformKeyEntry")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn default_key() -> Vec<String> {
    vec![crate::catalogue::PlatformKey::DEFAULT.into()]
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

/// `[[product]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductEntry {
    /// The `productCode` of the contract.
    pub code: ProductCode,
    /// For people.
    #[serde(default)]
    pub name: String,
    /// Its lane.
    pub lane: String,
    /// The one face value …
    #[serde(default)]
    pub face_value: Option<Money>,
    /// … or the least,
    #[serde(default)]
    pub min_spec: Option<Money>,
    /// the most
    #[serde(default)]
    pub max_spec: Option<Money>,
    /// and the step.
    #[serde(default)]
    pub step: Option<Money>,
    /// What an account must look like, whole text.
    #[serde(default)]
    pub account_pattern: Option<String>,
    /// Its dictionary of attach values.
    #[serde(default)]
    pub attach_fields: Vec<AttachEntry>,
    /// Sold at the moment.
    #[serde(default = "yes")]
    pub on_sale: bool,
    /// How many may still be sold; absent: not counted.
    #[serde(default)]
    pub stock: Option<u32>,
    /// How long an order may wait for a supplier before it fails.
    #[serde(default = "day", with = "humantime_serde")]
    pub wait_for: std::time::Duration,
}

/// One of `attach_fields`.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct AttachEntry {
    /// Its name in the JSON object.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub label: String,
    /// Must be there.
    #[serde(default)]
    pub required: bool,
    /// What it must look like, whole text.
    #[serde(default)]
    pub pattern: Option<String>,
}

/// `[[price]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceEntry {
    /// Who pays it.
    pub business: BusinessId,
    /// For what.
    pub product: ProductCode,
    /// So much for each item …
    #[serde(default)]
    pub price: Option<Money>,
    /// … or this part of the face value.
    #[serde(default)]
    pub rate: Option<String>,
}

/// `[[supplier]]`: its own fields and those of its card side by side.
#[derive(Debug)]
pub struct SupplierEntry {
    /// Its id.
    pub id: SupplierId,
    /// The shape that it speaks.
    pub adapter: String,
    /// Where its API is.
    pub base_url: String,
    /// Where it reaches us.
    pub push_base_url: Option<String>,
    /// Switched on.
    pub enabled: bool,
    /// Its card.
    pub card: SupplierCard,
    /// What its API asks for.
    pub credentials: Credentials,
}

/// Secrets: never shown.
pub struct Credentials(pub HashMap<String, String>);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// One key of a supplier's table, by its own type.
fn take<T: de::DeserializeOwned, E: de::Error>(
    map: &mut serde_json::Map<String, serde_json::Value>,
    key: &'static str,
) -> Result<Option<T>, E> {
    map.remove(key)
        .map(serde_json::from_value)
        .transpose()
        .map_err(|e| E::custom(format!("supplier.{key}: {e}")))
}

impl<'de> Deserialize<'de> for SupplierEntry {
    /// By hand, because serde cannot refuse unknown keys of a flattened struct.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = serde_json::Map::<String, serde_json::Value>::deserialize(deserializer)?;
        let id = take(&mut map, "id")?.ok_or_else(|| de::Error::missing_field("supplier.id"))?;
        let adapter = take(&mut map, "adapter")?
            .ok_or_else(|| de::Error::missing_field("supplier.adapter"))?;
        let base_url = take::<String, _>(&mut map, "base_url")?
            .ok_or_else(|| de::Error::missing_field("supplier.base_url"))?;
        let push_base_url = take::<String, _>(&mut map, "push_base_url")?;
        let enabled = take(&mut map, "enabled")?.unwrap_or(true);
        let credentials = Credentials(take(&mut map, "credentials")?.unwrap_or_default());
        let card = serde_json::from_value(serde_json::Value::Object(map))
            .map_err(|e| de::Error::custom(format!("supplier {id}: {e}")))?;
        Ok(Self {
            id,
            adapter,
            base_url: base_url.trim_end_matches('/').to_owned(),
            push_base_url: push_base_url.map(|url| url.trim_end_matches('/').to_owned()),
            enabled,
            card,
            credentials,
        })
    }
}

/// `[[route]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteEntry {
    /// The supplier.
    pub supplier: SupplierId,
    /// The product.
    pub product: ProductCode,
    /// The supplier's number of it.
    pub sku: String,
    /// What it costs us.
    pub cost: Money,
    /// Lower first.
    #[serde(default)]
    pub priority: i32,
    /// Switched on.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether it may cost more than the merchant pays.
    #[serde(default)]
    pub may_cost_more: bool,
}

/// `[platform]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformEntry {
    /// The PEM text of the key that signs reports …
    #[serde(default)]
    pub callback_private_key: Option<String>,
    /// … or the file that holds it.
    #[serde(default)]
    pub callback_private_key_file: Option<std::path::PathBuf>,
    /// Exceptions to the network rule.
    #[serde(default)]
    pub callback_allow: Vec<IpNet>,
}

impl std::fmt::Debug for PlatformEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlatformEntry")
            .field("callback_allow", &self.callback_allow)
            .finish_non_exhaustive()
    }
}

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

fn rsa_only() -> Vec<String> {
    vec![KeyKind::Rsa.name().into()]
}

const fn yes() -> bool {
    true
}

const fn day() -> std::time::Duration {
    std::time::Duration::from_hours(24)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CatalogueFile, String> {
        let file: CatalogueFile = toml::from_str(text).map_err(|e| e.to_string())?;
        file.check().map_err(|e| e.to_string())?;
        Ok(file)
    }

    const SUPPLIER: &str = r#"
        [[supplier]]
        id = "s1"
        adapter = "form_md5"
        base_url = "http://127.0.0.1:9/"
        resubmit = "query"
        not_found_final_after = "2m"
        timeout = "5s"
        result_codes = { "0" = "accepted", "203" = "rejected" }
        [supplier.credentials]
        userid = "1"
    "#;

    #[test]
    fn a_supplier_carries_its_card() {
        let file = read(SUPPLIER).unwrap();
        let supplier = &file.supplier[0];
        assert_eq!(supplier.base_url, "http://127.0.0.1:9");
        assert_eq!(supplier.card.timeout.as_secs(), 5);
        assert_eq!(supplier.card.not_found_final_after.unwrap().as_secs(), 120);
        assert!(!format!("{supplier:?}").contains("userid"));
    }

    #[test]
    fn a_misspelt_key_is_noticed() {
        let wrong = SUPPLIER.replace("timeout", "time_out");
        assert!(read(&wrong).unwrap_err().contains("time_out"));
        assert!(read("[[product]]\ncode=\"a\"\nlane=\"m\"\nprise=\"1\"").is_err());
    }

    #[test]
    fn a_broken_rule_names_its_place() {
        let wrong = SUPPLIER.replace("5s", "5m");
        assert_eq!(
            read(&wrong).unwrap_err(),
            "supplier s1, timeout: must be between 1ms and 30s"
        );
        let product = "[[product]]\ncode=\"a\"\nlane=\"M\"\nface_value=\"1\"";
        assert!(read(product).unwrap_err().starts_with("product a, lane"));
        let price = "[[price]]\nbusiness=\"b\"\nproduct=\"p\"";
        assert!(read(price).unwrap_err().contains("either price or rate"));
    }
}
