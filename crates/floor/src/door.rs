//! A batch comes in: verified, stored, announced, answered.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use openapi::{AuthHeaders, SignType, VerifyingKey, VerifyingKeys};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::messages::{Broker, ORDERS, Order};
use crate::rows::Rows;
use crate::{FloorError, now};

pub(crate) struct Door {
    pub(crate) rows: Rows,
    pub(crate) broker: Broker,
    pub(crate) key: VerifyingKey,
}

struct Open {
    rows: Rows,
    broker: Broker,
    keys: VerifyingKeys,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    item_list: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    biz_code: String,
    account: String,
}

impl Door {
    pub(crate) async fn run(self, listener: TcpListener) -> Result<(), FloorError> {
        let open = Open {
            rows: self.rows,
            broker: self.broker,
            keys: VerifyingKeys::new(SignType::ALL, [self.key.into()]),
        };
        let router = Router::new()
            .route("/readyz", get(async || StatusCode::OK))
            .route("/v1/openapi/order/batch", post(batch))
            .with_state(Arc::new(open));
        Ok(axum::serve(listener, router).await?)
    }
}

async fn batch(State(open): State<Arc<Open>>, headers: HeaderMap, body: Bytes) -> Response {
    match open.take(&headers, &body).await {
        Ok(items) => {
            axum::Json(json!({"status": 0, "message": "success", "data": items})).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl Open {
    async fn take(
        &self,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Vec<serde_json::Value>, FloorError> {
        let named = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers = AuthHeaders::read(named).map_err(FloorError::unexpected)?;
        self.keys
            .verify(now(), &headers, body)
            .map_err(FloorError::unexpected)?;
        let batch: Batch = serde_json::from_slice(body)?;
        let ids: Vec<Uuid> = batch.item_list.iter().map(|_| Uuid::now_v7()).collect();
        let biz_codes: Vec<&str> = batch.item_list.iter().map(|i| &*i.biz_code).collect();
        let accounts: Vec<&str> = batch.item_list.iter().map(|i| &*i.account).collect();
        self.rows.insert(&ids, &biz_codes, &accounts).await?;
        let orders: Vec<Order> = batch
            .item_list
            .into_iter()
            .zip(ids)
            .map(|(item, id)| Order {
                id,
                biz_code: item.biz_code,
                account: item.account,
            })
            .collect();
        self.broker.publish(ORDERS, &orders).await?;
        let answered = orders
            .iter()
            .map(|o| json!({"orderCode": o.id.simple().to_string(), "bizCode": o.biz_code, "settlementPrice": 49.1}));
        Ok(answered.collect())
    }
}
