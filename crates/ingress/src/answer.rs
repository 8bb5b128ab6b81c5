//! Every refusal, and the one place where it becomes an answer (`CONTRACT.md` §2).

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use openapi::requests::{BadRequest, ItemProblems};
use openapi::{Answer, HeaderError, Status};
use serde::Serialize;
use store::StoreError;

/// After this long a database that was away, or a backlog, may be gone, or a job done; nobody knows.
const LATER_S: u32 = 5;
/// After this long there may be room again.
const SOON_S: u32 = 1;

/// Why a request is not done. The text is what the caller reads: it names fields and rules, never our inside.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no such path")]
    NoSuchPath,
    #[error("no such method: use POST")]
    WrongMethod,
    #[error("Content-Type must be application/json, in UTF-8")]
    NotJson,
    #[error("the body must be at most {0} bytes")]
    BodyTooLarge(usize),
    #[error("the body did not arrive in time")]
    BodySlow,
    #[error("the body did not arrive whole")]
    BodyCut,
    #[error("the body must not be in a content coding")]
    ContentCoding,
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("the timestamp must be within {0} ms of now")]
    TimestampFar(u32),
    #[error("signature verification failed")]
    WrongSignature,
    #[error("the caller's IP address is not allowed")]
    AddressRefused,
    #[error("the nonce has been used before")]
    NonceRepeated,
    #[error(transparent)]
    Body(#[from] BadRequest),
    #[error("businessId must be the one in the header")]
    OtherBusiness,
    #[error("{0}")]
    Items(ItemProblems),
    #[error("merchantId does not exist or does not own this business")]
    NotItsMerchant,
    #[error("productCode does not exist or is not sold to this business")]
    NoProduct,
    #[error("the order does not exist")]
    NoOrder,
    #[error("the batch does not exist")]
    NoBatch,
    #[error("the product is off sale")]
    OffSale,
    #[error("no supplier can take the product now")]
    NoSupplier,
    #[error("batchBizCode has been used before with other content")]
    OtherContent,
    #[error("{0}")]
    NumbersUsed(ItemProblems),
    #[error("the stock does not cover the batch")]
    OutOfStock,
    #[error("the balance and the credit line do not cover the batch")]
    BalanceInsufficient,
    #[error("the account's rate limit is reached")]
    RateLimited(Duration),
    #[error("the account's limit of orders a second is reached, nothing was stored")]
    OrderLimited(Duration),
    #[error("too many requests to send reports again are not done yet")]
    TooManyResends,
    #[error("too busy now, nothing was stored")]
    Overloaded,
    #[error("could not be stored in time, nothing was stored")]
    TooLate,
    #[error("{}", store_words(.0))]
    Store(#[from] StoreError),
    #[error("something went wrong: query before acting")]
    Broken,
}

/// What the caller may know of a failure of the database.
const fn store_words(error: &StoreError) -> &'static str {
    match error {
        StoreError::CommitUnknown => "it is not known whether this was stored: query before acting",
        StoreError::Away(_)
        | StoreError::TooSlow
        | StoreError::Contended(_)
        | StoreError::Locked => "the platform cannot store now, nothing was stored",
        StoreError::Refused(_)
        | StoreError::Unreadable(_)
        | StoreError::Schema(_)
        | StoreError::Setting { .. } => "failed inside the platform, nothing was stored",
    }
}

/// How long that is in the header's unit; never less, and never none.
fn whole_seconds(wait: Duration) -> u32 {
    let begun = u64::from(wait.subsec_nanos() > 0);
    u32::try_from(wait.as_secs() + begun)
        .unwrap_or(u32::MAX)
        .max(SOON_S)
}

/// What an answer says, and in which HTTP words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) status: Status,
    pub(crate) http: StatusCode,
    pub(crate) retry_after_s: Option<u32>,
}

impl Decision {
    const fn says(status: Status) -> Self {
        Self {
            status,
            http: StatusCode::OK,
            retry_after_s: None,
        }
    }

    const fn over(self, http: StatusCode) -> Self {
        Self { http, ..self }
    }

    /// Nothing was stored, and later it may be.
    const fn again(http: StatusCode, after_s: u32) -> Self {
        Self {
            status: Status::Failure,
            http,
            retry_after_s: Some(after_s),
        }
    }
}

