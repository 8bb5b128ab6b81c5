//! Merchants' endpoints, paused and resumed.

use domain::Endpoint;
use serde_json::json;
use store::Store;

use super::{Action, Actor, NotDone, begin, text};

/// Sends nothing there, not even a probe.
pub async fn pause_endpoint(
    store: &Store,
    actor: &Actor,
    endpoint: &Endpoint,
    reason: &str,
) -> Result<(), NotDone> {
    let object = format!("endpoint {endpoint}");
    let begun = begin(
        store,
        actor,
        Action::PauseEndpoint,
        object,
        json!({ "reason": reason }),
    )
    .await?;
    let work = async {
        let reason = text("reason", reason, 0, 200)?;
        text("endpoint", endpoint.as_str(), 1, 300)?;
        let reason = format!("paused by {}: {reason}", actor.name);
        Ok(store.pause_endpoint(endpoint, &reason, &begun.deed).await?)
    };
    let done = work.await;
    begun.ended(done).await
}

/// Probes it with the next report that is due; when that is answered, all that waits goes out.
pub async fn resume_endpoint(
    store: &Store,
    actor: &Actor,
    endpoint: &Endpoint,
) -> Result<(), NotDone> {
    let object = format!("endpoint {endpoint}");
    let begun = begin(store, actor, Action::ResumeEndpoint, object, json!({})).await?;
    let done = match store.resume_endpoint(endpoint, &begun.deed).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(NotDone::Unchanged(format!(
            "{endpoint} is neither paused nor set aside"
        ))),
        Err(error) => Err(error.into()),
    };
    begun.ended(done).await
}
