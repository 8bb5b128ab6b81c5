//! The suppliers at hand: an adapter and its limits for each, kept while the catalogue leaves the supplier as it is.

use std::collections::HashMap;
use std::sync::Arc;

use domain::catalogue::Supplier;
use domain::{Catalogue, Lane, SupplierId};
use store::Share;
use suppliers::Adapter;
use tokio::sync::watch;

use crate::breaker::Breaker;
use crate::limits::Limits;
use crate::meters;

/// One supplier, ready to be called.
#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) adapter: Adapter,
    pub(crate) limits: Limits,
    pub(crate) breaker: Breaker,
    /// What it was built from.
    supplier: Supplier,
    signing_key: Option<String>,
}

impl Counter {
    pub(crate) const fn id(&self) -> &SupplierId {
        &self.supplier.id
    }
}

/// All suppliers of one catalogue version.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) catalogue: Arc<Catalogue>,
    counters: HashMap<SupplierId, Arc<Counter>>,
}

impl Desk {
    /// Builds what is new or has changed and keeps the rest, connections and running limits included. A supplier that cannot be
    /// built is told once and left out: its orders wait.
    pub(crate) fn of(
        catalogue: Arc<Catalogue>,
        before: Option<&Self>,
        share: &watch::Receiver<Share>,
    ) -> Self {
        let mut counters = HashMap::new();
        for (id, supplier) in &catalogue.suppliers {
            let known = before.and_then(|desk| desk.counters.get(id));
            let key = catalogue.platform.default_key();
            match known {
                Some(counter)
                    if same(&counter.supplier, supplier)
                        && counter.signing_key.as_deref() == key =>
                {
                    let was_tripped =
                        before.is_some_and(|desk| desk.catalogue.gates.tripped.contains_key(id));
                    if was_tripped && !catalogue.gates.tripped.contains_key(id) {
                        counter.limits.start_over();
                    }
                    counters.insert(id.clone(), Arc::clone(counter));
                }
                _ => match Adapter::build(supplier, &catalogue.platform) {
                    Ok(adapter) => {
                        meters::supplier(id);
                        let counter = Counter {
                            adapter,
                            limits: Limits::of(&supplier.card, share.clone()),
                            breaker: Breaker::new(supplier.card.break_after),
                            supplier: supplier.clone(),
                            signing_key: key.map(str::to_owned),
                        };
                        counters.insert(id.clone(), Arc::new(counter));
                    }
                    Err(error) => {
                        tracing::error!(supplier = %id, %error, "the supplier cannot be called, its orders wait");
                    }
                },
            }
        }
        Self {
            catalogue,
            counters,
        }
    }

    pub(crate) fn counter(&self, supplier: &SupplierId) -> Option<&Arc<Counter>> {
        self.counters.get(supplier)
    }

    /// The suppliers that a lane's orders go to first, as things stand: while one of them has no room, the lane waits.
    pub(crate) fn first_choices(&self, lane: &Lane) -> Vec<&Arc<Counter>> {
        let mut ids: Vec<&SupplierId> = self
            .catalogue
            .products
            .values()
            .filter(|product| &product.lane == lane)
            .filter_map(|product| {
                let mut routes = self.catalogue.routes_of(&product.code);
                routes.find(|(route, _)| self.catalogue.gates.is_clear(&route.supplier, lane))
            })
            .map(|(route, _)| &route.supplier)
            .collect();
        ids.sort();
        ids.dedup();
        ids.into_iter().filter_map(|id| self.counter(id)).collect()
    }

    /// Tripped suppliers, and how many new orders this process may try them with now.
    pub(crate) fn probes(&self) -> HashMap<SupplierId, usize> {
        let tripped = self.catalogue.gates.tripped.keys();
        tripped
            .filter_map(|id| {
                Some((
                    id.clone(),
                    usize::from(self.counter(id)?.breaker.may_probe()),
                ))
            })
            .collect()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&SupplierId, &Arc<Counter>)> {
        self.counters.iter()
    }
}

fn same(a: &Supplier, b: &Supplier) -> bool {
    a.adapter == b.adapter
        && a.base_url == b.base_url
        && a.push_base_url == b.push_base_url
        && a.card == b.card
        && a.credentials == b.credentials
}
