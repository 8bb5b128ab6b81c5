//! The shape `form_md5`: form + MD5, submit, then push, query as the back-up (the widely deployed 大猿人 API).
//!
//! Credentials: `userid`, `apikey`. The same number is refused when sent again, so the card says `resubmit = "query"`.
//!
//! Read `submit.rs`, `query.rs`, `push.rs` in the order in which they happen; `sign.rs` serves all three.

mod push;
mod query;
mod sign;
mod submit;

use domain::card::SupplierCard;
use domain::catalogue::Supplier;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::adapter::{AdapterError, credential};
use crate::call::{Heard, QueryCall, SubmitCall};
use crate::line::Line;
use crate::push::{Push, PushRefused};
use sign::ApiKey;

/// The numbers that one query may ask for.
pub(crate) const QUERY_BATCH: usize = 20;

/// An adapter for one supplier of this shape.
#[derive(Debug)]
pub struct FormMd5 {
    line: Line,
    card: SupplierCard,
    submit_url: String,
    query_url: String,
    notify_url: String,
    user_id: String,
    key: ApiKey,
}

impl FormMd5 {
    /// By the supplier's card and credentials.
    pub(crate) fn build(supplier: &Supplier) -> Result<Self, AdapterError> {
        let base = &supplier.base_url;
        Ok(Self {
            line: Line::new(&supplier.card)?,
            card: supplier.card.clone(),
            submit_url: format!("{base}/yrapi.php/index/recharge"),
            query_url: format!("{base}/yrapi.php/index/check"),
            notify_url: supplier.push_url().unwrap_or_default(),
            user_id: credential(supplier, "userid")?.to_owned(),
            key: ApiKey::new(credential(supplier, "apikey")?),
        })
    }

    /// Submits one order.
    pub(crate) async fn submit(&self, call: &SubmitCall<'_>) -> Heard {
        let Some(fields) = submit::fields(self, call) else {
            return submit::not_expressible();
        };
        let request = self.line.post(&self.submit_url).form(&self.signed(fields));
        match self.line.call(request).await {
            Ok(reply) => submit::read(&reply, call, &self.card),
            Err(none) => none.of_submit(),
        }
    }

    /// Asks after up to [`QUERY_BATCH`] numbers in one call; the answers in their order.
    pub(crate) async fn query(&self, calls: &[QueryCall<'_>]) -> Vec<Heard> {
        let fields = query::fields(&self.user_id, calls);
        let request = self.line.post(&self.query_url).form(&self.signed(fields));
        match self.line.call(request).await {
            Ok(reply) => query::read(&reply, calls, self.card.money_unit),
            Err(none) => vec![none.of_query(); calls.len()],
        }
    }

    /// Reads a pushed result whose signature is right.
    pub(crate) fn read_push(&self, body: &[u8]) -> Result<Push, PushRefused> {
        push::read(body, &self.user_id, &self.key, self.card.money_unit)
    }

    fn signed(&self, mut fields: Fields) -> Fields {
        let sign = self.key.sign(&fields);
        fields.push(("sign".into(), sign));
        fields
    }
}

/// The fields of a form, by name and value.
type Fields = Vec<(String, String)>;

/// A JSON value that these suppliers write now as a string, now as a number, now as `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Loose(Option<String>);

impl Loose {
    fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// The text, if there is anything in it.
    fn given(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self(None)),
            Value::String(text) => Ok(Self(Some(text))),
            Value::Number(number) => Ok(Self(Some(number.to_string()))),
            _ => Err(serde::de::Error::custom("neither a string nor a number")),
        }
    }
}

#[cfg(test)]
mod fixture {
    use super::*;

    pub(super) const KEY: &str = "8b1e5c0f4a7d4e0c9f2d6a3b1c5e7f90";

    pub(super) fn supplier(card: serde_json::Value) -> Supplier {
        Supplier {
            id: domain::SupplierId::new("s1"),
            adapter: "form_md5".into(),
            base_url: "http://127.0.0.1:9".into(),
            push_base_url: Some("http://push.example".into()),
            enabled: true,
            card: serde_json::from_value(card).unwrap(),
            credentials: [("userid", "10001"), ("apikey", KEY)]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
        }
    }

    pub(super) fn reply(json: &str) -> crate::line::Reply {
        crate::line::Reply {
            status: 200,
            body: json.as_bytes().to_vec(),
        }
    }
}
