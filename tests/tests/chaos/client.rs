//! A merchant who goes on ordering, and writes down what it was answered.

use std::sync::Arc;
use std::time::Duration;

use simulator::{Item, MerchantClient};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::fate::Fate;
use crate::harness::Outside;
use crate::harness::merchant::{BUSINESS, MERCHANT};

const ITEMS: u64 = 20;
/// Merchants who order side by side.
const HANDS: u64 = 3;
const GAP: Duration = Duration::from_millis(250);
/// One request; then nobody knows.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the last answer to a batch says about it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// 0: it is stored.
    Accepted,
    /// A status after which nothing may be left behind.
    Refused(i64),
    /// 98, or no answer: it is stored or not.
    Unknown,
}

/// One batch.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) items: Vec<(String, String)>,
    pub(crate) answer: Answer,
}

pub(crate) struct Client {
    stop: CancellationToken,
    hands: JoinSet<Vec<Sent>>,
}

impl Client {
    pub(crate) fn start(doors: &[String], outside: &Arc<Outside>, seed: u64) -> Self {
        let stop = CancellationToken::new();
        let mut hands = JoinSet::new();
        for hand in 0..HANDS {
            let clients: Vec<MerchantClient> = doors
                .iter()
                .map(|door| {
                    let key = &outside.merchant_key.private_pem;
                    MerchantClient::rsa(&format!("http://{door}"), MERCHANT, BUSINESS, key).unwrap()
                })
                .collect();
            hands.spawn(order(
                hand,
                clients,
                Fate::new(seed ^ (hand + 1)),
                stop.clone(),
            ));
        }
        Self { stop, hands }
    }

    pub(crate) async fn stop(self) -> Vec<Sent> {
        self.stop.cancel();
        self.hands.join_all().await.into_iter().flatten().collect()
    }
}

async fn order(
    hand: u64,
    clients: Vec<MerchantClient>,
    mut fate: Fate,
    stop: CancellationToken,
) -> Vec<Sent> {
    let mut log = vec![];
    let mut batch = 0;
    while !stop.is_cancelled() {
        let name = format!("h{hand}b{batch}");
        let items: Vec<Item> = (0..ITEMS)
            .map(|n| Item::new(format!("{name}-{n}"), format!("13{hand}{batch:05}{n:03}")))
            .collect();
        // Now and then what must be refused.
        let product = match fate.below(10) {
            0 => "NONE",
            1..=3 => "I",
            4 => "N",
            _ => "Q",
        };
        let mut answer = send(&clients, &mut fate, &name, product, &items).await;
        // A careful merchant asks again with the same content; a careless one does not.
        for _ in 0..fate.below(3) {
            if matches!(answer, Answer::Accepted) {
                break;
            }
            tokio::time::sleep(GAP).await;
            let again = send(&clients, &mut fate, &name, product, &items).await;
            answer = match (answer, again) {
                // An unknown first try may have been stored whatever is said later, but for an acceptance.
                (Answer::Unknown, Answer::Refused(_)) => Answer::Unknown,
                (_, again) => again,
            };
        }
        log.push(Sent {
            items: items.into_iter().map(|i| (i.biz_code, i.account)).collect(),
            answer,
        });
        batch += 1;
        tokio::time::sleep(GAP).await;
    }
    log
}

async fn send(
    clients: &[MerchantClient],
    fate: &mut Fate,
    name: &str,
    product: &str,
    items: &[Item],
) -> Answer {
    let door = usize::from(fate.below(clients.len() as u64) == 1);
    let sending = clients[door].batch(name, product, None, items);
    match tokio::time::timeout(PATIENCE, sending).await {
        Ok(Ok(answer)) => match answer.status {
            0 => Answer::Accepted,
            98 => Answer::Unknown,
            status => Answer::Refused(status),
        },
        Ok(Err(_)) | Err(_) => Answer::Unknown,
    }
}
