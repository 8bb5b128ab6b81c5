//! Merchants' endpoints, paused and resumed.

use domain::Endpoint;
use openapi::requests::CallbackUrl;
use serde_json::json;
use store::Store;

use super::{Action, Actor, NotDone, begin, text};

/// The endpoint that somebody means, in the form in which the store names it: scheme, host and port, as in `https://shop.example:8443`;
/// `//shop.example` for a whole host.
pub fn named_endpoint(text: &str) -> Result<Endpoint, NotDone> {
    let text = text.trim();
    let whole_host = text.starts_with("//");
    let url = if whole_host {
        format!("http:{text}")
    } else {
        text.to_owned()
    };
    let url =
        CallbackUrl::parse(&url).map_err(|why| NotDone::Invalid("endpoint", why.to_string()))?;
    let endpoint = Endpoint::new(url.url().origin().ascii_serialization());
    Ok(if whole_host {
        endpoint.host()
    } else {
        endpoint
    })
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_named_as_the_store_does() {
        for (text, name) in [
            ("https://Shop.example:443/report", "https://shop.example"),
            ("shop.example:8443", "https://shop.example:8443"),
            ("http://[2001:DB8::1]:81", "http://[2001:db8::1]:81"),
            ("//shop.example", "//shop.example"),
        ] {
            assert_eq!(named_endpoint(text).unwrap(), Endpoint::new(name));
        }
        assert!(named_endpoint("ftp://x").is_err());
    }
}
