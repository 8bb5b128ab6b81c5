//! Puts a catalogue file into the database: all of it or nothing, then the version moves and every process reads it anew.

use aws_lc_rs::digest::{SHA256, digest};
use domain::SupplierId;
use domain::catalogue::KeyKind;
use domain::catalogue_file::{
    BusinessEntry, CatalogueFile, FileFault, ProductEntry, SupplierEntry,
};
use domain::product::Price;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::{keys, secrets, shared_rows};
use crate::audit::Deed;
use crate::seal::MasterKeys;
use crate::session::in_ms;
use crate::transaction::{Transaction, commit};
use crate::{Store, StoreError};

/// The advisory lock of imports.
const ONE_BY_ONE: i64 = 0x7265_6669_6c6c_0002;

/// Why a file was not imported; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file breaks a rule.
    #[error(transparent)]
    Fault(#[from] FileFault),
    /// An entry names what neither the file nor the database has.
    #[error("the file names something that does not exist: {0}")]
    Unknown(String),
    /// A supplier's id has come to mean another account there. Its numbers of orders would mean nothing to that one, and an order that waits
    /// for an answer would be charged again.
    #[error("supplier {0}: adapter, {names} are fixed, for its orders are asked after there; another account is a supplier of its own", names = SupplierEntry::NAMES.join(", "))]
    OtherAccount(SupplierId),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The catalogue's new version.
    pub version: i64,
    /// Accounts whose opening deposit was booked now.
    pub deposits: usize,
}

impl Store {
    /// Imports a file: what it names is inserted or brought up to date, what it does not name stays. An account's keys are
    /// those of the file; its opening deposit is booked once, with the first import that names it.
    pub async fn import(&self, file: &CatalogueFile) -> Result<Imported, ImportError> {
        self.imported(file, None).await
    }

    /// The same by a person.
    pub async fn import_by(
        &self,
        file: &CatalogueFile,
        deed: &Deed,
    ) -> Result<Imported, ImportError> {
        self.imported(file, Some(deed)).await
    }

    async fn imported(
        &self,
        file: &CatalogueFile,
        deed: Option<&Deed>,
    ) -> Result<Imported, ImportError> {
        file.check()?;
        let mut session = self.session().await?;
        let work = async {
            let transaction = session.begin();
            let imported = import(&transaction, file, &self.keys).await?;
            if let Some(deed) = deed {
                let Imported { version, deposits } = imported;
                let detail = format!("version {version}, {deposits} opening deposits");
                deed.done(&transaction, &detail).await?;
            }
            Ok::<_, ImportError>((transaction, imported))
        };
        let limit = std::time::Duration::from_mins(5);
        let (transaction, imported) = tokio::time::timeout(limit, work)
            .await
            .unwrap_or(Err(StoreError::TooSlow.into()))?;
        commit(transaction, "import").await?;
        session.give_back();
        Ok(imported)
    }
}

