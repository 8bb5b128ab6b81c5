//! Who asks, and may they? The checks of `CONTRACT.md` §1 in their order, first failure answers: body size (413) → headers (3) →
//! timestamp (5) → signature (2) → address (10) → nonce (6). Body and business rules come after, in each endpoint.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use domain::UnixMs;
use openapi::requests::BadRequest;
use openapi::{AuthHeaders, VerifyingKeys};
use store::intake::SignedRequest;
use traces::TraceParent;

use crate::answer::Refusal;
use crate::body::{self, Bounds, HeldBody};
use crate::front::Front;
use crate::known::{Account, Known};
use crate::places::Place;
use crate::server::Peer;

/// A request whose signature is right and whose address is allowed. Its nonce is not used up yet: that happens together with what
/// it stores, or before it is refused or answered.
pub(crate) struct Signed {
    pub(crate) known: Arc<Known>,
    pub(crate) account: Arc<Account>,
    pub(crate) request: SignedRequest,
    pub(crate) body: HeldBody,
    /// The trace that the caller says this belongs to, where that is gone on with.
    pub(crate) followed: Option<TraceParent>,
    _place: Place,
}

impl Signed {
    /// For requests that store nothing: uses up the nonce, then reads the body.
    pub(crate) async fn read<T>(
        &self,
        front: &Front,
        read: fn(&[u8]) -> Result<T, BadRequest>,
    ) -> Result<T, Refusal> {
        front.spend_nonce(&self.request).await?;
        Ok(read(&self.body.bytes)?)
    }
}

/// Lets a request in, or says why not.
pub(crate) async fn admit(front: &Front, request: Request<Body>) -> Result<Signed, Refusal> {
    let arrived = Instant::now();
    let (head, body) = request.into_parts();
    body::check_kind(&head.headers)?;
    let bounds = Bounds {
        most_bytes: front.settings.max_body_bytes,
        within: Duration::from_millis(front.settings.body_timeout_ms),
    };
    let body = front.body_memory.read(&head.headers, body, bounds).await?;
    let known = front.known();
    let asked = Asked {
        headers: &head.headers,
        body: &body.bytes,
        caller: Peer::caller(
            &head.extensions,
            &head.headers,
            &front.settings.trusted_proxies,
        ),
        now: Front::now(),
    };
    let checked = asked.check(&known, front.settings.timestamp_window_ms)?;
    let place = front.place(checked.headers.business.as_str())?;
    let signed = Signed {
        request: SignedRequest {
            business: checked.headers.business,
            nonce: checked.headers.nonce,
            nonce_ttl: front.settings.nonce_ttl(),
            arrived,
        },
        account: checked.account,
        known,
        body,
        followed: front
            .settings
            .follow_traces
            .then(|| trace(&head.headers))
            .flatten(),
        _place: place,
    };
    if !checked.address_allowed {
        // The address comes before the nonce: whether that had been used does not matter, only that it is from now on.
        front.use_nonce(&signed.request, None).await?;
        return Err(Refusal::AddressRefused);
    }
    if let Err(wait) = front.take_request(&signed.account.business) {
        front.spend_nonce(&signed.request).await?;
        return Err(Refusal::RateLimited(wait));
    }
    Ok(signed)
}

fn trace(headers: &HeaderMap) -> Option<TraceParent> {
    TraceParent::parse(headers.get(TraceParent::HEADER)?.to_str().ok()?)
}

/// What the checks look at.
struct Asked<'a> {
    headers: &'a HeaderMap,
    body: &'a [u8],
    caller: IpAddr,
    now: UnixMs,
}

/// What the checks found.
#[derive(Debug)]
struct Checked {
    headers: AuthHeaders,
    account: Arc<Account>,
    address_allowed: bool,
}

