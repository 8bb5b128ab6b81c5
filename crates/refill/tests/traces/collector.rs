//! A small OpenTelemetry collector: takes OTLP over HTTP and keeps all spans.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A span as a test looks at it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Which role told it.
    pub(crate) role: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty: it is the first.
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) notes: BTreeMap<String, String>,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    /// All of it as text, to look for what must not be in it.
    pub(crate) text: String,
}

impl Told {
    pub(crate) fn note(&self, name: &str) -> &str {
        self.notes
            .get(&format!("refill.{name}"))
            .map_or("", String::as_str)
    }
}

type Kept = Arc<Mutex<Vec<Told>>>;

pub(crate) struct Collector {
    pub(crate) url: String,
    kept: Kept,
    /// Aborted with it.
    _task: JoinSet<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let kept = Kept::default();
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&kept));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut task = JoinSet::new();
        task.spawn(async { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            kept,
            _task: task,
        }
    }

    /// All that was told so far, in the order of its beginning.
    pub(crate) fn spans(&self) -> Vec<Told> {
        let mut spans = self.kept.lock().unwrap().clone();
        spans.sort_by_key(|span| span.begun);
        spans
    }
}

async fn take(State(kept): State<Kept>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut kept = kept.lock().unwrap();
    for of_process in request.resource_spans {
        let resource = of_process.resource.unwrap();
        let role = notes(&resource.attributes)["service.name"].clone();
        let spans = of_process.scope_spans.into_iter().flat_map(|s| s.spans);
        kept.extend(spans.map(|span| told(&role, &span)));
    }
    StatusCode::OK
}

fn told(role: &str, span: &Span) -> Told {
    Told {
        role: role.to_owned(),
        trace: hex::encode(&span.trace_id),
        id: hex::encode(&span.span_id),
        parent: hex::encode(&span.parent_span_id),
        name: span.name.clone(),
        notes: notes(&span.attributes),
        begun: span.start_time_unix_nano,
        ended: span.end_time_unix_nano,
        text: format!("{span:?}"),
    }
}

fn notes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some((pair.key.clone(), text.clone())),
        _ => None,
    };
    attributes.iter().filter_map(text).collect()
}
