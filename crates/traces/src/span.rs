//! A step of an order's way, from when it begins to when it is dropped.

use std::fmt::Display;
use std::time::Instant;

use crate::TraceParent;

/// What kind of step it is, as OpenTelemetry has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody asked us.
    Server,
    /// We ask somebody.
    Client,
    /// A message is sent.
    Producer,
    /// A message is worked on.
    Consumer,
    /// What we do by ourselves.
    Internal,
}

/// A step. It is told to the collector when it is dropped, if there is anybody to tell and its trace is kept; if not, it is nothing, and
/// what is noted of it is not even written down.
#[derive(Debug, Default)]
#[must_use = "it ends when it is dropped"]
pub struct Span {
    #[cfg(feature = "otel")]
    kept: Option<Box<opentelemetry_sdk::trace::Span>>,
}

#[cfg(not(feature = "otel"))]
const _: () = assert!(
    size_of::<Span>() == 0,
    "without the feature it costs nothing"
);

#[cfg(not(feature = "otel"))]
#[allow(
    clippy::unused_self,
    clippy::needless_pass_by_ref_mut,
    clippy::missing_const_for_fn,
    reason = "what the other build does with them"
)]
impl Span {
    /// The first step of a trace, or the next of the one that is `followed`. It began at `begun`.
    #[inline]
    pub fn first(
        _name: &'static str,
        _kind: Kind,
        _begun: Instant,
        _followed: Option<&TraceParent>,
    ) -> Self {
        Self {}
    }

    /// The step after `parent`; without one it is nothing. It began at `begun`.
    #[inline]
    pub fn after(
        _parent: Option<&TraceParent>,
        _name: &'static str,
        _kind: Kind,
        _begun: Instant,
    ) -> Self {
        Self {}
    }

    /// Notes a fact, as `refill.name`. Never an account, a key or a signature: it leaves the platform.
    #[inline]
    pub fn note(&mut self, _name: &'static str, _value: impl Display) {}

    /// Notes that it did not come to a good end.
    #[inline]
    pub fn failed(&mut self) {}

    /// What the steps after it carry.
    #[inline]
    pub fn context(&self) -> Option<TraceParent> {
        None
    }
}

#[cfg(feature = "otel")]
impl Span {
    /// The first step of a trace, or the next of the one that is `followed`. It began at `begun`.
    pub fn first(
        name: &'static str,
        kind: Kind,
        begun: Instant,
        followed: Option<&TraceParent>,
    ) -> Self {
        Self {
            kept: crate::collector::begin(name, kind, begun, followed),
        }
    }

    /// The step after `parent`; without one it is nothing. It began at `begun`.
    pub fn after(
        parent: Option<&TraceParent>,
        name: &'static str,
        kind: Kind,
        begun: Instant,
    ) -> Self {
        Self {
            kept: parent
                .and_then(|parent| crate::collector::begin(name, kind, begun, Some(parent))),
        }
    }

    /// Notes a fact, as `refill.name`. Never an account, a key or a signature: it leaves the platform.
    pub fn note(&mut self, name: &'static str, value: impl Display) {
        use opentelemetry::{KeyValue, trace::Span as _};
        if let Some(span) = &mut self.kept {
            span.set_attribute(KeyValue::new(format!("refill.{name}"), value.to_string()));
        }
    }

    /// Notes that it did not come to a good end.
    pub fn failed(&mut self) {
        use opentelemetry::trace::{Span as _, Status};
        if let Some(span) = &mut self.kept {
            span.set_status(Status::error(""));
        }
    }

    /// What the steps after it carry.
    pub fn context(&self) -> Option<TraceParent> {
        use opentelemetry::trace::Span as _;
        let context = self.kept.as_ref()?.span_context();
        Some(TraceParent {
            trace: u128::from_be_bytes(context.trace_id().to_bytes()),
            span: u64::from_be_bytes(context.span_id().to_bytes()),
            flags: context.trace_flags().to_u8(),
        })
    }
}

#[cfg(all(test, not(feature = "otel")))]
mod tests {
    use super::*;

    #[test]
    fn without_the_feature_it_is_nothing() {
        let mut span = Span::first("request", Kind::Server, Instant::now(), None);
        span.note("order", std::fmt::from_fn(|_| panic!("written down")));
        assert_eq!(span.context(), None);
    }
}
