//! Reads the whole catalogue at one moment.

use std::collections::HashMap;
use std::time::Duration;

use domain::catalogue::{
    Business, BusinessKey, Catalogue, KeyKind, Platform, PlatformKey, Route, Supplier,
};
use domain::catalogue_file::{AttachEntry, whole_text};
use domain::product::{AttachField, Face, Price, Product, Rate};
use domain::{BusinessId, Lane, MerchantId, Money, ProductCode, SupplierId, UnixMs};
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use super::secrets;
use crate::seal::MasterKeys;
use crate::transaction::Transaction;
use crate::{Secrets, Store, StoreError, gates};

impl Store {
    /// The version of the catalogue in the database.
    pub(crate) async fn catalogue_version(&self) -> Result<i64, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached("SELECT catalogue_version FROM platform")
                .await?;
            let version = session.client().query_one(&statement, &[]).await?.get(0);
            session.give_back();
            Ok(version)
        })
        .await
    }

    /// The catalogue as it is now, with those of its secrets that this process reads.
    pub async fn catalogue(&self) -> Result<Catalogue, StoreError> {
        self.bounded(async {
            let mut session = self.session().await?;
            let transaction = session.begin_reading();
            let catalogue = read(&transaction, &self.keys, self.secrets).await?;
            transaction.rollback().await?;
            session.give_back();
            Ok(catalogue)
        })
        .await
    }
}

async fn read(
    tx: &Transaction<'_>,
    keys: &MasterKeys,
    secrets: Secrets,
) -> Result<Catalogue, StoreError> {
    let mut catalogue = Catalogue {
        platform: platform(tx).await?,
        ..Catalogue::default()
    };
    if secrets.of_platform {
        catalogue.platform.keys = platform_keys(tx, keys).await?;
    }
    catalogue.version = tx
        .query_one("SELECT catalogue_version FROM platform", &[])
        .await?
        .get(0);
    for row in tx.query("SELECT * FROM businesses", &[]).await? {
        let business = business(&row)?;
        catalogue.businesses.insert(business.id.clone(), business);
    }
    read_account_keys(tx, secrets.of_accounts.then_some(keys), &mut catalogue).await?;
    let products =
        "SELECT p.*, p.attach_fields::text AS attach_text, s.product_code IS NOT NULL AS counted
                    FROM products p LEFT JOIN stock s USING (product_code)";
    for row in tx.query(products, &[]).await? {
        let product = product(&row)?;
        catalogue.products.insert(product.code.clone(), product);
    }
    for row in tx
        .query(
            "SELECT business_id, product_code, price, rate FROM prices",
            &[],
        )
        .await?
    {
        let price = match (row.get::<_, Option<i64>>(2), row.get::<_, Option<i64>>(3)) {
            (Some(price), _) => Price::Fixed(Money::from_units(price)),
            (None, Some(rate)) => Price::Rate(Rate::from_millionths(rate)),
            (None, None) => {
                return Err(StoreError::unreadable(
                    "a price that is neither fixed nor a rate",
                ));
            }
        };
        let business = BusinessId::new(row.get::<_, String>(0));
        let product = ProductCode::new(row.get::<_, String>(1));
        catalogue
            .prices
            .entry(business)
            .or_default()
            .insert(product, price);
    }
    let suppliers =
        "SELECT supplier_id, adapter, base_url, push_base_url, enabled, card::text FROM suppliers";
    for row in tx.query(suppliers, &[]).await? {
        let supplier = supplier(&row)?;
        catalogue.suppliers.insert(supplier.id.clone(), supplier);
    }
    if secrets.of_suppliers {
        read_credentials(tx, keys, &mut catalogue).await?;
    }
    let routes = "SELECT product_code, supplier_id, sku, cost, priority, enabled, may_cost_more FROM routes ORDER BY priority, supplier_id";
    for row in tx.query(routes, &[]).await? {
        catalogue
            .routes
            .entry(ProductCode::new(row.get::<_, String>(0)))
            .or_default()
            .push(Route {
                supplier: SupplierId::new(row.get::<_, String>(1)),
                sku: row.get(2),
                cost: Money::from_units(row.get(3)),
                priority: row.get(4),
                enabled: row.get(5),
                may_cost_more: row.get(6),
            });
    }
    catalogue.gates = gates::read(tx).await?;
    Ok(catalogue)
}

async fn platform(tx: &Transaction<'_>) -> Result<Platform, StoreError> {
    let allow = tx
        .query_one("SELECT callback_allow FROM platform", &[])
        .await?;
    Ok(Platform {
        keys: vec![],
        callback_allow: networks(allow.get(0))?,
    })
}

async fn platform_keys(
    tx: &Transaction<'_>,
    keys: &MasterKeys,
) -> Result<Vec<PlatformKey>, StoreError> {
    let own = "SELECT key_id, private_key, (extract(epoch FROM not_before) * 1000)::bigint,
                      (extract(epoch FROM not_after) * 1000)::bigint FROM platform_keys ORDER BY key_id";
    let mut found = vec![];
    for row in tx.query(own, &[]).await? {
        let id: String = row.get(0);
        found.push(PlatformKey {
            text: keys.open(&secrets::of_platform(&id), row.get(1))?,
            id,
            not_before: row.get::<_, Option<i64>>(2).map(UnixMs),
            not_after: row.get::<_, Option<i64>>(3).map(UnixMs),
        });
    }
    Ok(found)
}