impl Asked<'_> {
    fn check(&self, known: &Known, window_ms: u32) -> Result<Checked, Refusal> {
        body::check_coding(self.headers)?;
        let named = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers = AuthHeaders::read(named)?;
        if !headers.is_near(self.now, window_ms) {
            return Err(Refusal::TimestampFar(window_ms));
        }
        let Some(account) = known.account(&headers.business) else {
            // The same work as for an account that exists, and the same answer.
            let _ = VerifyingKeys::of_a_stranger().verify(self.now, &headers, self.body);
            return Err(Refusal::WrongSignature);
        };
        account
            .keys
            .verify(self.now, &headers, self.body)
            .map_err(|_| Refusal::WrongSignature)?;
        Ok(Checked {
            address_allowed: crate::address::is_allowed(self.caller, &account.business.ip_allow),
            account: Arc::clone(account),
            headers,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use domain::catalogue::{Business, BusinessKey, KeyKind};
    use domain::{BusinessId, Catalogue, MerchantId};
    use openapi::SigningKey;

    use super::*;

    const NOW: UnixMs = UnixMs(1_764_000_000_000);
    const SECRET: &str = "7c1d0e4b92f5484cbd83c1d20b6a55e9";

    fn business(id: &str, enabled: bool, md5_allowed: bool) -> (BusinessId, Business) {
        let business = Business {
            id: BusinessId::new(id),
            merchant: MerchantId::new("m"),
            enabled,
            rsa_allowed: true,
            md5_allowed,
            keys: vec![BusinessKey {
                kind: KeyKind::Md5,
                text: SECRET.into(),
                not_before: None,
                not_after: None,
            }],
            callback_url: None,
            callback_sign: KeyKind::Md5,
            callback_keys: vec!["default".into()],
            batch_report: false,
            ip_allow: vec!["10.0.0.0/8".parse().unwrap()],
            rate_limit: 0,
            order_limit: 0,
            max_in_flight: 0,
        };
        (business.id.clone(), business)
    }

    fn known() -> Known {
        Known::of(Arc::new(Catalogue {
            businesses: HashMap::from([
                business("good", true, true),
                business("rsa-only", true, false),
                business("disabled", false, true),
            ]),
            ..Catalogue::default()
        }))
    }

    fn headers(id: &str, secret: &str, at: UnixMs, body: &[u8]) -> HeaderMap {
        let key = SigningKey::md5(secret).unwrap();
        let signed = key.sign(&BusinessId::new(id), at, body).unwrap();
        let pair = |(name, value): (&str, String)| {
            let name = axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, value.parse().unwrap())
        };
        signed.pairs().into_iter().map(pair).collect()
    }

    fn check(headers: &HeaderMap, caller: &str) -> Result<Checked, Refusal> {
        let asked = Asked {
            headers,
            body: b"{}",
            caller: caller.parse().unwrap(),
            now: NOW,
        };
        asked.check(&known(), 300_000)
    }

    #[test]
    fn a_right_signature_lets_in_and_the_address_is_judged_after_it() {
        let right = headers("good", SECRET, NOW, b"{}");
        assert!(check(&right, "10.1.2.3").unwrap().address_allowed);
        assert!(!check(&right, "192.0.2.1").unwrap().address_allowed);
    }

    #[test]
    fn nothing_tells_a_stranger_which_accounts_exist() {
        let answers: Vec<_> = [
            headers("nobody", SECRET, NOW, b"{}"),
            headers("disabled", SECRET, NOW, b"{}"),
            headers("rsa-only", SECRET, NOW, b"{}"),
            headers("good", "another-secret-16", NOW, b"{}"),
            headers("good", SECRET, NOW, b"{ }"),
        ]
        .iter()
        .map(|headers| {
            let refusal = check(headers, "192.0.2.1").unwrap_err();
            (refusal.decide(), refusal.to_string())
        })
        .collect();
        assert_eq!(answers[0].0.status.number(), 2);
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "{answers:?}"
        );
    }

    #[test]
    fn the_first_failure_answers() {
        let far = UnixMs(NOW.0 - 300_001);
        let status = |headers: &HeaderMap| {
            let refusal = check(headers, "192.0.2.1").unwrap_err();
            refusal.decide().status.number()
        };
        let mut wrong = headers("good", "another-secret-16", far, b"{}");
        assert_eq!(status(&wrong), 5, "a timestamp before a signature");
        wrong.insert("nonce", "a b".parse().unwrap());
        assert_eq!(status(&wrong), 3, "a header's grammar before the timestamp");
        let mut coded = headers("good", SECRET, NOW, b"{}");
        coded.insert("content-encoding", "gzip".parse().unwrap());
        assert_eq!(status(&coded), 3);
        coded.insert("content-encoding", "identity".parse().unwrap());
        assert!(check(&coded, "10.0.0.1").is_ok());
    }
}
