//! One Chromium with a profile of its own, and the chromedriver that drives it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::harness::outside::http;
use crate::harness::until;
use crate::webdriver::{Element, Session};

/// Both programs, looked for or installed once.
static PROGRAMS: OnceCell<(PathBuf, PathBuf)> = OnceCell::const_new();

const QUIET: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--accept-lang=en-US",
    "--window-size=1280,900",
];

/// What a browser is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Desk,
    /// 390 px wide.
    Phone,
    /// Runs no script of a page.
    NoScript,
}

pub(crate) struct Browser {
    /// None until it has started.
    driver: Option<Session>,
    chromedriver: Child,
    /// Removed with it.
    profile: tempfile::TempDir,
    console: String,
    pub(crate) kind: Kind,
}

impl Browser {
    /// A browser that has seen nothing yet, for the console at this address.
    pub(crate) async fn start(kind: Kind, console: &str) -> Self {
        let (chromium, chromedriver) = PROGRAMS
            .get_or_init(async || {
                let found = servers::found_or_installed("chromium", &["chromium"]).await;
                let driver = servers::found_or_installed("chromedriver", &["chromium-driver"]);
                (found.expect("Chromium"), driver.await.expect("its driver"))
            })
            .await;
        let profile = tempfile::Builder::new()
            .prefix("refill-browser-")
            .tempdir()
            .unwrap();
        let at = servers::free_address().unwrap();
        let log = std::fs::File::create(profile.path().join("chromedriver.log")).unwrap();
        let process = Command::new(chromedriver)
            .arg(format!("--port={}", at.port()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("chromedriver");
        // From here on it is ended whatever happens.
        let mut browser = Self {
            driver: None,
            chromedriver: process,
            profile,
            console: console.to_owned(),
            kind,
        };
        let server = format!("http://{at}");
        let http = http();
        until(
            "chromedriver",
            async || {
                let status = http.get(format!("{server}/status")).send().await.ok()?;
                status.status().is_success().then_some(())
            },
            || browser.driver_log(),
        )
        .await;
        let wanted = capabilities(kind, chromium, &browser.profile.path().join("profile"));
        match Session::start(&server, &wanted).await {
            Ok(driver) => browser.driver = Some(driver),
            Err(error) => panic!("no browser: {error}\n{}", browser.driver_log()),
        }
        browser
    }

    fn driver_log(&self) -> String {
        std::fs::read_to_string(self.profile.path().join("chromedriver.log")).unwrap_or_default()
    }

    fn driver(&self) -> &Session {
        self.driver.as_ref().expect("it runs")
    }

    /// Opens a path of the console; returns when all of the page is there.
    pub(crate) async fn open(&self, path: &str) {
        let url = format!("{}{path}", self.console);
        self.driver().open(&url).await.unwrap();
        // On a busy machine chromedriver answers before the document is whole.
        until(
            path,
            async || (self.value("document.readyState").await == "complete").then_some(()),
            || self.driver_log(),
        )
        .await;
    }

    /// Where it is: path and query.
    pub(crate) async fn here(&self) -> String {
        let url = self.driver().url().await.unwrap();
        url.replace(&self.console, "")
    }

    /// Waits for an element that can be seen; `xpath` as people see the page.
    pub(crate) async fn find(&self, xpath: &str) -> Element<'_> {
        let seen = std::cell::RefCell::new(String::new());
        until(
            xpath,
            async || {
                let found = self.driver().find("xpath", xpath).await.ok();
                if let Some(element) = found.and_then(|found| found.into_iter().next())
                    && element.is_displayed().await.unwrap_or(false)
                {
                    return Some(element);
                }
                *seen.borrow_mut() = self.text().await;
                None
            },
            || seen.borrow().clone(),
        )
        .await
    }

    /// Whether the page holds such an element now.
    pub(crate) async fn has(&self, xpath: &str) -> bool {
        let found = self.driver().find("xpath", xpath).await.unwrap();
        !found.is_empty()
    }

    pub(crate) async fn click(&self, xpath: &str) {
        self.find(xpath).await.click().await.unwrap();
    }

    pub(crate) async fn write(&self, xpath: &str, text: &str) {
        self.find(xpath).await.write(text).await.unwrap();
    }

    /// What can be read on the page; empty while it changes.
    pub(crate) async fn text(&self) -> String {
        match self.driver().find("css selector", "body").await.as_deref() {
            Ok([body]) => body.text().await.unwrap_or_default(),
            _ => String::new(),
        }
    }

    /// Waits until this can be read on the page.
    pub(crate) async fn reads(&self, text: &str) {
        let seen = std::cell::RefCell::new(String::new());
        until(
            text,
            async || {
                *seen.borrow_mut() = self.text().await;
                seen.borrow().contains(text).then_some(())
            },
            || seen.borrow().clone(),
        )
        .await;
    }

    /// Loads the page again until this can be read on it.
    pub(crate) async fn comes_to_read(&self, text: &str) {
        let seen = std::cell::RefCell::new(String::new());
        until(
            text,
            async || {
                self.driver().load_again().await.unwrap();
                *seen.borrow_mut() = self.text().await;
                seen.borrow().contains(text).then_some(())
            },
            || seen.borrow().clone(),
        )
        .await;
    }

    /// What this expression is in the page.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        let found = self.driver().run(&format!("return {expression};")).await;
        found.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// What the browser had to say against the pages since it was asked last.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver().console().await.unwrap();
        let word = |entry: &Value, of: &str| entry[of].as_str().unwrap().to_owned();
        let entries = log.as_array().unwrap().iter();
        entries
            .map(|entry| (word(entry, "level"), word(entry, "message")))
            // Hints for developers.
            .filter(|(level, _)| level != "DEBUG")
            .map(|(level, message)| format!("{level}: {message}"))
            .collect()
    }

