//! The catalogue as a process holds it: one snapshot, never changed, replaced as a whole when the database's version moves.

use std::collections::{BTreeSet, HashMap};

use ipnet::IpNet;

use crate::card::SupplierCard;
use crate::gates::Gates;
use crate::product::{Face, Price, Product};
use crate::{BusinessId, Lane, MerchantId, Money, ProductCode, SupplierId, UnixMs};

/// Everything that changes seldom: who may buy what at which price, and who delivers it.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Grows with every change.
    pub version: i64,
    /// The accounts.
    pub businesses: HashMap<BusinessId, Business>,
    /// The products.
    pub products: HashMap<ProductCode, Product>,
    /// The prices; a product without one is not sold to that business.
    pub prices: HashMap<BusinessId, HashMap<ProductCode, Price>>,
    /// The suppliers.
    pub suppliers: HashMap<SupplierId, Supplier>,
    /// The ways of a product, lower priority first.
    pub routes: HashMap<ProductCode, Vec<Route>>,
    /// What is shut for a while.
    pub gates: Gates,
    /// The platform's own settings.
    pub platform: Platform,
}

impl Catalogue {
    /// The price of a product for a business; `None`: not sold to it.
    pub fn price(&self, business: &BusinessId, product: &ProductCode) -> Option<Price> {
        self.prices.get(business)?.get(product).copied()
    }

    /// The ways of a product that are switched on, lower priority first. What is shut for a while (`gates`) is among them.
    pub fn routes_of(&self, product: &ProductCode) -> impl Iterator<Item = (&Route, &Supplier)> {
        self.routes
            .get(product)
            .into_iter()
            .flatten()
            .filter(|route| route.enabled)
            .filter_map(|route| Some((route, self.suppliers.get(&route.supplier)?)))
            .filter(|(_, supplier)| supplier.enabled)
    }

    /// All lanes that products travel.
    pub fn lanes(&self) -> BTreeSet<Lane> {
        self.products.values().map(|p| p.lane.clone()).collect()
    }

    /// The suppliers that deliver for a lane.
    pub fn suppliers_of_lane(&self, lane: &Lane) -> BTreeSet<SupplierId> {
        self.products
            .values()
            .filter(|p| &p.lane == lane)
            .flat_map(|p| self.routes_of(&p.code))
            .map(|(route, _)| route.supplier.clone())
            .collect()
    }
}

/// An account of a merchant.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Business {
    /// Its id in the contract.
    pub id: BusinessId,
    /// Its owner.
    pub merchant: MerchantId,
    /// A disabled account is answered like an unknown one.
    pub enabled: bool,
    /// May it sign with RSA, with MD5?
    pub rsa_allowed: bool,
    /// MD5 only where it has been switched on.
    pub md5_allowed: bool,
    /// Its keys, of both kinds.
    pub keys: Vec<BusinessKey>,
    /// Where reports go when a batch names no address.
    pub callback_url: Option<String>,
    /// How its reports are signed.
    pub callback_sign: KeyKind,
    /// The platform's keys whose public half the merchant has; the newest of them that is valid signs.
    pub callback_keys: Vec<String>,
    /// One more report when the last order of a batch is final.
    pub batch_report: bool,
    /// Where its requests may come from; empty: anywhere.
    pub ip_allow: Vec<IpNet>,
    /// Requests per second, per ingress process; 0: no limit.
    pub rate_limit: u32,
    /// Orders per second, per ingress process; 0: what `ingress.order_limit` says.
    pub order_limit: u32,
    /// Orders at suppliers at the same time, per worker process; 0: no limit.
    pub max_in_flight: u32,
}

/// The kind of a key, named as in the `signType` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// `SHA256-RSA`: the merchant's public key.
    Rsa,
    /// `MD5`: a shared secret.
    Md5,
}

impl KeyKind {
    /// The header's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "SHA256-RSA",
            Self::Md5 => "MD5",
        }
    }

    /// The kind with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rsa, Self::Md5]
            .into_iter()
            .find(|k| k.name() == name)
    }
}

/// One key of an account.
#[derive(Clone, PartialEq, Eq)]
pub struct BusinessKey {
    /// Its kind.
    pub kind: KeyKind,
    /// The PEM text of a public key, or the MD5 secret.
    pub text: String,
    /// Valid from then on.
    pub not_before: Option<UnixMs>,
    /// Valid until then.
    pub not_after: Option<UnixMs>,
}

impl std::fmt::Debug for BusinessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BusinessKey")
            .field("kind", &self.kind)
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// An upstream supplier.
#[derive(Clone)]
pub struct Supplier {
    /// Its id.
    pub id: SupplierId,
    /// The shape that it speaks: `form_md5`, `openapi`.
    pub adapter: String,
    /// Where its API is, without a slash at the end.
    pub base_url: String,
    /// Where it reaches us for pushes, without a slash at the end; the path `/v1/supplier/{id}/push` follows.
    pub push_base_url: Option<String>,
    /// Switched off: no new orders, old ones are still asked after.
    pub enabled: bool,
    /// Its card.
    pub card: SupplierCard,
    /// What its API asks for; never shown.
    pub credentials: HashMap<String, String>,
}

impl Supplier {
    /// The address that the supplier pushes results to.
    pub fn push_url(&self) -> Option<String> {
        let base = self.push_base_url.as_deref()?;
        Some(format!("{base}/v1/supplier/{}/push", self.id))
    }
}

impl std::fmt::Debug for Supplier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supplier")
            .field("id", &self.id)
            .field("adapter", &self.adapter)
            .field("base_url", &self.base_url)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

/// A way of a product to a supplier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The supplier.
    pub supplier: SupplierId,
    /// The supplier's number of the product.
    pub sku: String,
    /// What it costs us: in all, or for one yuan of face value where the caller chooses that.
    pub cost: Money,
    /// Lower first.
    pub priority: i32,
    /// Switched on.
    pub enabled: bool,
    /// Whether it may cost us more than the merchant pays.
    pub may_cost_more: bool,
}

impl Route {
    /// What an order of `product` with the face value `spec` costs us this way, rounded up.
    pub fn cost_of(&self, product: &Product, spec: Money) -> Money {
        match product.face {
            Face::Fixed(_) => self.cost,
            Face::Range { .. } => self.cost.times(spec),
        }
    }
}

/// The platform's own settings.
#[derive(Clone, Default)]
pub struct Platform {
    /// The keys that sign reports; the one called `default` also signs our requests to `openapi` suppliers.
    pub keys: Vec<PlatformKey>,
    /// Exceptions to the network rule, for tests and demos.
    pub callback_allow: Vec<IpNet>,
}

/// A private key of the platform.
#[derive(Clone, PartialEq, Eq)]
pub struct PlatformKey {
    /// By this name accounts say whether their merchant has its public half.
    pub id: String,
    /// The PEM text.
    pub text: String,
    /// Valid from then on.
    pub not_before: Option<UnixMs>,
    /// Valid until then.
    pub not_after: Option<UnixMs>,
}

impl PlatformKey {
    /// The name of the key that accounts have unless they say otherwise.
    pub const DEFAULT: &str = "default";
}

impl std::fmt::Debug for PlatformKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlatformKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Platform {
    /// The PEM text of the key called `default`.
    pub fn default_key(&self) -> Option<&str> {
        let key = self.keys.iter().find(|key| key.id == PlatformKey::DEFAULT);
        key.map(|key| key.text.as_str())
    }
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform")
            .field("callback_allow", &self.callback_allow)
            .finish_non_exhaustive()
    }
}
