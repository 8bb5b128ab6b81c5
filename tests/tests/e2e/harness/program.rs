//! The console, as a program sees it that comes with an operator's token.

use serde_json::Value;

/// One that has a token.
pub(crate) struct Program {
    client: reqwest::Client,
    console: String,
    token: String,
}

impl Program {
    /// With this token, at the console of this address.
    pub(crate) fn new(console: &str, token: &str) -> Self {
        Self {
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            console: console.to_owned(),
            token: token.to_owned(),
        }
    }

    /// What it is told; it must be told something.
    pub(crate) async fn told(&self, path: &str) -> Value {
        let (status, told) = self.asked(reqwest::Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {told}");
        told
    }

    /// The status of a question.
    pub(crate) async fn status(&self, path: &str) -> u16 {
        self.asked(reqwest::Method::GET, path, None).await.0
    }

    /// What comes of a deed.
    pub(crate) async fn does(&self, path: &str, body: &Value) -> (u16, Value) {
        self.asked(reqwest::Method::POST, path, Some(body)).await
    }

    async fn asked(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let url = format!("{}/api/v1{path}", self.console);
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let kind = answer.headers().get("content-type").cloned();
        assert!(
            kind.is_some_and(|kind| kind == "application/json"),
            "{path}"
        );
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}
