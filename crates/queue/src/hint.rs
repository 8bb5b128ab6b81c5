//! The message: which order's row wants work. Schema version and ids, nothing personal; in a header, where who does not know it passes
//! over it, the trace.

use std::borrow::Cow;

use domain::{BusinessId, OrderCode, OrderKey};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use serde::{Deserialize, Serialize};
use traces::TraceParent;

/// The schema this build writes, and the only one it reads.
const VERSION: u64 = 1;

/// The longest body that is looked into, in bytes. Ours have about 100.
pub(crate) const BODY_MAX: usize = 4 * 1024;

/// The longest business id, in bytes.
const BUSINESS_MAX: usize = 64;

/// `delivery-mode` of a message that survives the broker.
pub(crate) const PERSISTENT: u8 = 2;

/// Why a message is not a hint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HintError {
    /// Longer than any hint.
    #[error("the body has {bytes} bytes, a hint has at most {BODY_MAX}")]
    TooBig {
        /// The body's length.
        bytes: usize,
    },
    /// Not the JSON object that a hint is.
    #[error("the body is not the JSON of a hint")]
    NotJson,
    /// Written by a build that is newer, or by something else.
    #[error("version {found} of the message is unknown, this build reads {VERSION}")]
    UnknownVersion {
        /// The version that was found.
        found: u64,
    },
    /// `b` is missing or could not be an account.
    #[error("`b` is not the id of a business (1 to {BUSINESS_MAX} printable ASCII characters)")]
    BadBusiness,
    /// `o` is missing or not an order code.
    #[error("`o` is not an order code (32 hexadecimal digits)")]
    BadOrder,
}

impl HintError {
    /// All of their words.
    pub(crate) const REASONS: [&str; 5] = [
        "too_big",
        "not_json",
        "unknown_version",
        "bad_business",
        "bad_order",
    ];

    /// One word for the parked message's header and the label of a metric.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::TooBig { .. } => "too_big",
            Self::NotJson => "not_json",
            Self::UnknownVersion { .. } => "unknown_version",
            Self::BadBusiness => "bad_business",
            Self::BadOrder => "bad_order",
        }
    }
}

/// The JSON. Fields that this build does not know are let pass; what changes the meaning gets a new
/// version.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    v: u64,
    #[serde(borrow, default)]
    b: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    o: Option<Cow<'a, str>>,
}

/// The message's body.
pub(crate) fn encode(key: &OrderKey) -> Vec<u8> {
    let wire = Wire {
        v: VERSION,
        b: Some(key.business.as_str().into()),
        o: Some(key.order.to_string().into()),
    };
    // Three texts and a number always make JSON; an empty body would be parked, never lost in silence.
    serde_json::to_vec(&wire).unwrap_or_default()
}

/// Reads a message's body, whoever wrote it.
pub(crate) fn decode(body: &[u8]) -> Result<OrderKey, HintError> {
    if body.len() > BODY_MAX {
        return Err(HintError::TooBig { bytes: body.len() });
    }
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(|_| HintError::NotJson)?;
    if wire.v != VERSION {
        return Err(HintError::UnknownVersion { found: wire.v });
    }
    let business = wire
        .b
        .filter(|b| is_business(b))
        .ok_or(HintError::BadBusiness)?;
    let order = wire
        .o
        .and_then(|o| o.parse::<OrderCode>().ok())
        .ok_or(HintError::BadOrder)?;
    Ok(OrderKey {
        business: BusinessId::new(business),
        order,
    })
}

