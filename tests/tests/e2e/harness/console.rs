//! The console, as a person who has signed in sees it.

use super::PATIENCE;

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
        let page = self.asked(path).send().await.unwrap();
        assert_eq!(page.status(), 200, "{path}");
        page.text().await.unwrap()
    }

    /// What the cookie holds: whoever has it is signed in.
    pub(crate) fn session(&self) -> &str {
        self.cookie.split_once('=').unwrap().1
    }

    /// Where one is sent on to.
    pub(crate) async fn sent_on(&self, path: &str) -> String {
        let asked = self.asked(path).send().await.unwrap();
        assert!(asked.status().is_redirection(), "{path}");
        asked.headers()["location"].to_str().unwrap().to_owned()
    }

    /// What comes of a page that goes on and on, until it holds `last`.
    pub(crate) async fn page_until(&self, path: &str, last: &str) -> String {
        let mut page = self.asked(path).send().await.unwrap();
        assert_eq!(page.status(), 200, "{path}");
        let mut text = String::new();
        while !text.contains(last) {
            let more = tokio::time::timeout(PATIENCE, page.chunk()).await;
            let more = more.expect("it says nothing more").unwrap();
            let more = more.unwrap_or_else(|| panic!("{path} has ended: {text}"));
            text += &String::from_utf8_lossy(&more);
        }
        text
    }

    /// What a page's own form brings.
    pub(crate) async fn posted(&self, path: &str, form: &[(&str, &str)]) -> String {
        let (status, text) = self.answered(path, path, form).await;
        assert_eq!(status, 200, "{path}");
        text
    }

    /// What is answered to a form of the page `from` that is sent to `path`.
    pub(crate) async fn answered(
        &self,
        from: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> (u16, String) {
        let page = self.page(from).await;
        let (_, token) = page.split_once(r#"name="csrf" value=""#).unwrap();
        let (token, _) = token.split_once('"').unwrap();
        let form: Vec<_> = form.iter().copied().chain([("csrf", token)]).collect();
        let post = self.client.post(format!("{}{path}", self.console));
        let post = post
            .header("cookie", &self.cookie)
            .header("origin", &self.console);
        let answer = post.form(&form).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    fn asked(&self, path: &str) -> reqwest::RequestBuilder {
        let page = self.client.get(format!("{}{path}", self.console));
        page.header("cookie", &self.cookie)
    }
}
