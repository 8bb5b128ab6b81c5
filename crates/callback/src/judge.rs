//! What an answer to a report means (`CONTRACT.md` §6): delivered is an HTTP 2xx and the body text `SUCCESS`, and nothing else is.

use std::time::Duration;

use domain::schedule;
use store::callbacks::Next;

/// The most bytes of an answer that are read.
pub(crate) const MAX_ANSWER_BYTES: usize = 4 * 1024;
/// How much of an answer is kept for people to read.
const EXCERPT_BYTES: usize = 200;
/// The most characters of a detail in all.
const DETAIL_CHARS: usize = 320;
/// When a try that was not charged is followed by another.
const AFTER_OUR_FAULT: Duration = Duration::from_secs(30);

/// What came of one call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An answer with its status and as much of its body as is read; `whole` says whether that was all.
    Heard {
        status: u16,
        body: Vec<u8>,
        whole: bool,
    },
    /// The address is closed to reports, or is none.
    Closed(String),
    /// No answer in time.
    TimedOut,
    /// No connection, or one that broke; why, and which part of it.
    Broken(Fault, String),
    /// There was no key to sign with.
    NotSent(String),
}

/// Whose fault a failed try was, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Their name does not resolve.
    Name,
    /// Their machine takes no connection, breaks it, or does not answer in time.
    Network,
    /// Their certificate, or their TLS.
    Tls,
    /// Their code answered, and not with SUCCESS.
    Theirs,
    /// Their address is not one that reports may go to.
    Address,
    /// Our side.
    Ours,
}

impl Fault {
    /// As it is stored.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Network => "network",
            Self::Tls => "tls",
            Self::Theirs => "theirs",
            Self::Address => "address",
            Self::Ours => "ours",
        }
    }
}

/// What a call says about its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It answered, whatever it said.
    Answered,
    /// It answered that it has too much to do.
    Busy,
    /// It could not be reached, or did not answer in time.
    Unreached,
    /// It was not called.
    NotDialled,
}

impl Answer {
    /// What it says about the endpoint: a wrong answer is one.
    pub(crate) const fn reach(&self) -> Reach {
        match self {
            Self::Heard {
                status: 429 | 503, ..
            } => Reach::Busy,
            Self::Heard { .. } => Reach::Answered,
            Self::TimedOut | Self::Broken(..) => Reach::Unreached,
            Self::Closed(_) | Self::NotSent(_) => Reach::NotDialled,
        }
    }
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
    /// Whose fault it was.
    pub(crate) fault: Option<Fault>,
    /// What follows.
    pub(crate) next: Next,
}

/// Judges the answer to try `try_no`. `ours`: nothing that is seen now says anything about the merchant's side.
pub(crate) fn judge(answer: Answer, try_no: i16, ours: bool) -> Judgement {
    let (outcome, http_status, fault, detail) = match answer {
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
                        fault: None,
                        next: Next::Delivered,
                    };
                }
                200..=299 => "not_success",
                300..=399 => "redirected",
                _ => "http_error",
            };
            let detail = in_words(outcome, &body, whole);
            (outcome, Some(status), Fault::Theirs, Some(detail))
        }
        Answer::Closed(why) => ("closed_address", None, Fault::Address, Some(why)),
        Answer::TimedOut => ("timed_out", None, Fault::Network, None),
        Answer::Broken(fault, why) => ("broken", None, fault, Some(why)),
        Answer::NotSent(why) => ("not_sent", None, Fault::Ours, Some(why)),
    };
    let fault = if ours { Fault::Ours } else { fault };
    let next = match fault {
        Fault::Ours => Next::Uncharged(AFTER_OUR_FAULT),
        _ => schedule::wait_after(try_no).map_or(Next::Parked, Next::Again),
    };
    Judgement {
        outcome,
        http_status,
        detail: detail.map(|text| text.chars().take(DETAIL_CHARS).collect()),
        fault: Some(fault),
        next,
    }
}

fn says_success(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| text.trim().eq_ignore_ascii_case("SUCCESS"))
}

/// What a merchant's developer needs to read: what was answered, and what is wrong with it where it was nearly right.
fn in_words(outcome: &str, body: &[u8], whole: bool) -> String {
    let text = String::from_utf8_lossy(body.get(..EXCERPT_BYTES).unwrap_or(body));
    let printable: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let advice = match outcome {
        "redirected" => "; redirects are not followed: give the address that answers",
        "not_success" if !whole => "; the answer is longer than 4 KiB",
        "not_success" if body.is_empty() => "; the body is empty: it has to be the text SUCCESS",
        "not_success" => near_miss(body),
        _ => "",
    };
    format!("answered: {}{advice}", printable.trim())
}

/// Says what stands around a SUCCESS.
fn near_miss(body: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    let text = text.trim().trim_start_matches('\u{feff}');
    if !text.contains("success") {
        return "";
    }
    match text.chars().next() {
        Some('"' | '\'') => "; nearly right: SUCCESS without quotes",
        Some('{' | '[') => "; nearly right: the bare text SUCCESS, not JSON",
        Some('<') => "; nearly right: the bare text SUCCESS, not HTML or XML",
        _ if text == "success" => "; nearly right: without the byte order mark",
        _ => "; nearly right: SUCCESS and nothing else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(answer: Answer, try_no: i16) -> Judgement {
        super::judge(answer, try_no, false)
    }

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
    fn near_misses_say_what_is_wrong() {
        for (body, word) in [
            ("\"SUCCESS\"", "quotes"),
            ("{\"code\":\"SUCCESS\"}", "JSON"),
            ("<html>success</html>", "HTML"),
            ("SUCCESS!", "nothing else"),
            ("\u{feff}SUCCESS", "byte order mark"),
            ("", "empty"),
        ] {
            let judged = judge(heard(200, body.as_bytes()), 1);
            let detail = judged.detail.unwrap();
            assert!(detail.contains(word), "{body}: {detail}");
            assert_eq!(judged.fault, Some(Fault::Theirs));
        }
        let detail = judge(heard(200, b"ok"), 1).detail.unwrap();
        assert!(!detail.contains("nearly"), "{detail}");
    }

    #[test]
    fn what_is_our_fault_costs_no_try() {
        let judged = super::judge(Answer::TimedOut, 10, true);
        assert_eq!(judged.next, Next::Uncharged(AFTER_OUR_FAULT));
        assert_eq!(judged.fault, Some(Fault::Ours));
        let no_key = judge(Answer::NotSent("no key".into()), 10);
        assert_eq!(no_key.next, Next::Uncharged(AFTER_OUR_FAULT));
        let said = super::judge(heard(200, b"SUCCESS"), 10, true);
        assert_eq!(said.next, Next::Delivered);
    }

    #[test]
    fn what_people_read_is_short_and_one_line() {
        let detail = judge(heard(500, &b"line\n\x1b[31m".repeat(500)), 1)
            .detail
            .unwrap();
        assert!(detail.chars().count() <= DETAIL_CHARS);
        assert!(!detail.contains(['\n', '\x1b']));
    }
}
