//! One adapter per supplier: which shape it speaks, and the calls that every shape has.

use domain::SupplierId;
use domain::catalogue::{Platform, Supplier};
use reqwest::header::HeaderMap;

use crate::call::{Heard, QueryCall, SubmitCall};
use crate::form_md5::{self, FormMd5};
use crate::open_platform::OpenPlatform;
use crate::push::{Push, PushRefused};

/// A supplier, as the workers and the ingress talk to it. Built from the catalogue, replaced when the catalogue changes; holds the
/// connections, so keep it while the supplier stays the same.
#[derive(Debug)]
pub enum Adapter {
    /// `form_md5`
    FormMd5(Box<FormMd5>),
    /// `openapi`
    Openapi(Box<OpenPlatform>),
}

/// Why a supplier of the catalogue cannot be talked to. Names the credential, never shows it.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// No such shape.
    #[error("supplier {supplier}: the adapter {shape} is unknown; there are form_md5 and openapi")]
    UnknownShape {
        /// Whose.
        supplier: SupplierId,
        /// What the catalogue says.
        shape: String,
    },
    /// A credential is absent or empty.
    #[error("supplier {supplier}: credentials.{name} is required")]
    MissingCredential {
        /// Whose.
        supplier: SupplierId,
        /// Which.
        name: &'static str,
    },
    /// A credential is not a key.
    #[error("supplier {supplier}: credentials.{name} {error}")]
    BadKey {
        /// Whose.
        supplier: SupplierId,
        /// Which.
        name: &'static str,
        /// What is wrong with it.
        error: openapi::KeyError,
    },
    /// The push address is none that another platform would take.
    #[error("supplier {0}: push_base_url does not make a callback address")]
    PushUrl(SupplierId),
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made")]
    Client(#[from] reqwest::Error),
}

impl AdapterError {
    pub(crate) fn missing(supplier: &Supplier, name: &'static str) -> Self {
        Self::MissingCredential {
            supplier: supplier.id.clone(),
            name,
        }
    }
}

impl Adapter {
    /// The shapes that a catalogue may name.
    pub const SHAPES: [&'static str; 2] = ["form_md5", "openapi"];

    /// An adapter of the shape that the catalogue names. `platform` holds the key that signs where the supplier has none of its own.
    pub fn build(supplier: &Supplier, platform: &Platform) -> Result<Self, AdapterError> {
        match supplier.adapter.as_str() {
            "form_md5" => Ok(Self::FormMd5(Box::new(FormMd5::build(supplier)?))),
            "openapi" => Ok(Self::Openapi(Box::new(OpenPlatform::build(
                supplier, platform,
            )?))),
            shape => Err(AdapterError::UnknownShape {
                supplier: supplier.id.clone(),
                shape: shape.to_owned(),
            }),
        }
    }

    /// Charges one account. Ends within the card's `timeout`; `NotSent` only when not one byte was sent.
    pub async fn submit(&self, call: &SubmitCall<'_>) -> Heard {
        match self {
            Self::FormMd5(shape) => shape.submit(call).await,
            Self::Openapi(shape) => shape.submit(call).await,
        }
    }

    /// Asks what became of one number.
    pub async fn query(&self, call: &QueryCall<'_>) -> Heard {
        match self {
            Self::FormMd5(shape) => match shape.query(std::slice::from_ref(call)).await.pop() {
                Some(heard) => heard,
                None => Heard::nothing(None, "nothing was asked".into()),
            },
            Self::Openapi(shape) => shape.query(call).await,
        }
    }

    /// How many numbers one call of [`Adapter::query_many`] asks for at once.
    pub const fn query_batch(&self) -> usize {
        match self {
            Self::FormMd5(_) => form_md5::QUERY_BATCH,
            Self::Openapi(_) => 1,
        }
    }

    /// Asks what became of many numbers, in calls of [`Adapter::query_batch`] one after the other; the answers in their order.
    /// Each call may take the card's `timeout`: pass one batch where that matters.
    pub async fn query_many(&self, calls: &[QueryCall<'_>]) -> Vec<Heard> {
        let mut heard = Vec::with_capacity(calls.len());
        match self {
            Self::FormMd5(shape) => {
                for batch in calls.chunks(form_md5::QUERY_BATCH) {
                    heard.extend(shape.query(batch).await);
                }
            }
            Self::Openapi(shape) => {
                for call in calls {
                    heard.push(shape.query(call).await);
                }
            }
        }
        heard
    }

    /// Reads what the supplier pushed to our address; its signature is checked before anything else counts.
    pub fn read_push(&self, headers: &HeaderMap, body: &[u8]) -> Result<Push, PushRefused> {
        match self {
            Self::FormMd5(shape) => shape.read_push(body),
            Self::Openapi(shape) => shape.read_push(headers, body),
        }
    }

    /// What to answer (HTTP 200, plain text) once the push has been committed, and only then.
    pub const fn push_answer(&self) -> &'static str {
        match self {
            Self::FormMd5(_) => "success",
            Self::Openapi(_) => "SUCCESS",
        }
    }
}

/// A credential that must be there.
pub(crate) fn credential<'a>(
    supplier: &'a Supplier,
    name: &'static str,
) -> Result<&'a str, AdapterError> {
    supplier
        .credentials
        .get(name)
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| AdapterError::missing(supplier, name))
}
