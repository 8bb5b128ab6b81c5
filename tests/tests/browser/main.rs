//! The console as people meet it: in a browser, with real orders on real servers.
//!
//! Chromium is driven through chromedriver. What both find wrong with a page (an error of a script, something that the page's own
//! policy forbids, a file that is not there) is in the browser's log, and a page that brings such a word fails its test.
//!
//! With `BROWSER_PICTURES=FOLDER` in the environment, every page is kept there as a picture, to be looked at.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    dead_code,
    reason = "a test stops at the first surprise; the harness serves other tests too"
)]

#[path = "../e2e/broker.rs"]
mod broker;
#[path = "../e2e/harness/mod.rs"]
mod harness;

mod actions;
mod chromium;
mod doubt;
mod furnished;
mod keyboard;
mod live;
mod markup;
mod pages;
mod people;
mod readme;
mod sign_in;
mod webdriver;
