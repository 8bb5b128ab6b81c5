//! Programs that ask: what a token is worth, what they are told, what they may do, and how they are told no.

use console::actions::{self, Actor};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use store::operators::Role;

use crate::support::{ACCOUNT, Ground, HOSTILE, PASSWORD, Pages};

/// A program with a token of somebody's.
struct Program<'p> {
    pages: &'p Pages,
    token: String,
}

async fn token_of(ground: &Ground, name: &str) -> String {
    let root = Actor::command("test");
    let label = format!("{name}'s <b>program");
    let added = actions::add_token(&ground.store, &root, name, &label, 1).await;
    added.unwrap().1
}

async fn program<'p>(ground: &Ground, pages: &'p Pages, name: &str) -> Program<'p> {
    let token = token_of(ground, name).await;
    Program { pages, token }
}

impl Program<'_> {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        request(self.pages, method, path).bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path).json(&body)).await
    }
}

fn request(pages: &Pages, method: Method, path: &str) -> RequestBuilder {
    let url = format!("http://{}/api{path}", pages.at);
    pages.client.request(method, url)
}

/// Every answer is JSON that nobody keeps; an error says a word and a sentence.
async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let unknown = status == StatusCode::UNAUTHORIZED;
    assert_eq!(headers.contains_key("www-authenticate"), unknown);
    let later = status == StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(headers.contains_key("retry-after"), later);
    let body: Value = answer.json().await.unwrap();
    let error = &body["error"];
    let is_told = error["code"].is_string() && error["message"].is_string();
    assert_eq!(is_told, !status.is_success(), "{body}");
    (status, body)
}

