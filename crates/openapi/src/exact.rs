//! Amounts as JSON numbers, exact in both directions: never a float (`CONTRACT.md`, opening paragraph).

use domain::Money;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

/// The decimals that an amount may have.
const DECIMALS: u32 = 4;

/// A decimal that is written as a JSON number.
pub(crate) fn number<S: Serializer>(
    decimal: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = decimal.to_string();
    let number: Number = text.parse().map_err(serde::ser::Error::custom)?;
    number.serialize(serializer)
}

/// Like [`number`], `null` for none.
#[expect(clippy::ref_option, reason = "the form that serde calls")]
pub(crate) fn optional_number<S: Serializer>(
    decimal: &Option<impl std::fmt::Display>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match decimal {
        Some(decimal) => number(decimal, serializer),
        None => serializer.serialize_none(),
    }
}

/// An amount from a JSON number or a numeric string; `null` is none.
pub(crate) fn received_amount<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Money>, D::Error> {
    let parsed = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::Number(number) => Money::parse(number.as_str(), DECIMALS),
        Value::String(text) => Money::parse(&text, DECIMALS),
        _ => return Err(D::Error::custom("an amount must be a number")),
    };
    parsed.map(Some).map_err(D::Error::custom)
}
