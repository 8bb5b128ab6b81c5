//! JSON that can be read in one way only (`CONTRACT.md` §1 and §3).
//!
//! A body that two parsers understand differently is a way around a check, so it is refused: a byte order mark, bytes that are not
//! UTF-8, a key twice in one object, anything after the value. Depth and the number of values are bounded, so that a small body cannot
//! become a large tree. Numbers keep their text: nothing here is ever a float.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep arrays and objects may nest.
pub const DEEPEST: usize = 16;
/// How many values a body may hold; a batch of ten thousand items has a little more than half of this.
pub const MOST_VALUES: usize = 100_000;

/// `serde_json` hands a number that is not a small integer over as a map with this one key.
const NUMBER_KEY: &str = "$serde_json::private::Number";
/// How much of a repeated key the error shows.
const SHOWN_KEY: usize = 40;

/// A value, borrowing its texts from the body where they have no escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The exact text of a number, its exponent as `e+2`.
    Number(String),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// An object, sorted by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// Why a body is refused, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not acceptable JSON: {0}")]
pub struct NotStrictJson(String);

/// Reads a whole body.
pub fn parse(body: &[u8]) -> Result<Value<'_>, NotStrictJson> {
    if body.starts_with(b"\xef\xbb\xbf") {
        return Err(NotStrictJson("it begins with a byte order mark".to_owned()));
    }
    let text = std::str::from_utf8(body)
        .map_err(|e| NotStrictJson(format!("not UTF-8 at byte {}", e.valid_up_to())))?;
    let values_left = Cell::new(MOST_VALUES);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let node = Node {
        depth_left: DEEPEST,
        values_left: &values_left,
    };
    let value = node
        .deserialize(&mut deserializer)
        .map_err(|e| unacceptable(&e))?;
    deserializer.end().map_err(|e| unacceptable(&e))?;
    Ok(value)
}

fn unacceptable(error: &serde_json::Error) -> NotStrictJson {
    NotStrictJson(error.to_string())
}

impl<'a> Object<'a> {
    /// The value under that key.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.0
            .binary_search_by(|(k, _)| k.as_ref().cmp(key))
            .ok()
            .map(|at| &self.0[at].1)
    }

    /// Sorts the entries; the error is a key that is there twice.
    fn from_entries(mut entries: Vec<(Cow<'a, str>, Value<'a>)>) -> Result<Self, Cow<'a, str>> {
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        entries.shrink_to_fit();
        let repeated = entries.windows(2).find(|pair| pair[0].0 == pair[1].0);
        match repeated {
            Some(pair) => Err(pair[0].0.clone()),
            None => Ok(Self(entries)),
        }
    }
}

/// Reads one value and everything in it.
#[derive(Clone, Copy)]
struct Node<'b> {
    depth_left: usize,
    values_left: &'b Cell<usize>,
}

impl Node<'_> {
    fn count<E: Error>(self) -> Result<(), E> {
        let left = self.values_left.get();
        self.values_left.set(
            left.checked_sub(1).ok_or_else(|| {
                E::custom(format_args!("it holds more than {MOST_VALUES} values"))
            })?,
        );
        Ok(())
    }

    fn inside<E: Error>(self) -> Result<Self, E> {
        let depth_left = self
            .depth_left
            .checked_sub(1)
            .ok_or_else(|| E::custom(format_args!("it is nested deeper than {DEEPEST} levels")))?;
        Ok(Self { depth_left, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value<'de>, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = array.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value<'de>, A::Error> {
        let mut entries = Vec::new();
        let mut inside = None;
        while let Some(key) = object.next_key_seed(Key)? {
            if key == NUMBER_KEY {
                return object.next_value_seed(NumberText).map(Value::Number);
            }
            let node = match inside {
                Some(node) => node,
                None => self.inside()?,
            };
            inside = Some(node);
            entries.push((key, object.next_value_seed(node)?));
        }
        Object::from_entries(entries)
            .map(Value::Object)
            .map_err(|key| {
                let shown: String = key.chars().take(SHOWN_KEY).collect();
                A::Error::custom(format_args!("the key {shown:?} is there twice"))
            })
    }
}

/// Reads an object's key.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Reads the text of a number. A number's text arrives as an owned string and only a number's does, so an object of a caller who knows
/// the key's name is not taken for a number.
struct NumberText;

impl<'de> DeserializeSeed<'de> for NumberText {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for NumberText {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_string<E: Error>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<String, E> {
        Err(E::custom("a key is reserved"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(body: impl AsRef<[u8]>) -> String {
        parse(body.as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn numbers_keep_their_text() {
        for text in [
            "795.50",
            "0",
            "-0",
            "1e+2",
            "1e+400",
            "123456789012345678901234567890.10",
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(Value::Number(text.to_owned())));
        }
    }

    #[test]
    fn keys_and_texts_are_read_with_their_escapes() {
        let Value::Object(object) =
            parse(br#"{"b":"x\n","\u0061":"\ud83d\ude00","c":null}"#).unwrap()
        else {
            panic!("an object")
        };
        assert_eq!(object.get("a"), Some(&Value::Text("😀".into())));
        assert_eq!(object.get("b"), Some(&Value::Text("x\n".into())));
        assert_eq!(object.get("c"), Some(&Value::Null));
        assert_eq!(object.get("d"), None);
    }

    #[test]
    fn a_key_twice_is_refused_at_any_level_and_however_it_is_written() {
        for body in [
            r#"{"a":1,"a":1}"#,
            r#"{"x":[{"a":1,"b":2,"\u0061":3}]}"#,
            r#"{"a":{},"b":1,"a":[]}"#,
        ] {
            assert!(
                refusal(body).contains("the key \"a\" is there twice at line 1"),
                "{body}"
            );
        }
        let long = "k".repeat(1_000);
        assert!(refusal(format!(r#"{{"{long}":1,"{long}":2}}"#)).len() < 150);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        assert!(refusal(b"\xef\xbb\xbf{}").contains("byte order mark"));
        assert!(refusal(b"{\"a\":\"\xff\"}").contains("not UTF-8 at byte 6"));
        for body in [
            "",
            " ",
            "{} x",
            "{}{}",
            "{\"a\":1,}",
            "{'a':1}",
            "{\"a\":01}",
            "{\"a\":NaN}",
            "[1 2]",
            "\"\\ud800\"",
            "\"a\nb\"",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "// x\n{}",
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn an_object_cannot_pretend_to_be_a_number() {
        for inside in ["\"1\"", "1", "\"a\\u0031\"", "{}", "null"] {
            let body = format!(r#"{{"spec":{{"{NUMBER_KEY}":{inside}}}}}"#);
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn depth_and_the_number_of_values_are_bounded() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(nested(DEEPEST).as_bytes()).is_ok());
        assert!(refusal(nested(DEEPEST + 1)).contains("deeper than 16"));
        assert!(refusal(nested(500_000)).contains("deeper than 16"));
        assert!(refusal(r#"{"a":"#.repeat(500_000)).contains("deeper than 16"));
        let wide = format!("[{}0]", "0,".repeat(MOST_VALUES));
        assert!(refusal(wide).contains("more than 100000 values"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }

        #[test]
        fn nothing_that_looks_like_json_makes_it_panic(body in r#"[\[\]{}",:0-9eE+.\\ua-f$ -]{0,120}"#) {
            let _ = parse(body.as_bytes());
        }

        #[test]
        fn any_text_comes_through_unchanged(text in ".*") {
            let body = serde_json::to_vec(&text).unwrap();
            prop_assert_eq!(parse(&body).unwrap(), Value::Text(text.into()));
        }
    }
}