#[tokio::test]
async fn a_program_comes_with_a_token_that_is_good_and_with_nothing_else() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let root = Actor::command("test");
    let good = program(&ground, &console, "operator").await;
    let lanes = "/v1/lanes";
    assert_eq!(good.get(lanes).await.0, StatusCode::OK);
    let used = "SELECT used_at > now() - interval '10 s' FROM operator_tokens";
    assert_eq!(ground.sql(used).await.unwrap(), "t");
    // Noted once a minute, not with every question.
    let before = "SELECT used_at || '' FROM operator_tokens";
    let noted = ground.sql(before).await.unwrap();
    assert_eq!(good.get(lanes).await.0, StatusCode::OK);
    assert_eq!(ground.sql(before).await.unwrap(), noted);
    // The database can recognize it, and cannot say it.
    let digits = good.token.strip_prefix("refill_").unwrap();
    assert_eq!(digits.len(), 64);
    let kept = format!(
        "SELECT count(*) FROM operator_tokens WHERE operator_tokens::text LIKE '%{digits}%'"
    );
    assert_eq!(ground.sql(&kept).await.unwrap(), "0");

    // Whatever is wrong, and whatever is asked for, the answer is the same.
    let admin = console.signed_in("admin").await;
    let session = admin.cookie.split_once('=').unwrap().1.to_owned();
    let over = async |how: &str| {
        let token = token_of(&ground, "operator2").await;
        let last = "(SELECT max(token_no) FROM operator_tokens)";
        let sql = format!("UPDATE operator_tokens SET {how} WHERE token_no = {last}");
        ground.sql(&sql).await.unwrap();
        token
    };
    let expired = over("created_at = now() - interval '2 d', expires_at = now()").await;
    let revoked = token_of(&ground, "operator2").await;
    let tokens = ground.store.tokens(Some("operator2")).await.unwrap();
    let line = actions::revoke_token(&ground.store, &root, tokens[0].no).await;
    assert_eq!(line.unwrap().state, "revoked");
    let disabled = token_of(&ground, "viewer2").await;
    actions::set_active(&ground.store, &root, "viewer2", false)
        .await
        .unwrap();
    let bearer = |token: &str| format!("Bearer {token}");
    let mut said = vec![];
    for (why, name, value) in [
        ("nothing", "x-nothing", String::new()),
        ("a session", "cookie", admin.cookie.clone()),
        ("a token as a cookie", "cookie", format!("refill={digits}")),
        ("a session as a token", "authorization", bearer(&session)),
        (
            "a session dressed up",
            "authorization",
            bearer(&format!("refill_{session}")),
        ),
        ("nobody's", "authorization", bearer(&"0".repeat(64))),
        ("another scheme", "authorization", format!("Basic {digits}")),
        ("expired", "authorization", bearer(&expired)),
        ("revoked", "authorization", bearer(&revoked)),
        ("disabled", "authorization", bearer(&disabled)),
    ] {
        let asked = [
            (Method::GET, lanes),
            (Method::POST, "/v1/lanes/mobile/pause"),
            (Method::GET, "/v1/nowhere"),
            (Method::GET, ""),
        ]
        .map(|(method, path)| {
            let request = request(&console, method, path).header(name, &value);
            answer(request.header("sec-fetch-site", "same-origin"))
        });
        for (status, body) in futures::future::join_all(asked).await {
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{why}");
            said.push(body.to_string());
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(ground.store.pauses().await.unwrap().is_empty());
    // And a token opens no page.
    let page = console.client.get(format!("http://{}/lanes", console.at));
    let page = page.bearer_auth(&good.token).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::SEE_OTHER);

    // What the operator may not do any more, the program may not either; and what is let in again, comes in.
    actions::set_role(&ground.store, &root, "operator", Role::Viewer)
        .await
        .unwrap();
    let (status, _) = good.post("/v1/lanes/mobile/pause", json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(good.get(lanes).await.0, StatusCode::OK);
    for (active, status) in [(false, StatusCode::UNAUTHORIZED), (true, StatusCode::OK)] {
        actions::set_active(&ground.store, &root, "operator", active)
            .await
            .unwrap();
        assert_eq!(good.get(lanes).await.0, status);
    }
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn tokens_are_bounded_and_so_are_guesses() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let root = Actor::command("test");
    for (operator, label, days) in [
        ("viewer", "", 1),
        ("viewer", "x", 0),
        ("viewer", "x", 367),
        ("nobody", "x", 1),
    ] {
        let added = actions::add_token(&ground.store, &root, operator, label, days).await;
        assert!(added.is_err(), "{operator} {label} {days}");
    }
    let admin = Actor::signed_in("approver", Role::Approver);
    let added = actions::add_token(&ground.store, &admin, "approver", "x", 1).await;
    assert!(
        added.is_err(),
        "only an admin, or whoever is at the servers"
    );
    let long = "INSERT INTO operator_tokens (operator, label, token_sha256, expires_at)
                VALUES ('viewer', 'x', decode(repeat('00', 32), 'hex'), now() + interval '367 d')";
    assert!(
        ground
            .sql(long)
            .await
            .unwrap_err()
            .contains("no_token_for_ever")
    );
    let longest = actions::add_token(&ground.store, &root, "viewer", "x", 366).await;
    assert_eq!(longest.unwrap().0.state, "live");
    for _ in 1..20 {
        token_of(&ground, "viewer").await;
    }
    let one_more = actions::add_token(&ground.store, &root, "viewer", "x", 1).await;
    assert!(one_more.unwrap_err().to_string().contains("20 tokens"));

    // Guesses from one address shut it for a while, and no other; a token that has run out is no guess.
    let good = program(&ground, &console, "operator").await;
    let from = |address: &str| {
        let lanes = good.request(Method::GET, "/v1/lanes");
        lanes.header("x-forwarded-for", address)
    };
    let over = token_of(&ground, "operator2").await;
    let tokens = ground.store.tokens(Some("operator2")).await.unwrap();
    actions::revoke_token(&ground.store, &root, tokens[0].no)
        .await
        .unwrap();
    for (token, then) in [
        (over, StatusCode::OK),
        (
            format!("refill_{}", "0".repeat(64)),
            StatusCode::UNAUTHORIZED,
        ),
    ] {
        let guess = || {
            let guess = request(&console, Method::GET, "/v1/lanes").bearer_auth(&token);
            guess.header("x-forwarded-for", "203.0.113.7").send()
        };
        for answer in futures::future::join_all((0..50).map(|_| guess())).await {
            assert_eq!(answer.unwrap().status(), StatusCode::UNAUTHORIZED);
        }
        assert_eq!(answer(from("203.0.113.7")).await.0, then);
        assert_eq!(answer(from("203.0.113.8")).await.0, StatusCode::OK);
    }
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn a_program_is_told_what_the_pages_show() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let viewer = program(&ground, &console, "viewer").await;
    let [charged, doubtful] = ground.orders;
    let told = async |path: &str| {
        let (status, told) = viewer.get(&format!("/v1{path}")).await;
        assert_eq!(status, StatusCode::OK, "{path}: {told}");
        let text = told.to_string();
        for secret in [ACCOUNT, "CARD-9876", "7c1d0e4b", "token=secret", "argon2"] {
            assert!(!text.contains(secret), "{path} tells {secret}: {text}");
        }
        told
    };
    let blocked = "INSERT INTO instances (instance_id, role, version, host, broker_blocked)
                   VALUES (gen_random_uuid(), 'ingress', '1', 'here', 'low on disk') RETURNING role";
    ground.sql(blocked).await.unwrap();
    let overview = told("/overview").await;
    assert_eq!(overview["instances"][0]["brokerBlocked"], "low on disk");
    let sections = overview["alarms"].as_array().unwrap();
    let section = |name: &str| sections.iter().any(|alarm| alarm["section"] == name);
    assert!(section("RefillBrokerDisconnected"), "{overview}");
    assert_eq!(overview["doubts"]["count"], 1);
    assert_eq!(overview["lanes"][0]["lane"], "mobile");

    // A merchant's number that would break a page is a text here.
    let story = told(&format!("/orders/{charged}")).await;
    assert_eq!(story["bizCode"], HOSTILE);
    assert_eq!(story["account"], "138****8001");
    assert_eq!(
        (&story["hasVoucher"], &story["state"]),
        (&json!(true), &json!("succeeded"))
    );
    let by_command = console::told::order(&ground.store, charged).await.unwrap();
    assert_eq!(story, by_command.unwrap().json());
    let found = told("/orders?q=batch%20one").await;
    assert_eq!(found["orders"].as_array().unwrap().len(), 2);
    assert_eq!(told("/orders?q=nothing").await, json!({ "orders": [] }));
    let batch = told("/batches/b1?number=batch%20one").await;
    assert_eq!(
        batch["states"]["succeeded"],
        json!({ "orders": 1, "price": "49.1" })
    );
    assert_eq!(
        (&batch["orders"][0]["bizCode"], &batch["next"]),
        (&json!(HOSTILE), &Value::Null)
    );
    let doubts = told("/doubts").await;
    assert_eq!(doubts["cases"][0]["orderCode"], doubtful.to_string());
    assert_eq!(told("/discrepancies").await["cases"], json!([]));
    assert_eq!(told("/suppliers").await["suppliers"][0]["id"], "s1");
    let lanes = told("/lanes").await;
    assert_eq!(lanes["lanes"][0]["suppliers"], json!(["s1"]));
    assert_eq!(lanes["queues"], Value::Null, "the broker is away");
    assert_eq!(told("/lanes/mobile/calling").await["orders"], json!([]));
    assert_eq!(told("/lanes/mobile/asked").await["orders"], json!([]));
    assert_eq!(
        told("/endpoints").await,
        json!({ "endpoints": [], "more": 0 })
    );
    assert_eq!(told("/callbacks").await["parked"], json!([]));
    let businesses = told("/businesses").await;
    assert_eq!(
        businesses["businesses"][0]["merchant"],
        "<i>Shop</i> & sons"
    );
    let business = told("/businesses/b1").await;
    assert_eq!(business["account"]["keys"][0]["kind"], "MD5");
    assert_eq!(
        business["prices"][0],
        json!({ "product": "M50", "price": "49.1" })
    );
    assert!(
        business["ledger"].as_array().unwrap().len() > 2,
        "{business}"
    );
    let products = told("/products").await;
    assert_eq!(products["products"][0]["routes"][0]["sku"], "sku-50");
    assert_eq!(products["products"][0]["face"], json!({ "value": "50" }));
    let audit = told("/audit?object=operator%20viewer").await;
    assert_eq!(audit["audit"][0]["action"], "token.add");
    let (status, _) = viewer.get("/v1/operators").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _) = viewer.get("/v1/parked").await;
    assert_eq!(
        status,
        StatusCode::SERVICE_UNAVAILABLE,
        "the broker is away"
    );
    let admin = program(&ground, &console, "admin").await;
    let (status, operators) = admin.get("/v1/operators").await;
    assert_eq!(status, StatusCode::OK);
    assert!(!operators.to_string().contains("argon2"), "{operators}");

    // Page after page, each row once: fifty a page.
    for _ in 0..60 {
        let deed = admin.post("/v1/lanes/mobile/resume", json!({})).await;
        assert_eq!(deed.0, StatusCode::CONFLICT);
    }
    let (mut seen, mut next) = (vec![], String::new());
    loop {
        let page = told(&format!("/audit?by=admin{next}")).await;
        let rows = page["audit"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| row["no"].as_i64().unwrap()));
        let Some(before) = page["next"].as_str() else {
            break;
        };
        next = format!("&before={before}");
    }
    assert_eq!(seen.len(), 60);
    assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
    console.close().await;
    ground.end().await;
}

