//! Why a merchant's signature is wrong: the string to sign, where theirs differs from it, and the usual mistakes, tried one by one
//! with the account's keys. A private key is never asked for, and refused where one is pasted.

use std::sync::LazyLock;

use domain::catalogue::{Business, BusinessKey, KeyKind};
use domain::{Catalogue, UnixMs};
use openapi::{AuthHeaders, DatedKey, SignType, VerifyingKey, VerifyingKeys};
use regex::Regex;

use crate::tongue::Words;

/// A moment that is further away than this is refused by the platform's usual settings, in milliseconds.
const WINDOW_MS: u32 = 300_000;
/// The bytes that are shown around a difference.
const AROUND: usize = 16;

/// How a private key begins in base64, whichever kind and however long: a sequence (of three ways to write its length) that has a version,
/// 0 or 1, as its first member. Public keys, certificates and signatures have none.
static BARE_KEY: LazyLock<Regex> = LazyLock::new(|| {
    let begins = "MI[I-L].{2}[AQgw]IBA[A-Za-f]|MI[E-H].AgE[AB]|M[A-H].CAQ[A-H]";
    #[expect(
        clippy::expect_used,
        reason = "it is written here, and tests match with it"
    )]
    Regex::new(begins).expect("an expression")
});

/// What somebody has pasted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pasted {
    /// One header a line.
    pub(crate) headers: String,
    pub(crate) body: String,
    /// The string that the merchant has signed, if they know it.
    pub(crate) theirs: String,
}

/// A word of either language.
type Sentence = fn(&'static Words) -> &'static str;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The string to sign, body included.
    pub(crate) string: String,
    /// Whether the signature is right as it stands.
    pub(crate) right: bool,
    /// Where the merchant's string differs first.
    pub(crate) difference: Option<Difference>,
    /// Mistakes, each with what proves it.
    pub(crate) mistakes: Vec<Sentence>,
    /// What is wrong with the headers.
    pub(crate) unreadable: Option<String>,
}

/// The first byte in which two strings differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Its place, from 0.
    pub(crate) at: usize,
    /// From a little before it: what it must be.
    pub(crate) ours: String,
    /// And what it is.
    pub(crate) theirs: String,
}

impl Pasted {
    /// Whether something in it must not be here: a key with its frame, or bare, as many programs keep it, on one line or several.
    pub(crate) fn holds_private_key(&self) -> bool {
        let holds = |part: &String| {
            let bare: String = part.split_whitespace().collect();
            part.contains("PRIVATE KEY") || BARE_KEY.is_match(&bare)
        };
        [&self.headers, &self.body, &self.theirs]
            .into_iter()
            .any(holds)
    }

    /// As browsers send a text, every line ends with CR LF, whatever was pasted.
    pub(crate) fn with_plain_lines(self) -> Self {
        let plain = |text: String| text.replace("\r\n", "\n");
        Self {
            headers: plain(self.headers),
            body: plain(self.body),
            theirs: plain(self.theirs),
        }
    }
}

/// Looks for what is wrong.
pub(crate) fn examine(pasted: &Pasted, catalogue: &Catalogue, now: UnixMs) -> Found {
    let lines: Vec<(String, String)> = pasted.headers.lines().filter_map(header).collect();
    let pairs = lines
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let headers = match AuthHeaders::read(pairs) {
        Ok(headers) => headers,
        Err(error) => {
            return Found {
                unreadable: Some(error.to_string()),
                ..Found::default()
            };
        }
    };
    let string = format!("{}{}", headers.string_before_body(), pasted.body);
    let mut found = Found {
        difference: first_difference(&string, &pasted.theirs),
        string,
        ..Found::default()
    };
    if !headers.is_near(now, WINDOW_MS) {
        found.mistakes.push(|w| w.m_far_away);
    }
    let Some(business) = catalogue
        .businesses
        .get(&headers.business)
        .filter(|b| b.enabled)
    else {
        found.mistakes.push(|w| w.m_no_account);
        return found;
    };
    let keys = keys_of(business);
    let kind = match headers.effective_sign_type() {
        SignType::Sha256Rsa => KeyKind::Rsa,
        SignType::Md5 => KeyKind::Md5,
    };
    let allowed = match kind {
        KeyKind::Rsa => business.rsa_allowed,
        KeyKind::Md5 => business.md5_allowed,
    };
    if !allowed {
        found.mistakes.push(|w| w.m_kind_off);
    }
    let in_force = business
        .keys
        .iter()
        .filter(|key| key.kind == kind)
        .any(|key| {
            key.not_before.is_none_or(|from| from <= now) && key.not_after.is_none_or(|to| now < to)
        });
    if !in_force {
        found.mistakes.push(|w| w.m_no_key);
    }
    match first_that_fits(&headers, &pasted.body, &keys, now) {
        Some(mistakes) if mistakes.is_empty() => found.right = true,
        Some(mistakes) => found.mistakes.extend(mistakes),
        None if kind == KeyKind::Md5 && business.keys.iter().any(is_kept_from_us) => {
            found.mistakes.push(|w| w.m_secret_key);
        }
        None => found.mistakes.push(|w| w.m_other_key),
    }
    found
}

