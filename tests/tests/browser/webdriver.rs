//! One browser's session, in what of WebDriver (a W3C standard: a request a command, JSON both ways) these tests say.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::outside::http;

/// The field in which the standard names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that are no characters, as the standard writes them.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";

/// What came of a command, or the driver's word against it.
pub(crate) type Answer<T = Value> = Result<T, String>;

/// A browser that a driver has started.
pub(crate) struct Session {
    http: reqwest::Client,
    at: String,
}

/// Something on the page that is open now.
pub(crate) struct Element<'a> {
    session: &'a Session,
    id: String,
}

impl Session {
    /// Has the driver at this address start a browser.
    pub(crate) async fn start(driver: &str, capabilities: &Value) -> Answer<Self> {
        let mut session = Self {
            http: http(),
            at: format!("{driver}/session"),
        };
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let started = session.tell("", wanted).await?;
        let id = started["sessionId"].as_str().ok_or("no session")?;
        session.at = format!("{}/{id}", session.at);
        Ok(session)
    }

    /// Loads a page; the driver answers when it thinks that it is there.
    pub(crate) async fn open(&self, url: &str) -> Answer {
        self.tell("/url", json!({ "url": url })).await
    }

    pub(crate) async fn load_again(&self) -> Answer {
        self.tell("/refresh", json!({})).await
    }

    /// Where it is.
    pub(crate) async fn url(&self) -> Answer<String> {
        Ok(text(&self.ask(Method::GET, "/url", None).await?))
    }

    /// All that is found, in the order of the page. `by`: `xpath` or `css selector`.
    pub(crate) async fn find(&self, by: &str, what: &str) -> Answer<Vec<Element<'_>>> {
        let found = self
            .tell("/elements", json!({ "using": by, "value": what }))
            .await?;
        let found = found.as_array().ok_or("no list")?.iter();
        let element = |found: &Value| Element {
            session: self,
            id: text(&found[ELEMENT]),
        };
        Ok(found.map(element).collect())
    }

    /// What a script returns.
    pub(crate) async fn run(&self, script: &str) -> Answer {
        self.tell("/execute/sync", json!({ "script": script, "args": [] }))
            .await
    }

    /// Presses these keys one after the other, whatever has the focus.
    pub(crate) async fn press(&self, keys: &str) -> Answer {
        let press = |key: char| {
            let key = key.to_string();
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }))
        };
        let presses: Vec<Value> = keys.chars().flat_map(press).collect();
        let keyboard = json!({ "type": "key", "id": "keys", "actions": presses });
        self.tell("/actions", json!({ "actions": [keyboard] }))
            .await
    }

    /// What the window shows, as PNG in base64.
    pub(crate) async fn picture(&self) -> Answer<String> {
        Ok(text(&self.ask(Method::GET, "/screenshot", None).await?))
    }

    /// Makes the window so many pixels wide and high.
    pub(crate) async fn size(&self, width: u64, height: u64) -> Answer {
        let size = json!({ "x": 0, "y": 0, "width": width, "height": height });
        self.tell("/window/rect", size).await
    }

    /// Chromium's own addition: what was written to its console since this was asked last.
    pub(crate) async fn console(&self) -> Answer {
        self.tell("/se/log", json!({ "type": "browser" })).await
    }

    async fn tell(&self, command: &str, body: Value) -> Answer {
        self.ask(Method::POST, command, Some(&body)).await
    }

    async fn ask(&self, method: Method, command: &str, body: Option<&Value>) -> Answer {
        let mut request = self.http.request(method, format!("{}{command}", self.at));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let done = answer.status().is_success();
        let mut answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        let value = answer["value"].take();
        if done {
            return Ok(value);
        }
        Err(format!(
            "{command}: {}: {}",
            value["error"], value["message"]
        ))
    }
}

impl Element<'_> {
    /// Whether it can be seen.
    pub(crate) async fn is_displayed(&self) -> Answer<bool> {
        let displayed = self.ask(Method::GET, "displayed", None).await?;
        displayed.as_bool().ok_or_else(|| "neither".into())
    }

    /// What can be read in it.
    pub(crate) async fn text(&self) -> Answer<String> {
        Ok(text(&self.ask(Method::GET, "text", None).await?))
    }

    pub(crate) async fn click(&self) -> Answer {
        self.ask(Method::POST, "click", Some(&json!({}))).await
    }

    /// Writes into it, as by a keyboard.
    pub(crate) async fn write(&self, text: &str) -> Answer {
        self.ask(Method::POST, "value", Some(&json!({ "text": text })))
            .await
    }

    async fn ask(&self, method: Method, command: &str, body: Option<&Value>) -> Answer {
        let command = format!("/element/{}/{command}", self.id);
        self.session.ask(method, &command, body).await
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