/// Without `keys` the public ones; of a secret one only that it is there, with an empty text.
async fn read_account_keys(
    tx: &Transaction<'_>,
    keys: Option<&MasterKeys>,
    catalogue: &mut Catalogue,
) -> Result<(), StoreError> {
    let from = match keys {
        Some(_) => "key AS text, not_before, not_after FROM business_keys",
        None => "public_key AS text, not_before, not_after FROM account_keys",
    };
    let of_businesses = format!(
        "SELECT business_id, kind, text, (extract(epoch FROM not_before) * 1000)::bigint,
                (extract(epoch FROM not_after) * 1000)::bigint
         FROM (SELECT business_id, kind, {from}) k ORDER BY business_id, kind, text"
    );
    for row in tx.query(&of_businesses, &[]).await? {
        if let Some(business) = catalogue.businesses.get_mut(row.get::<_, &str>(0)) {
            let place = secrets::of_business(business.id.as_str());
            let text = row.get::<_, Option<&str>>(2).unwrap_or_default();
            business.keys.push(BusinessKey {
                kind: kind(row.get(1))?,
                text: match keys {
                    Some(keys) => keys.open(&place, text)?,
                    None => text.to_owned(),
                },
                not_before: row.get::<_, Option<i64>>(3).map(UnixMs),
                not_after: row.get::<_, Option<i64>>(4).map(UnixMs),
            });
        }
    }
    Ok(())
}

async fn read_credentials(
    tx: &Transaction<'_>,
    keys: &MasterKeys,
    catalogue: &mut Catalogue,
) -> Result<(), StoreError> {
    let all = "SELECT supplier_id, coalesce(credentials #>> '{}', '') FROM suppliers";
    for row in tx.query(all, &[]).await? {
        if let Some(supplier) = catalogue.suppliers.get_mut(row.get::<_, &str>(0)) {
            let place = secrets::of_supplier(row.get(0));
            supplier.credentials = json(&keys.open(&place, row.get(1))?)?;
        }
    }
    Ok(())
}

fn business(row: &Row) -> Result<Business, StoreError> {
    let number = |column: &str| u32::try_from(row.get::<_, i64>(column)).unwrap_or(u32::MAX);
    Ok(Business {
        id: BusinessId::new(row.get::<_, String>("business_id")),
        merchant: MerchantId::new(row.get::<_, String>("merchant_id")),
        enabled: row.get("enabled"),
        rsa_allowed: row.get("rsa_allowed"),
        md5_allowed: row.get("md5_allowed"),
        keys: vec![],
        callback_url: row.get("callback_url"),
        callback_sign: kind(row.get("callback_sign_type"))?,
        callback_keys: row.get("callback_keys"),
        batch_report: row.get("batch_report"),
        ip_allow: networks(row.get("ip_allow"))?,
        rate_limit: number("rate_limit"),
        order_limit: number("order_limit"),
        max_in_flight: number("max_in_flight"),
    })
}

fn product(row: &Row) -> Result<Product, StoreError> {
    let money = |column: &str| row.get::<_, Option<i64>>(column).map(Money::from_units);
    let face = match (
        money("face_value"),
        money("min_spec"),
        money("max_spec"),
        money("step"),
    ) {
        (Some(face), ..) => Face::Fixed(face),
        (None, Some(min), Some(max), Some(step)) => Face::Range { min, max, step },
        _ => return Err(StoreError::unreadable("a product without a face value")),
    };
    let pattern = |text: Option<String>| {
        text.map(|text| whole_text(&text))
            .transpose()
            .map_err(|e| StoreError::unreadable(e.to_string()))
    };
    let attach_fields = json::<Vec<AttachEntry>>(row.get("attach_text"))?
        .into_iter()
        .map(|entry| {
            Ok(AttachField {
                label: if entry.label.is_empty() {
                    entry.name.clone()
                } else {
                    entry.label
                },
                name: entry.name,
                required: entry.required,
                pattern: pattern(entry.pattern)?,
            })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(Product {
        code: ProductCode::new(row.get::<_, String>("product_code")),
        name: row.get("name"),
        lane: Lane::new(row.get::<_, String>("lane")),
        face,
        account_pattern: pattern(row.get("account_pattern"))?,
        attach_fields,
        on_sale: row.get("on_sale"),
        counted: row.get("counted"),
        wait_for: Duration::from_millis(
            u64::try_from(row.get::<_, i64>("wait_for_ms")).unwrap_or(0),
        ),
    })
}

fn supplier(row: &Row) -> Result<Supplier, StoreError> {
    Ok(Supplier {
        id: SupplierId::new(row.get::<_, String>(0)),
        adapter: row.get(1),
        base_url: row.get(2),
        push_base_url: row.get(3),
        enabled: row.get(4),
        card: json(row.get(5))?,
        credentials: HashMap::new(),
    })
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    // The column may hold secrets: only the place is told.
    serde_json::from_str(text).map_err(|e| {
        StoreError::unreadable(format!(
            "JSON of the catalogue, line {} column {}",
            e.line(),
            e.column()
        ))
    })
}

fn kind(name: &str) -> Result<KeyKind, StoreError> {
    KeyKind::from_name(name).ok_or_else(|| StoreError::unreadable(format!("key kind {name}")))
}

fn networks<T: std::str::FromStr>(texts: Vec<String>) -> Result<Vec<T>, StoreError> {
    texts
        .into_iter()
        .map(|text| {
            text.parse()
                .map_err(|_| StoreError::unreadable(format!("network {text}")))
        })
        .collect()
}
