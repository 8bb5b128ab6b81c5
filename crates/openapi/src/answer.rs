//! The one shape that every answer has (`CONTRACT.md` §2).

use serde::de::DeserializeOwned;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::status::{Accepted, QUERY_AFTER_MS, Status};

/// An answer to a merchant. What it says about the order follows from its status and cannot be said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// What became of the request.
    pub status: Status,
    /// The same for people.
    pub message: String,
    /// What was asked for, or the problems; `null` when there is nothing to say.
    pub data: Option<T>,
}

impl<T> Answer<T> {
    /// The answer of a request that was done.
    pub fn success(data: T) -> Self {
        Self {
            status: Status::Success,
            message: Status::Success.meaning().to_owned(),
            data: Some(data),
        }
    }
}

impl Answer<()> {
    /// The answer of a request that was not done, in the status's own words.
    pub fn refused(status: Status) -> Self {
        Self::explained(status, status.meaning())
    }

    /// The answer of a request that was not done, with the reason.
    pub fn explained(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            data: None,
        }
    }
}

impl<T: Serialize> Answer<T> {
    /// The bytes to send.
    ///
    /// # Errors
    /// When `data` cannot be written as JSON, which the types in `replies` always can.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

impl<T: Serialize> Serialize for Answer<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let accepted = self.status.accepted();
        let fields = match accepted {
            None => 3,
            Some(Accepted::No) => 4,
            Some(Accepted::Unknown) => 5,
        };
        let mut answer = serializer.serialize_struct("Answer", fields)?;
        answer.serialize_field("status", &self.status)?;
        answer.serialize_field("message", &self.message)?;
        answer.serialize_field("data", &self.data)?;
        if let Some(accepted) = accepted {
            answer.serialize_field("accepted", accepted.word())?;
        }
        if accepted == Some(Accepted::Unknown) {
            answer.serialize_field("queryAfter", &QUERY_AFTER_MS)?;
        }
        answer.end()
    }
}

/// An answer of a thousand items has less than half of this.
const LONGEST: usize = 1 << 20;

/// Why nothing can be concluded from an answer or a report.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Longer than any honest one.
    #[error("is longer than 1 MiB")]
    TooLong,
    /// Not of the contract's form.
    #[error("is not of the contract's form: {0}")]
    Form(#[from] serde_json::Error),
}

pub(crate) fn read_bounded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    if bytes.len() > LONGEST {
        return Err(Unreadable::TooLong);
    }
    Ok(serde_json::from_slice(bytes)?)
}

/// An answer of another platform that speaks the contract, read as far as it can be trusted.
#[derive(Debug, Deserialize)]
pub struct ReceivedAnswer {
    /// The number, whether the contract lists it or not: [`ReceivedAnswer::known_status`] tells.
    pub status: i32,
    /// For people.
    #[serde(default)]
    pub message: Option<String>,
    /// Unread: what it holds depends on the call.
    #[serde(default)]
    data: Option<Box<RawValue>>,
}

impl ReceivedAnswer {
    /// Reads the envelope; `data` is left alone until [`ReceivedAnswer::data`].
    ///
    /// # Errors
    /// When the bytes are not an answer of the contract: nothing is known then.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        read_bounded(bytes)
    }

    /// The status, if the contract lists it.
    pub fn known_status(&self) -> Option<Status> {
        Status::from_number(self.status)
    }

    /// Reads `data` as what the call answers with.
    ///
    /// # Errors
    /// When it is absent or something else.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.data.as_deref().map_or("null", RawValue::get))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T: Serialize>(answer: &Answer<T>) -> String {
        String::from_utf8(answer.to_json().unwrap()).unwrap()
    }

    #[test]
    fn a_success_carries_only_the_contract_s_three_fields() {
        assert_eq!(
            text(&Answer::success([1, 2])),
            r#"{"status":0,"message":"success","data":[1,2]}"#
        );
    }

    #[test]
    fn a_refusal_says_whether_the_order_may_exist() {
        assert_eq!(
            text(&Answer::explained(
                Status::BalanceInsufficient,
                "short of 5"
            )),
            r#"{"status":9,"message":"short of 5","data":null,"accepted":"no"}"#
        );
        assert_eq!(
            text(&Answer::refused(Status::NonceRepeated)),
            r#"{"status":6,"message":"the nonce has been used before","data":null,"accepted":"unknown","queryAfter":60000}"#
        );
    }

    #[test]
    fn an_answer_is_read_back_with_its_numbers_untouched() {
        let answer = ReceivedAnswer::read(
            br#"{"status":0,"message":"ok","data":[49.10],"accepted":"later addition"}"#,
        )
        .unwrap();
        assert_eq!(answer.known_status(), Some(Status::Success));
        let data: Vec<serde_json::Number> = answer.data().unwrap();
        assert_eq!(data[0].as_str(), "49.10");

        let unlisted = ReceivedAnswer::read(br#"{"status":42}"#).unwrap();
        assert_eq!(unlisted.known_status(), None);
        assert!(unlisted.data::<Vec<i32>>().is_err());
        assert!(ReceivedAnswer::read(b"<html>").is_err());
    }
}