async fn import(
    tx: &Transaction<'_>,
    file: &CatalogueFile,
    master: &MasterKeys,
) -> Result<Imported, ImportError> {
    // Imports come one after another, and keep nobody else: what others wait for is set at the end.
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&ONE_BY_ONE])
        .await
        .map_err(StoreError::from)?;
    for merchant in &file.merchant {
        let sql = "INSERT INTO merchants (merchant_id, name) VALUES ($1, $2)
                   ON CONFLICT (merchant_id) DO UPDATE SET name = excluded.name";
        run(tx, sql, &[&merchant.id.as_str(), &merchant.name], || {
            format!("merchant {}", merchant.id)
        })
        .await?;
    }
    for business in &file.business {
        import_business(tx, business, master).await?;
    }
    for product in &file.product {
        import_product(tx, product).await?;
    }
    for entry in &file.price {
        let (price, rate) = match entry.price()? {
            Price::Fixed(price) => (Some(price.units()), None),
            Price::Rate(rate) => (None, Some(rate.millionths())),
        };
        let sql = "INSERT INTO prices (business_id, product_code, price, rate) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (business_id, product_code) DO UPDATE SET price = excluded.price, rate = excluded.rate";
        let at = || format!("price of {} for {}", entry.product, entry.business);
        run(
            tx,
            sql,
            &[
                &entry.business.as_str(),
                &entry.product.as_str(),
                &price,
                &rate,
            ],
            at,
        )
        .await?;
    }
    for supplier in &file.supplier {
        import_supplier(tx, supplier, master).await?;
    }
    for route in &file.route {
        let sql = "INSERT INTO routes (product_code, supplier_id, sku, cost, priority, enabled, may_cost_more)
                   VALUES ($1, $2, $3, $4, $5, $6, $7)
                   ON CONFLICT (product_code, supplier_id) DO UPDATE
                   SET sku = excluded.sku, cost = excluded.cost, priority = excluded.priority, enabled = excluded.enabled,
                       may_cost_more = excluded.may_cost_more";
        let at = || format!("route of {} to {}", route.product, route.supplier);
        let cost = route.cost.units();
        run(
            tx,
            sql,
            &[
                &route.product.as_str(),
                &route.supplier.as_str(),
                &route.sku,
                &cost,
                &route.priority,
                &route.enabled,
                &route.may_cost_more,
            ],
            at,
        )
        .await?;
    }
    if let Some(platform) = &file.platform {
        keys::import_platform(tx, platform, master).await?;
    }
    for key in &file.platform_key {
        if let Some(text) = &key.private_key {
            let times = (key.not_before.as_deref(), key.not_after.as_deref());
            keys::import_platform_key(tx, &key.id, text, times, master).await?;
        }
    }
    let deposits = shared_rows::set(tx, file).await?;
    let version =
        "UPDATE platform SET catalogue_version = catalogue_version + 1 RETURNING catalogue_version";
    let version = tx.query_one(version, &[]).await.map_err(StoreError::from)?;
    Ok(Imported {
        version: version.get(0),
        deposits,
    })
}

async fn import_business(
    tx: &Transaction<'_>,
    business: &BusinessEntry,
    master: &MasterKeys,
) -> Result<(), ImportError> {
    let id = business.id.as_str();
    let at = || format!("business {}", business.id);
    let allowed = |kind: KeyKind| business.sign_types.iter().any(|name| name == kind.name());
    let callback_sign = business
        .callback_sign_type
        .clone()
        .unwrap_or_else(|| KeyKind::Rsa.name().into());
    let ip_allow: Vec<String> = business.ip_allow.iter().map(ToString::to_string).collect();
    let sql = "INSERT INTO businesses (business_id, merchant_id, enabled, rsa_allowed, md5_allowed, callback_url, callback_sign_type,
                                       ip_allow, rate_limit, max_in_flight, batch_report, callback_keys, order_limit)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
               ON CONFLICT (business_id) DO UPDATE
               SET merchant_id = excluded.merchant_id, enabled = excluded.enabled, rsa_allowed = excluded.rsa_allowed,
                   md5_allowed = excluded.md5_allowed, callback_url = excluded.callback_url,
                   callback_sign_type = excluded.callback_sign_type, ip_allow = excluded.ip_allow,
                   rate_limit = excluded.rate_limit, max_in_flight = excluded.max_in_flight,
                   batch_report = excluded.batch_report, callback_keys = excluded.callback_keys,
                   order_limit = excluded.order_limit";
    run(
        tx,
        sql,
        &[
            &id,
            &business.merchant.as_str(),
            &business.enabled,
            &allowed(KeyKind::Rsa),
            &allowed(KeyKind::Md5),
            &business.callback_url,
            &callback_sign,
            &ip_allow,
            &i64::from(business.rate_limit),
            &i64::from(business.max_in_flight),
            &business.batch_report,
            &business.callback_keys,
            &i64::from(business.order_limit),
        ],
        at,
    )
    .await?;
    run(
        tx,
        "DELETE FROM business_keys WHERE business_id = $1",
        &[&id],
        at,
    )
    .await?;
    for key in keys::of_business(business) {
        let text = match key.kind {
            // Public.
            KeyKind::Rsa => key.text.to_owned(),
            KeyKind::Md5 => master.seal(&secrets::of_business(id), key.text)?,
        };
        let sql = "INSERT INTO business_keys (business_id, kind, key, not_before, not_after)
                   VALUES ($1, $2, $3, $4::text::timestamptz, $5::text::timestamptz)";
        let values: [&(dyn ToSql + Sync); 5] = [
            &id,
            &key.kind.name(),
            &text,
            &key.not_before,
            &key.not_after,
        ];
        run(tx, sql, &values, at).await?;
    }
    Ok(())
}

