//! What is told of an order's steps here, if its trace is kept: the claim, the call, and the record of what was heard.

use std::time::Instant;

use domain::life::Call;
use domain::{AttemptNo, Evidence, Lane, OrderCode, SupplierId};
use store::life::Claimed;
use traces::{Kind, Span, TraceParent};

use crate::desk::Desk;

/// An order that was claimed, and the trace that its steps belong to. Without one nothing of it is looked up.
pub(crate) struct Steps(Option<Box<Known>>);

struct Known {
    trace: TraceParent,
    order: OrderCode,
    attempt: AttemptNo,
    supplier: SupplierId,
    lane: Option<Lane>,
    is_query: bool,
}

impl Steps {
    /// Its row knows the trace if it was claimed before, else whatever brought it here.
    pub(crate) fn of(claimed: &Claimed, brought: Option<&TraceParent>, desk: &Desk) -> Self {
        let of_row = claimed.traceparent.as_deref().and_then(TraceParent::parse);
        Self(of_row.or(brought.copied()).map(|trace| {
            let product = desk.catalogue.products.get(&claimed.product);
            Box::new(Known {
                trace,
                order: claimed.key.order,
                attempt: claimed.attempt(),
                supplier: claimed.supplier.clone(),
                lane: product.map(|product| product.lane.clone()),
                is_query: matches!(claimed.call, Call::Query(_)),
            })
        }))
    }

    /// The claim that began at `begun` is over.
    pub(crate) fn claimed(&self, begun: tokio::time::Instant) {
        drop(self.step("claim", Kind::Consumer, begun.into_std()));
    }

    /// The call that began at `begun` brought this. What is left is to record it: that ends with what this gives.
    pub(crate) fn called(&self, begun: tokio::time::Instant, heard: &Evidence) -> Span {
        let name = match &self.0 {
            Some(known) if known.is_query => "query",
            _ => "submit",
        };
        let mut call = self.step(name, Kind::Client, begun.into_std());
        call.note("outcome", heard.verdict.word());
        drop(call);
        self.step("record", Kind::Internal, Instant::now())
    }

    fn step(&self, name: &'static str, kind: Kind, begun: Instant) -> Span {
        let Some(known) = &self.0 else {
            return Span::default();
        };
        let mut span = Span::after(Some(&known.trace), name, kind, begun);
        span.note("order", known.order);
        span.note("attempt", known.attempt.0);
        span.note("supplier", &known.supplier);
        if let Some(lane) = &known.lane {
            span.note("lane", lane);
        }
        span
    }
}
