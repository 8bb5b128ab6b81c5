//! The catalogue file (TOML): what `refill catalog import` reads. Unknown keys are refused, so that a misspelt one is noticed.
//! `entries`: what each of its sections holds; `rules`: what must be so, with the fault named.

mod entries;
mod rules;

use serde::Deserialize;

pub use entries::{
    AttachEntry, BusinessEntry, Credentials, KeyEntry, MerchantEntry, PlatformEntry,
    PlatformKeyEntry, PriceEntry, ProductEntry, RouteEntry, SupplierEntry,
};
pub use rules::{FileFault, whole_text};

/// A whole catalogue file. Every section may be absent: an import changes what the file names and leaves the rest.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogueFile {
    /// `[[merchant]]`
    pub merchant: Vec<MerchantEntry>,
    /// `[[business]]`
    pub business: Vec<BusinessEntry>,
    /// `[[product]]`
    pub product: Vec<ProductEntry>,
    /// `[[price]]`
    pub price: Vec<PriceEntry>,
    /// `[[supplier]]`
    pub supplier: Vec<SupplierEntry>,
    /// `[[route]]`
    pub route: Vec<RouteEntry>,
    /// `[platform]`
    pub platform: Option<PlatformEntry>,
    /// `[[platform_key]]`
    pub platform_key: Vec<PlatformKeyEntry>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CatalogueFile, String> {
        let file: CatalogueFile = toml::from_str(text).map_err(|e| e.to_string())?;
        file.check().map_err(|e| e.to_string())?;
        Ok(file)
    }

    const SUPPLIER: &str = r#"
        [[supplier]]
        id = "s1"
        adapter = "form_md5"
        base_url = "http://127.0.0.1:9/"
        resubmit = "query"
        not_found_final_after = "2m"
        timeout = "5s"
        result_codes = { "0" = "accepted", "203" = "rejected" }
        [supplier.credentials]
        userid = "1"
    "#;

    #[test]
    fn a_supplier_carries_its_card() {
        let file = read(SUPPLIER).unwrap();
        let supplier = &file.supplier[0];
        assert_eq!(supplier.base_url, "http://127.0.0.1:9");
        assert_eq!(supplier.card.timeout.as_secs(), 5);
        assert_eq!(supplier.card.not_found_final_after.unwrap().as_secs(), 120);
        assert!(!format!("{supplier:?}").contains("userid"));
    }

    #[test]
    fn a_misspelt_key_is_noticed() {
        let wrong = SUPPLIER.replace("timeout", "time_out");
        assert!(read(&wrong).unwrap_err().contains("time_out"));
        assert!(read("[[product]]\ncode=\"a\"\nlane=\"m\"\nprise=\"1\"").is_err());
    }

    #[test]
    fn a_broken_rule_names_its_place() {
        let wrong = SUPPLIER.replace("5s", "5m");
        assert_eq!(
            read(&wrong).unwrap_err(),
            "supplier s1, timeout: must be between 1ms and 30s"
        );
        let product = "[[product]]\ncode=\"a\"\nlane=\"M\"\nface_value=\"1\"";
        assert!(read(product).unwrap_err().starts_with("product a, lane"));
        let price = "[[price]]\nbusiness=\"b\"\nproduct=\"p\"";
        assert!(read(price).unwrap_err().contains("either price or rate"));
    }
}
