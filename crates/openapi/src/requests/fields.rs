//! Reading the fields of one object by the rules that many fields share.

use domain::Money;
use domain::product::Fault;

use super::callback_url::CallbackUrl;
use crate::strict_json::{Object, Value};

const LONGEST_CODE: usize = 64;
const LONGEST_ACCOUNT: usize = 128;
const LONGEST_ATTACH: usize = 1_024;
const SPEC_DECIMALS: u32 = 2;

const NOT_TEXT: &str = "must be a string";
const REQUIRED: &str = "is required";

/// An object whose fields are read; those that nobody reads are ignored.
#[derive(Clone, Copy)]
pub(super) struct Fields<'v>(&'v Object<'v>);

impl<'v> Fields<'v> {
    /// The fields of a whole body.
    pub(super) fn of_body(body: &'v Value<'v>) -> Result<Self, Fault> {
        Self::of(body).ok_or_else(|| fault("the body", "must be a JSON object"))
    }

    /// The fields of a value, if it is an object.
    pub(super) fn of(value: &'v Value<'v>) -> Option<Self> {
        match value {
            Value::Object(object) => Some(Self(object)),
            _ => None,
        }
    }

    /// A number or code: 1 to 64 visible characters.
    pub(super) fn code(self, name: &'static str) -> Result<&'v str, Fault> {
        visible(name, self.text(name)?.unwrap_or_default(), LONGEST_CODE)
    }

    /// Like [`Fields::code`]; absent, `null` and empty are none.
    pub(super) fn optional_code(self, name: &'static str) -> Result<Option<&'v str>, Fault> {
        self.text(name)?
            .map(|text| visible(name, text, LONGEST_CODE))
            .transpose()
    }

    /// What is topped up: 1 to 128 visible characters.
    pub(super) fn account(self) -> Result<&'v str, Fault> {
        const NAME: &str = "account";
        visible(NAME, self.text(NAME)?.unwrap_or_default(), LONGEST_ACCOUNT)
    }

    /// At most 1,024 characters, of which none controls a terminal or ends a text in C.
    pub(super) fn attach_values(self) -> Result<Option<&'v str>, Fault> {
        const NAME: &str = "accountAttachValues";
        let Some(text) = self.text(NAME)? else {
            return Ok(None);
        };
        if text.chars().count() > LONGEST_ATTACH {
            return Err(fault(NAME, "must be at most 1024 characters"));
        }
        let controls = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
        if text.contains(controls) {
            return Err(fault(NAME, "must not hold control characters"));
        }
        Ok(Some(text))
    }

    /// The face value, from a number or a numeric string.
    pub(super) fn spec(self) -> Result<Option<Money>, Fault> {
        const NAME: &str = "spec";
        let Some(text) = self.numeric(NAME)? else {
            return Ok(None);
        };
        let spec = Money::parse(text, SPEC_DECIMALS).map_err(|e| fault(NAME, e.to_string()))?;
        if spec <= Money::ZERO {
            return Err(fault(NAME, "must be above 0"));
        }
        Ok(Some(spec))
    }

    /// Where reports go.
    pub(super) fn callback_url(self) -> Result<Option<CallbackUrl>, Fault> {
        const NAME: &str = "callbackUrl";
        self.text(NAME)?
            .map(|text| CallbackUrl::parse(text).map_err(|e| fault(NAME, e.to_string())))
            .transpose()
    }

    /// A whole number from 1 to `most`, from a number or a numeric string.
    pub(super) fn count(self, name: &'static str, most: u32) -> Result<Option<u32>, Fault> {
        let Some(text) = self.numeric(name)? else {
            return Ok(None);
        };
        text.parse()
            .ok()
            .filter(|count| (1..=most).contains(count))
            .map(Some)
            .ok_or_else(|| fault(name, format!("must be a whole number from 1 to {most}")))
    }

    /// An array; absent and `null` are an empty one.
    pub(super) fn array(self, name: &'static str) -> Result<&'v [Value<'v>], Fault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(&[]),
            Some(Value::Array(values)) => Ok(values),
            Some(_) => Err(fault(name, "must be an array")),
        }
    }

    /// The text of a number or a numeric string; absent, `null` and empty are none.
    fn numeric(self, name: &'static str) -> Result<Option<&'v str>, Fault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(text)) => Ok(Some(text.as_str())),
            Some(Value::Text(text)) => Ok(Some(text.as_ref()).filter(|t| !t.is_empty())),
            Some(_) => Err(fault(name, "must be a number")),
        }
    }

    /// A string; absent, `null` and empty are none.
    fn text(self, name: &'static str) -> Result<Option<&'v str>, Fault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.as_ref()).filter(|t| !t.is_empty())),
            Some(_) => Err(fault(name, NOT_TEXT)),
        }
    }
}

pub(super) fn fault(field: &'static str, reason: impl Into<String>) -> Fault {
    Fault {
        field,
        reason: reason.into(),
    }
}

fn visible<'v>(name: &'static str, text: &'v str, longest: usize) -> Result<&'v str, Fault> {
    if text.is_empty() {
        return Err(fault(name, REQUIRED));
    }
    // A character has at most four bytes, so that a long text is not counted through.
    let short_enough = text.len() <= longest * 4 && text.chars().count() <= longest;
    if !short_enough || !text.chars().all(is_visible) {
        return Err(fault(
            name,
            format!("must be 1 to {longest} visible characters"),
        ));
    }
    Ok(text)
}

/// Neither white space nor control, nor one of the marks that change how a text looks without being seen: two numbers that look the
/// same should be the same.
fn is_visible(c: char) -> bool {
    let unseen = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !(c.is_whitespace() || c.is_control() || unseen)
}
