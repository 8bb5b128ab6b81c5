//! The shape `openapi`: another platform that speaks our own contract (`CONTRACT.md`), so that Refill can stand upstream of Refill.
//!
//! Submit is `order/batch` with one item whose `bizCode` and `batchBizCode` are our reference: the same content again returns the
//! first result, so the card says `resubmit = "idempotent"`. Query is `order/info` by `bizCode`. The push is the contract's callback.
//!
//! Credentials: `business_id`, `merchant_id`; how we sign: `private_key` (PEM) or `md5_key`, else the platform's own key; how they
//! sign reports: `platform_public_key` (PEM), or the `md5_key`.
//!
//! Read `reading.rs` next: what each status says about the order.

mod reading;

use std::time::SystemTime;

use domain::catalogue::{Platform, Supplier};
use domain::{BusinessId, MerchantId, Money, ProductCode, UnixMs};
use openapi::requests::{BatchItem, CallbackUrl, OrderBatch, OrderInfoRequest};
use openapi::{AuthHeaders, KeyError, SignType, SigningKey, VerifyingKey, VerifyingKeys};
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use crate::adapter::{AdapterError, credential};
use crate::call::{Attach, Heard, QueryCall, SubmitCall};
use crate::line::{Line, MAX_BODY_BYTES, NoReply, Reply};
use crate::push::{Push, PushRefused};

/// An adapter for one supplier of this shape.
#[derive(Debug)]
pub struct OpenPlatform {
    line: Line,
    codes: reading::Codes,
    submit_url: String,
    query_url: String,
    callback_url: Option<CallbackUrl>,
    merchant: MerchantId,
    business: BusinessId,
    ours: SigningKey,
    theirs: VerifyingKeys,
}

impl OpenPlatform {
    /// By the supplier's card and credentials.
    pub(crate) fn build(supplier: &Supplier, platform: &Platform) -> Result<Self, AdapterError> {
        let base = &supplier.base_url;
        let callback_url = supplier.push_url().map(|url| CallbackUrl::parse(&url));
        Ok(Self {
            line: Line::new(&supplier.card)?,
            codes: supplier.card.result_codes.clone(),
            submit_url: format!("{base}/v1/openapi/order/batch"),
            query_url: format!("{base}/v1/openapi/order/info"),
            callback_url: callback_url
                .transpose()
                .map_err(|_| AdapterError::PushUrl(supplier.id.clone()))?,
            merchant: MerchantId::new(credential(supplier, "merchant_id")?),
            business: BusinessId::new(credential(supplier, "business_id")?),
            ours: signing_key(supplier, platform)?,
            theirs: verifying_keys(supplier)?,
        })
    }

    /// Submits one order.
    pub(crate) async fn submit(&self, call: &SubmitCall<'_>) -> Heard {
        match self
            .post(&self.submit_url, self.batch(call).to_json())
            .await
        {
            Ok(reply) => reading::submitted(&reply, call, &self.codes),
            Err(none) => none.of_submit(),
        }
    }

    /// Asks after one number.
    pub(crate) async fn query(&self, call: &QueryCall<'_>) -> Heard {
        let request = OrderInfoRequest::by_biz_code(call.reference);
        match self.post(&self.query_url, request.to_json()).await {
            Ok(reply) => reading::queried(&reply, call),
            Err(none) => none.of_query(),
        }
    }

    /// Reads a status report whose signature is right.
    pub(crate) fn read_push(&self, headers: &HeaderMap, body: &[u8]) -> Result<Push, PushRefused> {
        if body.len() > MAX_BODY_BYTES {
            return Err(PushRefused::TooLarge);
        }
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let auth = AuthHeaders::read(pairs).map_err(|_| PushRefused::Missing("a signed header"))?;
        let right = self.theirs.verify(now(), &auth, body).is_ok();
        if !right || auth.business != self.business {
            return Err(PushRefused::WrongSignature);
        }
        reading::pushed(body)
    }

    fn batch(&self, call: &SubmitCall<'_>) -> OrderBatch {
        OrderBatch {
            merchant: self.merchant.clone(),
            business: self.business.clone(),
            batch_biz_code: call.reference.into(),
            product: ProductCode::new(call.sku),
            callback_url: self.callback_url.clone(),
            items: vec![BatchItem {
                biz_code: call.reference.into(),
                account: call.account.into(),
                attach_values: attach_text(call.attach),
                spec: Some(call.face_value).filter(|face| *face > Money::ZERO),
            }],
        }
    }

    /// Signs and sends one body. What cannot be written or signed was not sent.
    async fn post(
        &self,
        url: &str,
        body: Result<Vec<u8>, serde_json::Error>,
    ) -> Result<Reply, NoReply> {
        let not_sent = |what: &str| NoReply::NotSent(what.to_owned());
        let body = body.map_err(|_| not_sent("the request could not be written"))?;
        let auth = self
            .ours
            .sign(&self.business, now(), &body)
            .map_err(|_| not_sent("the request could not be signed"))?;
        let mut request = self
            .line
            .post(url)
            .header(CONTENT_TYPE, "application/json; charset=utf-8");
        for (name, value) in auth.pairs() {
            request = request.header(name, value);
        }
        self.line.call(request.body(body)).await
    }
}

/// By this machine's clock, which must be within the other platform's window.
fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let ms = since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
    UnixMs(ms)
}

/// One value goes as plain text, several as the text of a JSON object (`CONTRACT.md` §3).
fn attach_text(attach: &[Attach]) -> Option<String> {
    match attach {
        [] => None,
        [only] if !only.value.trim_start().starts_with('{') => Some(only.value.clone()),
        several => {
            let object: serde_json::Map<_, _> = several
                .iter()
                .map(|a| (a.name.clone(), a.value.clone().into()))
                .collect();
            Some(serde_json::Value::Object(object).to_string())
        }
    }
}

fn signing_key(supplier: &Supplier, platform: &Platform) -> Result<SigningKey, AdapterError> {
    let given = |name| credential(supplier, name).ok();
    if let Some(pem) = given("private_key") {
        return SigningKey::rsa_from_pem(pem).map_err(bad(supplier, "private_key"));
    }
    if let Some(secret) = given("md5_key") {
        return SigningKey::md5(secret).map_err(bad(supplier, "md5_key"));
    }
    let own = platform.default_key();
    let pem = own.ok_or_else(|| AdapterError::missing(supplier, "private_key"))?;
    SigningKey::rsa_from_pem(pem).map_err(bad(supplier, "private_key"))
}

fn verifying_keys(supplier: &Supplier) -> Result<VerifyingKeys, AdapterError> {
    let given = |name| credential(supplier, name).ok();
    let rsa = given("platform_public_key")
        .map(|pem| VerifyingKey::rsa_from_pem(pem).map_err(bad(supplier, "platform_public_key")))
        .transpose()?;
    let md5 = given("md5_key")
        .map(|secret| VerifyingKey::md5(secret).map_err(bad(supplier, "md5_key")))
        .transpose()?;
    let keys = [rsa, md5].into_iter().flatten().map(Into::into);
    Ok(VerifyingKeys::new(SignType::ALL, keys))
}

fn bad(supplier: &Supplier, name: &'static str) -> impl Fn(KeyError) -> AdapterError {
    let supplier = supplier.id.clone();
    move |error| AdapterError::BadKey {
        supplier: supplier.clone(),
        name,
        error,
    }
}
