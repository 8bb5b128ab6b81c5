//! What each section of the catalogue file holds.

use std::collections::HashMap;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};

use crate::card::SupplierCard;
use crate::catalogue::KeyKind;
use crate::{BusinessId, MerchantId, Money, ProductCode, SupplierId};

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
    /// Requests per second, per ingress process; 0: no limit.
    #[serde(default)]
    pub rate_limit: u32,
    /// Orders per second, per ingress process; 0: what `ingress.order_limit` says.
    #[serde(default)]
    pub order_limit: u32,
    /// Orders at suppliers at the same time, per worker process; 0: no limit.
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

impl SupplierEntry {
    /// Credentials that are names. The others are keys, which may be changed at any time.
    pub const NAMES: [&'static str; 3] = ["userid", "business_id", "merchant_id"];

    /// Whom we are at the supplier: its numbers of orders are that account's.
    pub fn account(&self) -> Vec<&str> {
        let names = Self::NAMES.iter().map(|name| self.credentials.0.get(*name));
        let names = names.map(|name| name.map_or("", String::as_str));
        std::iter::once(self.adapter.as_str())
            .chain(names)
            .collect()
    }
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

fn default_key() -> Vec<String> {
    vec![crate::catalogue::PlatformKey::DEFAULT.into()]
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
