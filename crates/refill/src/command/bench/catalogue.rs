//! The bench's catalogue: a merchant's accounts, and products that each travel a lane to a supplier of its own.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::command::floor::CallbackSign;

pub(super) const MERCHANT: &str = "bench-merchant";
/// The product that is measured.
pub(super) const PRODUCT: &str = "BENCH";
/// Its lane, and its supplier.
pub(super) const LANE: &str = "bench";
pub(super) const SUPPLIER_KEY: &str = "bench-supplier-key";
/// Signs reports of accounts that asked for MD5.
pub(super) const MD5_KEY: &str = "bench-secret-bench-secret-bench-secret";

/// The id of an account.
pub(super) fn business(account: usize) -> String {
    match account {
        0 => "bench-shop".into(),
        _ => format!("bench-shop-{account}"),
    }
}

/// Who takes part.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    pub(super) businesses: u16,
    pub(super) callback_sign: CallbackSign,
    pub(super) ways: Vec<Way>,
    /// Orders a second that the first account may send; 0: as many as it likes.
    pub(super) first_order_limit: u32,
    /// What the roles' environment says besides the servers' addresses.
    pub(super) settings: Vec<(&'static str, &'static str)>,
}

/// A product, its lane and its supplier.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) product: &'static str,
    /// Also the supplier's id.
    pub(super) lane: &'static str,
    pub(super) supplier: SocketAddr,
    /// Lines of the supplier's card.
    pub(super) card: String,
}

impl Way {
    /// The supplier's card takes its acceptance for success, so that an order needs one call, as the floor's does.
    pub(super) fn measured(supplier: SocketAddr) -> Self {
        Self {
            product: PRODUCT,
            lane: LANE,
            supplier,
            card: "resubmit = \"query\"\nmax_in_flight = 1024\n".into(),
        }
    }
}

impl Cast {
    /// One account and what is measured.
    pub(super) fn small(supplier: SocketAddr) -> Self {
        Self {
            businesses: 1,
            callback_sign: CallbackSign::Rsa,
            ways: vec![Way::measured(supplier)],
            first_order_limit: 0,
            settings: vec![],
        }
    }

    /// The catalogue file; `public` is the key that all accounts sign with.
    pub(super) fn catalogue(&self, public: &str) -> String {
        let mut text = format!(
            r#"
[platform]
callback_private_key_file = "platform.pem"
callback_allow = ["127.0.0.0/8"]
[[merchant]]
id = "{MERCHANT}"
"#
        );
        for account in 0..usize::from(self.businesses) {
            let order_limit = if account == 0 {
                self.first_order_limit
            } else {
                0
            };
            let business = business(account);
            let sign_type = match self.callback_sign {
                CallbackSign::Rsa => "SHA256-RSA",
                CallbackSign::Md5 => "MD5",
            };
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                r#"
[[business]]
id = "{business}"
merchant = "{MERCHANT}"
sign_types = ["SHA256-RSA", "MD5"]
rsa_public_keys = ["""{public}"""]
md5_keys = ["{MD5_KEY}"]
callback_sign_type = "{sign_type}"
opening_deposit = "1000000000.00"
order_limit = {order_limit}
"#
            );
            for Way { product, .. } in &self.ways {
                let _ = write!(
                    text,
                    "[[price]]\nbusiness = \"{business}\"\nproduct = \"{product}\"\nprice = \"49.10\"\n"
                );
            }
        }
        for way in &self.ways {
            way.write(&mut text);
        }
        text
    }
}

impl Way {
    fn write(&self, text: &mut String) {
        let Self {
            product,
            lane,
            supplier,
            card,
        } = self;
        let _ = write!(
            text,
            r#"
[[product]]
code = "{product}"
lane = "{lane}"
face_value = "50.00"
[[supplier]]
id = "{lane}"
adapter = "form_md5"
base_url = "http://{supplier}"
push_base_url = "http://{supplier}"
result_codes = {{ "0" = "succeeded" }}
{card}
[supplier.credentials]
userid = "refill"
apikey = "{SUPPLIER_KEY}"
[[route]]
supplier = "{lane}"
product = "{product}"
sku = "1"
cost = "48.00"
"#
        );
    }
}
