//! Why an order waits for a person, in whole sentences of ours.

use crate::Verdict;

macro_rules! reasons {
    ($($reason:ident: $text:literal;)*) => {
        /// Why an order waits for a person. The one list of what may stand there: whoever translates goes through it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each is its sentence below")]
        pub enum Reason {
            $($reason,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$reason,)*];

            /// As it is kept, and told in English.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$reason => $text,)*
                }
            }
        }
    };
}

reasons! {
    // The order stands still, and nobody can be asked any more.
    SupplierGone: "the supplier is no longer in the catalogue";
    CannotBeAsked: "the call's outcome is unknown and the supplier cannot be asked";
    AcceptedWithoutEnd: "the supplier accepted the order and has not reported its end";
    UnknownForTooLong: "the outcome stayed unknown for as long as the same number may be sent again";
    NoEndForTooLong: "the supplier has not reported an end for as long as it may be asked";
    // What is said does not fit the order.
    OtherAccount: "the supplier names another account than the order's";
    OtherFaceValue: "the supplier names another face value than the order's";
    OtherAmount: "the supplier charged another amount than the order's face value";
    ChargedFailure: "the supplier reports a failure, and an amount that was charged";
    PartialSuccess: "the supplier reports a partial success";
    SuccessThenFailure: "the supplier reported a success, and then a failure";
    // What is said contradicts an end.
    ChargeAfterAll: "the supplier reports a charge for an attempt that was closed as not charged";
    FailureAfterAll: "the supplier reports a failure for an attempt that was closed as charged";
    UnfitAfterTheEnd: "the supplier reports what does not fit the order";
}

impl Reason {
    /// The reason that is kept as this text, if it is one of ours.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.text() == text)
    }
}

impl From<Reason> for Verdict {
    /// What was said does not fit, for this reason.
    fn from(reason: Reason) -> Self {
        Self::Discrepant {
            reason: reason.text().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_reason_that_it_is_kept_for_and_no_two_share_one() {
        for &reason in Reason::ALL {
            assert_eq!(Reason::of(reason.text()), Some(reason));
        }
        assert_eq!(Reason::of("what a person wrote"), None);
    }
}
