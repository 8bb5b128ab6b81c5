//! What a supplier is asked, and what was heard.

use domain::product::{Fault, Product};
use domain::{Evidence, Money, Source, Verdict};

/// One submit: charge this account.
#[derive(Clone, Copy, Debug)]
pub struct SubmitCall<'a> {
    /// Our number, fixed before the call.
    pub reference: &'a str,
    /// The supplier's number of the product.
    pub sku: &'a str,
    /// What is topped up.
    pub account: &'a str,
    /// By how much.
    pub face_value: Money,
    /// The most that we pay for it.
    pub max_cost: Money,
    /// The extra values that the product asks for.
    pub attach: &'a [Attach],
}

/// One query: what became of our number? What comes back is held against the order.
#[derive(Clone, Copy, Debug)]
pub struct QueryCall<'a> {
    /// Our number.
    pub reference: &'a str,
    /// The order's account.
    pub account: &'a str,
    /// The order's face value.
    pub face_value: Money,
}

impl<'a> SubmitCall<'a> {
    /// The order that an answer to this call is held against.
    pub const fn as_query(&self) -> QueryCall<'a> {
        QueryCall {
            reference: self.reference,
            account: self.account,
            face_value: self.face_value,
        }
    }
}

/// One extra value, and its place in the product's dictionary.
#[derive(Clone, PartialEq, Eq)]
pub struct Attach {
    /// From 1, in the order of the dictionary; a value that is left out leaves its place empty.
    pub place: usize,
    /// Its name in the dictionary.
    pub name: String,
    /// The value: may be personal, never shown.
    pub value: String,
}

impl Attach {
    /// The values of an order, by the product's dictionary (`CONTRACT.md` §3).
    pub fn of_order(product: &Product, text: Option<&str>) -> Result<Vec<Self>, Fault> {
        let mut given = product.attach_values(text)?;
        let places = product.attach_fields.iter().enumerate();
        Ok(places
            .filter_map(|(index, field)| {
                Some(Self {
                    place: index + 1,
                    name: field.name.clone(),
                    value: given.remove(&field.name)?,
                })
            })
            .collect())
    }
}

impl std::fmt::Debug for Attach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attach")
            .field("place", &self.place)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What one call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What it means.
    pub verdict: Verdict,
    /// The supplier's own number, where it gave one.
    pub upstream_no: Option<String>,
    /// The HTTP status, where there was an answer.
    pub http_status: Option<u16>,
    /// The answer's substance, masked and at most 2 KiB.
    pub detail: String,
}

impl Heard {
    /// Nothing that counts was heard.
    pub(crate) fn nothing(http_status: Option<u16>, reason: String) -> Self {
        Self {
            detail: reason.clone(),
            verdict: Verdict::Unknown { reason },
            upstream_no: None,
            http_status,
        }
    }

    /// As it is kept with the attempt.
    pub fn into_evidence(self, source: Source) -> Evidence {
        let detail = match self.http_status {
            Some(status) => format!("HTTP {status}: {}", self.detail),
            None => self.detail,
        };
        Evidence {
            source,
            verdict: self.verdict,
            upstream_no: self.upstream_no,
            detail,
            actor: None,
        }
    }
}
