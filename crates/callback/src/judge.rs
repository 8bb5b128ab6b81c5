//! What an answer to a report means (`CONTRACT.md` §6): delivered is an HTTP 2xx and the body text `SUCCESS`, and nothing else is.

use domain::schedule;
use store::callbacks::Next;

/// The most bytes of an answer that are read.
pub(crate) const MAX_ANSWER_BYTES: usize = 4 * 1024;
/// How much of an answer is kept for people to read.
const EXCERPT_CHARS: usize = 120;

/// What came of one call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An answer with its status and as much of its body as is read; `whole` says whether that was all.
    Heard {
        status: u16,
        body: Vec<u8>,
        whole: bool,
    },
    /// The address is closed to reports.
    Closed(String),
    /// No answer in time.
    TimedOut,
    /// No connection, or one that broke.
    Broken(String),
    /// There was no key to sign with, or the URL is none.
    NotSent(String),
}

/// The judgement on one try.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// One word for it.
    pub(crate) outcome: &'static str,
    /// The HTTP status.
    pub(crate) http_status: Option<u16>,
    /// For people.
    pub(crate) detail: Option<String>,
    /// What follows.
    pub(crate) next: Next,
}

/// Judges the answer to try `try_no`.
pub(crate) fn judge(answer: Answer, try_no: i16) -> Judgement {
    let (outcome, http_status, detail) = match answer {
        Answer::Heard {
            status,
            body,
            whole,
        } => {
            let outcome = match status {
                200..=299 if whole && says_success(&body) => {
                    return Judgement {
                        outcome: "delivered",
                        http_status: Some(status),
                        detail: None,
                        next: Next::Delivered,
                    };
                }
                200..=299 => "not_success",
                300..=399 => "redirected",
                _ => "http_error",
            };
            (outcome, Some(status), Some(excerpt(&body)))
        }
        Answer::Closed(why) => ("closed_address", None, Some(why)),
        Answer::TimedOut => ("timed_out", None, None),
        Answer::Broken(why) => ("broken", None, Some(why)),
        Answer::NotSent(why) => ("not_sent", None, Some(why)),
    };
    Judgement {
        outcome,
        http_status,
        detail: detail.map(|text| bounded(&text)),
        next: schedule::wait_after(try_no).map_or(Next::Parked, Next::Again),
    }
}

fn says_success(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| text.trim().eq_ignore_ascii_case("SUCCESS"))
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let quiet: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("answered: {}", quiet.trim())
}

fn bounded(text: &str) -> String {
    text.chars().take(EXCERPT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn heard(status: u16, body: &[u8]) -> Answer {
        Answer::Heard {
            status,
            body: body.to_vec(),
            whole: true,
        }
    }

    #[test]
    fn success_in_any_case_with_white_space_around_it_is_delivered() {
        for body in ["SUCCESS", "success", " Success \r\n", "\tsUcCeSs"] {
            assert_eq!(judge(heard(200, body.as_bytes()), 1).next, Next::Delivered);
        }
        assert_eq!(judge(heard(204, b"SUCCESS"), 1).next, Next::Delivered);
    }

    #[test]
    fn nothing_else_is() {
        for (status, body) in [
            (200, &b""[..]),
            (200, b"ok"),
            (200, b"SUCCESS!"),
            (200, b"\"SUCCESS\""),
            (200, b"{\"code\":0}"),
            (200, b"\xff\xfeSUCCESS"),
            (302, b"SUCCESS"),
            (404, b"SUCCESS"),
            (500, b"SUCCESS"),
        ] {
            let judged = judge(heard(status, body), 1);
            assert_eq!(
                judged.next,
                Next::Again(Duration::from_secs(15)),
                "{status} {body:?}"
            );
        }
        let cut = Answer::Heard {
            status: 200,
            body: b"SUCCESS".to_vec(),
            whole: false,
        };
        assert_eq!(judge(cut, 1).outcome, "not_success");
    }

    #[test]
    fn the_last_try_parks() {
        assert_eq!(
            judge(Answer::TimedOut, 9).next,
            Next::Again(Duration::from_hours(6))
        );
        assert_eq!(judge(Answer::TimedOut, 10).next, Next::Parked);
    }

    #[test]
    fn what_people_read_is_short_and_one_line() {
        let detail = judge(heard(500, &b"line\n\x1b[31m".repeat(500)), 1)
            .detail
            .unwrap();
        assert!(detail.chars().count() <= EXCERPT_CHARS);
        assert!(!detail.contains(['\n', '\x1b']));
    }
}
