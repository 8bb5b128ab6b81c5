//! Sends an offer, and keeps what each batch was answered.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use simulator::{Item, MerchantClient, SignedHeaders};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::catalogue::{MERCHANT, business};
use super::latency::Latencies;
use super::offer::{Offer, Planned, Refused};
use super::stage::Stage;

const PATH: &str = "/v1/openapi/order/batch";
/// Before a batch that was refused is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// So many of the batches that were refused for good are looked for afterwards.
const LOOKED_FOR: usize = 100;

/// What came of an offer.
pub(super) struct Sent {
    /// In all numbers of this run.
    run: String,
    /// Unix microseconds.
    pub(super) began_us: u64,
    /// The batches that were answered 0, in the order of their answers.
    pub(super) accepted: Vec<Accepted>,
    /// From a request to the answer that refused it.
    pub(super) refusals: Latencies,
    /// The batches that were refused for good.
    refused: Vec<Planned>,
    /// Batches without an answer that says whether they were stored.
    pub(super) unanswered: u32,
    /// Of each account.
    clients: Vec<MerchantClient>,
}

/// One batch that was answered 0.
#[derive(Clone, Copy)]
pub(super) struct Accepted {
    pub(super) batch: Planned,
    /// When it was due, or sent in a closed loop: Unix microseconds.
    pub(super) start_us: u64,
    /// From then on.
    pub(super) answered: Duration,
}

impl Sent {
    /// The numbers of a batch's orders.
    pub(super) fn biz_codes(&self, batch: &Planned) -> impl Iterator<Item = String> {
        let (run, number) = (self.run.clone(), batch.number);
        (0..batch.items).map(move |n| biz_code(&run, number, n))
    }

    /// Orders that were accepted.
    pub(super) fn orders(&self) -> u32 {
        self.accepted.iter().map(|a| a.batch.items).sum()
    }

    /// Orders of batches that were refused for good.
    pub(super) fn refused_orders(&self) -> u32 {
        self.refused.iter().map(|batch| batch.items).sum()
    }

    /// Asks for some of what was refused: the contract promises that nothing of it was stored.
    pub(super) async fn ensure_refused_is_nowhere(&self) -> anyhow::Result<()> {
        let apart = self.refused.len().div_ceil(LOOKED_FOR).max(1);
        for batch in self.refused.iter().step_by(apart) {
            let number = biz_code(&self.run, batch.number, 0);
            let answer = self.clients[batch.account].order(&number).await?;
            let body = answer.body;
            anyhow::ensure!(
                answer.status == 7,
                "order {number} was refused, and yet is: {body}"
            );
        }
        Ok(())
    }

    /// From the start to the last acceptance.
    pub(super) fn accepted_within(&self) -> Duration {
        let ends = self
            .accepted
            .iter()
            .map(|a| Duration::from_micros(a.start_us.saturating_sub(self.began_us)) + a.answered);
        ends.max().unwrap_or_default()
    }
}

/// How one batch ended.
struct Ended {
    batch: Planned,
    start: Instant,
    end: End,
    refusals: Vec<Duration>,
}

#[derive(Clone, Copy)]
enum End {
    Accepted(Duration),
    Refused,
    Unanswered,
}

/// A batch, ready to be sent.
struct Parcel {
    batch: Planned,
    client: MerchantClient,
    body: Vec<u8>,
    /// Signed before the clock started.
    headers: Option<SignedHeaders>,
    refused: Refused,
}

/// An offer of which all is done that can be done before the clock starts.
pub(super) struct Load<'a> {
    offer: &'a Offer,
    run: String,
    clients: Vec<MerchantClient>,
    plan: Vec<Planned>,
    /// Of all of the plan, or of none.
    signed: Vec<Parcel>,
}

impl<'a> Load<'a> {
    /// Signs, where that is to be done before: for tens of thousands of orders it takes seconds, in which nothing else is done.
    pub(super) fn pack(stage: &Stage<'_>, url: &str, offer: &'a Offer) -> anyhow::Result<Self> {
        let run = format!("{:x}", now_us());
        let key = &stage.merchant_key.private_pem;
        let first = MerchantClient::rsa(url, MERCHANT, &business(0), key)?;
        let clients: Vec<MerchantClient> = (0..offer.shares.len())
            .map(|account| first.of_business(&business(account)))
            .collect();
        let plan = offer.plan();
        let mut signed = vec![];
        if offer.signed_before {
            signed.extend(plan.iter().map(|batch| pack(offer, &run, &clients, *batch)));
        }
        Ok(Self {
            offer,
            run,
            clients,
            plan,
            signed,
        })
    }

    /// Starts the clock and sends all of it; returns when everything is answered.
    pub(super) async fn send(self) -> anyhow::Result<Sent> {
        let offer = self.offer;
        let mut signed = self.signed.into_iter();
        let room = Arc::new(Semaphore::new(offer.pace.outstanding()));
        let mut sending = JoinSet::new();
        let mut sent = Sent {
            run: self.run,
            began_us: now_us(),
            accepted: Vec::with_capacity(self.plan.len()),
            refusals: Latencies::new()?,
            refused: vec![],
            unanswered: 0,
            clients: self.clients,
        };
        let began = Instant::now();
        for batch in self.plan {
            let due = batch.due.map(|due| began + due);
            if let Some(due) = due {
                tokio::time::sleep_until(due).await;
            }
            let permit = Arc::clone(&room).acquire_owned().await?;
            let start = due.unwrap_or_else(Instant::now);
            let parcel = match signed.next() {
                Some(parcel) => parcel,
                None => pack(offer, &sent.run, &sent.clients, batch),
            };
            sending.spawn(async move {
                let ended = parcel.deliver(start).await;
                drop(permit);
                ended
            });
            while let Some(ended) = sending.try_join_next() {
                sent.note(began, ended??);
            }
        }
        while let Some(ended) = sending.join_next().await {
            sent.note(began, ended??);
        }
        Ok(sent)
    }
}

