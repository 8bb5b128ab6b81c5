//! The signature of the form shape: MD5 over the sorted fields and the key.

use std::collections::BTreeMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use md5::{Digest, Md5};

/// A form's fields by name; a name given twice is not a form that anyone signs.
pub(crate) type Fields = BTreeMap<String, String>;

/// Reads `application/x-www-form-urlencoded`. `None` when a name occurs twice.
pub(crate) fn read_form(body: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        if fields
            .insert(name.into_owned(), value.into_owned())
            .is_some()
        {
            return None;
        }
    }
    Some(fields)
}

/// Writes fields as a form body.
pub(crate) fn write_form(fields: &Fields) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// Upper-case hex of MD5 over all fields but `sign`, empty ones too, sorted by name, `k=v` joined by `&`, then `&apikey=` and the key.
pub(crate) fn form_sign(fields: &Fields, api_key: &str) -> String {
    let mut digest = Md5::new();
    for (name, value) in fields {
        if name == "sign" {
            continue;
        }
        digest.update(name);
        digest.update(b"=");
        digest.update(value);
        digest.update(b"&");
    }
    digest.update(b"apikey=");
    digest.update(api_key);
    hex::encode_upper(digest.finalize())
}

/// Whether the form carries the signature that the key makes.
pub(crate) fn form_is_signed(fields: &Fields, api_key: &str) -> bool {
    fields.get("sign").is_some_and(|sign| {
        verify_slices_are_equal(sign.as_bytes(), form_sign(fields, api_key).as_bytes()).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Fields {
        read_form(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_sign_covers_every_field_sorted_and_unencoded() {
        // printf '%s' 'mobile=13800000000&notify_url=http://h/p?a=1&out_trade_num=R1&param1=&product_id=7&userid=u1&apikey=k' | openssl md5
        let fields = form(
            "userid=u1&product_id=7&out_trade_num=R1&mobile=13800000000&notify_url=http%3A%2F%2Fh%2Fp%3Fa%3D1&param1=",
        );
        assert_eq!(form_sign(&fields, "k"), EXPECTED);
    }

    #[test]
    fn a_changed_field_breaks_the_sign() {
        let mut fields = form("userid=u1&mobile=13800000000");
        fields.insert("sign".into(), form_sign(&fields, "k"));
        assert!(form_is_signed(&fields, "k"));
        assert!(!form_is_signed(&fields, "other"));
        fields.insert("mobile".into(), "13800000001".into());
        assert!(!form_is_signed(&fields, "k"));
    }

    #[test]
    fn a_field_given_twice_is_refused() {
        assert!(read_form(b"mobile=1&mobile=2").is_none());
    }

    #[test]
    fn a_form_reads_back_as_it_was_written() {
        let fields = form("a=%E5%BC%A0&b=1+2&c=%26%3D");
        assert_eq!(read_form(write_form(&fields).as_bytes()).unwrap(), fields);
    }

    const EXPECTED: &str = "BB6920BBD433EACBAE3130AFFFC79663";
}