impl Refusal {
    /// The decision: which status each refusal answers.
    pub(crate) fn decide(&self) -> Decision {
        use StatusCode as Http;
        match self {
            Self::NoSuchPath => Decision::says(Status::NoSuchMethod).over(Http::NOT_FOUND),
            Self::WrongMethod => {
                Decision::says(Status::NoSuchMethod).over(Http::METHOD_NOT_ALLOWED)
            }
            Self::NotJson => Decision::says(Status::Malformed).over(Http::UNSUPPORTED_MEDIA_TYPE),
            Self::BodyTooLarge(_) => {
                Decision::says(Status::Malformed).over(Http::PAYLOAD_TOO_LARGE)
            }
            Self::BodySlow => Decision::says(Status::Failure).over(Http::REQUEST_TIMEOUT),
            Self::BodyCut
            | Self::ContentCoding
            | Self::Header(_)
            | Self::OtherBusiness
            | Self::Items(_) => Decision::says(Status::Malformed),
            Self::TimestampFar(_) => Decision::says(Status::TimestampFar),
            Self::WrongSignature => Decision::says(Status::WrongSignature),
            Self::AddressRefused => Decision::says(Status::AddressRefused),
            Self::NonceRepeated => Decision::says(Status::NonceRepeated),
            Self::Body(bad) => Decision::says(bad.status()),
            Self::NotItsMerchant | Self::NoProduct | Self::NoOrder | Self::NoBatch => {
                Decision::says(Status::NotFound)
            }
            Self::OtherContent | Self::NumbersUsed(_) => Decision::says(Status::NumberRepeated),
            Self::OffSale | Self::NoSupplier | Self::OutOfStock => {
                Decision::says(Status::OutOfStock)
            }
            Self::BalanceInsufficient => Decision::says(Status::BalanceInsufficient),
            Self::RateLimited(wait) | Self::OrderLimited(wait) => {
                Decision::again(Http::TOO_MANY_REQUESTS, whole_seconds(*wait))
            }
            Self::TooManyResends => Decision::again(Http::TOO_MANY_REQUESTS, LATER_S),
            Self::Overloaded | Self::TooLate => Decision::again(Http::SERVICE_UNAVAILABLE, SOON_S),
            Self::Store(error) => match error {
                StoreError::CommitUnknown => Decision::says(Status::OrderAbnormal),
                StoreError::Away(_)
                | StoreError::TooSlow
                | StoreError::Contended(_)
                | StoreError::Locked => Decision::again(Http::SERVICE_UNAVAILABLE, LATER_S),
                StoreError::Refused(_)
                | StoreError::Unreadable(_)
                | StoreError::Schema(_)
                | StoreError::Setting { .. } => Decision::says(Status::Failure),
            },
            Self::Broken => Decision::says(Status::OrderAbnormal).over(Http::INTERNAL_SERVER_ERROR),
        }
    }

