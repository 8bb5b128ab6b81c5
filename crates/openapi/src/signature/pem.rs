//! PEM, as much of it as keys need: one block, any line length, text around it ignored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest PEM text of a private key of 8192 bits is about 6,400 characters.
const LONGEST: usize = 16_384;
const LINE: usize = 64;

/// The DER bytes of the first block with that label.
pub(super) fn decode(text: &str, label: &str) -> Option<Vec<u8>> {
    if text.len() > LONGEST {
        return None;
    }
    let (_, from_begin) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (inside, _) = from_begin.split_once(&format!("-----END {label}-----"))?;
    let base64: String = inside
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .collect();
    STANDARD.decode(base64).ok()
}

/// One block.
pub(super) fn encode(der: &[u8], label: &str) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_among_other_text_whatever_its_line_length() {
        let der: Vec<u8> = (0..200).collect();
        let text = encode(&der, "PUBLIC KEY");
        assert!(text.lines().all(|l| l.len() <= 64));
        let crlf = format!("subject: x\r\n{}trailing", text.replace('\n', "\r\n"));
        let one_line = text.replace('\n', "");
        for text in [text, crlf, one_line] {
            assert_eq!(decode(&text, "PUBLIC KEY"), Some(der.clone()));
        }
    }

    #[test]
    fn another_label_a_missing_end_or_bad_base64_is_no_block() {
        let text = encode(b"abc", "PUBLIC KEY");
        assert_eq!(decode(&text, "PRIVATE KEY"), None);
        assert_eq!(decode(&text.replace("END", "FIN"), "PUBLIC KEY"), None);
        assert_eq!(decode(&text.replace("YWJj", "YW*j"), "PUBLIC KEY"), None);
        assert_eq!(decode(&"x".repeat(LONGEST + 1), "PUBLIC KEY"), None);
    }
}
