//! A merchant's client: signs requests and reads answers.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, redirect};
use serde_json::{Value, json};

use crate::error::SimulatorError;
use crate::open_sign::{SignedHeaders, Signer};

const TIMEOUT: Duration = Duration::from_secs(30);

/// One merchant's way to the platform. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MerchantClient {
    base_url: String,
    merchant_id: String,
    business_id: String,
    signer: Arc<Signer>,
    client: Client,
}

/// What the platform answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The HTTP status.
    pub http: u16,
    /// What `Retry-After` says.
    pub retry_after: Option<Duration>,
    /// The contract's status; −1: the body is not the contract's.
    pub status: i64,
    /// The contract's message.
    pub message: String,
    /// The contract's data.
    pub data: Value,
    /// The whole body.
    pub body: Value,
}

/// One item of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The merchant's number.
    pub biz_code: String,
    /// What is topped up.
    pub account: String,
    /// The face value, written as in JSON; none for products that have one.
    pub spec: Option<String>,
    /// What the product's dictionary asks for.
    pub attach: Option<String>,
}

impl Item {
    /// An item of a product with a fixed face value.
    pub fn new(biz_code: impl Into<String>, account: impl Into<String>) -> Self {
        Self {
            biz_code: biz_code.into(),
            account: account.into(),
            spec: None,
            attach: None,
        }
    }
}

impl MerchantClient {
    /// Signs with an RSA private key (PEM).
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn rsa(
        base_url: &str,
        merchant_id: &str,
        business_id: &str,
        private_key: &str,
    ) -> Result<Self, SimulatorError> {
        let signer = Signer::rsa(private_key, "private_key")?;
        Self::new(base_url, merchant_id, business_id, signer)
    }

    /// Signs with the account's MD5 secret.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn md5(
        base_url: &str,
        merchant_id: &str,
        business_id: &str,
        secret: &str,
    ) -> Result<Self, SimulatorError> {
        let signer = Signer::Md5(secret.to_owned());
        Self::new(base_url, merchant_id, business_id, signer)
    }

    /// The same way for another account with the same key.
    #[must_use]
    pub fn of_business(&self, business_id: &str) -> Self {
        Self {
            business_id: business_id.to_owned(),
            ..self.clone()
        }
    }

    fn new(
        base_url: &str,
        merchant_id: &str,
        business_id: &str,
        signer: Signer,
    ) -> Result<Self, SimulatorError> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            merchant_id: merchant_id.to_owned(),
            business_id: business_id.to_owned(),
            signer: Arc::new(signer),
            client,
        })
    }

    /// The headers for a body, with a new nonce and the time of now.
    pub fn sign(&self, body: &[u8]) -> SignedHeaders {
        self.signer.sign(&self.business_id, body)
    }

    /// The headers for a body, with the nonce and the time given.
    pub fn sign_with(&self, nonce: &str, timestamp: &str, body: &[u8]) -> SignedHeaders {
        self.signer.sign_with(
            &self.business_id,
            nonce.to_owned(),
            timestamp.to_owned(),
            body,
        )
    }

    /// Signs and posts a body.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn post(&self, path: &str, body: &[u8]) -> Result<Answered, SimulatorError> {
        self.post_signed(path, &self.sign(body), body).await
    }

    /// Posts a body under headers that were signed before.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn post_signed(
        &self,
        path: &str,
        headers: &SignedHeaders,
        body: &[u8],
    ) -> Result<Answered, SimulatorError> {
        let mut request = self
            .client
            .post(format!("{}{path}", self.base_url))
            .header("content-type", "application/json")
            .body(body.to_vec());
        for (name, value) in headers.pairs() {
            request = request.header(name, value);
        }
        let response = request.send().await?;
        let http = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let bytes = response.bytes().await?;
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answered {
            http,
            retry_after: retry_after.map(Duration::from_secs),
            status: body["status"].as_i64().unwrap_or(-1),
            message: body["message"].as_str().unwrap_or_default().to_owned(),
            data: body["data"].clone(),
            body,
        })
    }

    /// The body of `order/batch`.
    pub fn batch_body(
        &self,
        batch_biz_code: &str,
        product: &str,
        callback_url: Option<&str>,
        items: &[Item],
    ) -> Vec<u8> {
        let items: Vec<Value> = items.iter().map(item).collect();
        let mut body = json!({
            "merchantId": self.merchant_id, "businessId": self.business_id, "batchBizCode": batch_biz_code,
            "productCode": product, "itemList": items,
        });
        if let Some(url) = callback_url {
            body["callbackUrl"] = json!(url);
        }
        body.to_string().into_bytes()
    }

    /// Sends a batch.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn batch(
        &self,
        batch_biz_code: &str,
        product: &str,
        callback_url: Option<&str>,
        items: &[Item],
    ) -> Result<Answered, SimulatorError> {
        let body = self.batch_body(batch_biz_code, product, callback_url, items);
        self.post("/v1/openapi/order/batch", &body).await
    }

    /// Asks after one order, by the merchant's number.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn order(&self, biz_code: &str) -> Result<Answered, SimulatorError> {
        let body = json!({ "bizCode": biz_code }).to_string();
        self.post("/v1/openapi/order/info", body.as_bytes()).await
    }

    /// Asks for the balance.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn balance(&self) -> Result<Answered, SimulatorError> {
        let body = json!({ "merchantId": self.merchant_id, "businessId": self.business_id });
        self.post(
            "/v1/openapi/merchant/business/balance",
            body.to_string().as_bytes(),
        )
        .await
    }
}

fn item(item: &Item) -> Value {
    let mut value = json!({ "bizCode": item.biz_code, "account": item.account });
    if let Some(spec) = &item.spec {
        // With arbitrary precision the number is written as it was given.
        value["spec"] = serde_json::from_str(spec).unwrap_or_else(|_| json!(spec));
    }
    if let Some(attach) = &item.attach {
        value["accountAttachValues"] = json!(attach);
    }
    value
}
