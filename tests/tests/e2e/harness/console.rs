//! The console, as a person who has signed in sees it.

/// One who has signed in.
pub(crate) struct Person {
    client: reqwest::Client,
    console: String,
    cookie: String,
}

impl Person {
    /// Signs in at the console of this address.
    pub(crate) async fn sign_in(console: &str, name: &str, password: &str) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let sign_in = client
            .post(format!("{console}/sign-in"))
            .header("origin", console)
            .form(&[("name", name), ("password", password)]);
        let signed_in = sign_in.send().await.unwrap();
        let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
        Self {
            client,
            console: console.to_owned(),
            cookie: cookie.split(';').next().unwrap().to_owned(),
        }
    }

    /// A page.
    pub(crate) async fn page(&self, path: &str) -> String {
        let page = self
            .client
            .get(format!("{}{path}", self.console))
            .header("cookie", &self.cookie);
        let page = page.send().await.unwrap();
        assert_eq!(page.status(), 200, "{path}");
        page.text().await.unwrap()
    }
}
