//! An order's way as one trace, over processes, the broker and the database.
//!
//! What travels is a W3C `traceparent` (`parent`); what is told of a step is a span (`span`), which goes to an OpenTelemetry collector
//! (`collector`) in a build with the feature `otel`. In any other build a span is nothing at all, as a point of the room `halt` is.
//!
//! Only the door begins a trace, and there it is drawn whether it is kept. What is not kept leaves no context behind, and without one
//! nobody after the door has anything to do.
//!
//! Depends on nothing of ours. Read `parent` first.

#[cfg(feature = "otel")]
mod collector;
mod parent;
mod span;

#[cfg(feature = "otel")]
pub use collector::{Collector, NoCollector};
pub use parent::TraceParent;
pub use span::{Kind, Span};