fn is_business(text: &str) -> bool {
    (1..=BUSINESS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether a hint for `key` can be read again by whoever receives it.
pub(crate) fn is_writable(key: &OrderKey) -> bool {
    is_business(key.business.as_str())
}

/// Names a message, so that one the broker returns can be told from the others.
pub(crate) fn message_id(key: &OrderKey) -> String {
    format!("{}/{}", key.business, key.order)
}

/// Persistent, named, and part of `trace`.
pub(crate) fn properties(key: &OrderKey, trace: Option<&TraceParent>) -> BasicProperties {
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(ShortString::from("application/json"))
        .with_message_id(ShortString::from(message_id(key)));
    let Some(trace) = trace else {
        return properties;
    };
    let mut headers = FieldTable::default();
    headers.insert(
        ShortString::from(TraceParent::HEADER),
        AMQPValue::LongString(LongString::from(trace.to_string())),
    );
    properties.with_headers(headers)
}

/// The trace a message belongs to, if its header is well formed.
pub(crate) fn trace_of(properties: &BasicProperties) -> Option<TraceParent> {
    let headers = properties.headers().as_ref()?;
    let value = headers.inner().get(TraceParent::HEADER)?.as_long_string()?;
    TraceParent::parse(std::str::from_utf8(value.as_bytes()).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ORDER: &str = "0190f5c8a3b27c41b6d2f0e1a2b3c4d5";
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn key() -> OrderKey {
        OrderKey {
            business: BusinessId::new("754e7f19"),
            order: ORDER.parse().unwrap(),
        }
    }

    #[test]
    fn a_hint_is_version_business_and_order() {
        let body = String::from_utf8(encode(&key())).unwrap();
        assert_eq!(body, format!(r#"{{"v":1,"b":"754e7f19","o":"{ORDER}"}}"#));
        assert_eq!(decode(body.as_bytes()), Ok(key()));
    }

    #[test]
    fn fields_of_a_newer_build_are_let_pass() {
        let body = format!(r#"{{"v":1,"b":"754e7f19","o":"{ORDER}","note":[1]}}"#);
        assert_eq!(decode(body.as_bytes()), Ok(key()));
    }

    #[test]
    fn each_fault_has_its_name() {
        let cases = [
            (String::new(), HintError::NotJson),
            ("[]".into(), HintError::NotJson),
            (r#"{"b":"x"}"#.into(), HintError::NotJson),
            (r#"{"v":2}"#.into(), HintError::UnknownVersion { found: 2 }),
            (
                format!(r#"{{"v":1,"o":"{ORDER}"}}"#),
                HintError::BadBusiness,
            ),
            (
                format!(r#"{{"v":1,"b":"","o":"{ORDER}"}}"#),
                HintError::BadBusiness,
            ),
            (
                format!(r#"{{"v":1,"b":"a\n","o":"{ORDER}"}}"#),
                HintError::BadBusiness,
            ),
            (r#"{"v":1,"b":"x"}"#.into(), HintError::BadOrder),
            (r#"{"v":1,"b":"x","o":"12"}"#.into(), HintError::BadOrder),
            (" ".repeat(4097), HintError::TooBig { bytes: 4097 }),
        ];
        for (body, fault) in cases {
            assert_eq!(decode(body.as_bytes()), Err(fault), "{body:.60}");
        }
    }

    #[test]
    fn a_trace_travels_in_a_header() {
        let trace = TraceParent::parse(TRACE).unwrap();
        let properties = properties(&key(), Some(&trace));
        let header = properties.headers().as_ref().unwrap().inner()["traceparent"].clone();
        assert_eq!(header, AMQPValue::LongString(TRACE.into()));
        assert_eq!(trace_of(&properties), Some(trace));
        assert_eq!(trace_of(&super::properties(&key(), None)), None);
    }

    #[test]
    fn a_malformed_trace_is_no_trace() {
        for bad in [
            AMQPValue::LongString("".into()),
            AMQPValue::LongString(TRACE.to_uppercase().into()),
            AMQPValue::LongString(vec![0xff; 55].into()),
            AMQPValue::Boolean(true),
        ] {
            let mut headers = FieldTable::default();
            headers.insert(ShortString::from(TraceParent::HEADER), bad.clone());
            let properties = properties(&key(), None).with_headers(headers);
            assert_eq!(trace_of(&properties), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn decoding_never_panics(body in proptest::collection::vec(any::<u8>(), 0..5_000)) {
            let _ = decode(&body);
        }

        #[test]
        fn decoding_anything_like_a_hint_never_panics(v in any::<u64>(), b in ".{0,80}", o in ".{0,40}") {
            let body = serde_json::json!({ "v": v, "b": b, "o": o }).to_string();
            let _ = decode(body.as_bytes());
        }

        #[test]
        fn what_is_written_is_read_again(business in "[!-~]{1,64}", order in any::<u128>()) {
            let key = OrderKey {
                business: BusinessId::new(business),
                order: OrderCode::from_uuid(uuid::Uuid::from_u128(order)),
            };
            prop_assert!(is_writable(&key));
            prop_assert!(message_id(&key).len() <= 255);
            prop_assert_eq!(decode(&encode(&key)), Ok(key));
        }
    }
}
