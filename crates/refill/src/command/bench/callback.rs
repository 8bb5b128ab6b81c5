//! `refill bench callback`: status reports alone. How many a second and at which cost; and how long those of good endpoints take,
//! first among themselves, then beside endpoints that misbehave in ten ways. At last all of them once more, as fast as they go.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use domain::UnixMs;
use openapi::SigningKey;
use serde_json::{Value, json};
use simulator::Misbehaviour;
use store::callbacks::Delays;
use store::resend::{Resend, ResendRequest};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::catalogue::{Cast, PRODUCT, business};
use super::offer::{Offer, Pace, Refused};
use super::report::round;
use super::roles::Roles;
use super::stage::{Stage, free_address};
use super::{Place, cpu, memory, sender};

/// How long the last reports may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// Signatures that are made to find out what one costs.
const SIGNATURES: u32 = 500;
/// Orders of one batch: few, so that every endpoint gets some.
const BATCH: u32 = 5;
/// Requests that may be unanswered.
const OUTSTANDING: usize = 256;

/// The flags of `refill bench callback`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
    /// Endpoints in all.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(2..=2_000))]
    endpoints: u16,
    /// Endpoints of them that misbehave, in ten ways.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    bad: u16,
    /// Orders whose reports go to good endpoints, in each of the two runs.
    #[arg(long, default_value_t = 6_000)]
    orders: u32,
    /// Orders offered per second.
    #[arg(long, default_value_t = 250)]
    rate: u32,
}

/// What was measured.
pub(super) struct Report {
    per_second: f64,
    cpu_ms_per_delivery: f64,
    signature_cpu_ms: f64,
    alone: Delays,
    beside_bad: Delays,
    reports: u32,
    endpoints: u16,
    bad: u16,
    /// The callback role's, in MB: alone, and at the end.
    peak_mb: (f64, f64),
    set_aside: usize,
}

/// Endpoints of both kinds.
struct Street {
    good: Vec<String>,
    bad: Vec<String>,
    /// Aborted with it.
    _serving: JoinSet<()>,
}

impl Street {
    async fn open(stage: &Stage<'_>, flags: &Flags) -> anyhow::Result<Self> {
        let mut serving = JoinSet::new();
        let mut good = vec![];
        for _ in 0..flags.endpoints.saturating_sub(flags.bad) {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            good.push(format!("http://{}/callback", listener.local_addr()?));
            let run = stage.merchant.clone().run(listener, stage.shutdown.clone());
            serving.spawn(async {
                if let Err(error) = run.await {
                    tracing::error!(%error, "a good endpoint ended badly");
                }
            });
        }
        let mut bad = vec![];
        for kind in Misbehaviour::ALL.into_iter().cycle().take(flags.bad.into()) {
            let at = free_address()?;
            bad.push(kind.url(at));
            let listener = TcpListener::bind(at).await?;
            serving.spawn(kind.run(listener, stage.shutdown.clone()));
        }
        anyhow::ensure!(!good.is_empty(), "--bad: must be less than --endpoints");
        Ok(Self {
            good,
            bad,
            _serving: serving,
        })
    }
}

pub(super) async fn run(place: &Place<'_>, flags: &Flags) -> anyhow::Result<()> {
    let stage = place.stage(Cast::small(free_address()?)).await?;
    let street = Street::open(&stage, flags).await?;
    let roles = Roles::start(&stage, 1, &[]).await?;
    let run = Run {
        flags,
        stage: &stage,
        street: &street,
        roles: &roles,
    };
    let measured = run.measure().await;
    roles.stop().await;
    stage.strike().await;
    measured?.tell(flags.json);
    Ok(())
}

struct Run<'r> {
    flags: &'r Flags,
    stage: &'r Stage<'r>,
    street: &'r Street,
    roles: &'r Roles,
}

