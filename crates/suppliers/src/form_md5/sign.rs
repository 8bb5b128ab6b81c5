//! The signature of the shape: upper-case hex of MD5 over all fields but `sign`, empty ones too, sorted by name, `k=v` joined by `&`,
//! not URL-encoded, then `&apikey=` and the key.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

/// The field that holds the signature.
const SIGN: &str = "sign";

/// The supplier's shared key; never shown.
pub(super) struct ApiKey(String);

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl ApiKey {
    pub(super) fn new(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// The signature of these fields.
    pub(super) fn sign(&self, fields: &[(String, String)]) -> String {
        let mut signed: Vec<_> = fields.iter().filter(|(name, _)| name != SIGN).collect();
        signed.sort();
        let mut text = String::new();
        for (name, value) in signed {
            text.push_str(name);
            text.push('=');
            text.push_str(value);
            text.push('&');
        }
        text.push_str("apikey=");
        text.push_str(&self.0);
        hex::encode_upper(Md5::digest(text))
    }

    /// Whether `sign` is theirs, in a time that does not depend on where it differs.
    pub(super) fn signed(&self, fields: &[(String, String)], sign: &str) -> bool {
        let right = self.sign(fields);
        right.as_bytes().ct_eq(sign.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    /// Made with `printf … | openssl md5`.
    #[test]
    fn the_signature_agrees_with_one_made_by_another_tool() {
        let key = ApiKey::new("8b1e5c0f4a7d4e0c9f2d6a3b1c5e7f90");
        let sent = fields(&[
            ("userid", "10001"),
            ("out_trade_num", "R1"),
            ("product_id", "7"),
            ("mobile", "13900000000"),
            ("notify_url", "http://push.example/v1/supplier/s1/push"),
            ("param1", "张三 & co"),
            ("param2", ""),
            ("sign", "is left out"),
        ]);
        assert_eq!(key.sign(&sent), "97615ABA9FBEEA8354ABA0794A6E5E9A");
        assert!(key.signed(&sent, "97615ABA9FBEEA8354ABA0794A6E5E9A"));
        assert!(!key.signed(&sent, ""));
        assert!(!key.signed(&sent[1..], "97615ABA9FBEEA8354ABA0794A6E5E9A"));
    }
}