/// Packs all of it and sends it to the door at `url`; returns when everything is answered.
pub(super) async fn send(stage: &Stage<'_>, url: &str, offer: &Offer) -> anyhow::Result<Sent> {
    Load::pack(stage, url, offer)?.send().await
}

impl Sent {
    fn note(&mut self, began: Instant, ended: Ended) {
        for refusal in ended.refusals {
            self.refusals.add(refusal);
        }
        match ended.end {
            End::Accepted(answered) => {
                let after = (ended.start - began).as_micros();
                self.accepted.push(Accepted {
                    batch: ended.batch,
                    start_us: self.began_us + u64::try_from(after).unwrap_or(u64::MAX),
                    answered,
                });
            }
            End::Refused => self.refused.push(ended.batch),
            End::Unanswered => self.unanswered += 1,
        }
    }
}

fn pack(offer: &Offer, run: &str, clients: &[MerchantClient], batch: Planned) -> Parcel {
    let client = clients[batch.account].clone();
    let items: Vec<Item> = (0..batch.items)
        .map(|n| {
            Item::new(
                biz_code(run, batch.number, n),
                format!("138{:08}", batch.first + n),
            )
        })
        .collect();
    let urls = &offer.callback_urls;
    // Every account has its own; of one account the batches take turns.
    let turn = if clients.len() > 1 {
        batch.account
    } else {
        batch.number as usize
    };
    let url = urls.get(turn % urls.len().max(1));
    let code = format!("{run}-{}", batch.number);
    let body = client.batch_body(&code, offer.product, url.map(String::as_str), &items);
    Parcel {
        headers: offer.signed_before.then(|| client.sign(&body)),
        batch,
        client,
        body,
        refused: offer.refused,
    }
}

impl Parcel {
    async fn deliver(mut self, start: Instant) -> anyhow::Result<Ended> {
        let mut refusals = vec![];
        let end = loop {
            let headers = self.headers.take();
            let headers = headers.unwrap_or_else(|| self.client.sign(&self.body));
            let sent = Instant::now();
            let answer = self.client.post_signed(PATH, &headers, &self.body).await;
            let dropped = self.refused == Refused::Dropped;
            match answer {
                Ok(answer) if answer.status == 0 => break End::Accepted(start.elapsed()),
                // Shed: nothing was stored, which the contract promises, and the door says when to come back.
                Ok(answer) if answer.status == 1 => {
                    let (number, body) = (self.batch.number, answer.body);
                    anyhow::ensure!(
                        answer.retry_after.is_some(),
                        "batch {number} was refused without a time to come back: {body}"
                    );
                    refusals.push(sent.elapsed());
                }
                // Whether it was stored nobody knows; sent again by its number, it is told.
                Ok(answer) if answer.status == 98 && !dropped => {}
                Ok(answer) if answer.status == 98 => break End::Unanswered,
                Ok(answer) => {
                    anyhow::bail!("batch {} was answered {}", self.batch.number, answer.body)
                }
                Err(_) if dropped => break End::Unanswered,
                Err(error) => return Err(error.into()),
            }
            if dropped {
                break End::Refused;
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        };
        Ok(Ended {
            batch: self.batch,
            start,
            end,
            refusals,
        })
    }
}

fn biz_code(run: &str, batch: u32, n: u32) -> String {
    format!("{run}-{batch}-{n}")
}

fn now_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::offer::Pace;
    use super::*;

    /// How long the door says nothing.
    const STALL: Duration = Duration::from_millis(300);

    /// Reads a request and accepts it.
    async fn accept(mut connection: TcpStream) {
        let mut heard = vec![];
        // A body is one JSON object, and the only one in the request.
        while !heard.ends_with(b"}") {
            if connection.read_buf(&mut heard).await.unwrap() == 0 {
                return;
            }
        }
        let body = r#"{"status":0,"message":"ok"}"#;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        connection.write_all(answer.as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn who_waits_for_his_turn_behind_a_stall_has_waited_since_he_was_due() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let offer = Offer {
            orders: 5,
            sizes: vec![1],
            pace: Pace::PerSecond {
                rate: 1_000,
                outstanding: 1,
            },
            refused: Refused::SentAgain,
            product: "P",
            shares: vec![1.0],
            callback_urls: vec![],
            signed_before: false,
        };
        let load = Load {
            run: "run".into(),
            clients: vec![MerchantClient::md5(&url, "m", "b", "key").unwrap()],
            plan: offer.plan(),
            signed: vec![],
            offer: &offer,
        };
        let door = async {
            let (first, _) = listener.accept().await.unwrap();
            tokio::time::sleep(STALL).await;
            accept(first).await;
            loop {
                accept(listener.accept().await.unwrap().0).await;
            }
        };
        let sent = tokio::select! {
            sent = load.send() => sent.unwrap(),
            () = door => unreachable!("it accepts for ever"),
        };
        assert_eq!(sent.accepted.len(), 5);
        // The last was due four milliseconds after the first.
        let least = STALL.saturating_sub(Duration::from_millis(5));
        let answered: Vec<_> = sent.accepted.iter().map(|a| a.answered).collect();
        assert!(answered.iter().all(|a| *a >= least), "{answered:?}");
    }
}
