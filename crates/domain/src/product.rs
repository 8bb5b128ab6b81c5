//! What a product asks of an item, and what the item costs (`CONTRACT.md` §3).

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;

use crate::money::parse_decimal;
use crate::{Lane, Money, ProductCode};

/// The decimals of a face value.
const SPEC_DECIMALS: u32 = 2;

/// Something that can be topped up.
#[derive(Clone, Debug)]
pub struct Product {
    /// Its code in the contract.
    pub code: ProductCode,
    /// Its name for people.
    pub name: String,
    /// The lane that its orders travel.
    pub lane: Lane,
    /// Its face value, or the range of it.
    pub face: Face,
    /// What an account must look like, whole text; absent: anything.
    pub account_pattern: Option<Regex>,
    /// Its dictionary of attach values.
    pub attach_fields: Vec<AttachField>,
    /// Whether it is sold at the moment.
    pub on_sale: bool,
    /// Whether its stock is counted (the count itself lives in the database).
    pub counted: bool,
    /// How long an order may wait for a supplier before it fails.
    pub wait_for: Duration,
}

/// The face value of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// One value.
    Fixed(Money),
    /// The caller chooses.
    Range {
        /// The least.
        min: Money,
        /// The most.
        max: Money,
        /// From the least on, in steps of this.
        step: Money,
    },
}

/// One extra value that a product asks for.
#[derive(Clone, Debug)]
pub struct AttachField {
    /// Its name in the JSON object, and towards the supplier.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// Whether it must be there.
    pub required: bool,
    /// What it must look like, whole text.
    pub pattern: Option<Regex>,
}

/// What is wrong with an item: the contract's field and the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field's name in the contract.
    pub field: &'static str,
    /// The rule.
    pub reason: String,
}

impl Fault {
    fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self {
            field,
            reason: reason.into(),
        }
    }
}

impl Product {
    /// The face value of an item that asks for `requested` (the exact text of the number).
    pub fn face_value(&self, requested: Option<&str>) -> Result<Money, Fault> {
        let requested = requested
            .map(|text| Money::parse(text, SPEC_DECIMALS))
            .transpose()
            .map_err(|e| Fault::new("spec", e.to_string()))?;
        match (self.face, requested) {
            (Face::Fixed(face), None) => Ok(face),
            (Face::Fixed(face), Some(spec)) if spec == face => Ok(face),
            (Face::Fixed(face), Some(_)) => Err(Fault::new(
                "spec",
                format!("must be absent or {face} for this product"),
            )),
            (Face::Range { .. }, None) => Err(Fault::new("spec", "is required for this product")),
            (Face::Range { min, max, step }, Some(spec)) => {
                if spec < min || spec > max {
                    return Err(Fault::new(
                        "spec",
                        format!("must be between {min} and {max}"),
                    ));
                }
                if (spec.units() - min.units()) % step.units() != 0 {
                    return Err(Fault::new(
                        "spec",
                        format!("must be {min} plus a multiple of {step}"),
                    ));
                }
                Ok(spec)
            }
        }
    }

    /// Whether the account looks like one of this product.
    pub fn check_account(&self, account: &str) -> Result<(), Fault> {
        match &self.account_pattern {
            Some(pattern) if !pattern.is_match(account) => Err(Fault::new(
                "account",
                "does not match the product's account pattern",
            )),
            _ => Ok(()),
        }
    }

    /// The attach values by name: plain text for a dictionary of one field, else the text of a JSON object.
    /// Without a dictionary there are none: the text is kept with the order and not sent on.
    pub fn attach_values(&self, text: Option<&str>) -> Result<BTreeMap<String, String>, Fault> {
        const FIELD: &str = "accountAttachValues";
        let mut given = self.given_values(text.filter(|t| !t.is_empty()))?;
        let mut values = BTreeMap::new();
        for field in &self.attach_fields {
            let value = given.remove(&field.name).filter(|v| !v.is_empty());
            match (value, &field.pattern) {
                (None, _) if field.required => {
                    return Err(Fault::new(FIELD, format!("{} is required", field.name)));
                }
                (None, _) => {}
                (Some(value), Some(pattern)) if !pattern.is_match(&value) => {
                    return Err(Fault::new(
                        FIELD,
                        format!("{} does not match its pattern", field.name),
                    ));
                }
                (Some(value), _) => {
                    values.insert(field.name.clone(), value);
                }
            }
        }
        match given.into_keys().next() {
            Some(_) if self.attach_fields.is_empty() => Ok(values),
            Some(name) => Err(Fault::new(
                FIELD,
                format!("{} is not a field of this product", printable(&name)),
            )),
            None => Ok(values),
        }
    }

    fn given_values(&self, text: Option<&str>) -> Result<BTreeMap<String, String>, Fault> {
        const FIELD: &str = "accountAttachValues";
        let Some(text) = text else {
            return Ok(BTreeMap::new());
        };
        match self.attach_fields.as_slice() {
            [] => Ok(BTreeMap::new()),
            [only] if !text.trim_start().starts_with('{') => {
                Ok([(only.name.clone(), text.to_owned())].into())
            }
            _ => serde_json::from_str(text).map_err(|_| {
                Fault::new(
                    FIELD,
                    "must be the text of a JSON object with string values",
                )
            }),
        }
    }
}

/// A name that a caller wrote, fit to be shown: bounded and without control characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(32).collect()
}

