//! A supplier's words as they may be kept and shown: bounded, without control characters (the database refuses some of them), and with
//! numbers of accounts, cards and keys masked.

/// The most bytes of an evidence's detail.
const DETAIL_BYTES: usize = 2_000;
/// The most bytes of a reason: people read it, merchants too.
const REASON_BYTES: usize = 300;
/// The most bytes of a supplier's own number.
const NUMBER_BYTES: usize = 128;
/// The shortest run of letters and digits that may be somebody's number.
const LONG_RUN: usize = 7;

/// The substance of an answer.
pub(crate) fn detail(text: &str) -> String {
    cut(masked(text), DETAIL_BYTES)
}

/// The supplier's reason, or `otherwise` where it gave none.
pub(crate) fn reason(text: &str, otherwise: &str) -> String {
    let said = cut(masked(text), REASON_BYTES);
    if said.is_empty() {
        otherwise.to_owned()
    } else {
        said
    }
}

/// A supplier's own number; `None` when there is nothing of it.
pub(crate) fn number(text: &str) -> Option<String> {
    let kept = cut(printable(text), NUMBER_BYTES);
    (!kept.is_empty()).then_some(kept)
}

/// A voucher: whole, because it is what the merchant bought.
pub(crate) fn voucher(text: &str) -> Option<String> {
    let kept = printable(text);
    (!kept.is_empty()).then_some(kept)
}

/// What could be made out of a body that is not what it should be.
pub(crate) fn excerpt(body: &[u8]) -> String {
    const ENOUGH: usize = 512;
    let start = &body[..body.len().min(ENOUGH)];
    format!(
        "{} bytes: {}",
        body.len(),
        detail(&String::from_utf8_lossy(start))
    )
}

fn printable(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    clean.trim().to_owned()
}

/// Long runs of letters and digits with a digit in them keep their two ends only.
fn masked(text: &str) -> String {
    let text = printable(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let (before, from_run) = rest.split_at(start);
        let end = from_run
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(from_run.len());
        let (run, after) = from_run.split_at(end);
        out.push_str(before);
        if run.len() >= LONG_RUN && run.bytes().any(|b| b.is_ascii_digit()) {
            out.push_str(&run[..2]);
            out.push_str("***");
            out.push_str(&run[run.len() - 2..]);
        } else {
            out.push_str(run);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn cut(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_people_and_keys_are_masked_and_words_are_not() {
        assert_eq!(
            detail("号码13900000000已停机, code 203, product MOBILE"),
            "号码13***00已停机, code 203, product MOBILE"
        );
        assert_eq!(
            detail("sign=0123456789ABCDEF0123456789ABCDEF;"),
            "sign=01***EF;"
        );
    }

    #[test]
    fn nothing_that_the_database_refuses_is_kept() {
        assert_eq!(voucher("a\0b\n").as_deref(), Some("a b"));
        assert_eq!(number("\0").as_deref(), None);
        assert_eq!(reason("\u{7}", "no reason given"), "no reason given");
    }

    #[test]
    fn what_is_kept_is_bounded_at_a_character() {
        let long = "字".repeat(5_000);
        assert!(detail(&long).len() <= DETAIL_BYTES + 3);
        assert!(reason(&long, "").len() <= REASON_BYTES + 3);
        assert!(number(&long).unwrap().len() <= NUMBER_BYTES + 3);
        assert!(excerpt(&vec![0xff; 100_000]).len() < 2_100);
    }
}
