//! Every page, with what there is to show, in both languages.

use reqwest::StatusCode;

use crate::support::Ground;

#[tokio::test]
async fn every_page_is_told_in_both_languages() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let mut admin = console.signed_in("admin").await;
    let [charged, doubtful] = ground.orders;
    let session = admin.cookie.clone();
    let pages = [
        ("/".to_owned(), "Overview", "总览"),
        (format!("/orders/{charged}"), "What happened", "时间线"),
        (format!("/orders/{doubtful}"), "In doubt", "存疑"),
        (
            "/orders?q=batch%20one".to_owned(),
            "Merchant's number",
            "商户单号",
        ),
        (
            "/orders?q=nothing".to_owned(),
            "No order carries this",
            "没有匹配的订单",
        ),
        (
            "/batches/b1?number=batch%20one".to_owned(),
            "Batch batch one",
            "批次 batch one",
        ),
        ("/doubts".to_owned(), "Doubts", "待人工"),
        ("/discrepancies".to_owned(), "Discrepancies", "账实不符"),
        ("/suppliers".to_owned(), "Success rate", "成功率"),
        ("/lanes".to_owned(), "Waiting for a worker", "等待处理"),
        (
            "/lanes/mobile/calling".to_owned(),
            "In a call",
            "没有这样的订单",
        ),
        (
            "/lanes/mobile/asked".to_owned(),
            "Asked, not answered",
            "已提交待结果",
        ),
        ("/endpoints".to_owned(), "All are well", "全部正常"),
        (
            "/callbacks?business=b1".to_owned(),
            "Reports that were given up",
            "已放弃的通知",
        ),
        ("/businesses".to_owned(), "Credit line", "授信额度"),
        ("/businesses/b1".to_owned(), "Ledger", "账本"),
        ("/products".to_owned(), "Face value", "面值"),
        ("/audit".to_owned(), "operator.add", "操作记录"),
        ("/operators".to_owned(), "Add an operator", "添加操作员"),
        (
            "/signature".to_owned(),
            "Headers, one a line",
            "请求头，每行一个",
        ),
        ("/password".to_owned(), "Old password", "原密码"),
        ("/nowhere".to_owned(), "Not found", "未找到"),
    ];
    for (lang, which) in [("en", 0), ("zh", 1)] {
        admin.cookie = format!("{session}; lang={lang}");
        for (path, english, chinese) in &pages {
            let (status, page) = admin.read(path).await;
            let expected = if path == "/nowhere" {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::OK
            };
            assert_eq!(status, expected, "{path}: {page}");
            let word = [english, chinese][which].replace('\'', "&#39;");
            assert!(page.contains(&word), "{word} is not in {path}: {page}");
            for secret in [
                "13800008001",
                "CARD-9876",
                "token=secret",
                "7c1d0e4b92f5484c",
                "argon2",
                "<script>alert",
                "<b>amount",
            ] {
                assert!(!page.contains(secret), "{secret} is in {path}");
            }
            assert!(
                !page.contains(" style=") && !page.contains(" onclick="),
                "{path}"
            );
        }
    }
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn the_signature_page_takes_what_is_pasted_and_never_a_private_key() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let viewer = console.signed_in("viewer").await;
    let headers = "businessId: b1\nnonce: 1\ntimestamp: 1764000000000\nsignType: MD5\nsign: 00";
    let body = "{\"a\": \"<script>alert(1)</script>\"}";
    let theirs = "businessId=b1&nonce=2";
    let form = [("headers", headers), ("body", body), ("theirs", theirs)];
    let page = viewer.post("/signature", &form).await.text().await.unwrap();
    for part in [
        "differ first in byte 20",
        "more than five minutes",
        "None of the usual mistakes fits",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(
        page.contains("businessId=b1&#38;nonce=1&#38;signType=MD5&#38;timestamp=1764000000000{"),
        "{page}"
    );
    assert!(!page.contains("<script>alert"), "{page}");
    let framed = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----";
    let bare = "key=MIIEvQIBADANBgkqhkiG9w0BAQEFAASC";
    for key in [framed, bare] {
        let refused = viewer
            .post(
                "/signature",
                &[("headers", headers), ("body", ""), ("theirs", key)],
            )
            .await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!refused.text().await.unwrap().contains("MIIEvQ"));
    }
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_told_on_a_page() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let viewer = console.signed_in("viewer").await;
    for path in [
        "/batches/b1",
        "/audit?before=x",
        "/businesses?after=1&after=2",
    ] {
        let (status, page) = viewer.read(path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(
            page.contains("<nav") && page.contains("what the address asks for"),
            "{path}: {page}"
        );
    }
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn the_overview_renews_itself_for_whoever_is_signed_in() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let (status, _) = console.stranger().read("/live").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let viewer = console.signed_in("viewer").await;
    let mut stream = viewer.ask(reqwest::Method::GET, "/live").await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut heard = String::new();
    while !heard.contains("</table>") {
        let chunk = stream.chunk().await.unwrap().expect("a page comes");
        heard.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(
        heard.starts_with("event: page\ndata: <h1>Overview"),
        "{heard}"
    );
    // It does not keep the console from stopping.
    console.close().await;
    ground.end().await;
}
