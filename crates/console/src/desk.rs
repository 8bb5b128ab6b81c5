//! What pages are made from, and the bounds within which they ask for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Catalogue, ProductCode, SupplierId};
use futures::FutureExt;
use ipnet::IpNet;
use queue::LookoutHandle;
use store::operators::SessionRules;
use store::story::SupplierOutcomes;
use store::vitals::Vitals;
use store::{Store, StoreError};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::door::Tries;
use crate::kept::Kept;
use crate::pages::Sight;
use crate::passwords::Passwords;
use crate::pulse::{DAY, HOUR, ONE_OF, Rhythm};
use crate::queues::Queues;
use crate::trouble::Trouble;

/// How long a page waits for the database, its turn included.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How many pages ask the database at once; the others wait for their turn.
const QUESTIONS_AT_ONCE: usize = 16;

/// How long what waits serves for all who look.
const SIGHT_FOR: Duration = Duration::from_secs(1);
/// The same of how it goes: a sample comes every ten seconds.
const RHYTHM_FOR: Duration = Duration::from_secs(5);
/// The same of what became of the newest attempts: of all that is asked for the pages it reads most.
const OUTCOMES_FOR: Duration = Duration::from_secs(10);

/// How many pages renew themselves at once; each holds a connection.
const WATCHERS: usize = 40;

/// What the pages are made from.
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) catalogue: watch::Receiver<Arc<Catalogue>>,
    pub(crate) rules: SessionRules,
    pub(crate) passwords: Passwords,
    /// Wrong passwords.
    pub(crate) tries: Tries,
    /// Wrong tokens: a program's mistake keeps nobody at the same address from signing in.
    pub(crate) token_tries: Tries,
    /// Whose word counts about where somebody comes from.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// How the broker's queues stand.
    pub(crate) queues: Queues,
    /// What the overview shows.
    pub(crate) sight: Kept<Sight>,
    /// How often the pulse is felt.
    pub(crate) look_every: Duration,
    rhythm: Kept<Rhythm>,
    vitals: Kept<Vitals>,
    outcomes: Kept<HashMap<SupplierId, SupplierOutcomes>>,
    /// Places for those whose page renews itself.
    pub(crate) watchers: Arc<Semaphore>,
    /// Ends what would not end by itself.
    pub(crate) stopping: CancellationToken,
    turns: Semaphore,
}

impl Desk {
    pub(crate) fn new(
        settings: Settings,
        store: Store,
        catalogue: watch::Receiver<Arc<Catalogue>>,
        lookout: LookoutHandle,
    ) -> Self {
        Self {
            store,
            catalogue,
            rules: SessionRules {
                idle_minutes: settings.idle_minutes.into(),
                session_hours: settings.session_hours.into(),
            },
            passwords: Passwords::new(),
            tries: Tries::default(),
            token_tries: Tries::default(),
            trusted_proxies: settings.trusted_proxies,
            queues: Queues::new(lookout),
            sight: Kept::fresh_for(SIGHT_FOR),
            look_every: settings.look_every,
            rhythm: Kept::fresh_for(RHYTHM_FOR),
            vitals: Kept::fresh_for(SIGHT_FOR),
            outcomes: Kept::fresh_for(OUTCOMES_FOR),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
            stopping: CancellationToken::new(),
            turns: Semaphore::new(QUESTIONS_AT_ONCE),
        }
    }

    /// One question to the database, within a page's bounds.
    pub(crate) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Trouble> {
        let asked = async {
            let _turn = self.turns.acquire().await.map_err(|_| Trouble::TooSlow)?;
            Ok(question.await?)
        };
        tokio::time::timeout(ANSWER_WITHIN, asked)
            .await
            .unwrap_or(Err(Trouble::TooSlow))
    }

    /// How it goes and has gone. Where that cannot be read, the page comes without it.
    pub(crate) async fn rhythm(&self) -> Arc<Rhythm> {
        let read = async {
            let hour = self.ask(self.store.pulses(1, HOUR)).await?;
            let day = self.ask(self.store.pulses(ONE_OF, DAY)).await?;
            Ok::<_, Trouble>(Rhythm::of(&hour, &day, self.look_every))
        };
        self.rhythm.or(read.boxed()).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the pulses could not be read");
            Arc::default()
        })
    }

    /// What waits in the whole database.
    pub(crate) async fn vitals(&self) -> Result<Arc<Vitals>, Trouble> {
        self.vitals.or(self.ask(self.store.vitals()).boxed()).await
    }

    /// What became of each supplier's newest attempts.
    pub(crate) async fn outcomes(
        &self,
    ) -> Result<Arc<HashMap<SupplierId, SupplierOutcomes>>, Trouble> {
        let by_supplier = async {
            let lines = self.ask(self.store.supplier_outcomes()).await?;
            let lines = lines.into_iter().map(|line| (line.supplier.clone(), line));
            Ok(lines.collect())
        };
        self.outcomes.or(by_supplier.boxed()).await
    }

    /// The catalogue as it is now.
    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.borrow())
    }

    /// The name of a product for people, where the catalogue knows it.
    pub(crate) fn name_of(&self, product: &ProductCode) -> String {
        let catalogue = self.catalogue.borrow();
        let known = catalogue.products.get(product);
        known.map_or_else(String::new, |p| p.name.clone())
    }
}
