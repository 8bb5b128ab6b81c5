//! Keys change without an outage, and rest sealed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use simulator::{
    Item, MerchantClient, MerchantReceiver, MerchantReceiverSettings, ReceivedHandle, RsaPair,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::harness::merchant::{BUSINESS, MERCHANT};
use crate::harness::outside::{HARBOR_KEY, MERCHANT_MD5_KEY, SWIFT_KEY};
use crate::harness::platform::{CATALOGUE, catalogue};
use crate::harness::{Scene, until};

/// A receiver that believes these keys; where it is, and what it heard.
async fn believing(keys: &[&RsaPair], stop: &CancellationToken) -> (String, ReceivedHandle) {
    let receiver = MerchantReceiver::new(&MerchantReceiverSettings {
        platform_public_keys: keys.iter().map(|key| key.public_pem.clone()).collect(),
        md5_keys: vec![],
        keep: 100_000,
    })
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/callback", listener.local_addr().unwrap());
    let heard = receiver.handle();
    tokio::spawn(receiver.run(listener, stop.clone()));
    (url, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_key_is_changed_under_load_without_one_bad_signature() {
    let scene = Scene::start().await;
    let stop = CancellationToken::new();
    let new_key = RsaPair::generate().unwrap();
    let (old_url, old) = believing(&[&scene.outside.platform_key], &stop).await;
    let (both_url, both) = believing(&[&scene.outside.platform_key, &new_key], &stop).await;
    let (new_url, new) = believing(&[&new_key], &stop).await;
    let merchant_pem = &scene.outside.merchant_key;
    let business = |keys: &str, url: &str| {
        format!(
            "[[business]]\nid = \"{BUSINESS}\"\nmerchant = \"{MERCHANT}\"\ncallback_url = \"{url}\"\ncallback_keys = {keys}\n\
             rsa_public_keys = [\"\"\"{}\"\"\"]\n",
            merchant_pem.public_pem
        )
    };
    scene
        .platform
        .import(&scene.outside, &business("[\"default\"]", &old_url));
    // Orders go on all the time.
    let done = Arc::new(AtomicBool::new(false));
    let load = {
        let (client, done) = (scene.merchant.client.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                let items: Vec<Item> = (0..5)
                    .map(|n| Item::new(format!("k{sent}-{n}"), format!("136{:08}", sent * 5 + n)))
                    .collect();
                let number = format!("k{sent}");
                let answer = client
                    .batch(&number, "MOBILE50", None, &items)
                    .await
                    .unwrap();
                assert_eq!(answer.status, 0, "{}", answer.body);
                sent += 1;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            sent * 5
        })
    };
    let some = async |heard: &ReceivedHandle| {
        let before = heard.taken();
        until(
            "some reports",
            async || (heard.taken() > before + 5).then_some(()),
            || format!("{:?}", heard.summary()),
        )
        .await;
    };
    some(&old).await;
    let all_told = async |url: &str| {
        let open = format!(
            "SELECT count(*) FROM batches b JOIN orders o USING (business_id, batch_id) LEFT JOIN callbacks c USING (business_id, order_code)
             WHERE b.callback_url = '{url}' AND (o.state < 2 OR c.state < 2)"
        );
        until(
            "nothing open for an address",
            async || (scene.ground.ask(&open).await == "0").then_some(()),
            || url.to_owned(),
        )
        .await;
    };
    // The new key is there; the merchant does not know it yet, and nothing is signed with it.
    let file = scene.platform.folder.join("new.pem");
    std::fs::write(file, &new_key.private_pem).unwrap();
    let key = "[[platform_key]]\nid = \"next\"\nprivate_key_file = \"new.pem\"\nnot_before = \"2026-01-01T00:00:00Z\"\n";
    scene.platform.import(&scene.outside, key);
    some(&old).await;
    // The merchant believes both, then is set to both: the newest signs. At last it forgets the old one.
    scene
        .platform
        .import(&scene.outside, &business("[\"default\"]", &both_url));
    some(&both).await;
    all_told(&old_url).await;
    scene.platform.import(
        &scene.outside,
        &business("[\"default\", \"next\"]", &both_url),
    );
    some(&both).await;
    scene
        .platform
        .import(&scene.outside, &business("[\"next\"]", &new_url));
    some(&new).await;
    done.store(true, Ordering::Relaxed);
    let ordered = load.await.unwrap();
    until(
        "all reports",
        async || {
            let taken = [&scene.outside.received, &old, &both, &new].map(ReceivedHandle::taken);
            (taken.iter().sum::<u64>() == ordered).then_some(())
        },
        || {
            format!(
                "{:?} {:?} {:?}",
                old.summary(),
                both.summary(),
                new.summary()
            )
        },
    )
    .await;
    for heard in [&old, &both, &new] {
        assert_eq!(heard.summary().bad_signatures, 0, "{:?}", heard.summary());
    }
    stop.cancel();
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_rest_sealed_and_are_sealed_anew_while_the_platform_runs() {
    let line = |name: &str, digits: &str| format!("{name}:{}", digits.repeat(32));
    let both = format!("{}\n{}", line("second", "c4"), line("first", "a7"));
    let first = line("first", "a7");
    // It opens with both keys, and seals with the first that it is given.
    let mut scene = Scene::start_with(&[("REFILL_MASTER_KEYS", &first)]).await;
    let stored = "SELECT string_agg(t, ' ') FROM (SELECT key AS t FROM business_keys WHERE kind = 'MD5' UNION ALL
                  SELECT private_key FROM platform_keys UNION ALL SELECT credentials::text FROM suppliers) s";
    let text = scene.ground.ask(stored).await;
    let secrets = [MERCHANT_MD5_KEY, SWIFT_KEY, HARBOR_KEY, "PRIVATE KEY"];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} stands in the database");
    }
    assert!(text.contains("sealed:1:first:"));
    // It works: both suppliers are paid, reports are signed, an MD5 account is let in.
    scene.merchant.order("s1", 4).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let old =
        MerchantClient::md5(&scene.platform.openapi, MERCHANT, "old", MERCHANT_MD5_KEY).unwrap();
    let items = [Item::new("s-md5", "13400000001")];
    assert_eq!(
        old.batch("s-md5", "MOBILE50", None, &items)
            .await
            .unwrap()
            .status,
        0
    );
    // A second master key: first all processes have both, then everything is sealed anew.
    scene.platform.stop();
    scene.platform.set("REFILL_MASTER_KEYS", &both);
    tokio::task::block_in_place(|| scene.platform.go_on());
    let said = scene.platform.tool(&["keys", "seal"]);
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    let text = scene.ground.ask(stored).await;
    assert!(
        !text.contains("sealed:1:first:") && text.contains("sealed:1:second:"),
        "{text}"
    );
    scene.merchant.order("s2", 4).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    // Without the key nothing starts, and the reason is told without the secret.
    scene.platform.stop();
    scene.platform.set("REFILL_MASTER_KEYS", &first);
    let file = scene.platform.folder.join("catalogue.toml");
    std::fs::write(&file, catalogue(CATALOGUE, &scene.outside, "127.0.0.1:1")).unwrap();
    let said = scene.platform.tool(&[
        "ingress",
        "--admin",
        "127.0.0.1:0",
        "--listen",
        "127.0.0.1:0",
    ]);
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(
        !said.status.success() && words.contains("master key second"),
        "{words}"
    );
    assert!(!words.contains("a7a7"), "{words}");
    scene.platform.check();
    scene.ground.clear().await;
}

