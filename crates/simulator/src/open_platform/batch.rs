//! `order/batch`: all items or none, the same again answered from the book.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::info::{order, price};
use super::{Desk, answered, refused};
use crate::book::{Batch, End, Entered, Entry, Page};
use crate::clock::now_ms;
use crate::magic::Behaviour;
use crate::push::{Kind, Push};

/// Longer than any customer waits.
const FOR_EVER: Duration = Duration::from_secs(40);
const SLOW: Duration = Duration::from_secs(2);
const QUERY_ONLY_AFTER: Duration = Duration::from_secs(1);
const MOST_ITEMS: usize = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    business_id: String,
    batch_biz_code: String,
    product_code: String,
    #[serde(default)]
    callback_url: Option<String>,
    #[serde(default)]
    item_list: Vec<Item>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    biz_code: String,
    account: String,
    #[serde(default)]
    account_attach_values: Option<String>,
    #[serde(default)]
    spec: Option<Value>,
}

/// How the answer to a batch fares, when an item wants more than a plain one. Of several items the first of these decides.
enum Fate {
    NeverComes,
    Says(&'static str),
    Breaks,
}

pub(super) async fn answer(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let turn = desk.strength.turn().await;
    if let Err(refused) = desk.check(&headers, &body) {
        return *refused;
    }
    if turn.is_err() {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
        return refused(3, "body");
    };
    if asked.business_id != desk.settings.business_id {
        return refused(3, "businessId");
    }
    if asked.item_list.len() > MOST_ITEMS {
        return refused(3, "itemList");
    }
    if asked.item_list.is_empty() {
        return answered(0, "success", &json!([]));
    }
    let behaviours: Vec<Behaviour> = asked
        .item_list
        .iter()
        .map(|item| desk.behaviour(&item.account))
        .collect();
    if let Some(response) = desk.turn_away(&behaviours).await {
        return response;
    }
    let entries: Vec<Entry> = asked
        .item_list
        .iter()
        .zip(&behaviours)
        .map(|(item, behaviour)| desk.entry(&asked, item, *behaviour))
        .collect();
    let page = Page {
        batch: Some(Batch {
            number: asked.batch_biz_code.clone(),
            content: asked.content(),
        }),
        entries: entries.clone(),
    };
    match desk.book.enter(page) {
        Ok(Entered::New) => {}
        Ok(Entered::Again(known)) => return answered(0, "success", &receipt(&known)),
        Ok(Entered::Used(number)) => return refused(8, &number),
        Err(error) => {
            tracing::error!(%error, "the book cannot be written");
            return refused(98, "the book cannot be written");
        }
    }
    let url = asked.callback_url.unwrap_or_default();
    for (entry, behaviour) in entries.iter().zip(&behaviours) {
        desk.report(entry, *behaviour, &url).await;
    }
    if behaviours.contains(&Behaviour::Slow) {
        tokio::time::sleep(SLOW).await;
    }
    match behaviours.iter().find_map(|behaviour| fate(*behaviour)) {
        None => answered(0, "success", &receipt(&entries)),
        Some(Fate::Says(text)) => text.into_response(),
        Some(Fate::Breaks) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Fate::NeverComes) => {
            tokio::time::sleep(FOR_EVER).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
    }
}

fn fate(behaviour: Behaviour) -> Option<Fate> {
    match behaviour {
        Behaviour::TimeoutCharged => Some(Fate::NeverComes),
        Behaviour::Garbage => Some(Fate::Says("<html>busy")),
        Behaviour::Truncated => Some(Fate::Says("{\"status\":0,\"mess")),
        Behaviour::ErrorCharged => Some(Fate::Breaks),
        _ => None,
    }
}

impl Asked {
    /// A digest of what makes a repeat the same request: product, callback URL and items.
    fn content(&self) -> String {
        let content = json!([self.product_code, self.callback_url, self.item_list]);
        hex::encode(Md5::digest(content.to_string()))
    }
}

fn receipt(entries: &[Entry]) -> Value {
    let items = entries.iter().map(|entry| {
        json!({ "orderCode": entry.number, "bizCode": entry.reference, "settlementPrice": price(entry) })
    });
    items.collect()
}

impl Desk {
    fn behaviour(&self, account: &str) -> Behaviour {
        Behaviour::of_account(account).unwrap_or(self.settings.default_behaviour)
    }

    /// What happens to a batch that leaves nothing behind, because of one item.
    async fn turn_away(&self, behaviours: &[Behaviour]) -> Option<Response> {
        let turned_away = behaviours.iter().find(|behaviour| {
            matches!(
                behaviour,
                Behaviour::TimeoutNotCharged | Behaviour::ErrorNotCharged | Behaviour::Rejects
            )
        })?;
        Some(match turned_away {
            Behaviour::TimeoutNotCharged => {
                tokio::time::sleep(FOR_EVER).await;
                StatusCode::GATEWAY_TIMEOUT.into_response()
            }
            Behaviour::ErrorNotCharged => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            _ => {
                self.book.note_rejected();
                refused(11, "out of stock")
            }
        })
    }

    fn entry(&self, asked: &Asked, item: &Item, behaviour: Behaviour) -> Entry {
        let (end, wait) = match behaviour {
            Behaviour::Fails => (End::Failed, Duration::ZERO),
            Behaviour::PushedFailure => (End::Failed, self.settings.push_after),
            Behaviour::Partial | Behaviour::NeverEnds => (End::Never, Duration::ZERO),
            Behaviour::QueryOnly => (End::Succeeded, QUERY_ONLY_AFTER),
            Behaviour::PushedLater | Behaviour::PushesThrice => {
                (End::Succeeded, self.settings.push_after)
            }
            _ => (End::Succeeded, Duration::ZERO),
        };
        let face = item
            .spec
            .as_ref()
            .map(|spec| spec.to_string().trim_matches('"').to_owned());
        Entry {
            reference: item.biz_code.clone(),
            number: Uuid::now_v7().simple().to_string(),
            batch: asked.batch_biz_code.clone(),
            account: item.account.clone(),
            product: asked.product_code.clone(),
            face: face.unwrap_or_default(),
            end,
            ends_at: now_ms() + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            charged: u32::from(behaviour.charges()),
        }
    }

    /// Sends the order's report, or has it sent later, or not at all.
    async fn report(&self, entry: &Entry, behaviour: Behaviour, url: &str) {
        if url.is_empty() {
            return;
        }
        let report = |at_least| Push {
            url: url.to_owned(),
            body: order(entry, Some(entry.end)).to_string(),
            kind: Kind::Report(self.settings.business_id.clone()),
            at_least,
        };
        match behaviour {
            // Their customers find out by asking.
            Behaviour::QueryOnly
            | Behaviour::NeverEnds
            | Behaviour::Partial
            | Behaviour::TimeoutCharged
            | Behaviour::Garbage
            | Behaviour::ErrorCharged
            | Behaviour::Truncated => {}
            Behaviour::PushesFirst => {
                self.pusher.push_now(&report(1)).await;
            }
            Behaviour::Slow => self.pusher.push(report(1), SLOW),
            Behaviour::AtOnce | Behaviour::Fails => self.pusher.push(report(1), Duration::ZERO),
            Behaviour::PushesThrice => self.pusher.push(report(3), self.settings.push_after),
            _ => self.pusher.push(report(1), self.settings.push_after),
        }
    }
}
