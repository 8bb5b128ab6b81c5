//! Amounts in the unit that a supplier speaks.

use domain::card::MoneyUnit;
use domain::{Money, MoneyError};

/// Units of [`Money`] in one fen.
const UNITS_PER_FEN: i64 = 100;

/// An amount exactly; `None` when the unit cannot express it.
pub(crate) fn exact(amount: Money, unit: MoneyUnit) -> Option<String> {
    match unit {
        MoneyUnit::Yuan => Some(amount.to_string()),
        MoneyUnit::Fen => (amount.units() % UNITS_PER_FEN == 0)
            .then(|| (amount.units() / UNITS_PER_FEN).to_string()),
    }
}

/// The greatest amount of the unit that is not more.
pub(crate) fn at_most(amount: Money, unit: MoneyUnit) -> String {
    match unit {
        MoneyUnit::Yuan => amount.to_string(),
        MoneyUnit::Fen => amount.units().div_euclid(UNITS_PER_FEN).to_string(),
    }
}

/// An amount as a supplier wrote it.
pub(crate) fn read(text: &str, unit: MoneyUnit) -> Result<Money, MoneyError> {
    match unit {
        MoneyUnit::Yuan => Money::parse(text, 4),
        // With two decimals of a fen at most, the division is exact.
        MoneyUnit::Fen => {
            Money::parse(text, 2).map(|fen| Money::from_units(fen.units() / UNITS_PER_FEN))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn an_amount_is_written_in_the_supplier_s_unit() {
        assert_eq!(exact(money("50"), MoneyUnit::Yuan).as_deref(), Some("50"));
        assert_eq!(
            exact(money("49.15"), MoneyUnit::Fen).as_deref(),
            Some("4915")
        );
        assert_eq!(exact(money("49.155"), MoneyUnit::Fen), None);
        assert_eq!(at_most(money("49.159"), MoneyUnit::Fen), "4915");
        assert_eq!(at_most(money("49.159"), MoneyUnit::Yuan), "49.159");
    }

    #[test]
    fn an_amount_is_read_exactly_or_not_at_all() {
        assert_eq!(read("50.00", MoneyUnit::Yuan), Ok(money("50")));
        assert_eq!(read("4915", MoneyUnit::Fen), Ok(money("49.15")));
        assert_eq!(read("4915.50", MoneyUnit::Fen), Ok(money("49.155")));
        for text in ["", "abc", "1e99", "4915.555", "NaN"] {
            assert!(read(text, MoneyUnit::Fen).is_err(), "{text}");
        }
    }
}
