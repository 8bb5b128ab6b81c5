//! Our reference at a supplier: made from the order code and the attempt number alone, so that it is fixed before the
//! first byte is sent and the same after every crash.

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
                assert!(seen.insert(reference));
            }
        }
    }
}