/// Nor is it looked at again and again meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_signed_waits_for_its_time_and_not_only_for_a_slot() {
    const REPORTS: usize = 100;
    let mut scene = Scene::start().await;
    scene
        .ground
        .ask("UPDATE platform_keys SET not_after = now()")
        .await;
    let bump =
        "UPDATE platform SET catalogue_version = catalogue_version + 1 RETURNING catalogue_version";
    let version = scene.ground.ask(bump).await;
    let line = format!("version={version} ");
    let taken_up = async || scene.platform.log().contains(&line).then_some(());
    until("the catalogue", taken_up, || line.clone()).await;
    scene.merchant.order("unsigned", REPORTS).await;
    let claimed = "SELECT count(*) FROM callbacks WHERE epoch > 0";
    let all_claimed =
        async || (scene.ground.ask(claimed).await == REPORTS.to_string()).then_some(());
    until("a claim of each", all_claimed, String::new).await;
    // Time passes: another account's orders come and are reported.
    let old =
        MerchantClient::md5(&scene.platform.openapi, MERCHANT, "old", MERCHANT_MD5_KEY).unwrap();
    for n in 0..5 {
        let number = format!("old-{n}");
        let items = [Item::new(&number, "13800000001")];
        let answer = old.batch(&number, "MOBILE50", None, &items).await.unwrap();
        assert_eq!(answer.status, 0, "{}", answer.body);
        let delivered = "SELECT count(*) FROM callbacks WHERE state = 2 AND business_id = 'old' AND NOT of_batch";
        let reported =
            async || (scene.ground.ask(delivered).await == (n + 1).to_string()).then_some(());
        until("its report", reported, String::new).await;
    }
    let tried = scene
        .ground
        .ask("SELECT count(*) FROM callback_tries WHERE business_id <> 'old'")
        .await;
    let tried: usize = tried.parse().unwrap();
    assert!(
        tried <= 3 * REPORTS,
        "{REPORTS} reports were taken up {tried} times"
    );
    scene.platform.kill();
}
