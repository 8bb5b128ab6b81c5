//! A supplier's bill is held against our attempts.

use serde_json::{Value, json};

use crate::database::settled_scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_suppliers_bill_is_compared_item_by_item() {
    let scene = settled_scene().await;
    let sql = "SELECT string_agg(a.reference || ',' || o.account || ',' || a.cost / 10000.0 || ',' ||
               CASE WHEN a.state = 3 THEN 'succeeded' ELSE 'failed' END, E'\\n' ORDER BY o.biz_code)
               FROM attempts a JOIN orders o USING (business_id, order_code) WHERE a.supplier_id = 'swift'";
    let lines = scene.ground.ask(sql).await;
    let file = scene.platform.folder.join("bill.csv");
    let compare = |lines: &str| {
        std::fs::write(&file, format!("reference,account,amount,state\n{lines}\n")).unwrap();
        let file = file.to_str().unwrap();
        let flags = [
            "check",
            "--json",
            "--supplier",
            "swift",
            "--supplier-bill",
            file,
        ];
        let output = scene.platform.tool(&flags);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (
            output.status.code(),
            said["bill"].clone(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, bill, text) = compare(&lines);
    assert_eq!(
        (code, &bill["matched"], &bill["differences"]),
        (Some(0), &json!(3), &json!(0)),
        "{bill} {text}"
    );
    let kinds = |bill: &Value| -> Vec<String> {
        let named = bill["named"].as_array().unwrap();
        named
            .iter()
            .map(|d| d["kind"].as_str().unwrap().to_owned())
            .collect()
    };
    // done-0 was charged, done-1 refused, open-0 is in progress.
    let (charged, rest) = lines.split_once('\n').unwrap();
    let (code, bill, _) = compare(rest);
    assert_eq!(
        (code, kinds(&bill)),
        (Some(1), vec!["not_billed".to_owned()])
    );
    let wrong = format!(
        "{charged}\n{charged}\n{}\nRNOBODY,13800000000,1.00,succeeded",
        rest.replace("failed", "succeeded")
    );
    let (_, bill, _) = compare(&wrong);
    assert_eq!(
        kinds(&bill),
        [
            "billed_twice",
            "billed_not_charged",
            "billed_open",
            "unknown"
        ]
    );
    let (_, bill, _) = compare(
        &lines
            .replace("48.7", "49.7")
            .replace("13800000001", "13800000002"),
    );
    assert_eq!(kinds(&bill), ["other_account"]);
    assert!(
        !bill.to_string().contains("13800000002"),
        "accounts are masked: {bill}"
    );
    let (_, bill, _) = compare(&lines.replace("48.7", "49.7"));
    assert_eq!(kinds(&bill), ["other_amount"]);
    let (_, bill, _) = compare(&charged.replace("succeeded", "failed"));
    assert_eq!(kinds(&bill), ["denied"]);
    for (fault, words) in [
        ("a,b,c", "line 2"),
        ("a,b,much,failed", "line 2: amount"),
        ("a,b,1,maybe", "line 2: state"),
        (",b,1,failed", "line 2: reference"),
    ] {
        let (code, _, text) = compare(fault);
        assert!(code == Some(1) && text.contains(words), "{text}");
    }
    scene.end().await;
}
