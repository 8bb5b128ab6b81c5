//! Signing in, what a session is worth, and what is kept out.

use console::actions::{self, Actor};
use reqwest::{Method, StatusCode};
use store::operators::Role;

use crate::support::{Ground, PASSWORD};

#[tokio::test]
async fn a_session_begins_with_the_right_password_and_ends_when_it_is_told_to() {
    let ground = Ground::new().await;
    let console = ground.open().await;

    // Without a session there is nothing to see, and one is sent to where one wanted to go.
    let mut wang = console.stranger();
    for path in ["/", "/doubts", "/orders?q=1", "/nowhere"] {
        let answer = wang.ask(Method::GET, path).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        let to = answer.headers()["location"].to_str().unwrap();
        assert!(to.starts_with("/sign-in?next=%2F"), "{to}");
    }
    assert_eq!(wang.read("/sign-in").await.0, StatusCode::OK);

    let answer = wang.sign_in("Viewer ", PASSWORD).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()["location"], "/doubts");
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(
        !cookie.contains("Secure"),
        "on this machine without TLS: {cookie}"
    );
    wang.remember(&answer);
    assert_eq!(wang.read("/doubts").await.0, StatusCode::OK);

    // The database can recognize the token, and cannot say it.
    let token = wang.cookie.strip_prefix("refill=").unwrap();
    let kept = "SELECT count(*) FROM console_sessions WHERE position($1 IN encode(token_sha256, 'hex')) > 0";
    assert_eq!(
        ground
            .sql(&kept.replace("$1", &format!("'{token}'")))
            .await
            .unwrap(),
        "0"
    );

    // Signing out ends it in the database too: the cookie is worth nothing afterwards.
    let viewer = console.signed_in("viewer").await;
    assert_eq!(
        viewer.post("/sign-out", &[]).await.status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(viewer.read("/doubts").await.0, StatusCode::SEE_OTHER);
    assert_eq!(
        wang.read("/doubts").await.0,
        StatusCode::OK,
        "the other one goes on"
    );

    // Idle for too long, or open for too long.
    for (over, column) in [("61 min", "seen_at"), ("13 h", "ends_at")] {
        let viewer = console.signed_in("viewer").await;
        let age = format!("UPDATE console_sessions SET {column} = {column} - interval '{over}'");
        ground.sql(&age).await.unwrap();
        assert_eq!(
            viewer.read("/doubts").await.0,
            StatusCode::SEE_OTHER,
            "{column}"
        );
    }

    // Disabled, or with another password or role: out at once.
    let root = Actor::command("test");
    let viewer = console.signed_in("viewer").await;
    actions::set_active(&ground.store, &root, "viewer", false)
        .await
        .unwrap();
    assert_eq!(viewer.read("/doubts").await.0, StatusCode::SEE_OTHER);
    assert_eq!(
        viewer.sign_in("viewer", PASSWORD).await.status(),
        StatusCode::UNAUTHORIZED
    );
    let admin = console.signed_in("admin2").await;
    actions::set_role(&ground.store, &root, "admin2", Role::Viewer)
        .await
        .unwrap();
    assert_eq!(admin.read("/doubts").await.0, StatusCode::SEE_OTHER);

    let signed = "SELECT string_agg(DISTINCT outcome, ' ') FROM audit WHERE action = 'sign-in' AND operator = 'viewer'";
    assert_eq!(ground.sql(signed).await.unwrap(), "done");
    let out = "SELECT count(*) FROM audit WHERE action = 'sign-out' AND operator = 'viewer' AND object = 'operator viewer'";
    assert_eq!(ground.sql(out).await.unwrap(), "1");
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn wrong_passwords_lock_and_all_failures_look_the_same() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let stranger = console.stranger();
    let mut answers = vec![];
    for (name, password) in [
        ("viewer", "wrong horse battery"),
        ("nobody", PASSWORD),
        ("no name at all", PASSWORD),
        ("viewer", ""),
    ] {
        let answer = stranger.sign_in(name, password).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{name}");
        assert!(answer.headers().get("set-cookie").is_none());
        answers.push(answer.text().await.unwrap());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");

    // Two wrong ones so far; from the fifth on the right one does not help either, and looks like the wrong ones.
    for _ in 0..3 {
        stranger.sign_in("viewer", "wrong horse battery").await;
    }
    let locked = stranger.sign_in("viewer", PASSWORD).await;
    assert_eq!(locked.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(locked.text().await.unwrap(), answers[0]);
    let until = "SELECT locked_until > now() + interval '30 s' AND failed_tries = 5 FROM operators WHERE name = 'viewer'";
    assert_eq!(ground.sql(until).await.unwrap(), "t");
    console.signed_in("operator").await;

    // The lock ends by itself, and the right password forgets the wrong ones.
    let later = "UPDATE operators SET locked_until = now() WHERE name = 'viewer'";
    ground.sql(later).await.unwrap();
    console.signed_in("viewer").await;
    let forgotten =
        "SELECT failed_tries = 0 AND locked_until IS NULL FROM operators WHERE name = 'viewer'";
    assert_eq!(ground.sql(forgotten).await.unwrap(), "t");
    let refused = "SELECT count(*) FROM audit WHERE action = 'sign-in' AND outcome = 'refused' AND operator = 'viewer'";
    assert_eq!(ground.sql(refused).await.unwrap(), "5");
    let secrets = "SELECT count(*) FROM audit WHERE audit::text LIKE '%horse%' OR audit::text LIKE '%argon2%'";
    assert_eq!(ground.sql(secrets).await.unwrap(), "0");
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn forms_from_elsewhere_change_nothing() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let admin = console.signed_in("admin").await;
    let other = console.signed_in("admin2").await;
    let own = ("sec-fetch-site", "same-origin");
    let origin = format!("http://{}", console.at);
    for (why, csrf, (header, value)) in [
        ("no token", "", own),
        ("another session's token", other.csrf.as_str(), own),
        (
            "another site",
            admin.csrf.as_str(),
            ("sec-fetch-site", "cross-site"),
        ),
        (
            "a neighbour",
            admin.csrf.as_str(),
            ("sec-fetch-site", "same-site"),
        ),
        (
            "another origin",
            admin.csrf.as_str(),
            ("origin", "https://evil.example"),
        ),
        (
            "nobody says where from",
            admin.csrf.as_str(),
            ("x-nothing", ""),
        ),
    ] {
        let request = admin
            .request(Method::POST, "/sign-out")
            .header(header, value);
        let answer = request.form(&[("csrf", csrf)]).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{why}");
        assert_eq!(admin.read("/doubts").await.0, StatusCode::OK, "{why}");
    }
    // Not even into signing in as somebody else, and not with a name of ours in the query.
    for path in ["/sign-in", "/look", "/sign-out?csrf=1"] {
        let request = admin
            .request(Method::POST, path)
            .header("sec-fetch-site", "cross-site");
        let answer = request
            .form(&[("name", "admin2"), ("password", PASSWORD)])
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let request = admin
        .request(Method::POST, "/sign-out")
        .header("origin", origin);
    let answer = request.form(&[("csrf", &admin.csrf)]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn language_and_theme_are_remembered_and_lead_nowhere_else() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let mut stranger = console.stranger();
    let (_, page) = stranger.read("/sign-in").await;
    assert!(page.contains(r#"lang="en" data-theme="auto""#), "{page}");
    for (wish, value, back) in [
        ("lang", "zh", "/sign-in"),
        ("theme", "dark", "//evil.example"),
    ] {
        let answer = stranger
            .post("/look", &[(wish, value), ("back", back)])
            .await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let to = answer.headers()["location"].to_str().unwrap();
        assert!(to == "/sign-in" || to == "/", "{to}");
        let known = std::mem::take(&mut stranger.cookie);
        stranger.remember(&answer);
        stranger.cookie = format!("{known}; {}", stranger.cookie);
    }
    let (_, page) = stranger.read("/sign-in").await;
    assert!(page.contains(r#"lang="zh-CN" data-theme="dark""#), "{page}");
    assert!(page.contains("登录"), "{page}");
    let answer = stranger
        .post("/look", &[("theme", "x; Secure"), ("back", "/")])
        .await;
    assert!(answer.headers().get("set-cookie").is_none());
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn behind_a_proxy_that_is_trusted_the_address_is_the_one_that_it_writes() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let stranger = console.stranger();
    let form = [("name", "viewer"), ("password", PASSWORD)];
    let answer = stranger
        .request(Method::POST, "/sign-in")
        .header("sec-fetch-site", "same-origin")
        .header("x-forwarded-for", "198.51.100.1, 203.0.113.7, 127.0.0.9")
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let from = "SELECT parameters ->> 'from' FROM audit WHERE action = 'sign-in'";
    assert_eq!(ground.sql(from).await.unwrap(), "203.0.113.7");
    console.close().await;
    ground.end().await;
}
