//! Our reference at a supplier: made from the order code and the attempt number alone, so that it is fixed before the
//! first byte is sent and the same after every crash.

use uuid::Uuid;

use crate::{AttemptNo, OrderCode};

/// The characters of a reference.
pub const LENGTH: usize = 28;

/// Digits and upper-case letters without I, L, O and U: survives suppliers that fold case and people who read it out.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The reference of an attempt: 16 bytes of the order code and one of the attempt number, five bits a character.
pub fn of_attempt(order: OrderCode, attempt: AttemptNo) -> String {
    let number = u8::try_from(attempt.0).unwrap_or(u8::MAX);
    let bytes = order.uuid().into_bytes().into_iter().chain([number]);
    let mut text = String::with_capacity(LENGTH);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(digit(buffer >> bits));
        }
    }
    text.push(digit(buffer << (5 - bits)));
    text
}

/// The order of an attempt's reference; `None`: no reference of ours looks like this.
pub fn order_of(reference: &str) -> Option<OrderCode> {
    if reference.len() != LENGTH {
        return None;
    }
    let digits: Vec<u128> = reference.bytes().map(value).collect::<Option<_>>()?;
    // 128 bits: 25 characters, and three bits of the next.
    let most = digits
        .iter()
        .take(25)
        .fold(0, |number, digit| (number << 5) | digit);
    let number = (most << 3) | (digits.get(25)? >> 2);
    Some(OrderCode::from_uuid(Uuid::from_u128(number)))
}

fn value(digit: u8) -> Option<u128> {
    let place = ALPHABET.iter().position(|known| *known == digit)?;
    u128::try_from(place).ok()
}

fn digit(value: u32) -> char {
    char::from(ALPHABET[(value & 31) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_reference_is_fixed_and_unique_per_attempt() {
        let mut seen = HashSet::new();
        for _ in 0..100 {
            let order = OrderCode::generate();
            for number in 1..=40 {
                let reference = of_attempt(order, AttemptNo(number));
                assert_eq!(reference.len(), LENGTH);
                assert_eq!(reference, of_attempt(order, AttemptNo(number)));
                assert_eq!(order_of(&reference), Some(order));
                assert!(seen.insert(reference));
            }
        }
    }

    #[test]
    fn what_is_no_reference_names_no_order() {
        let reference = of_attempt(OrderCode::generate(), AttemptNo(1));
        for other in [
            "",
            "R9",
            &reference[1..],
            &format!("{reference}0"),
            &format!("{}U", &reference[1..]),
            &reference.to_lowercase(),
            "€€€€€€€€€0",
        ] {
            assert_eq!(order_of(other), None, "{other}");
        }
    }
}
