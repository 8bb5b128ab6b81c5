//! Without a broker the console starts, answers, says so, and does nothing that it cannot keep.

use reqwest::StatusCode;

use crate::support::Ground;

#[tokio::test]
async fn a_broker_that_is_away_is_said_on_the_pages_and_stops_none() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let [viewer, operator, approver] = [
        console.signed_in("viewer").await,
        console.signed_in("operator").await,
        console.signed_in("approver").await,
    ];
    for path in ["/lanes", "/parked"] {
        let (status, page) = viewer.read(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(page.contains("The broker is away"), "{path}: {page}");
    }
    let (status, overview) = viewer.read("/").await;
    assert_eq!(status, StatusCode::OK);
    for section in ["RefillBrokerDisconnected", "RefillRoleGone"] {
        assert!(overview.contains(section), "{section}: {overview}");
    }

    let form = [("id", "parked/1"), ("back", "/parked")];
    let status = async |who: &crate::support::Visitor<'_>, step: &str| {
        who.post(&format!("/parked/{step}"), &form).await.status()
    };
    assert_eq!(status(&viewer, "requeue").await, StatusCode::FORBIDDEN);
    assert_eq!(status(&operator, "drop").await, StatusCode::FORBIDDEN);
    assert_eq!(status(&operator, "requeue").await, StatusCode::CONFLICT);
    assert_eq!(status(&approver, "drop").await, StatusCode::CONFLICT);
    assert_eq!(status(&approver, "burn").await, StatusCode::NOT_FOUND);
    let rows = "SELECT string_agg(operator || ' ' || action || ' ' || outcome || ' ' || object, ', ' ORDER BY audit_no)
                FROM audit WHERE action LIKE 'parked.%'";
    assert_eq!(
        ground.sql(rows).await.unwrap(),
        "viewer parked.requeue refused message parked/1, operator parked.drop refused message parked/1, \
         operator parked.requeue refused message parked/1, approver parked.drop refused message parked/1"
    );
    console.close().await;
    ground.end().await;
}