async fn import_product(tx: &Transaction<'_>, product: &ProductEntry) -> Result<(), ImportError> {
    let at = || format!("product {}", product.code);
    let code = product.code.as_str();
    let units = |money: Option<domain::Money>| money.map(domain::Money::units);
    let attach = text_of(&product.attach_fields)?;
    let sql = "INSERT INTO products (product_code, name, lane, face_value, min_spec, max_spec, step, account_pattern, attach_fields,
                                     on_sale, wait_for_ms)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, $11)
               ON CONFLICT (product_code) DO UPDATE
               SET name = excluded.name, lane = excluded.lane, face_value = excluded.face_value, min_spec = excluded.min_spec,
                   max_spec = excluded.max_spec, step = excluded.step, account_pattern = excluded.account_pattern,
                   attach_fields = excluded.attach_fields, on_sale = excluded.on_sale, wait_for_ms = excluded.wait_for_ms";
    run(
        tx,
        sql,
        &[
            &code,
            &product.name,
            &product.lane,
            &units(product.face_value),
            &units(product.min_spec),
            &units(product.max_spec),
            &units(product.step),
            &product.account_pattern,
            &attach,
            &product.on_sale,
            &in_ms(product.wait_for),
        ],
        at,
    )
    .await?;
    Ok(())
}

async fn import_supplier(
    tx: &Transaction<'_>,
    supplier: &SupplierEntry,
    master: &MasterKeys,
) -> Result<(), ImportError> {
    let sql = "INSERT INTO suppliers (supplier_id, adapter, base_url, push_base_url, enabled, card, credentials, account)
               VALUES ($1, $2, $3, $4, $5, $6::text::jsonb,
                       CASE WHEN $7::text LIKE 'sealed:%' THEN to_jsonb($7::text) ELSE $7::text::jsonb END, $8)
               ON CONFLICT (supplier_id) DO UPDATE
               SET adapter = excluded.adapter, base_url = excluded.base_url, push_base_url = excluded.push_base_url,
                   enabled = excluded.enabled, card = excluded.card, credentials = excluded.credentials, account = excluded.account
               WHERE coalesce(suppliers.account, excluded.account) = excluded.account";
    let card = text_of(&supplier.card)?;
    let place = secrets::of_supplier(supplier.id.as_str());
    let credentials = master.seal(&place, &text_of(&supplier.credentials.0)?)?;
    let account = digest(&SHA256, text_of(&supplier.account())?.as_bytes());
    let written = run(
        tx,
        sql,
        &[
            &supplier.id.as_str(),
            &supplier.adapter,
            &supplier.base_url,
            &supplier.push_base_url,
            &supplier.enabled,
            &card,
            &credentials,
            &account.as_ref(),
        ],
        || format!("supplier {}", supplier.id),
    )
    .await?;
    if written == 0 {
        return Err(ImportError::OtherAccount(supplier.id.clone()));
    }
    Ok(())
}

fn text_of(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::unreadable(e.to_string()))
}

pub(super) async fn run(
    tx: &Transaction<'_>,
    sql: &str,
    values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    at: impl Fn() -> String,
) -> Result<u64, ImportError> {
    tx.execute(sql, values).await.map_err(|error| {
        if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) {
            ImportError::Unknown(at())
        } else {
            ImportError::Store(error.into())
        }
    })
}
