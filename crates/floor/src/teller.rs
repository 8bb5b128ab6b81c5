//! A merchant is told: one signed report per order.

use domain::BusinessId;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use openapi::SigningKey;
use serde_json::json;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::messages::{Broker, Order, REPORTS, next};
use crate::rows::Rows;
use crate::worker::{CALLS, SET};
use crate::{FloorError, now};

pub(crate) struct Teller {
    pub(crate) rows: Rows,
    pub(crate) broker: Broker,
    pub(crate) http: reqwest::Client,
    pub(crate) callback: String,
    pub(crate) key: SigningKey,
}

/// An order whose merchant knows.
struct Told {
    id: Uuid,
    delivery: Delivery,
}

impl Teller {
    pub(crate) async fn run(self) -> Result<(), FloorError> {
        let (done, mut told) = mpsc::channel(2 * SET);
        let (called, recorded) = tokio::join!(self.tell_all(done), self.record_all(&mut told));
        called.and(recorded)
    }

    async fn tell_all(&self, done: mpsc::Sender<Told>) -> Result<(), FloorError> {
        let mut reports = self.broker.consume(REPORTS).await?;
        let mut calls = FuturesUnordered::new();
        loop {
            tokio::select! {
                order = next(&mut reports), if calls.len() < CALLS => {
                    let (order, delivery) = order?;
                    calls.push(self.tell(order, delivery));
                }
                Some(told) = calls.next() => {
                    done.send(told?).await.map_err(FloorError::unexpected)?;
                }
            }
        }
    }

    async fn record_all(&self, told: &mut mpsc::Receiver<Told>) -> Result<(), FloorError> {
        let mut set = Vec::with_capacity(SET);
        while told.recv_many(&mut set, SET).await > 0 {
            let ids: Vec<Uuid> = set.iter().map(|t| t.id).collect();
            self.rows.reported(&ids).await?;
            for told in set.drain(..) {
                told.delivery.acker.ack(BasicAckOptions::default()).await?;
            }
        }
        Ok(())
    }

    async fn tell(&self, order: Order, delivery: Delivery) -> Result<Told, FloorError> {
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
        Ok(Told {
            id: order.id,
            delivery,
        })
    }
}
