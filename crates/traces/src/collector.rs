//! The way to a collector: OTLP over HTTP, by a thread of its own, from a queue that has a bound.
//!
//! Nobody waits for it. A collector that is away costs what is told of it: one line, and spans that are dropped.

mod complaint;

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
    TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span, SpanData,
    SpanExporter,
};

use crate::{Kind, TraceParent};
use complaint::{Complaint, Word};

/// Spans that may wait; what comes while so many do is dropped.
const MOST_WAITING: usize = 8_192;
/// Spans that are sent together.
const TOGETHER: usize = 512;
/// How long the first of them waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// For one call to the collector.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Where this process's spans are made. Set once; without it nothing is.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Why there is no way to a collector.
#[derive(Debug, thiserror::Error)]
pub enum NoCollector {
    /// What was said about it cannot be right.
    #[error("{0}")]
    Unusable(String),
    /// There is one already.
    #[error("this process has a way to a collector already")]
    Twice,
}

/// The way to a collector.
#[derive(Debug)]
pub struct Collector {
    provider: SdkTracerProvider,
}

impl Collector {
    /// From now on the spans of this process, which is `role`, go to the collector at `endpoint` (`/v1/traces` is added). Of the traces
    /// that begin here, the share `ratio` is kept. Nothing is asked of the collector yet.
    pub fn connect(endpoint: &str, role: &str, ratio: f64) -> Result<Self, NoCollector> {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(CALL_TIMEOUT)
            .build()
            .map_err(|error| NoCollector::Unusable(error.to_string()))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(MOST_WAITING)
            .with_max_export_batch_size(TOGETHER)
            .with_scheduled_delay(LINGER)
            .build();
        let telling = BatchSpanProcessor::builder(Telling::by(exporter))
            .with_batch_config(batches)
            .build();
        let resource = Resource::builder_empty()
            .with_service_name(role.to_owned())
            .with_attribute(KeyValue::new("service.namespace", "refill"))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(telling)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                ratio,
            ))))
            .with_resource(resource)
            .build();
        TRACER
            .set(provider.tracer("refill"))
            .map_err(|_| NoCollector::Twice)?;
        Ok(Self { provider })
    }

    /// Sends what still waits, for as long as `within`. It blocks.
    pub fn end(&self, within: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(within) {
            tracing::debug!(%error, "not all spans could be told");
        }
    }
}

/// A span, if there is a collector and its trace is kept.
pub(crate) fn begin(
    name: &'static str,
    kind: Kind,
    begun: Instant,
    parent: Option<&TraceParent>,
) -> Option<Box<Span>> {
    use opentelemetry::trace::Span as _;
    let tracer = TRACER.get()?;
    let before = Context::new();
    let before = match parent {
        None => before,
        Some(parent) if parent.is_kept() => before.with_remote_span_context(remote(parent)),
        Some(_) => return None,
    };
    let span = tracer
        .span_builder(name)
        .with_kind(kind.into())
        .with_start_time(SystemTime::now() - begun.elapsed())
        .start_with_context(tracer, &before);
    span.is_recording().then(|| Box::new(span))
}

fn remote(parent: &TraceParent) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(parent.trace.to_be_bytes()),
        SpanId::from_bytes(parent.span.to_be_bytes()),
        TraceFlags::new(parent.flags & 1),
        true,
        TraceState::NONE,
    )
}

impl From<Kind> for SpanKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Server => Self::Server,
            Kind::Client => Self::Client,
            Kind::Producer => Self::Producer,
            Kind::Consumer => Self::Consumer,
            Kind::Internal => Self::Internal,
        }
    }
}

/// Sends, and complains of a collector that does not take what is sent: the library says nothing by itself.
#[derive(Debug)]
struct Telling {
    exporter: opentelemetry_otlp::SpanExporter,
    complaint: Mutex<Complaint>,
}

impl Telling {
    fn by(exporter: opentelemetry_otlp::SpanExporter) -> Self {
        Self {
            exporter,
            complaint: Mutex::default(),
        }
    }
}

impl SpanExporter for Telling {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let told = self.exporter.export(batch).await;
        let word = self
            .complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .hear(told.is_ok(), Instant::now());
        match (word, &told) {
            (Some(Word::Away), Err(error)) => {
                tracing::warn!(%error, "the collector does not take spans: they are dropped, orders go on");
            }
            (Some(Word::Back), _) => tracing::info!("the collector takes spans again"),
            _ => {}
        }
        told
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
