//! One callback process: its hints, its look at what is due, its recorder, and the order in which they end.

use std::sync::{Arc, Mutex};

use domain::Catalogue;
use queue::{ConsumerHandle, QueueName};
use store::Store;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::due::DueLoop;
use crate::fleet::Fleet;
use crate::health::HealthLoop;
use crate::hints::{HintLoop, Mark};
use crate::late::Lateness;
use crate::looks::Looks;
use crate::meters;
use crate::overtaking::OvertakingLoop;
use crate::post::{NoClient, Post};
use crate::recorder::Recorder;
use crate::sender::Sender;
use crate::settings::Settings;
use crate::signers::Signers;
use crate::slots::Slots;
use crate::standing::Standings;

/// The `callback` role.
pub struct Worker {
    settings: Settings,
    store: Store,
    catalogue: watch::Receiver<Arc<Catalogue>>,
    consumer: ConsumerHandle,
    prefetch: u16,
    post: Post,
}

impl Worker {
    /// Prepares a worker; nothing runs yet. `consumer` must run as long as it does; `prefetch` hints are held at most.
    ///
    /// # Errors
    /// When the HTTP client cannot be made, as when the machine has no usable TLS.
    pub fn new(
        settings: Settings,
        store: Store,
        catalogue: watch::Receiver<Arc<Catalogue>>,
        consumer: ConsumerHandle,
        prefetch: u16,
    ) -> Result<Self, NoClient> {
        let post = Post::new(
            catalogue.clone(),
            settings.call_timeout(),
            settings.max_in_flight_per_endpoint,
            &settings.name_servers,
        )?;
        Ok(Self {
            settings,
            store,
            catalogue,
            consumer,
            prefetch,
            post,
        })
    }

    /// Works until `shutdown`: then nothing more is claimed, running calls end, what they heard is recorded.
    pub async fn run(self, shutdown: CancellationToken) {
        let settings = self.settings;
        meters::begun(settings.max_in_flight);
        let signers = Signers::of(&self.catalogue.borrow());
        let (tried, inbox) = mpsc::channel(settings.record_batch * 2);
        let calls = TaskTracker::new();
        let standings = Standings::default();
        // Before anything is sent: what the fleet has set aside must not be called because this process has only begun.
        match self.store.unwell_endpoints().await {
            Ok(unwell) => standings.read(&unwell),
            Err(error) => tracing::warn!(%error, "nobody knows yet which endpoints are not well"),
        }
        let sender = Sender {
            store: self.store.clone(),
            signers: Arc::new(Mutex::new(Arc::new(signers))),
            catalogue: self.catalogue,
            slots: Slots::new(
                standings.clone(),
                settings.max_in_flight,
                settings.max_in_flight_per_endpoint,
                settings.max_in_flight_per_business,
            ),
            lateness: Lateness::new(),
            standings,
            post: self.post,
            tried,
            calls: calls.clone(),
            lease: settings.lease(),
        };
        let fleet = Fleet::alone();
        let recorder = Recorder {
            store: self.store,
            tried: inbox,
            set_size: settings.record_batch,
            fleet: fleet.clone(),
        };
        let mut recording = tokio::spawn(recorder.run());
        let mut takers = JoinSet::new();
        let due = DueLoop::new(sender.clone(), settings.poll_every(), fleet.clone());
        takers.spawn(due.run(shutdown.clone()));
        let overtaking = OvertakingLoop {
            looks: Looks::new(sender.clone()),
            lateness: sender.lateness.clone(),
            fleet: fleet.clone(),
        };
        takers.spawn(overtaking.run(shutdown.clone()));
        takers.spawn(
            HealthLoop {
                sender: sender.clone(),
                settings: settings.clone(),
                fleet: fleet.clone(),
            }
            .run(shutdown.clone()),
        );
        if let Some(deliveries) = self
            .consumer
            .subscribe(QueueName::callbacks(), self.prefetch)
            .await
        {
            let hints = HintLoop {
                sender: sender.clone(),
                deliveries,
                claim_size: settings.claim_batch,
                mark: Mark::new(),
                fleet,
            };
            takers.spawn(hints.run(shutdown.clone()));
        }
        drop(sender);
        while let Some(ended) = takers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a loop of the callback worker ended badly");
            }
        }
        calls.close();
        let drain = settings.call_timeout() * 3 / 2;
        if tokio::time::timeout(drain, calls.wait()).await.is_err() {
            tracing::warn!(
                calls = calls.len(),
                "reports still on their way, their leases bring them back"
            );
        }
        if tokio::time::timeout(drain, &mut recording).await.is_err() {
            recording.abort();
            tracing::warn!("not all tries could be recorded, their leases bring them back");
        }
    }
}
