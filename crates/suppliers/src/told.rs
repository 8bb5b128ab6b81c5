//! What an answer or a push says about one of our numbers, before it is held against the order.
//!
//! A partial success, or an amount or account that is not ours, is a discrepancy for a person, never a success.

use domain::{Money, MoneyError, Reason, Verdict};

use crate::call::{Heard, QueryCall};

/// What was said about one reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// What the supplier's word for it means.
    pub verdict: Verdict,
    /// The supplier's own number.
    pub upstream_no: Option<String>,
    /// The account that it names.
    pub account: Option<String>,
    /// The face value that it names as ordered.
    pub ordered: Option<Result<Money, MoneyError>>,
    /// The face value that it names as charged.
    pub charged: Option<Result<Money, MoneyError>>,
    /// The answer's substance, masked.
    pub detail: String,
}

impl Told {
    /// What is left of it when it is held against the order.
    pub(crate) fn against(self, ours: &QueryCall<'_>, http_status: Option<u16>) -> Heard {
        let verdict = match self.contradiction(ours) {
            Some(reason) => reason.into(),
            None => self.verdict,
        };
        Heard {
            verdict,
            upstream_no: self.upstream_no,
            http_status,
            detail: self.detail,
        }
    }

    fn contradiction(&self, ours: &QueryCall<'_>) -> Option<Reason> {
        if self.account.as_deref().is_some_and(|a| a != ours.account) {
            return Some(Reason::OtherAccount);
        }
        if self
            .ordered
            .as_ref()
            .is_some_and(|a| *a != Ok(ours.face_value))
        {
            return Some(Reason::OtherFaceValue);
        }
        match (&self.verdict, self.charged.as_ref()) {
            (Verdict::Succeeded { .. }, Some(charged)) if *charged != Ok(ours.face_value) => {
                Some(Reason::OtherAmount)
            }
            (Verdict::Failed { .. } | Verdict::Rejected { .. }, Some(charged))
                if *charged != Ok(Money::ZERO) =>
            {
                Some(Reason::ChargedFailure)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> QueryCall<'static> {
        QueryCall {
            reference: "R",
            account: "13900000000",
            face_value: Money::from_yuan(50),
        }
    }

    fn told(verdict: Verdict) -> Told {
        Told {
            verdict,
            upstream_no: None,
            account: None,
            ordered: None,
            charged: None,
            detail: String::new(),
        }
    }

    fn success() -> Verdict {
        Verdict::Succeeded { voucher: None }
    }

    fn failure() -> Verdict {
        Verdict::Failed { reason: "r".into() }
    }

    fn is_discrepant(told: Told) -> bool {
        let heard = told.against(&ours(), None);
        matches!(heard.verdict, Verdict::Discrepant { .. })
    }

    #[test]
    fn what_fits_the_order_passes() {
        for verdict in [success(), failure(), Verdict::Processing] {
            assert!(!is_discrepant(told(verdict.clone())));
            assert!(!is_discrepant(Told {
                account: Some("13900000000".into()),
                ordered: Some(Ok(Money::from_yuan(50))),
                ..told(verdict)
            }));
        }
        assert!(!is_discrepant(Told {
            charged: Some(Ok(Money::from_yuan(50))),
            ..told(success())
        }));
        assert!(!is_discrepant(Told {
            charged: Some(Ok(Money::ZERO)),
            ..told(failure())
        }));
    }

    #[test]
    fn another_account_or_face_value_is_a_discrepancy_whatever_the_verdict() {
        for verdict in [success(), failure(), Verdict::Processing] {
            assert!(is_discrepant(Told {
                account: Some("13900000001".into()),
                ..told(verdict.clone())
            }));
            assert!(is_discrepant(Told {
                ordered: Some(Ok(Money::from_yuan(49))),
                ..told(verdict)
            }));
        }
    }

    #[test]
    fn a_success_must_charge_the_face_value_and_a_failure_nothing() {
        for charged in [
            Ok(Money::from_yuan(30)),
            Ok(Money::ZERO),
            Err(MoneyError::NotANumber),
        ] {
            assert!(is_discrepant(Told {
                charged: Some(charged),
                ..told(success())
            }));
        }
        for charged in [Ok(Money::from_yuan(50)), Err(MoneyError::NotANumber)] {
            assert!(is_discrepant(Told {
                charged: Some(charged),
                ..told(failure())
            }));
        }
    }
}
