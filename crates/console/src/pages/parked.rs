//! What could not be read and was put aside: why, where it came from, and where it may go.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use domain::UnixMs;
use queue::{Fate, ParkedMessage, ParkedSight};
use serde::Deserialize;

use super::{Page, back, page};
use crate::actions::{self, Chosen};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::tongue::Words;
use crate::trouble::Trouble;
use crate::{codes, words};

/// The most of a body that is shown, in characters.
const SHOWN: usize = 300;

#[derive(Template)]
#[template(path = "parked.html")]
pub(super) struct ParkedPage {
    pub(super) w: &'static Words,
    pub(super) frame: Frame,
    /// Nothing when the broker is away.
    pub(super) sight: Option<ParkedSight>,
}

impl ParkedPage {
    fn messages(&self) -> &[ParkedMessage] {
        self.sight.as_ref().map_or(&[], |sight| &sight.messages)
    }

    fn more(&self) -> u32 {
        self.sight.as_ref().map_or(0, |sight| sight.more)
    }

    /// The queues that they came from, with how many of those that are listed.
    fn origins(&self) -> BTreeMap<&str, usize> {
        let mut origins = BTreeMap::new();
        for message in self.messages().iter().filter(|m| !m.origin.is_empty()) {
            *origins.entry(message.origin.as_str()).or_default() += 1;
        }
        origins
    }
}

/// A body as text, whatever it is: shortened, and without what would disturb the line.
fn shortened(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let plain = |c: char| if c.is_control() { '·' } else { c };
    let mut short: String = text.chars().take(SHOWN).map(plain).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

pub(super) async fn parked(State(desk): State<Arc<Desk>>, frame: Frame) -> Page {
    page(&ParkedPage {
        w: frame.w,
        frame,
        sight: desk.parked().await,
    })
}

#[derive(Deserialize)]
pub(super) struct Settle {
    #[serde(default)]
    id: String,
    #[serde(default)]
    from: String,
    back: String,
}

/// Sends back, or drops.
pub(super) async fn settle(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Path(step): Path<String>,
    form: Result<Form<Settle>, FormRejection>,
) -> Page {
    let Form(said) = form.map_err(|_| Trouble::Unreadable("which messages"))?;
    let fate = match step.as_str() {
        "requeue" => Fate::Requeued,
        "drop" => Fate::Dropped,
        _ => return Err(Trouble::Nowhere),
    };
    let chosen = match (said.id.as_str(), said.from.as_str()) {
        ("", "") => return Err(Trouble::Unreadable("which messages")),
        ("", from) => Chosen::From(from.to_owned()),
        (id, _) => Chosen::One(id.to_owned()),
    };
    let actor = frame.actor()?;
    let lookout = &desk.queues.lookout;
    actions::settle_parked(&desk.store, lookout, &actor, &chosen, fate).await?;
    Ok(back(&said.back))
}
