//! Money: whole units of 0.0001 yuan, exact, never a float.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Units of 0.0001 yuan in one yuan.
const UNITS_PER_YUAN: i64 = 10_000;
/// The decimals that a unit can hold.
const DECIMALS: u32 = 4;

/// An amount of money in units of 0.0001 yuan.
///
/// Also used for a face value (`spec`), which is money by nature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number (`12.50`, `5e1`).
    #[error("is not a decimal number")]
    NotANumber,
    /// More decimals than allowed.
    #[error("has more than {0} decimals")]
    TooManyDecimals(u32),
    /// Beyond what the platform handles.
    #[error("is out of range")]
    OutOfRange,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From units of 0.0001 yuan.
    pub const fn from_units(units: i64) -> Self {
        Self(units)
    }

    /// From whole yuan.
    pub const fn from_yuan(yuan: i64) -> Self {
        Self(yuan * UNITS_PER_YUAN)
    }

    /// Units of 0.0001 yuan.
    pub const fn units(self) -> i64 {
        self.0
    }

    /// Reads the exact text of a JSON number or a decimal string, scientific notation included.
    pub fn parse(text: &str, max_decimals: u32) -> Result<Self, MoneyError> {
        let value = parse_decimal(text)?;
        if value.scale() > max_decimals {
            return Err(MoneyError::TooManyDecimals(max_decimals));
        }
        let units = value
            .checked_mul(Decimal::from(UNITS_PER_YUAN))
            .ok_or(MoneyError::OutOfRange)?;
        units.to_i64().map(Self).ok_or(MoneyError::OutOfRange)
    }

    /// The sum, or `None` beyond the range.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` beyond the range.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// This much for each yuan of `amount`, rounded up to a unit.
    #[must_use]
    pub fn times(self, amount: Self) -> Self {
        let exact = i128::from(self.0) * i128::from(amount.0);
        let per_yuan = i128::from(UNITS_PER_YUAN);
        let units = exact.div_euclid(per_yuan) + i128::from(exact.rem_euclid(per_yuan) > 0);
        Self(i64::try_from(units).unwrap_or(i64::MAX))
    }

    /// The sum of many, or `None` beyond the range.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// The amount as an exact decimal.
    pub fn decimal(self) -> Decimal {
        Decimal::new(self.0, DECIMALS).normalize()
    }
}

/// Reads a decimal exactly, trailing zeros removed, so that its scale counts only the decimals that matter.
pub(crate) fn parse_decimal(text: &str) -> Result<Decimal, MoneyError> {
    // 40 characters hold every amount the platform can; longer digits are an attack on the parser.
    if text.is_empty() || text.len() > 40 {
        return Err(MoneyError::NotANumber);
    }
    if !text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'))
    {
        return Err(MoneyError::NotANumber);
    }
    let value = if text.contains(['e', 'E']) {
        Decimal::from_scientific(text)
    } else {
        Decimal::from_str_exact(text)
    };
    match value {
        Ok(value) => Ok(value.normalize()),
        Err(rust_decimal::Error::ExceedsMaximumPossibleValue | rust_decimal::Error::Underflow) => {
            Err(MoneyError::OutOfRange)
        }
        Err(_) => Err(MoneyError::NotANumber),
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.decimal())
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, DECIMALS)
    }
}

impl Sum for Money {
    /// For amounts that are already bounded (rows of one batch).
    ///
    /// # Panics
    /// Beyond the range, rather than wrap.
    #[expect(
        clippy::expect_used,
        reason = "wrapping money silently would be worse than stopping"
    )]
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        Self::checked_sum(iter).expect("a sum of bounded amounts stays in range")
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|e| serde::de::Error::custom(format!("\"{text}\" {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_exactly() {
        for (text, units, written) in [
            ("49.10", 491_000, "49.1"),
            ("0.0001", 1, "0.0001"),
            ("5e1", 500_000, "50"),
            ("5E-1", 5_000, "0.5"),
            ("100", 1_000_000, "100"),
            ("-3.5", -35_000, "-3.5"),
            ("1.00000000", 10_000, "1"),
        ] {
            let money: Money = text.parse().unwrap();
            assert_eq!(money.units(), units, "{text}");
            assert_eq!(money.to_string(), written, "{text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in [
            "", "NaN", "Infinity", "1,000", "0x10", " 1", "1_0", "--1", "1e", ".",
        ] {
            assert_eq!(text.parse::<Money>(), Err(MoneyError::NotANumber), "{text}");
        }
        assert_eq!(
            "0.00001".parse::<Money>(),
            Err(MoneyError::TooManyDecimals(4))
        );
        assert_eq!(
            "9999999999999999".parse::<Money>(),
            Err(MoneyError::OutOfRange)
        );
        assert_eq!("1e28".parse::<Money>(), Err(MoneyError::OutOfRange));
        assert_eq!(
            Money::parse("1.001", 2),
            Err(MoneyError::TooManyDecimals(2))
        );
    }

    #[test]
    fn an_amount_for_each_yuan_is_rounded_up() {
        let times = |cost, spec| {
            Money::from_units(cost)
                .times(Money::from_units(spec))
                .units()
        };
        assert_eq!(times(9_800, 200_000), 196_000);
        assert_eq!(times(9_833, 5_000), 4_917);
        assert_eq!(times(0, 200_000), 0);
        assert_eq!(times(i64::MAX, i64::MAX), i64::MAX);
    }

    #[test]
    fn a_sum_beyond_the_range_is_noticed() {
        let most = Money::from_units(i64::MAX);
        assert_eq!(most.checked_add(Money::from_units(1)), None);
    }
}
