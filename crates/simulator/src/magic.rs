//! What a simulated supplier does with an order, chosen by the account: `1990000`, two digits that say what, two free digits.

use std::str::FromStr;

/// What a simulated supplier does with one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// `00`: charges at once, pushes success right after the answer.
    AtOnce,
    /// `01`: accepts, fails at once, pushes the failure.
    Fails,
    /// `02`: accepts, charges, pushes success a little later.
    PushedLater,
    /// `03`: accepts, pushes a failure a little later.
    PushedFailure,
    /// `04`: accepts, charges a second later, never pushes.
    QueryOnly,
    /// `05`: charges, never answers.
    TimeoutCharged,
    /// `06`: never answers, remembers nothing.
    TimeoutNotCharged,
    /// `07`: charges, answers garbage.
    Garbage,
    /// `08`: charges, answers HTTP 500.
    ErrorCharged,
    /// `09`: explicitly does not accept.
    Rejects,
    /// `10`: answers after two seconds, then as `00`.
    Slow,
    /// `11`: answers HTTP 500, remembers nothing.
    ErrorNotCharged,
    /// `12`: pushes a partial success, for ever in progress when asked.
    Partial,
    /// `13`: in progress for ever.
    NeverEnds,
    /// `15`: as `02`, but pushes three times whatever is answered.
    PushesThrice,
    /// `16`: charges and pushes before it answers.
    PushesFirst,
    /// `17`: charges, answers half an answer.
    Truncated,
}

/// Every behaviour with its code and its name.
const ALL: [(&str, &str, Behaviour); 17] = [
    ("00", "at-once", Behaviour::AtOnce),
    ("01", "fails", Behaviour::Fails),
    ("02", "pushed-later", Behaviour::PushedLater),
    ("03", "pushed-failure", Behaviour::PushedFailure),
    ("04", "query-only", Behaviour::QueryOnly),
    ("05", "timeout-charged", Behaviour::TimeoutCharged),
    ("06", "timeout-not-charged", Behaviour::TimeoutNotCharged),
    ("07", "garbage", Behaviour::Garbage),
    ("08", "error-charged", Behaviour::ErrorCharged),
    ("09", "rejects", Behaviour::Rejects),
    ("10", "slow", Behaviour::Slow),
    ("11", "error-not-charged", Behaviour::ErrorNotCharged),
    ("12", "partial", Behaviour::Partial),
    ("13", "never-ends", Behaviour::NeverEnds),
    ("15", "pushes-thrice", Behaviour::PushesThrice),
    ("16", "pushes-first", Behaviour::PushesFirst),
    ("17", "truncated", Behaviour::Truncated),
];

impl Behaviour {
    /// What an account asks for; `None`: it is not a magic one.
    pub fn of_account(account: &str) -> Option<Self> {
        let rest = account.strip_prefix("1990000")?;
        if rest.len() != 4 || !rest.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        ALL.iter()
            .find(|(code, ..)| rest.starts_with(code))
            .map(|(.., behaviour)| *behaviour)
    }

    /// Whether the account is charged in the end.
    pub const fn charges(self) -> bool {
        !matches!(
            self,
            Self::Fails
                | Self::PushedFailure
                | Self::TimeoutNotCharged
                | Self::Rejects
                | Self::ErrorNotCharged
                | Self::NeverEnds
                | Self::Partial
        )
    }
}

impl FromStr for Behaviour {
    type Err = String;

    /// By name, like `pushed-later`.
    fn from_str(text: &str) -> Result<Self, String> {
        let found = ALL.iter().find(|(_, name, _)| *name == text);
        found.map(|(.., behaviour)| *behaviour).ok_or_else(|| {
            let names: Vec<_> = ALL.iter().map(|(_, name, _)| *name).collect();
            format!("is none of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_magic_account_says_what_happens_and_others_say_nothing() {
        assert_eq!(
            Behaviour::of_account("19900000512"),
            Some(Behaviour::TimeoutCharged)
        );
        assert_eq!(
            Behaviour::of_account("19900001799"),
            Some(Behaviour::Truncated)
        );
        for other in [
            "13800138001",
            "19900009900",
            "1990000051",
            "199000005123",
            "1990000ab12",
            "",
        ] {
            assert_eq!(Behaviour::of_account(other), None, "{other}");
        }
    }

    #[test]
    fn every_code_and_every_name_stands_once() {
        for (n, (code, name, behaviour)) in ALL.iter().enumerate() {
            assert_eq!(name.parse(), Ok(*behaviour));
            assert!(
                !ALL[..n]
                    .iter()
                    .any(|(c, o, b)| c == code || o == name || b == behaviour)
            );
        }
    }
}
