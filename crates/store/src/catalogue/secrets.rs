//! The catalogue's secrets: who reads which of them, and how they are sealed again under another master key.

use crate::audit::Deed;
use crate::seal::MasterKeys;
use crate::transaction::{Transaction, commit};
use crate::{Store, StoreError};

/// Where an account's MD5 secret is stored.
pub(super) fn of_business(business: &str) -> String {
    format!("business {business}, MD5 key")
}

/// Where a key of the platform is stored.
pub(super) fn of_platform(key_id: &str) -> String {
    format!("platform key {key_id}")
}

/// Where our credentials at a supplier are stored.
pub(super) fn of_supplier(supplier: &str) -> String {
    format!("supplier {supplier}, credentials")
}

/// Which of the catalogue's secrets a process reads. What it does not read is left out of its catalogue, and its user of the database may
/// not read it (`migrations/access.sql`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    /// MD5 keys of accounts; their public keys are no secret.
    pub of_accounts: bool,
    /// The platform's own keys.
    pub of_platform: bool,
    /// Our credentials at suppliers.
    pub of_suppliers: bool,
}

impl Secrets {
    /// All of them.
    pub const ALL: Self = Self {
        of_accounts: true,
        of_platform: true,
        of_suppliers: true,
    };
    /// None: for those who only look, and for what people do.
    pub const NONE: Self = Self {
        of_accounts: false,
        of_platform: false,
        of_suppliers: false,
    };
}

/// How many secrets there are, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// All of them.
    pub secrets: usize,
    /// Those that were sealed now; the others were already.
    pub sealed: usize,
}

impl Store {
    /// Seals every secret under the first master key, all of them or none. The fleet may run meanwhile, as long as each process
    /// has that key too.
    pub async fn seal_secrets(&self, deed: &Deed) -> Result<Sealed, StoreError> {
        self.bounded(async {
            let mut session = self.session().await?;
            let tx = session.begin();
            // As imports do, so that the two come one after the other, and every process reads it anew.
            tx.execute("UPDATE platform SET catalogue_version = catalogue_version + 1", &[])
                .await?;
            let mut sealed = Sealed::default();
            for (read, write, place) in [
                (
                    "SELECT business_id, key FROM business_keys WHERE kind = 'MD5'",
                    "UPDATE business_keys SET key = $3 WHERE business_id = $1 AND key = $2 AND kind = 'MD5'",
                    of_business as fn(&str) -> String,
                ),
                (
                    "SELECT key_id, private_key FROM platform_keys",
                    "UPDATE platform_keys SET private_key = $3 WHERE key_id = $1 AND private_key = $2",
                    of_platform,
                ),
                (
                    "SELECT supplier_id, coalesce(credentials #>> '{}', '') FROM suppliers",
                    "UPDATE suppliers SET credentials = to_jsonb($3::text)
                     WHERE supplier_id = $1 AND coalesce(credentials #>> '{}', '') = $2",
                    of_supplier,
                ),
            ] {
                seal_all(&tx, &self.keys, read, write, place, &mut sealed).await?;
            }
            let Sealed { sealed: anew, secrets } = sealed;
            let detail = format!("{anew} of {secrets} secrets");
            deed.done(&tx, &detail).await?;
            commit(tx, "import").await?;
            session.give_back();
            Ok(sealed)
        })
        .await
    }
}

async fn seal_all(
    tx: &Transaction<'_>,
    keys: &MasterKeys,
    read: &str,
    write: &str,
    place: fn(&str) -> String,
    sealed: &mut Sealed,
) -> Result<(), StoreError> {
    for row in tx.query(read, &[]).await? {
        let (id, stored): (String, String) = (row.get(0), row.get(1));
        sealed.secrets += 1;
        if keys.is_current(&stored) {
            continue;
        }
        let place = place(&id);
        let again = keys.seal(&place, &keys.open(&place, &stored)?)?;
        sealed.sealed += 1;
        if tx.execute(write, &[&id, &stored, &again]).await? != 1 {
            return Err(StoreError::unreadable(format!("{place} changed meanwhile")));
        }
    }
    Ok(())
}
