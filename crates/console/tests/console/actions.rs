//! What operators do: who may, what comes of it, and the row that each leaves in the audit.

use console::actions::{self, Actor, Gate, NotDone};
use domain::{OrderCode, SupplierId};
use reqwest::StatusCode;
use store::audit::AuditOf;

use crate::support::{Ground, PASSWORD, Visitor};

/// Posts a form; the status and the page that comes of it.
async fn post(who: &Visitor<'_>, path: &str, form: &[(&str, &str)]) -> (StatusCode, String) {
    let mut form = form.to_vec();
    form.push(("back", "/lanes"));
    let answer = who.post(path, &form).await;
    let status = answer.status();
    if status == StatusCode::SEE_OTHER {
        assert_eq!(answer.headers()["location"], "/lanes?done=1");
    }
    (status, answer.text().await.unwrap())
}

const DONE: StatusCode = StatusCode::SEE_OTHER;

/// Action, path, form, object, and what an operator who may gets.
type Case<'c> = (
    &'c str,
    &'c str,
    &'c [(&'c str, &'c str)],
    &'c str,
    StatusCode,
);

#[tokio::test]
async fn every_action_leaves_its_row_and_nobody_does_what_their_role_may_not() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let [viewer, operator, admin] = [
        console.signed_in("viewer").await,
        console.signed_in("operator").await,
        console.signed_in("admin").await,
    ];
    let [charged, doubtful] = ground.orders;
    let add = [("name", "new"), ("role", "viewer"), ("password", PASSWORD)];
    let order = format!("order {charged}");
    let cancel = format!("/orders/{charged}/cancel");
    let propose = format!("/doubts/{doubtful}/propose");
    let confirm = format!("/doubts/{doubtful}/confirm");
    let doubt = format!("order {doubtful}");
    let said = [("charged", "no"), ("evidence", "their statement")];
    let supplier = [("what", "s1"), ("reason", "<b>slow")];
    let in_lane = [("what", "s1"), ("lane", "mobile"), ("reason", "")];
    let lane = [("what", "mobile"), ("reason", "")];
    let endpoint = [("what", "https://shop.example"), ("reason", "asked to")];
    let resend = [("business", "b1"), ("which", "parked")];
    let code = charged.to_string();
    let one = [
        ("business", "b1"),
        ("which", "order"),
        ("value", code.as_str()),
    ];
    let batch = [("number", "batch one"), ("reason", "asked to")];
    let role = [("name", "viewer2"), ("role", "operator")];
    let name = [("name", "viewer2")];
    let cases: Vec<Case<'_>> = vec![
        (
            "supplier.pause",
            "/gates/supplier/pause",
            &supplier,
            "supplier s1",
            DONE,
        ),
        (
            "supplier.pause",
            "/gates/supplier/pause",
            &in_lane,
            "supplier s1 in lane mobile",
            DONE,
        ),
        (
            "supplier.resume",
            "/gates/supplier/resume",
            &in_lane,
            "supplier s1 in lane mobile",
            DONE,
        ),
        (
            "supplier.resume",
            "/gates/supplier/resume",
            &supplier,
            "supplier s1",
            DONE,
        ),
        (
            "lane.pause",
            "/gates/lane/pause",
            &lane,
            "lane mobile",
            DONE,
        ),
        (
            "lane.resume",
            "/gates/lane/resume",
            &lane,
            "lane mobile",
            DONE,
        ),
        (
            "lane.resume",
            "/gates/lane/resume",
            &lane,
            "lane mobile",
            StatusCode::CONFLICT,
        ),
        (
            "endpoint.pause",
            "/gates/endpoint/pause",
            &endpoint,
            "endpoint https://shop.example",
            DONE,
        ),
        (
            "endpoint.resume",
            "/gates/endpoint/resume",
            &endpoint,
            "endpoint https://shop.example",
            DONE,
        ),
        (
            "callback.resend",
            "/callbacks/resend",
            &resend,
            "business b1",
            DONE,
        ),
        ("callback.resend", "/callbacks/resend", &one, &order, DONE),
        (
            "order.cancel",
            &cancel,
            &[("reason", "")],
            &order,
            StatusCode::CONFLICT,
        ),
        (
            "order.cancel",
            "/batches/b1/cancel",
            &batch,
            "batch batch one of b1",
            StatusCode::CONFLICT,
        ),
        ("doubt.propose", &propose, &said, &doubt, DONE),
        ("operator.add", "/operators/add", &add, "operator new", DONE),
        (
            "operator.role",
            "/operators/role",
            &role,
            "operator viewer2",
            DONE,
        ),
        (
            "operator.active",
            "/operators/disable",
            &name,
            "operator viewer2",
            DONE,
        ),
    ];
    for (action, path, form, object, expected) in cases {
        let last = |ground: &Ground| {
            let store = ground.store.clone();
            async move {
                store
                    .audit(&AuditOf::Everything, None, 1)
                    .await
                    .unwrap()
                    .remove(0)
            }
        };
        let (status, page) = post(&viewer, path, form).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{action}: {page}");
        let refused = last(&ground).await;
        assert_eq!(
            (refused.action.as_str(), refused.object.as_str()),
            (action, object)
        );
        assert_eq!(
            (refused.operator.as_str(), refused.outcome.as_str()),
            ("viewer", "refused")
        );

        let who = if action.starts_with("operator.") {
            &admin
        } else {
            &operator
        };
        let (status, page) = post(who, path, form).await;
        assert_eq!(status, expected, "{action}: {page}");
        let kept = last(&ground).await;
        let outcome = if expected == DONE {
            "done"
        } else {
            "unchanged"
        };
        assert_eq!(
            (kept.action.as_str(), kept.object.as_str()),
            (action, object)
        );
        assert_eq!(kept.outcome, outcome, "{action}");
        assert!(kept.operator == "operator" || kept.operator == "admin");
        assert!(!kept.parameters.contains(PASSWORD), "{}", kept.parameters);
    }
    assert_eq!(
        post(&operator, "/operators/add", &add).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        post(&operator, &confirm, &said).await.0,
        StatusCode::FORBIDDEN
    );
    let (status, _) = post(&operator, "/gates/lane/pause", &[("what", "nowhere")]).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (status, _) = post(
        &admin,
        "/operators/role",
        &[("name", "admin"), ("role", "viewer")],
    )
    .await;
    assert_eq!(
        status,
        StatusCode::CONFLICT,
        "nobody gives up their own rights"
    );

    // What was paused with markup in its reason is shown as text.
    assert_eq!(
        post(&operator, "/gates/supplier/pause", &supplier).await.0,
        DONE
    );
    let (_, page) = viewer.read("/suppliers").await;
    assert!(
        page.contains("&#60;b&#62;slow") && !page.contains("<b>slow"),
        "{page}"
    );
    let (_, page) = viewer.read("/audit?by=operator").await;
    assert!(
        page.contains("supplier.pause") && !page.contains("<b>slow"),
        "{page}"
    );

    let (status, _) = post(&viewer, "/gates/lane/pause", &[("what", "a\0b")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    for path in [
        "/callbacks?business=%00",
        "/callbacks?after=1:%00",
        "/audit?by=%00",
        "/businesses?after=%00",
    ] {
        assert_eq!(viewer.read(path).await.0, StatusCode::OK, "{path}");
    }
    assert_eq!(
        viewer.read("/businesses/%00").await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        viewer.read("/batches/b1?number=%00").await.0,
        StatusCode::NOT_FOUND
    );

    // A row stays as it is, and stays.
    for change in [
        "UPDATE audit SET operator = 'somebody else'",
        "DELETE FROM audit",
        "TRUNCATE audit",
    ] {
        let refusal = ground.sql(change).await.unwrap_err();
        assert!(
            refusal.contains("the audit is append only"),
            "{change}: {refusal}"
        );
    }
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn two_persons_settle_a_doubt_and_a_person_is_the_same_by_command() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let [one, other] = [
        console.signed_in("approver").await,
        console.signed_in("approver2").await,
    ];
    let doubtful = ground.orders[1];
    let (propose, confirm) = (
        format!("/doubts/{doubtful}/propose"),
        format!("/doubts/{doubtful}/confirm"),
    );
    let said = |charged| [("charged", charged), ("evidence", "their <i>statement</i>")];
    let (status, page) = post(&other, &confirm, &said("no")).await;
    assert_eq!(status, StatusCode::CONFLICT, "{page}");
    assert!(page.contains("nobody has proposed"), "{page}");
    assert_eq!(
        post(&one, &propose, &[("charged", "no"), ("evidence", " ")])
            .await
            .0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(post(&one, &propose, &said("no")).await.0, DONE);
    let (status, page) = post(&one, &confirm, &said("no")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(page.contains("another person has to confirm"), "{page}");
    // Not by putting on another hat either.
    let saying = actions::Saying {
        order: doubtful,
        charged: false,
        evidence: "x".into(),
    };
    let alone = actions::confirm(
        &ground.store,
        &Actor::command("Approver"),
        &saying,
        &ground.catalogue,
    )
    .await;
    assert!(matches!(alone, Err(NotDone::Refused(_))), "{alone:?}");

    let (_, page) = one.read("/doubts").await;
    assert!(
        !page.contains(&format!(r#"formaction="{confirm}""#)),
        "{page}"
    );
    let (_, page) = other.read("/doubts").await;
    assert!(
        page.contains(&format!(r#"formaction="{confirm}""#)),
        "{page}"
    );
    assert_eq!(
        post(&other, &confirm, &said("yes")).await.0,
        StatusCode::CONFLICT
    );
    assert_eq!(post(&other, &confirm, &said("no")).await.0, DONE);
    let (_, page) = other.read(&format!("/orders/{doubtful}")).await;
    for part in [
        ">failed</span>",
        "approver: doubt.propose, done",
        "approver2: doubt.confirm, done",
        "decided by approver2",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(!page.contains("<i>statement"), "{page}");
    let done = "SELECT string_agg(operator || ' ' || role || ' ' || outcome, ', ' ORDER BY audit_no) FROM audit
                WHERE action = 'doubt.confirm'";
    assert_eq!(
        ground.sql(done).await.unwrap(),
        "approver2 approver refused, approver approver refused, cli:Approver command refused, \
         approver2 approver refused, approver2 approver done"
    );
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn the_deed_and_its_row_are_one_transaction() {
    let ground = Ground::new().await;
    let gate = Gate::Supplier(SupplierId::new("s1"));
    let wang = Actor::command("wang");
    // An audit that takes nothing keeps everything else from being done.
    ground
        .sql("ALTER TABLE audit ADD CONSTRAINT full_up CHECK (false) NOT VALID")
        .await
        .unwrap();
    let refused = actions::pause(&ground.store, &wang, &gate, "", &ground.catalogue).await;
    assert!(matches!(refused, Err(NotDone::Store(_))), "{refused:?}");
    assert!(ground.store.pauses().await.unwrap().is_empty());
    ground
        .sql("ALTER TABLE audit DROP CONSTRAINT full_up")
        .await
        .unwrap();
    actions::pause(&ground.store, &wang, &gate, "", &ground.catalogue)
        .await
        .unwrap();
    assert_eq!(ground.store.pauses().await.unwrap().len(), 1);
    let again = actions::pause(&ground.store, &wang, &gate, "", &ground.catalogue).await;
    assert!(matches!(again, Err(NotDone::Unchanged(_))), "{again:?}");
    let lines = ground
        .store
        .audit(&AuditOf::Operator("cli:wang".into()), None, 10)
        .await
        .unwrap();
    let outcomes: Vec<_> = lines.iter().map(|line| line.outcome.as_str()).collect();
    assert_eq!(outcomes, ["unchanged", "done"]);
    // A page ends where the next one begins.
    let first = ground
        .store
        .audit(&AuditOf::Everything, None, 3)
        .await
        .unwrap();
    let next = ground
        .store
        .audit(&AuditOf::Everything, Some(first[2].no), 3)
        .await
        .unwrap();
    assert!(next[0].no < first[2].no && next.len() == 3);
    let nowhere = actions::Named::Orders(vec![OrderCode::generate()]);
    let unknown = actions::cancel(&ground.store, &wang, &nowhere, "", &ground.catalogue);
    assert!(matches!(unknown.await, Err(NotDone::Refused(_))));
    ground.end().await;
}
