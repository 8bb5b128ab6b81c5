//! The requests that read back (`CONTRACT.md` §4).

use domain::{BusinessId, MerchantId};
use serde::Serialize;

use super::fields::{Fields, fault};
use super::problems::BadRequest;
use crate::strict_json;

/// Orders on a page of `order/batch/info`, unless asked otherwise.
const PAGE_SIZE: u32 = 100;
const MOST_PAGE_SIZE: u32 = 1_000;
const MOST_PAGE_NO: u32 = 1_000_000;
/// Events in an answer of `order/events`, unless asked otherwise.
const EVENTS: u32 = 100;
const MOST_EVENTS: u32 = 500;

/// `POST /v1/openapi/order/info`: at least one of the two; with both, both must be the order's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderInfoRequest {
    /// The platform's number. Any text: one that is no order code is simply nobody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_code: Option<String>,
    /// The merchant's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub biz_code: Option<String>,
}

/// `POST /v1/openapi/order/batch/info`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchInfoRequest {
    /// The merchant's batch number.
    pub batch_biz_code: String,
    /// From 1.
    pub page_no: u32,
    /// Orders on a page, 1 to 1,000.
    pub page_size: u32,
}

/// `POST /v1/openapi/merchant/business/balance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BalanceRequest {
    /// `merchantId`
    #[serde(rename = "merchantId")]
    pub merchant: MerchantId,
    /// `businessId`; that it is the header's is for the caller to check.
    #[serde(rename = "businessId")]
    pub business: BusinessId,
}

/// `POST /v1/openapi/order/product/list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProductListRequest {
    /// `merchantId`
    #[serde(rename = "merchantId")]
    pub merchant: MerchantId,
}

/// `POST /v1/openapi/order/events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsRequest {
    /// The number of the last event that is known; 0: none is.
    pub after: i64,
    /// 1 to 500.
    pub limit: u32,
}

/// `POST /v1/openapi/callback/resend`: exactly one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResendRequest {
    /// By the platform's number. Any text: one that is no order code is simply nobody's.
    Order(String),
    /// By the merchant's number.
    BizCode(String),
    /// All orders of a batch.
    Batch(String),
}

impl EventsRequest {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let body = strict_json::parse(body)?;
        let fields = Fields::of_body(&body)?;
        let after = match fields.optional_code("cursor")? {
            None => 0,
            Some(text) => text
                .parse()
                .ok()
                .filter(|no| *no >= 0 && text.bytes().all(|b| b.is_ascii_digit()))
                .ok_or_else(|| fault("cursor", "must be one that an answer has given"))?,
        };
        Ok(Self {
            after,
            limit: fields.count("limit", MOST_EVENTS)?.unwrap_or(EVENTS),
        })
    }
}

impl ResendRequest {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let body = strict_json::parse(body)?;
        let fields = Fields::of_body(&body)?;
        let order = fields.optional_code("orderCode")?;
        let biz_code = fields.optional_code("bizCode")?;
        let batch = fields.optional_code("batchBizCode")?;
        match (order, biz_code, batch) {
            (Some(code), None, None) => Ok(Self::Order(code.to_owned())),
            (None, Some(code), None) => Ok(Self::BizCode(code.to_owned())),
            (None, None, Some(code)) => Ok(Self::Batch(code.to_owned())),
            _ => Err(fault(
                "orderCode",
                "or bizCode or batchBizCode is required, one of them",
            )
            .into()),
        }
    }
}

impl OrderInfoRequest {
    /// Asks by the merchant's number.
    pub fn by_biz_code(biz_code: impl Into<String>) -> Self {
        Self {
            order_code: None,
            biz_code: Some(biz_code.into()),
        }
    }

    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let body = strict_json::parse(body)?;
        let fields = Fields::of_body(&body)?;
        let request = Self {
            order_code: fields.optional_code("orderCode")?.map(str::to_owned),
            biz_code: fields.optional_code("bizCode")?.map(str::to_owned),
        };
        if request.order_code.is_none() && request.biz_code.is_none() {
            return Err(fault("orderCode", "or bizCode is required").into());
        }
        Ok(request)
    }

    /// The body to send.
    ///
    /// # Errors
    /// None in practice: every field can be written as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

impl BatchInfoRequest {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let body = strict_json::parse(body)?;
        let fields = Fields::of_body(&body)?;
        Ok(Self {
            batch_biz_code: fields.code("batchBizCode")?.to_owned(),
            page_no: fields.count("pageNo", MOST_PAGE_NO)?.unwrap_or(1),
            page_size: fields
                .count("pageSize", MOST_PAGE_SIZE)?
                .unwrap_or(PAGE_SIZE),
        })
    }
}

impl BalanceRequest {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let body = strict_json::parse(body)?;
        let fields = Fields::of_body(&body)?;
        Ok(Self {
            merchant: MerchantId::new(fields.code("merchantId")?),
            business: BusinessId::new(fields.code("businessId")?),
        })
    }
}

impl ProductListRequest {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let body = strict_json::parse(body)?;
        let fields = Fields::of_body(&body)?;
        Ok(Self {
            merchant: MerchantId::new(fields.code("merchantId")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_asked_for_by_either_number() {
        let request = OrderInfoRequest::read(br#"{"orderCode":"","bizCode":"n-1"}"#).unwrap();
        assert_eq!(request, OrderInfoRequest::by_biz_code("n-1"));
        assert_eq!(request.to_json().unwrap(), br#"{"bizCode":"n-1"}"#);
        assert!(OrderInfoRequest::read(br#"{"orderCode":"x","bizCode":"y"}"#).is_ok());
        assert_eq!(
            OrderInfoRequest::read(b"{}").unwrap_err().to_string(),
            "orderCode or bizCode is required"
        );
        assert_eq!(
            OrderInfoRequest::read(br#"{"bizCode":1}"#)
                .unwrap_err()
                .to_string(),
            "bizCode must be a string"
        );
    }

    #[test]
    fn a_page_has_defaults_and_bounds() {
        let read = |rest: &str| {
            let body = format!(r#"{{"batchBizCode":"B"{rest}}}"#);
            BatchInfoRequest::read(body.as_bytes()).map(|r| (r.page_no, r.page_size))
        };
        assert_eq!(read(""), Ok((1, 100)));
        assert_eq!(read(r#","pageNo":"3","pageSize":1000"#), Ok((3, 1_000)));
        for wrong in [
            r#","pageNo":0"#,
            r#","pageNo":-1"#,
            r#","pageNo":1.5"#,
            r#","pageNo":99999999999"#,
            r#","pageSize":1001"#,
            r#","pageSize":[]"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn whose_money_and_whose_products_must_be_said() {
        assert!(BalanceRequest::read(br#"{"merchantId":"m","businessId":"b"}"#).is_ok());
        assert!(BalanceRequest::read(br#"{"merchantId":"m"}"#).is_err());
        assert!(ProductListRequest::read(br#"{"merchantId":"m"}"#).is_ok());
        assert!(ProductListRequest::read(b"").is_err());
    }
}