/// The fewest of the usual mistakes with which the signature is right.
fn first_that_fits(
    headers: &AuthHeaders,
    body: &str,
    keys: &VerifyingKeys,
    now: UnixMs,
) -> Option<Vec<Sentence>> {
    let mut fitting: Vec<Vec<Sentence>> = vec![];
    for (sign, wrong_sign) in signs(headers) {
        for (sign_type, wrong_type) in sign_types(headers) {
            for (text, wrong_body) in bodies(body) {
                let tried = AuthHeaders {
                    sign: sign.clone(),
                    sign_type,
                    ..headers.clone()
                };
                if keys.verify(now, &tried, text.as_bytes()).is_ok() {
                    let wrong = [wrong_sign, wrong_type, wrong_body];
                    fitting.push(wrong.into_iter().flatten().collect());
                }
            }
        }
    }
    fitting.into_iter().min_by_key(Vec::len)
}

fn signs(headers: &AuthHeaders) -> Vec<(String, Option<Sentence>)> {
    let sign = &headers.sign;
    let decoded = sign
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=");
    let standard = sign.replace('-', "+").replace('_', "/");
    let padded = format!("{standard}{}", "=".repeat((4 - standard.len() % 4) % 4));
    vec![
        (sign.clone(), None),
        (decoded, Some(|w| w.m_url_encoded)),
        (padded, Some(|w| w.m_url_safe)),
        (sign.to_uppercase(), Some(|w| w.m_lower_case)),
    ]
}

fn sign_types(headers: &AuthHeaders) -> Vec<(Option<SignType>, Option<Sentence>)> {
    let sent = headers.sign_type;
    match sent {
        None => vec![
            (None, None),
            (Some(SignType::Sha256Rsa), Some(|w| w.m_type_not_sent)),
        ],
        // Left out of the string it can only mean the default kind.
        Some(SignType::Sha256Rsa) => vec![(sent, None), (None, Some(|w| w.m_type_not_signed))],
        Some(SignType::Md5) => vec![(sent, None)],
    }
}

fn bodies(body: &str) -> Vec<(String, Option<Sentence>)> {
    vec![
        (body.to_owned(), None),
        (body.replace('\n', "\r\n"), Some(|w| w.m_crlf)),
        (
            body.trim_end_matches('\n').to_owned(),
            Some(|w| w.m_line_end),
        ),
        (format!("{body}\n"), Some(|w| w.m_line_end)),
        (compact(body), Some(|w| w.m_compact)),
        (format!("&{body}"), Some(|w| w.m_joined)),
        (String::new(), Some(|w| w.m_no_body)),
    ]
}

/// JSON without the white space between its parts.
fn compact(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let keep = |c: &char| {
        if in_text {
            in_text = *c != '"' || escaped;
            escaped = *c == '\\' && !escaped;
            return true;
        }
        in_text = *c == '"';
        !c.is_ascii_whitespace()
    };
    json.chars().filter(keep).collect()
}

/// A line like `name: value`, also out of a `curl` command.
fn header(line: &str) -> Option<(String, String)> {
    let line = line.trim().trim_end_matches('\\').trim();
    let line = line
        .strip_prefix("-H")
        .unwrap_or(line)
        .trim()
        .trim_matches(['\'', '"']);
    let (name, value) = line.split_once(':')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

fn first_difference(ours: &str, theirs: &str) -> Option<Difference> {
    if theirs.is_empty() || ours == theirs {
        return None;
    }
    let same = ours
        .bytes()
        .zip(theirs.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let around = |text: &str| {
        let bytes = text.as_bytes();
        let from = same.saturating_sub(AROUND).min(bytes.len());
        let to = (same + AROUND).min(bytes.len());
        bytes[from..to].escape_ascii().to_string()
    };
    Some(Difference {
        at: same,
        ours: around(ours),
        theirs: around(theirs),
    })
}

/// A secret key that the console has not read.
fn is_kept_from_us(key: &BusinessKey) -> bool {
    key.kind == KeyKind::Md5 && key.text.is_empty()
}

fn keys_of(business: &Business) -> VerifyingKeys {
    let keys = business.keys.iter().filter_map(|key| {
        let parsed = match key.kind {
            KeyKind::Rsa => VerifyingKey::rsa_from_pem(&key.text),
            KeyKind::Md5 => VerifyingKey::md5(&key.text),
        };
        Some(DatedKey {
            key: parsed.ok()?,
            not_before: key.not_before,
            not_after: key.not_after,
        })
    });
    VerifyingKeys::new(SignType::ALL, keys)
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
