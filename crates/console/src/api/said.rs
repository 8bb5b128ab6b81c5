//! What a question says: in its path, its query and its body, read strictly. Whoever misspells a field is told so.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::{Map, Value};

use super::answer::Refusal;

/// What the path names.
pub(super) struct At<T>(pub(super) T);

/// What the query says: texts, each once.
pub(super) struct Asked<T>(pub(super) T);

/// What the body says.
pub(super) struct Said<T>(pub(super) T);

/// A question that says nothing further.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// A question that says why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    #[serde(default)]
    pub(super) reason: String,
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let named = Path::from_request_parts(parts, state).await;
        let Path(named) = named.map_err(|_| Refusal::NOWHERE)?;
        Ok(Self(named))
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let query = parts.uri.query().unwrap_or_default();
        let mut fields = Map::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let (name, value) = (name.into_owned(), value.into_owned());
            if fields.insert(name.clone(), Value::String(value)).is_some() {
                return Err(Refusal::invalid(Some(name), "is said twice"));
            }
        }
        typed(Value::Object(fields)).map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Said<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let said = Bytes::from_request(request, state).await;
        let said = said.map_err(|_| Refusal::TOO_LONG)?;
        typed(&mut serde_json::Deserializer::from_slice(&said)).map(Self)
    }
}

/// Reads it whole; what is wrong with it is told with the name of the field.
fn typed<'d, T: DeserializeOwned, D: Deserializer<'d>>(said: D) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(said).map_err(|why| {
        let place = why.path().to_string();
        let rule = why.inner().to_string();
        // A field that is missing or unknown is named by the rule.
        let named = rule.split('`').nth(1).map(str::to_owned);
        let place = Some(place).filter(|place| place != "." && place != "?");
        Refusal::invalid(place.or(named), rule)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Eq)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Wish {
        business: String,
        #[serde(default)]
        only_parked: bool,
    }

    fn read(text: &str) -> Result<Wish, Refusal> {
        typed(&mut serde_json::Deserializer::from_str(text))
    }

    #[test]
    fn what_is_said_is_read_strictly_and_what_is_wrong_is_named() {
        let wish = read(r#"{"business":"b1","onlyParked":true}"#).unwrap();
        assert_eq!((wish.business.as_str(), wish.only_parked), ("b1", true));
        for (text, field, rule) in [
            ("{}", "business", "missing field `business`"),
            (r#"{"business":1}"#, "business", "invalid type"),
            (
                r#"{"business":"b","onlyparked":true}"#,
                "onlyparked",
                "unknown field `onlyparked`",
            ),
            (
                r#"{"business":"b","onlyParked":"yes"}"#,
                "onlyParked",
                "expected a boolean",
            ),
            (
                r#"{"business":"b","business":"c"}"#,
                "business",
                "duplicate field",
            ),
        ] {
            let told = format!("{:?}", read(text).unwrap_err());
            assert!(told.contains(rule), "{text}: {told}");
            assert!(
                told.contains(&format!("field: Some(\"{field}\")")),
                "{text}: {told}"
            );
        }
        for text in ["[]", "1", "\"x\"", "null"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_query_says_each_thing_once() {
        let asked = async |uri: &str| {
            let request = axum::http::Request::builder().uri(uri).body(()).unwrap();
            let (mut parts, ()) = request.into_parts();
            Asked::<Wish>::from_request_parts(&mut parts, &())
                .await
                .map(|Asked(wish)| wish.business)
        };
        assert_eq!(asked("/x?business=a%20b").await, Ok("a b".into()));
        for uri in ["/x", "/x?business=a&business=b", "/x?business=a&other=b"] {
            assert!(asked(uri).await.is_err(), "{uri}");
        }
    }
}
