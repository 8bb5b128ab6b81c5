//! The context: which trace, and which step of it comes before.

use std::fmt;

/// The value of a W3C `traceparent` header, version 00. It comes from headers, messages and rows, so from anybody: what is not exactly
/// of this form is no context.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    pub(crate) trace: u128,
    pub(crate) span: u64,
    pub(crate) flags: u8,
}

impl TraceParent {
    /// The name of the header, in HTTP and in messages.
    pub const HEADER: &str = "traceparent";
    /// Of the whole text, in bytes.
    const LENGTH: usize = 55;

    /// Takes `00-<32 hex>-<16 hex>-<2 hex>`, in lower case, where neither of the ids is zero.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != Self::LENGTH {
            return None;
        }
        let rest = text.strip_prefix("00-")?;
        let (trace, rest) = rest.split_once('-')?;
        let (span, flags) = rest.split_once('-')?;
        let parent = Self {
            trace: hex(trace, 32)?,
            span: u64::try_from(hex(span, 16)?).ok()?,
            flags: u8::try_from(hex(flags, 2)?).ok()?,
        };
        (parent.trace != 0 && parent.span != 0).then_some(parent)
    }

    /// Whether whoever began the trace keeps it.
    pub const fn is_kept(&self) -> bool {
        self.flags & 1 == 1
    }
}

/// So many digits and nothing else; `from_str_radix` alone would let a sign and capitals pass.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.bytes().all(is_hex))
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, flags } = self;
        write!(f, "00-{trace:032x}-{span:016x}-{flags:02x}")
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_is_read_and_written() {
        let parent = TraceParent::parse(GOOD).unwrap();
        assert_eq!(parent.to_string(), GOOD);
        assert!(parent.is_kept());
        let left = TraceParent::parse(&GOOD.replace("-01", "-00")).unwrap();
        assert!(!left.is_kept());
    }

    #[test]
    fn what_is_not_exactly_a_context_is_none() {
        for bad in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &format!("{GOOD}-00"),
            &format!("{GOOD} "),
            &GOOD[1..],
            &GOOD[..54],
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(trace in 1_u128.., span in 1_u64.., flags: u8) {
            let parent = TraceParent { trace, span, flags };
            prop_assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent));
        }

        #[test]
        fn nothing_is_read_that_would_be_written_otherwise(text in "(00-[0-9a-fA-F+é]{30,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}|.{50,60})") {
            if let Some(parent) = TraceParent::parse(&text) {
                prop_assert_eq!(parent.to_string(), text);
            }
        }
    }
}