/// A rate in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(i64);

impl Rate {
    /// From millionths.
    pub const fn from_millionths(millionths: i64) -> Self {
        Self(millionths)
    }

    /// In millionths.
    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// Reads a decimal like `0.985`, above 0 and at most 10.
    pub fn parse(text: &str) -> Option<Self> {
        let value = parse_decimal(text).ok()?;
        if value.scale() > 6 {
            return None;
        }
        let scaled = value.checked_mul(rust_decimal::Decimal::from(1_000_000))?;
        let millionths = i64::try_from(scaled.mantissa() / 10_i128.pow(scaled.scale())).ok()?;
        (1..=10_000_000)
            .contains(&millionths)
            .then_some(Self(millionths))
    }

    /// The rate as an exact decimal.
    pub fn decimal(self) -> rust_decimal::Decimal {
        rust_decimal::Decimal::new(self.0, 6).normalize()
    }
}

/// What a business pays for a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// So much for each item.
    Fixed(Money),
    /// A part of the face value.
    Rate(Rate),
}

impl Price {
    /// The settlement price of one item: rate × face value is rounded half up to 0.0001 yuan.
    pub fn of(self, face: Money) -> Option<Money> {
        match self {
            Self::Fixed(price) => Some(price),
            Self::Rate(rate) => {
                let exact = i128::from(face.units()) * i128::from(rate.millionths());
                let rounded = (exact + 500_000).div_euclid(1_000_000);
                i64::try_from(rounded).ok().map(Money::from_units)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(face: Face) -> Product {
        Product {
            code: ProductCode::new("P"),
            name: "p".into(),
            lane: Lane::new("mobile"),
            face,
            account_pattern: Regex::new("^(?:1[0-9]{10})$").ok(),
            attach_fields: vec![],
            on_sale: true,
            counted: false,
            wait_for: Duration::from_mins(1),
        }
    }

    fn field(name: &str, required: bool, pattern: Option<&str>) -> AttachField {
        AttachField {
            name: name.into(),
            label: name.into(),
            required,
            pattern: pattern.map(|p| Regex::new(p).unwrap()),
        }
    }

    #[test]
    fn a_fixed_product_takes_no_other_face_value() {
        let p = product(Face::Fixed(Money::from_yuan(50)));
        assert_eq!(p.face_value(None), Ok(Money::from_yuan(50)));
        assert_eq!(p.face_value(Some("50.00")), Ok(Money::from_yuan(50)));
        assert_eq!(p.face_value(Some("5e1")), Ok(Money::from_yuan(50)));
        assert_eq!(p.face_value(Some("49")).unwrap_err().field, "spec");
    }

    #[test]
    fn a_range_has_ends_steps_and_two_decimals() {
        let p = product(Face::Range {
            min: "0.30".parse().unwrap(),
            max: "200".parse().unwrap(),
            step: "0.10".parse().unwrap(),
        });
        assert!(p.face_value(Some("0.3")).is_ok());
        assert!(p.face_value(Some("200")).is_ok());
        for wrong in ["0.2", "200.1", "0.35", "0.301", "-1", "NaN"] {
            assert!(p.face_value(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(p.face_value(None).is_err());
    }

    #[test]
    fn an_account_must_match_as_a_whole() {
        let p = product(Face::Fixed(Money::from_yuan(50)));
        assert!(p.check_account("13900000000").is_ok());
        assert!(p.check_account("139000000001").is_err());
        assert!(p.check_account("13900000000\n").is_err());
    }

    #[test]
    fn attach_values_are_plain_for_one_field_and_an_object_for_several() {
        let mut p = product(Face::Fixed(Money::from_yuan(50)));
        assert!(p.attach_values(Some("kept, not sent")).unwrap().is_empty());
        p.attach_fields = vec![field("holder", true, None)];
        assert_eq!(p.attach_values(Some("张三")).unwrap()["holder"], "张三");
        assert_eq!(
            p.attach_values(Some(r#"{"holder":"李四"}"#)).unwrap()["holder"],
            "李四"
        );
        assert!(p.attach_values(None).is_err());
        p.attach_fields.push(field("zone", false, Some("^[0-9]+$")));
        assert!(p.attach_values(Some("张三")).is_err());
        assert!(
            p.attach_values(Some(r#"{"holder":"a","zone":"x"}"#))
                .is_err()
        );
        assert!(
            p.attach_values(Some(r#"{"holder":"a","other":"x"}"#))
                .is_err()
        );
        assert_eq!(
            p.attach_values(Some(r#"{"holder":"a","zone":"7"}"#))
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn a_rate_is_rounded_half_up_to_a_unit() {
        let rate = |text| Price::Rate(Rate::parse(text).unwrap());
        let of = |p: Price, face: &str| p.of(face.parse().unwrap()).unwrap().to_string();
        assert_eq!(of(rate("0.9850"), "100"), "98.5");
        assert_eq!(of(rate("0.98505"), "0.01"), "0.0099");
        assert_eq!(of(rate("0.985"), "0.01"), "0.0099");
        assert_eq!(of(rate("0.984999"), "0.01"), "0.0098");
        assert_eq!(of(Price::Fixed("49.1".parse().unwrap()), "50"), "49.1");
        for wrong in ["0", "-1", "11", "0.0000001", "x"] {
            assert_eq!(Rate::parse(wrong), None, "{wrong}");
        }
    }
}