/// Action, path, body, object of the audit, and what an operator who may is told.
type Case<'c> = (&'c str, &'c str, Value, &'c str, StatusCode);

#[tokio::test]
async fn every_deed_leaves_its_row_with_its_token_and_nobody_does_what_their_role_may_not() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let [viewer, operator, approver, admin] = [
        program(&ground, &console, "viewer").await,
        program(&ground, &console, "operator").await,
        program(&ground, &console, "approver").await,
        program(&ground, &console, "admin").await,
    ];
    let [charged, doubtful] = ground.orders;
    let order = format!("order {charged}");
    let doubt = format!("order {doubtful}");
    let cancel = format!("/orders/{charged}/cancel");
    let [propose, confirm] =
        ["propose", "confirm"].map(|step| format!("/doubts/{doubtful}/{step}"));
    let word = json!({ "charged": false, "evidence": "their <b>statement" });
    let endpoint = json!({ "endpoint": "https://Shop.example:443/x", "reason": "asked to" });
    let id = json!({ "id": "parked/1" });
    let (ok, taken) = (StatusCode::OK, StatusCode::CONFLICT);
    let away = StatusCode::SERVICE_UNAVAILABLE;
    let new = json!({ "name": "new", "role": "viewer", "password": PASSWORD });
    let job = uuid::Uuid::nil();
    let job_object = format!("job {job}");
    let [pause, resume, end] =
        ["pause", "resume", "cancel"].map(|step| format!("/callbacks/jobs/{job}/{step}"));
    let cases: Vec<Case<'_>> = vec![
        (
            "supplier.pause",
            "/suppliers/s1/pause",
            json!({ "lane": "mobile", "reason": "<b>slow" }),
            "supplier s1 in lane mobile",
            ok,
        ),
        (
            "supplier.resume",
            "/suppliers/s1/resume",
            json!({ "lane": "mobile" }),
            "supplier s1 in lane mobile",
            ok,
        ),
        (
            "supplier.resume",
            "/suppliers/s1/resume",
            json!({}),
            "supplier s1",
            taken,
        ),
        (
            "lane.pause",
            "/lanes/mobile/pause",
            json!({}),
            "lane mobile",
            ok,
        ),
        (
            "lane.pause",
            "/lanes/mobile/pause",
            json!({}),
            "lane mobile",
            taken,
        ),
        (
            "lane.resume",
            "/lanes/mobile/resume",
            json!({}),
            "lane mobile",
            ok,
        ),
        (
            "lane.pause",
            "/lanes/nowhere/pause",
            json!({}),
            "lane nowhere",
            taken,
        ),
        (
            "endpoint.pause",
            "/endpoints/pause",
            endpoint.clone(),
            "endpoint https://shop.example",
            ok,
        ),
        (
            "endpoint.resume",
            "/endpoints/resume",
            json!({ "endpoint": "shop.example" }),
            "endpoint https://shop.example",
            ok,
        ),
        (
            "callback.resend",
            "/callbacks/resend",
            json!({ "business": "b1", "parked": true }),
            "business b1",
            ok,
        ),
        (
            "callback.resend",
            "/callbacks/resend",
            json!({ "business": "b1", "order": charged }),
            &order,
            ok,
        ),
        ("job.pause", &pause, json!({}), &job_object, taken),
        ("job.resume", &resume, json!({}), &job_object, taken),
        ("job.cancel", &end, json!({}), &job_object, taken),
        (
            "order.cancel",
            &cancel,
            json!({ "reason": "x" }),
            &order,
            taken,
        ),
        (
            "order.cancel",
            "/batches/b1/cancel",
            json!({ "number": "batch one" }),
            "batch batch one of b1",
            taken,
        ),
        (
            "parked.requeue",
            "/parked/requeue",
            id.clone(),
            "message parked/1",
            away,
        ),
        ("parked.drop", "/parked/drop", id, "message parked/1", away),
        ("doubt.propose", &propose, word.clone(), &doubt, ok),
        ("doubt.confirm", &confirm, word.clone(), &doubt, ok),
        ("operator.add", "/operators", new, "operator new", ok),
        (
            "operator.role",
            "/operators/new/role",
            json!({ "role": "operator" }),
            "operator new",
            ok,
        ),
        (
            "operator.active",
            "/operators/new/disable",
            json!({}),
            "operator new",
            ok,
        ),
        (
            "operator.active",
            "/operators/new/enable",
            json!({}),
            "operator new",
            ok,
        ),
    ];
    let last = async || {
        let lines = ground
            .store
            .audit(&store::audit::AuditOf::Everything, None, 1);
        lines.await.unwrap().remove(0)
    };
    for (action, path, body, object, expected) in cases {
        let path = format!("/v1{path}");
        let (status, said) = viewer.post(&path, body.clone()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{action}: {said}");
        let refused = last().await;
        assert_eq!(
            (refused.action.as_str(), refused.object.as_str()),
            (action, object)
        );
        assert_eq!(
            (refused.operator.as_str(), refused.outcome.as_str()),
            ("viewer", "refused")
        );

        let who = match action {
            "doubt.confirm" | "parked.drop" => &approver,
            _ if action.starts_with("operator.") => &admin,
            _ => &operator,
        };
        let (status, said) = who.post(&path, body).await;
        assert_eq!(status, expected, "{action}: {said}");
        let kept = last().await;
        assert_eq!(
            (kept.action.as_str(), kept.object.as_str()),
            (action, object)
        );
        assert_eq!(
            kept.outcome == "done",
            status.is_success(),
            "{action}: {}",
            kept.outcome
        );
        let parameters: Value = serde_json::from_str(&kept.parameters).unwrap();
        let label = format!("{}'s <b>program", kept.operator);
        assert_eq!(parameters["token"]["label"], label, "{parameters}");
        assert!(!kept.parameters.contains(PASSWORD) && !kept.parameters.contains(&who.token));
    }
    // A dry run does nothing, and leaves nothing; nor does a viewer's.
    let dry = json!({ "business": "b1", "batch": "batch one", "dryRun": true });
    let rows = "SELECT count(*) FROM audit";
    let before = ground.sql(rows).await.unwrap();
    let (status, said) = operator.post("/v1/callbacks/resend", dry.clone()).await;
    assert_eq!((status, said), (StatusCode::OK, json!({ "reports": 0 })));
    let (status, _) = viewer.post("/v1/callbacks/resend", dry).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(ground.sql(rows).await.unwrap(), before);
    // Nobody confirms their own word, and nobody gives up their own rights.
    let own = "/v1/operators/admin/role";
    let (status, said) = admin.post(own, json!({ "role": "viewer" })).await;
    assert_eq!(
        (status, &said["error"]["code"]),
        (StatusCode::CONFLICT, &json!("refused"))
    );
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_told_with_its_field_and_changes_nothing() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let admin = program(&ground, &console, "admin").await;
    let doubtful = ground.orders[1];
    let propose = format!("/v1/doubts/{doubtful}/propose");
    for (path, body, field) in [
        (
            propose.as_str(),
            json!({ "charged": "no", "evidence": "x" }),
            "charged",
        ),
        (&propose, json!({ "evidence": "x" }), "charged"),
        (
            &propose,
            json!({ "charged": false, "evidence": " " }),
            "evidence",
        ),
        (
            &propose,
            json!({ "charged": false, "evidence": "x".repeat(1_001) }),
            "evidence",
        ),
        (
            &propose,
            json!({ "charged": false, "evidence": "x", "more": 1 }),
            "more",
        ),
        (
            "/v1/lanes/mobile/pause",
            json!({ "reason": "x".repeat(201) }),
            "reason",
        ),
        (
            "/v1/lanes/mobile/resume",
            json!({ "reason": "x" }),
            "reason",
        ),
        (
            "/v1/endpoints/pause",
            json!({ "endpoint": "ftp://x" }),
            "endpoint",
        ),
        ("/v1/parked/drop", json!({}), "id"),
        ("/v1/callbacks/resend", json!({ "business": "b1" }), "which"),
        (
            "/v1/callbacks/resend",
            json!({ "business": "b1", "order": "x" }),
            "order",
        ),
        (
            "/v1/operators",
            json!({ "name": "A b", "role": "viewer", "password": PASSWORD }),
            "name",
        ),
        (
            "/v1/operators",
            json!({ "name": "a", "role": "king", "password": PASSWORD }),
            "role",
        ),
        (
            "/v1/operators",
            json!({ "name": "a", "role": "viewer", "password": "short" }),
            "password",
        ),
    ] {
        let (status, said) = admin.post(path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {said}");
        assert_eq!(said["error"]["field"], field, "{path}: {said}");
    }
    for (path, field) in [
        ("/v1/orders", "q"),
        ("/v1/orders?q=a&q=b", "q"),
        ("/v1/doubts?after=x", "after"),
        ("/v1/doubts?offset=1", "offset"),
        ("/v1/audit?before=x", "before"),
        ("/v1/callbacks?after=x", "after"),
        ("/v1/businesses/b1?before=x", "before"),
        ("/v1/batches/b1?number=x&from=y", "from"),
    ] {
        let (status, said) = admin.get(path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {said}");
        assert_eq!(said["error"]["field"], field, "{path}: {said}");
    }
    for path in [
        "",
        "/",
        "/v1",
        "/v2/lanes",
        "/v1/orders/x",
        "/v1/orders/019abf7a3c4d7e1f8a2b3c4d5e6f7081",
        "/v1/batches/b1?number=x",
        "/v1/businesses/nobody",
        "/v1/lanes/mobile/sleeping",
        "/v1/nowhere/else",
    ] {
        let (status, said) = admin.get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {said}");
    }
    let pause = |body: &str, kind: &str| {
        let post = admin.request(Method::POST, "/v1/lanes/mobile/pause");
        answer(
            post.header("content-type", kind.to_owned())
                .body(body.to_owned()),
        )
    };
    let json = "application/json";
    let long = format!("{{\"reason\":\"{}\"}}", "x".repeat(64 * 1024));
    for (body, kind, status) in [
        (r#"{"reason":"a\u0000b"}"#, json, StatusCode::BAD_REQUEST),
        (r#"{"reason":"#, json, StatusCode::BAD_REQUEST),
        ("[]", json, StatusCode::BAD_REQUEST),
        (
            r#"{"reason":"x","reason":"y"}"#,
            json,
            StatusCode::BAD_REQUEST,
        ),
        ("{}", "text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            "reason=x",
            "application/x-www-form-urlencoded",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (&long, json, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!(pause(body, kind).await.0, status, "{kind}: {body:.60}");
    }
    for path in ["/v1/audit?by=%00", "/v1/businesses/%00"] {
        assert_eq!(admin.get(path).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
    for (method, path) in [
        (Method::POST, "/v1/lanes"),
        (Method::GET, "/v1/parked/drop"),
        (Method::DELETE, "/v1/orders"),
    ] {
        let (status, _) = answer(admin.request(method, path)).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    assert!(ground.store.pauses().await.unwrap().is_empty());
    // An empty body says nothing further.
    let (status, said) = answer(admin.request(Method::POST, "/v1/lanes/mobile/pause")).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn without_a_database_a_program_is_told_to_come_later() {
    let console = Pages::without_a_database().await;
    let token = format!("refill_{}", "0".repeat(64));
    let asked = request(&console, Method::GET, "/v1/lanes").bearer_auth(token);
    let (status, said) = answer(asked).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(said["error"]["code"], "away");
    console.close().await;
}