impl Run<'_> {
    async fn measure(&self) -> anyhow::Result<Report> {
        let store = &self.stage.store;
        let callback = self.roles.processes();
        let callback: Vec<_> = callback.into_iter().filter(|p| p.0 == "callback").collect();
        let signature_cpu_ms = self.signature_cost()?;

        // Connections, plans and pages that have not been there before are nobody's fault.
        let (orders, rate) = (self.flags.orders, self.flags.rate);
        self.deliver(&self.street.good, orders / 4, orders / 4, rate)
            .await?;

        let since = now()?;
        self.deliver(
            &self.street.good,
            self.flags.orders,
            self.flags.orders,
            self.flags.rate,
        )
        .await?;
        let alone = store.report_delays(since).await?;
        let peak_alone = peak_mb(&callback);

        let since = now()?;
        let mixed = mix(&self.street.good, &self.street.bad);
        // So that the good ones get as much as before.
        let good = u32::from(self.flags.endpoints - self.flags.bad);
        let share = |n: u32| (n * u32::from(self.flags.endpoints)).div_ceil(good);
        self.deliver(
            &mixed,
            share(self.flags.orders),
            self.flags.orders,
            share(self.flags.rate),
        )
        .await?;
        let beside_bad = store.report_delays(since).await?;
        // All of them once more, as fast as they go.
        let reports = self.flags.orders;
        let before = self.stage.received.summary().reports;
        let cpu_before = cpu::taken(&callback);
        let began = Instant::now();
        store
            .begin_resend(&ResendRequest {
                business: domain::BusinessId::new(business(0)),
                which: Resend::Placed(UnixMs(0), now()?),
                only_parked: false,
                per_second: 10_000,
                asked_by: "bench".into(),
            })
            .await?;
        self.wait_for(|| self.stage.received.summary().reports >= before + u64::from(reports))
            .await?;
        let seconds = began.elapsed().as_secs_f64();
        let cpu_after = cpu::taken(&callback);
        let cpu = cpu::per_order(&cpu_before, &cpu_after, reports);
        Ok(Report {
            per_second: f64::from(reports) / seconds,
            cpu_ms_per_delivery: cpu.get("callback").copied().unwrap_or_default(),
            signature_cpu_ms,
            alone,
            beside_bad,
            reports,
            endpoints: self.flags.endpoints,
            bad: self.flags.bad,
            peak_mb: (peak_alone, peak_mb(&callback)),
            set_aside: store.unwell_endpoints().await?.len(),
        })
    }

    /// Offers orders with reports to these addresses; waits until so many of them have been taken.
    async fn deliver(
        &self,
        urls: &[String],
        orders: u32,
        taken: u32,
        rate: u32,
    ) -> anyhow::Result<()> {
        let offer = Offer {
            orders,
            sizes: vec![BATCH],
            pace: Pace::PerSecond {
                rate,
                outstanding: OUTSTANDING,
            },
            refused: Refused::SentAgain,
            product: PRODUCT,
            shares: vec![1.0],
            callback_urls: urls.to_vec(),
            signed_before: false,
        };
        let before = self.stage.received.taken();
        sender::send(self.stage, &self.roles.openapi_url, &offer).await?;
        // The last round of batches may leave an endpoint or two with a batch less.
        let enough = before + u64::from(taken.saturating_sub(BATCH * 20));
        self.wait_for(|| self.stage.received.taken() >= enough)
            .await
    }

    async fn wait_for(&self, there: impl Fn() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !there() {
            anyhow::ensure!(
                Instant::now() < deadline,
                "reports did not come in time: {:?}",
                self.stage.received.summary()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// CPU milliseconds for one signature, in this process.
    fn signature_cost(&self) -> anyhow::Result<f64> {
        let key = SigningKey::rsa_from_pem(&self.stage.platform_key.private_pem)?;
        let business = domain::BusinessId::new(business(0));
        let body = vec![b'x'; 400];
        let me = [("bench", std::process::id())];
        let before = cpu::taken(&me);
        for _ in 0..SIGNATURES {
            key.sign(&business, now()?, &body)?;
        }
        let after = cpu::taken(&me);
        let cost = cpu::per_order(&before, &after, SIGNATURES);
        cost.get("bench").copied().context("the bench's own CPU")
    }
}

/// The bad ones evenly among the good.
fn mix(good: &[String], bad: &[String]) -> Vec<String> {
    let every = good.len().div_ceil(bad.len().max(1));
    let mut bad = bad.iter();
    let mut mixed = vec![];
    for chunk in good.chunks(every.max(1)) {
        mixed.extend(chunk.iter().cloned());
        mixed.extend(bad.next().cloned());
    }
    mixed.extend(bad.cloned());
    mixed
}

/// The most memory that the processes have had, in MB.
fn peak_mb(processes: &[(&'static str, u32)]) -> f64 {
    memory::peaks(processes).values().sum()
}

fn now() -> anyhow::Result<UnixMs> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(UnixMs(i64::try_from(since.as_millis())?))
}

impl Report {
    fn ratio(&self) -> f64 {
        self.beside_bad.p99_ms / self.alone.p99_ms.max(0.001)
    }

    /// For machines or for people.
    pub(super) fn tell(&self, as_json: bool) {
        if as_json {
            println!("{}", self.json());
            return;
        }
        println!(
            "{} reports again, {:.0} a second, {:.3} CPU ms each in the callback role, of which the signature {:.3}",
            self.reports, self.per_second, self.cpu_ms_per_delivery, self.signature_cpu_ms
        );
        for (what, delays) in [
            ("alone", &self.alone),
            ("beside bad ones", &self.beside_bad),
        ] {
            println!(
                "  good endpoints {what:<16} p50 {:.0} ms, p99 {:.0} ms from final state to delivered, {} reports",
                delays.p50_ms, delays.p99_ms, delays.delivered
            );
        }
        println!(
            "p99 beside {} bad of {} endpoints: {:.2} of what it is without; {} set aside; most tries {}",
            self.bad,
            self.endpoints,
            self.ratio(),
            self.set_aside,
            self.beside_bad.most_tries
        );
        println!(
            "peak memory of the callback role: {:.0} MB alone, {:.0} MB at the end",
            self.peak_mb.0, self.peak_mb.1
        );
    }

    fn json(&self) -> Value {
        let delays = |d: &Delays| json!({ "p50_ms": round(d.p50_ms), "p99_ms": round(d.p99_ms), "delivered": d.delivered });
        json!({
            "reports": self.reports,
            "delivered_per_second": round(self.per_second),
            "cpu_ms_per_delivery": round(self.cpu_ms_per_delivery),
            "signature_cpu_ms": round(self.signature_cpu_ms),
            "endpoints": self.endpoints,
            "bad": self.bad,
            "good_alone": delays(&self.alone),
            "good_beside_bad": delays(&self.beside_bad),
            "p99_ratio": round(self.ratio()),
            "set_aside": self.set_aside,
            "most_tries": self.beside_bad.most_tries,
            "peak_mb_alone": round(self.peak_mb.0),
            "peak_mb_at_the_end": round(self.peak_mb.1),
        })
    }
}