    /// Presses these keys one after the other, whatever has the focus.
    pub(crate) async fn press(&self, keys: &str) {
        self.driver().press(keys).await.unwrap();
    }

    /// Keeps the whole page as a picture, of a phone its first and its last screen, where pictures are wanted.
    pub(crate) async fn picture(&self, name: &str) {
        let Some(path) = kept_as(name) else {
            return;
        };
        if self.kind == Kind::Phone {
            self.draw(&path).await;
            let end = path.with_file_name(format!("{name}-end.png"));
            self.value("scrollTo(0, document.body.scrollHeight)").await;
            self.draw(&end).await;
            return;
        }
        // As low as the page is, and as high.
        self.show(300).await;
        let height = self.value("document.documentElement.scrollHeight").await;
        self.show(height.as_u64().unwrap()).await;
        self.draw(&path).await;
    }

    /// Keeps so many pixels of the page, from the top, where pictures are wanted.
    pub(crate) async fn top(&self, height: u64, name: &str) {
        if let Some(path) = kept_as(name) {
            self.show(height).await;
            self.draw(&path).await;
        }
    }

    async fn draw(&self, path: &Path) {
        let drawn = self.driver().picture().await.unwrap();
        std::fs::write(path, STANDARD.decode(drawn).unwrap()).unwrap();
    }

    /// Makes the window so high that it shows that much of the page.
    async fn show(&self, height: u64) {
        let frame = self.value("outerHeight - innerHeight").await;
        let height = height + frame.as_u64().unwrap();
        self.driver().size(1280, height).await.unwrap();
    }
}

/// Where a picture of this name is kept.
fn kept_as(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("BROWSER_PICTURES")?;
    Some(Path::new(&folder).join(format!("{name}.png")))
}

/// Ended as by a power cut: there is nothing to keep.
impl Drop for Browser {
    fn drop(&mut self) {
        let parent = format!("PPid:\t{}\n", self.chromedriver.id());
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let status = std::fs::read_to_string(entry.path().join("status"));
            if status.is_ok_and(|status| status.contains(&parent)) {
                let pid = entry.file_name();
                let _ = Command::new("kill").arg("-KILL").arg(pid).status();
            }
        }
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
    }
}

fn capabilities(kind: Kind, chromium: &Path, profile: &Path) -> Value {
    let profile = format!("--user-data-dir={}", profile.display());
    let args: Vec<&str> = QUIET.into_iter().chain([profile.as_str()]).collect();
    let mut options = json!({ "binary": chromium, "args": args });
    match kind {
        Kind::Desk => {}
        Kind::Phone => {
            options["mobileEmulation"] =
                json!({ "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 1.0 } });
        }
        Kind::NoScript => {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
    }
    json!({
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "browser": "ALL" },
    })
}