    /// The reason in a word, for `/metrics`: what a caller sent is never in it.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::NoSuchPath => "no_such_path",
            Self::WrongMethod => "wrong_method",
            Self::NotJson => "not_json",
            Self::BodyTooLarge(_) => "body_too_large",
            Self::BodySlow => "body_slow",
            Self::BodyCut => "body_cut",
            Self::ContentCoding => "content_coding",
            Self::Header(_) => "header",
            Self::TimestampFar(_) => "timestamp_far",
            Self::WrongSignature => "wrong_signature",
            Self::AddressRefused => "address",
            Self::NonceRepeated => "nonce_repeated",
            Self::Body(_) => "body",
            Self::OtherBusiness => "other_business",
            Self::Items(_) => "items",
            Self::NotItsMerchant => "not_its_merchant",
            Self::NoProduct => "no_product",
            Self::NoOrder => "no_order",
            Self::NoBatch => "no_batch",
            Self::OffSale => "off_sale",
            Self::NoSupplier => "no_supplier",
            Self::OtherContent => "other_content",
            Self::NumbersUsed(_) => "numbers_used",
            Self::OutOfStock => "out_of_stock",
            Self::BalanceInsufficient => "balance",
            Self::RateLimited(_) => "rate_limited",
            Self::OrderLimited(_) => "order_limited",
            Self::TooManyResends => "too_many_resends",
            Self::Overloaded => "overloaded",
            Self::TooLate => "too_late",
            Self::Store(error) => match error {
                StoreError::CommitUnknown => "commit_unknown",
                StoreError::Away(_) => "database_away",
                StoreError::TooSlow => "database_slow",
                StoreError::Contended(_) => "database_contended",
                StoreError::Locked => "locked",
                StoreError::Refused(_)
                | StoreError::Unreadable(_)
                | StoreError::Schema(_)
                | StoreError::Setting { .. } => "database",
            },
            Self::Broken => "broken",
        }
    }

    /// The items' problems, for `data`.
    const fn data(&self) -> Option<&ItemProblems> {
        match self {
            Self::Items(problems) | Self::NumbersUsed(problems) => Some(problems),
            Self::Body(bad) => bad.item_problems(),
            _ => None,
        }
    }

    /// The answer.
    pub(crate) fn response(&self) -> Response<Body> {
        let decision = self.decide();
        let answer = Answer {
            status: decision.status,
            message: self.to_string(),
            data: self.data(),
        };
        let mut response = json(decision.http, answer.to_json().unwrap_or_default());
        let headers = response.headers_mut();
        if let Some(after_s) = decision.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after_s));
        }
        if matches!(self, Self::WrongMethod) {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

/// The answer of a request that was done.
pub(crate) struct Done(Vec<u8>);

impl Done {
    /// With what was asked for.
    pub(crate) fn with<T: Serialize>(data: T) -> Result<Self, Refusal> {
        let written = Answer::success(data).to_json();
        written.map(Self).map_err(|_| Refusal::Broken)
    }

    pub(crate) fn response(self) -> Response<Body> {
        json(StatusCode::OK, self.0)
    }
}

fn json(http: StatusCode, bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = http;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use openapi::status::Accepted;

    use super::*;

    /// Every refusal that can come after something may have been stored, and none other, is answered "unknown" beyond what the
    /// contract's own meaning of 5, 6 and 8 asks for.
    #[test]
    fn a_refusal_says_no_only_where_nothing_was_stored() {
        let unknown =
            |refusal: &Refusal| refusal.decide().status.accepted() == Some(Accepted::Unknown);
        assert!(unknown(&StoreError::CommitUnknown.into()));
        assert!(unknown(&Refusal::Broken));
        for certain in [
            StoreError::TooSlow.into(),
            StoreError::Away(String::new()).into(),
            StoreError::Unreadable(String::new()).into(),
            Refusal::TooLate,
            Refusal::Overloaded,
            Refusal::RateLimited(Duration::ZERO),
            Refusal::OrderLimited(Duration::ZERO),
            Refusal::TooManyResends,
            Refusal::BodySlow,
        ] {
            assert_eq!(certain.decide().status, Status::Failure, "{certain}");
        }
    }

    #[test]
    fn http_speaks_only_where_the_contract_has_no_answer() {
        for (refusal, http, status) in [
            (Refusal::NoSuchPath, 404, 4),
            (Refusal::WrongMethod, 405, 4),
            (Refusal::BodyTooLarge(1), 413, 3),
            (Refusal::NotJson, 415, 3),
            (Refusal::RateLimited(Duration::ZERO), 429, 1),
            (Refusal::OrderLimited(Duration::ZERO), 429, 1),
            (Refusal::TooManyResends, 429, 1),
            (Refusal::Overloaded, 503, 1),
            (StoreError::Away(String::new()).into(), 503, 1),
            (Refusal::Broken, 500, 98),
            (StoreError::CommitUnknown.into(), 200, 98),
            (Refusal::WrongSignature, 200, 2),
            (Refusal::NoOrder, 200, 7),
        ] {
            let decision = refusal.decide();
            assert_eq!(
                (decision.http.as_u16(), decision.status.number()),
                (http, status),
                "{refusal}"
            );
            let asks = matches!(http, 429 | 503);
            assert_eq!(decision.retry_after_s.is_some(), asks, "{refusal}");
        }
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_too_short() {
        let told = |ms| Refusal::OrderLimited(Duration::from_millis(ms)).decide();
        let told = [0, 1, 1_000, 1_001, 9_500].map(|ms| told(ms).retry_after_s);
        assert_eq!(told, [1, 1, 1, 2, 10].map(Some));
    }

    #[test]
    fn the_database_s_words_stay_inside() {
        let refusal = Refusal::from(StoreError::Away("host=10.0.0.5 password".into()));
        assert!(!refusal.to_string().contains("10.0.0.5"));
    }
}
