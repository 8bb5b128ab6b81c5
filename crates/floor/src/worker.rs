//! An order is charged: one call, then its row in a set with others, then the second message.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use md5::{Digest, Md5};
use serde::Deserialize;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::FloorError;
use crate::messages::{Broker, ORDERS, Order, REPORTS, next};
use crate::rows::Rows;

/// Calls at the same time.
pub(crate) const CALLS: usize = 256;
/// Orders recorded together.
pub(crate) const SET: usize = 500;

pub(crate) struct Worker {
    pub(crate) rows: Rows,
    pub(crate) broker: Broker,
    pub(crate) http: reqwest::Client,
    pub(crate) supplier: String,
    pub(crate) key: String,
}

struct Charged {
    order: Order,
    upstream_no: String,
    delivery: Delivery,
}

#[derive(Deserialize)]
struct Answer {
    errno: i64,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    order_number: String,
}

impl Worker {
    pub(crate) async fn run(self) -> Result<(), FloorError> {
        let (done, mut charged) = mpsc::channel(2 * SET);
        let (called, recorded) = tokio::join!(self.call_all(done), self.record_all(&mut charged));
        called.and(recorded)
    }

    async fn call_all(&self, done: mpsc::Sender<Charged>) -> Result<(), FloorError> {
        let mut orders = self.broker.consume(ORDERS).await?;
        let mut calls = FuturesUnordered::new();
        loop {
            tokio::select! {
                order = next(&mut orders), if calls.len() < CALLS => {
                    let (order, delivery) = order?;
                    calls.push(self.charge(order, delivery));
                }
                Some(charged) = calls.next() => {
                    done.send(charged?).await.map_err(FloorError::unexpected)?;
                }
            }
        }
    }

    async fn charge(&self, order: Order, delivery: Delivery) -> Result<Charged, FloorError> {
        let reference = order.id.simple().to_string();
        let url = format!("{}/yrapi.php/index/recharge", self.supplier);
        let mut fields = vec![
            ("amount", "50"),
            ("mobile", &order.account),
            ("notify_url", &self.supplier),
            ("out_trade_num", &reference),
            ("product_id", "1"),
            ("userid", "refill"),
        ];
        let mut digest = Md5::new();
        for (name, value) in &fields {
            digest.update(format!("{name}={value}&"));
        }
        digest.update(format!("apikey={}", self.key));
        let sign = hex::encode_upper(digest.finalize());
        fields.push(("sign", &sign));
        let answer = self.http.post(url).form(&fields).send().await?;
        let answer: Answer = serde_json::from_slice(&answer.bytes().await?)?;
        if answer.errno != 0 {
            return Err(FloorError::unexpected("the supplier refused"));
        }
        Ok(Charged {
            order,
            upstream_no: answer.data.order_number,
            delivery,
        })
    }

    async fn record_all(&self, charged: &mut mpsc::Receiver<Charged>) -> Result<(), FloorError> {
        let mut set = Vec::with_capacity(SET);
        while charged.recv_many(&mut set, SET).await > 0 {
            let (ids, upstream): (Vec<Uuid>, Vec<String>) = set
                .iter_mut()
                .map(|c| (c.order.id, std::mem::take(&mut c.upstream_no)))
                .unzip();
            self.rows.succeeded(&ids, &upstream).await?;
            let (orders, deliveries): (Vec<Order>, Vec<Delivery>) =
                set.drain(..).map(|c| (c.order, c.delivery)).unzip();
            self.broker.publish(REPORTS, &orders).await?;
            for delivery in deliveries {
                delivery.acker.ack(BasicAckOptions::default()).await?;
            }
        }
        Ok(())
    }
}
