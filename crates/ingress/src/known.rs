//! What the door knows of accounts and suppliers: the catalogue with its keys parsed, renewed when the catalogue changes.

use std::collections::HashMap;
use std::sync::Arc;

use domain::catalogue::{Business, KeyKind};
use domain::{BusinessId, Catalogue, SupplierId};
use openapi::{DatedKey, KeyError, SignType, VerifyingKey, VerifyingKeys};
use suppliers::Adapter;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// One snapshot, never changed.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) catalogue: Arc<Catalogue>,
    accounts: HashMap<BusinessId, Arc<Account>>,
    adapters: HashMap<SupplierId, Adapter>,
}

/// An enabled account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) business: Business,
    pub(crate) keys: VerifyingKeys,
}

impl Known {
    /// Parses what can be parsed. A key or a supplier that cannot be is logged and left out: the others go on.
    pub(crate) fn of(catalogue: Arc<Catalogue>) -> Self {
        let accounts = catalogue
            .businesses
            .values()
            .filter(|business| business.enabled)
            .map(|business| (business.id.clone(), Arc::new(account(business))))
            .collect();
        let adapters = catalogue
            .suppliers
            .iter()
            .filter_map(
                |(id, supplier)| match Adapter::build(supplier, &catalogue.platform) {
                    Ok(adapter) => Some((id.clone(), adapter)),
                    Err(error) => {
                        tracing::error!(%error, supplier = %id, "the supplier's pushes cannot be read");
                        None
                    }
                },
            )
            .collect();
        Self {
            catalogue,
            accounts,
            adapters,
        }
    }

    /// The account, if it exists and is enabled.
    pub(crate) fn account(&self, business: &BusinessId) -> Option<&Arc<Account>> {
        self.accounts.get(business)
    }

    /// The supplier's adapter, switched on or off: old orders are still heard of.
    pub(crate) fn adapter(&self, supplier: &SupplierId) -> Option<&Adapter> {
        self.adapters.get(supplier)
    }
}

fn account(business: &Business) -> Account {
    let allowed = [
        (business.rsa_allowed, SignType::Sha256Rsa),
        (business.md5_allowed, SignType::Md5),
    ];
    let keys = business.keys.iter().filter_map(|key| {
        let parsed: Result<_, KeyError> = match key.kind {
            KeyKind::Rsa => VerifyingKey::rsa_from_pem(&key.text),
            KeyKind::Md5 => VerifyingKey::md5(&key.text),
        };
        match parsed {
            Ok(parsed) => Some(DatedKey {
                key: parsed,
                not_before: key.not_before,
                not_after: key.not_after,
            }),
            Err(error) => {
                let kind = key.kind.name();
                tracing::error!(%error, business = %business.id, kind, "a key cannot be used");
                None
            }
        }
    });
    let allowed = allowed
        .into_iter()
        .filter_map(|(is, kind)| is.then_some(kind));
    Account {
        keys: VerifyingKeys::new(allowed, keys),
        business: business.clone(),
    }
}

/// Renews [`Known`] when the catalogue changes.
pub(crate) struct KnownTask {
    catalogue: watch::Receiver<Arc<Catalogue>>,
    known: watch::Sender<Arc<Known>>,
}

impl KnownTask {
    /// The task, and what it keeps renewed, filled from the catalogue of this moment.
    pub(crate) fn new(
        mut catalogue: watch::Receiver<Arc<Catalogue>>,
    ) -> (Self, watch::Receiver<Arc<Known>>) {
        let now = Arc::clone(&catalogue.borrow_and_update());
        let (known, receiver) = watch::channel(Arc::new(Known::of(now)));
        (Self { catalogue, known }, receiver)
    }

    /// Runs until `shutdown`, or until nobody renews the catalogue any more.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        while let Some(Ok(())) = shutdown.run_until_cancelled(self.catalogue.changed()).await {
            let catalogue = Arc::clone(&self.catalogue.borrow_and_update());
            // Parsing the keys of thousands of accounts takes longer than the other tasks should wait.
            match tokio::task::spawn_blocking(move || Known::of(catalogue)).await {
                Ok(known) => drop(self.known.send_replace(Arc::new(known))),
                Err(error) => tracing::error!(%error, "the new catalogue could not be taken up"),
            }
        }
    }
}
