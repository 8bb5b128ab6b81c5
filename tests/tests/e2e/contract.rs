//! The merchant API as its users meet it (`CONTRACT.md`): which status answers what, and what is stored by it.

mod answers;
mod batches;
mod bytes;
mod reads;
mod who;

use serde_json::{Value, json};
use simulator::{Answered, MerchantClient};

use crate::harness::Scene;
use crate::harness::merchant::MERCHANT;

const BATCH: &str = "/v1/openapi/order/batch";

/// The scene's merchant, on another of the accounts that its key opens.
fn client(scene: &Scene, merchant: &str, business: &str) -> MerchantClient {
    let key = &scene.outside.merchant_key.private_pem;
    MerchantClient::rsa(&scene.platform.openapi, merchant, business, key).unwrap()
}

/// A batch of `MOBILE50` in the shape of the contract, to be spoilt.
fn batch(code: &str, accounts: &[&str]) -> Value {
    let items: Vec<Value> = accounts
        .iter()
        .enumerate()
        .map(|(n, account)| json!({"bizCode": format!("{code}-{n}"), "account": account}))
        .collect();
    json!({"merchantId": MERCHANT, "businessId": "shop", "batchBizCode": code, "productCode": "MOBILE50", "itemList": items})
}

async fn send(client: &MerchantClient, body: &Value) -> Answered {
    client
        .post(BATCH, body.to_string().as_bytes())
        .await
        .unwrap()
}

/// Everything but 0 says whether something may have been stored.
fn says_accepted(answer: &Answered) {
    match answer.status {
        0 => assert!(answer.body.get("accepted").is_none(), "{}", answer.body),
        5 | 6 | 8 | 98 | 99 => {
            assert_eq!(answer.body["accepted"], "unknown", "{}", answer.body);
            assert!(answer.body["queryAfter"].as_u64().is_some());
        }
        _ => assert_eq!(answer.body["accepted"], "no", "{}", answer.body),
    }
}

/// What the database holds: batches, orders, money that has been held.
async fn stored(scene: &Scene) -> String {
    let sql = "SELECT concat_ws(' ', (SELECT count(*) FROM batches), (SELECT count(*) FROM orders),
                         (SELECT sum(held_delta) FROM ledger WHERE kind = 'hold'))";
    scene.ground.ask(sql).await
}
