//! Whether two batches are the same (`CONTRACT.md` §3): one number for their content.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

use super::batch::{BatchItem, OrderBatch};

/// Changes when what goes into a digest changes; the database remembers digests for ever.
const VERSION: u8 = 1;

/// SHA-256 over product, callback URL and items of a batch, in order. Nonce, timestamp, white space, unknown fields and the notation
/// of numbers do not matter.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentDigest([u8; 32]);

impl ContentDigest {
    /// From the database's form.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The database's form.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentDigest({})", hex::encode(self.0))
    }
}

impl OrderBatch {
    /// What this batch is compared by when its number comes again.
    ///
    /// The callback URL counts as it was given, not as it resolves: an account's default may change between two tries of one request.
    pub fn content_digest(&self) -> ContentDigest {
        let mut content = Content(Context::new(&SHA256));
        content.0.update(&[VERSION]);
        content.text(self.product.as_str());
        content.optional(self.callback_url.as_ref().map(super::CallbackUrl::as_str));
        content.length(self.items.len());
        for item in &self.items {
            content.item(item);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(content.0.finish().as_ref());
        ContentDigest(bytes)
    }
}

/// Every field with its length before it, so that no two contents run together into the same bytes.
struct Content(Context);

impl Content {
    fn item(&mut self, item: &BatchItem) {
        self.text(&item.biz_code);
        self.text(&item.account);
        self.optional(item.attach_values.as_deref());
        let spec = item.spec.map(|s| s.to_string());
        self.optional(spec.as_deref());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.update(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.0.update(&[u8::from(text.is_some())]);
        self.text(text.unwrap_or_default());
    }

    fn length(&mut self, length: usize) {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        self.0.update(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::requests::BatchLimits;

    fn digest(body: &str) -> ContentDigest {
        OrderBatch::read(body.as_bytes(), BatchLimits::default())
            .unwrap()
            .content_digest()
    }

    fn body(product: &str, rest: &str) -> String {
        format!(
            r#"{{"merchantId":"m","businessId":"b","batchBizCode":"B1","productCode":"{product}",{rest}}}"#
        )
    }

    const ITEM: &str = r#""bizCode":"1","account":"2""#;

    #[test]
    fn notation_and_what_is_not_content_do_not_matter() {
        let one = digest(&body("P", &format!(r#""itemList":[{{{ITEM},"spec":50}}]"#)));
        for same in [
            format!(r#""itemList":[{{{ITEM},"spec":50.0}}]"#),
            format!(r#""itemList":[{{{ITEM},"spec":"50"}}]"#),
            format!(r#""itemList":[{{{ITEM},"spec":5e1}}]"#),
            format!(r#""itemList" : [ {{"spec":"50.00", {ITEM} }} ], "more":[1]"#),
            format!(
                r#""callbackUrl":"","itemList":[{{{ITEM},"spec":50,"accountAttachValues":""}}]"#
            ),
        ] {
            assert_eq!(digest(&body("P", &same)), one, "{same}");
        }
    }

    #[test]
    fn everything_that_is_content_matters_and_nothing_runs_together() {
        let bodies = [
            body("P", &format!(r#""itemList":[{{{ITEM}}}]"#)),
            body("Q", &format!(r#""itemList":[{{{ITEM}}}]"#)),
            body(
                "P",
                &format!(r#""callbackUrl":"a.example","itemList":[{{{ITEM}}}]"#),
            ),
            body(
                "P",
                &format!(r#""callbackUrl":"http://a.example","itemList":[{{{ITEM}}}]"#),
            ),
            body("P", &format!(r#""itemList":[{{{ITEM},"spec":50}}]"#)),
            body(
                "P",
                &format!(r#""itemList":[{{{ITEM},"accountAttachValues":"50"}}]"#),
            ),
            body("P", r#""itemList":[{"bizCode":"12","account":"2"}]"#),
            body("P", r#""itemList":[{"bizCode":"1","account":"22"}]"#),
            body(
                "P",
                r#""itemList":[{"bizCode":"1","account":"2"},{"bizCode":"3","account":"4"}]"#,
            ),
            body(
                "P",
                r#""itemList":[{"bizCode":"3","account":"4"},{"bizCode":"1","account":"2"}]"#,
            ),
        ];
        let digests: HashSet<_> = bodies.iter().map(|b| digest(b)).collect();
        assert_eq!(digests.len(), bodies.len());
    }

    #[test]
    fn the_digest_of_a_content_stays_what_it_is() {
        let known = digest(&body("P", &format!(r#""itemList":[{{{ITEM},"spec":50}}]"#)));
        assert_eq!(
            format!("{known:?}"),
            "ContentDigest(e54342cb3be3d370ec642d291e5cd740513fedb71315f0c38f618fc0458cc13b)"
        );
    }
}
