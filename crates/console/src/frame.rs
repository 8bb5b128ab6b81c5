//! What every page has around it: the language, the theme, who looks and what they may do.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::request::Parts;
use store::operators::SignedIn;

use crate::actions::{Action, Actor};
use crate::door::{Token, cookie, is_secure};
use crate::tongue::{CHINESE, ENGLISH, Words};
use crate::trouble::Trouble;

/// Around a page.
#[derive(Clone)]
pub(crate) struct Frame {
    /// The words of its language.
    pub(crate) w: &'static Words,
    /// `light`, `dark`, or `auto`: as the machine has it.
    pub(crate) theme: &'static str,
    /// Who looks.
    pub(crate) visitor: Option<SignedIn>,
    /// What its forms carry.
    pub(crate) csrf: String,
    /// Its own path and query, where one comes back to.
    pub(crate) here: String,
    /// Something was done just before.
    pub(crate) done: bool,
    /// Whether cookies are for TLS only.
    pub(crate) secure: bool,
}

impl Frame {
    /// For somebody who is not let in yet.
    pub(crate) fn outside(parts: &Parts) -> Self {
        let headers = &parts.headers;
        let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        let wanted = cookie(headers, "lang").or(accepted).unwrap_or("en");
        let theme = match cookie(headers, "theme") {
            Some("light") => "light",
            Some("dark") => "dark",
            _ => "auto",
        };
        let query = parts.uri.query().unwrap_or_default();
        let done = query.split('&').any(|pair| pair == "done=1");
        let kept: Vec<&str> = query
            .split('&')
            .filter(|pair| !pair.is_empty() && *pair != "done=1")
            .collect();
        let mark = if kept.is_empty() { "" } else { "?" };
        Self {
            w: if wanted.starts_with("zh") {
                &CHINESE
            } else {
                &ENGLISH
            },
            theme,
            visitor: None,
            csrf: String::new(),
            here: format!("{}{mark}{}", parts.uri.path(), kept.join("&")),
            done,
            secure: is_secure(headers),
        }
    }

    /// They have a session.
    pub(crate) fn let_in(&mut self, who: SignedIn, token: &Token) {
        self.visitor = Some(who);
        self.csrf = token.csrf();
    }

    /// Who does what this page asks for.
    pub(crate) fn actor(&self) -> Result<Actor, Trouble> {
        let who = self.visitor.as_ref().ok_or(Trouble::SignedOut)?;
        Ok(Actor::signed_in(&who.name, who.role))
    }

    /// Whether that is whoever looks.
    pub(crate) fn is(&self, name: &str) -> bool {
        let who = self.visitor.as_ref();
        who.is_some_and(|who| who.name.eq_ignore_ascii_case(name))
    }

    fn may(&self, action: Action) -> bool {
        self.actor().is_ok_and(|actor| actor.may(action))
    }

    /// Whether suppliers, lanes and endpoints may be paused.
    pub(crate) fn may_pause(&self) -> bool {
        self.may(Action::PauseSupplier)
    }

    /// Whether reports may be sent again.
    pub(crate) fn may_resend(&self) -> bool {
        self.may(Action::Resend)
    }

    /// Whether orders may be cancelled.
    pub(crate) fn may_cancel(&self) -> bool {
        self.may(Action::CancelOrder)
    }

    /// Whether parked messages may be sent back to their queue.
    pub(crate) fn may_requeue(&self) -> bool {
        self.may(Action::RequeueParked)
    }

    /// Whether they may be dropped.
    pub(crate) fn may_drop(&self) -> bool {
        self.may(Action::DropParked)
    }

    /// Whether a word about a doubt counts as the first.
    pub(crate) fn may_propose(&self) -> bool {
        self.may(Action::ProposeDoubt)
    }

    /// Whether it counts as the second.
    pub(crate) fn may_confirm(&self) -> bool {
        self.may(Action::ConfirmDoubt)
    }

    /// Whether operators may be looked at and changed.
    pub(crate) fn may_rule(&self) -> bool {
        self.may(Action::AddOperator)
    }
}

impl<S: Sync> FromRequestParts<S> for Frame {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let framed = parts.extensions.get::<Self>().cloned();
        Ok(framed.unwrap_or_else(|| Self::outside(parts)))
    }
}

/// A path of ours to go to, whatever was asked for.
pub(crate) fn local(path: &str) -> String {
    let ours = path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 512
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if ours { path.to_owned() } else { "/".into() }
}

/// The places that the navigation leads to.
impl Frame {
    /// Path, word, and whether one is there.
    pub(crate) fn places(&self) -> Vec<(&'static str, &'static str, bool)> {
        let w = self.w;
        let mut places = vec![
            ("/", w.overview),
            ("/doubts", w.doubts),
            ("/discrepancies", w.discrepancies),
            ("/suppliers", w.suppliers),
            ("/lanes", w.lanes),
            ("/parked", w.parked_messages),
            ("/callbacks", w.callbacks),
            ("/endpoints", w.endpoints),
            ("/businesses", w.businesses),
            ("/products", w.products),
            ("/signature", w.signature),
            ("/audit", w.audit),
        ];
        if self.may_rule() {
            places.push(("/operators", w.operators));
        }
        let path = self.here.split('?').next().unwrap_or_default();
        let first = |path: &str| path.split('/').nth(1).unwrap_or_default().to_owned();
        let here = first(path);
        places
            .into_iter()
            .map(|(to, word)| (to, word, first(to) == here))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_away_from_here() {
        for ours in ["/", "/orders?q=a%20b", "/doubts#x"] {
            assert_eq!(local(ours), ours);
        }
        for theirs in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a b",
            "/a\r\nb",
            "x",
        ] {
            assert_eq!(local(theirs), "/", "{theirs}");
        }
    }
}
