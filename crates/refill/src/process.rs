//! What all roles of a process share, and the order in which it all comes up and goes down.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use domain::Catalogue;
use metrics_exporter_prometheus::PrometheusHandle;
use queue::{Publisher, PublisherHandle};
use store::{CatalogueTask, Store};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::files;
use crate::meters;
use crate::presence;
use crate::settings::Settings;
use crate::spans::Spans;
use crate::stop::Stop;

/// A process on its servers. Its roles are started into it; they stop first, then what they stand on.
pub(crate) struct Process {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) catalogue: watch::Receiver<Arc<Catalogue>>,
    pub(crate) publisher: PublisherHandle,
    pub(crate) broker: queue::Settings,
    pub(crate) metrics: PrometheusHandle,
    /// Somebody outside calls this process, and needs a moment to learn that it stops.
    pub(crate) has_callers: bool,
    /// The process was told to stop: it is not ready any more.
    pub(crate) draining: CancellationToken,
    /// Stops the roles.
    pub(crate) shutdown: CancellationToken,
    roles: JoinSet<()>,
    /// Stops what the roles stand on.
    ground_shutdown: CancellationToken,
    ground: JoinSet<()>,
    spans: Spans,
}

impl Process {
    /// Connects. Waits for the database (the catalogue is read), not for the broker.
    pub(crate) async fn start(settings: Settings, role: &str) -> anyhow::Result<Self> {
        files::take_all_allowed();
        let metrics = meters::keep(role)?;
        let spans = Spans::of(role, &settings.traces)?;
        let store = Store::new(&settings.store()?)?;
        let broker = settings.broker(role)?;
        let (catalogue_task, catalogue) = CatalogueTask::start(store.clone())
            .await
            .context("the catalogue cannot be read (has `refill migrate` been run?)")?;
        let (publisher, publisher_task) = Publisher::new(broker.clone());
        let ground_shutdown = CancellationToken::new();
        let mut ground = JoinSet::new();
        ground.spawn(catalogue_task.run(ground_shutdown.clone()));
        ground.spawn(publisher_task.run(ground_shutdown.clone()));
        ground.spawn(presence::tell(
            store.clone(),
            publisher.clone(),
            role.to_owned(),
            ground_shutdown.clone(),
        ));
        Ok(Self {
            settings,
            store,
            catalogue,
            publisher,
            broker,
            metrics,
            has_callers: false,
            draining: CancellationToken::new(),
            shutdown: CancellationToken::new(),
            roles: JoinSet::new(),
            ground_shutdown,
            ground,
            spans,
        })
    }

    /// Runs a role until the process is stopped.
    pub(crate) fn add_role<R>(&mut self, role: impl FnOnce(CancellationToken) -> R)
    where
        R: Future<Output = ()> + Send + 'static,
    {
        self.roles.spawn(role(self.shutdown.clone()));
    }

    /// Runs what must outlive the roles.
    pub(crate) fn add_ground<G>(&mut self, ground: impl FnOnce(CancellationToken) -> G)
    where
        G: Future<Output = ()> + Send + 'static,
    {
        self.ground.spawn(ground(self.ground_shutdown.clone()));
    }

    /// Waits until it is told to stop or a role ends by itself, then [ends](Self::end) it.
    pub(crate) async fn run(mut self, stop: &mut Stop) -> anyhow::Result<()> {
        let ended_early = tokio::select! {
            () = stop.told() => false,
            _ = self.roles.join_next() => true,
        };
        self.end(stop, ended_early).await
    }

    /// Takes everything down in order: first it is not ready any more, then whoever calls it has `admin.drain_ms` to notice, then the
    /// roles take nothing new and finish what they have, and what is not finished within `admin.stop_within_ms` is left to the leases.
    /// Told to stop (once more), it ends at once.
    pub(crate) async fn end(mut self, stop: &mut Stop, ended_early: bool) -> anyhow::Result<()> {
        tracing::info!(a_role_ended = ended_early, "stopping");
        self.draining.cancel();
        let notice = if self.has_callers && !ended_early {
            self.settings.admin.drain()
        } else {
            Duration::ZERO
        };
        let within = self.settings.admin.stop_within();
        let going_down = async {
            tokio::time::sleep(notice).await;
            tokio::time::timeout(within, self.go_down()).await
        };
        let gone_down = tokio::select! {
            gone_down = going_down => gone_down,
            () = stop.told() => {
                tracing::error!("told to stop once more: it ends at once, the leases bring back what was begun");
                std::process::exit(1);
            }
        };
        anyhow::ensure!(
            gone_down.is_ok(),
            "not all could be ended within admin.stop_within_ms; the leases bring back what was begun"
        );
        tracing::info!("stopped");
        anyhow::ensure!(!ended_early, "a role ended by itself; the log says why");
        Ok(())
    }

    async fn go_down(&mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.roles.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a role ended badly");
            }
        }
        self.ground_shutdown.cancel();
        while self.ground.join_next().await.is_some() {}
        self.spans.end().await;
    }
}
