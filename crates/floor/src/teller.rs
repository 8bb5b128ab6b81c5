//! A merchant is told: one signed report per order.

use domain::BusinessId;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use openapi::SigningKey;
use serde_json::json;

use crate::messages::{Broker, Order, REPORTS, next};
use crate::worker::CALLS;
use crate::{FloorError, now};

pub(crate) struct Teller {
    pub(crate) broker: Broker,
    pub(crate) http: reqwest::Client,
    pub(crate) callback: String,
    pub(crate) key: SigningKey,
}

impl Teller {
    pub(crate) async fn run(self) -> Result<(), FloorError> {
        let mut reports = self.broker.consume(REPORTS).await?;
        let mut calls = FuturesUnordered::new();
        loop {
            tokio::select! {
                order = next(&mut reports), if calls.len() < CALLS => {
                    let (order, delivery) = order?;
                    calls.push(self.tell(order, delivery));
                }
                Some(told) = calls.next() => told?,
            }
        }
    }

    async fn tell(&self, order: Order, delivery: Delivery) -> Result<(), FloorError> {
        let body = serde_json::to_vec(&json!({
            "orderCode": order.id.simple().to_string(), "bizCode": order.biz_code, "account": order.account, "status": 2,
            "settlementPrice": 49.1, "finishTime": now().0,
        }))?;
        let signed = self
            .key
            .sign(&BusinessId::new("bench-shop"), now(), &body)
            .map_err(FloorError::unexpected)?;
        let mut request = self
            .http
            .post(&self.callback)
            .header("Content-Type", "application/json; charset=utf-8")
            .body(body);
        for (name, value) in signed.pairs() {
            request = request.header(name, value);
        }
        let answer = request.send().await?.text().await?;
        if !answer.contains("SUCCESS") {
            return Err(FloorError::unexpected("the merchant refused"));
        }
        delivery.acker.ack(BasicAckOptions::default()).await?;
        Ok(())
    }
}
