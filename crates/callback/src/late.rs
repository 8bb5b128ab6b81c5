//! Hints that come late say that a flood stands in the queue before the reports of other endpoints.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::Endpoint;
use tokio::sync::watch;
use tokio::time::Instant;

/// A hint that comes so long after its order became final has stood behind others.
pub(crate) const LATE: Duration = Duration::from_millis(200);
/// How long late hints are remembered.
const BEHIND_FOR: Duration = Duration::from_secs(1);

/// How late hints came lately.
#[derive(Clone, Debug)]
pub(crate) struct Lateness(Arc<watch::Sender<Option<Behind>>>);

#[derive(Clone, Debug)]
struct Behind {
    until: Instant,
    flooded: Option<Endpoint>,
}

impl Lateness {
    /// None has come late yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// These endpoints' hints have come late together.
    pub(crate) fn note(&self, late: &[&Endpoint]) {
        self.0.send_replace(Some(Behind {
            until: Instant::now() + BEHIND_FOR,
            flooded: flooded(late).cloned(),
        }));
    }

    /// Waits until hints come late, if they do not now. Returns the endpoint whose flood it is, if it is one's.
    pub(crate) async fn behind(&self) -> Option<Endpoint> {
        let now = Instant::now();
        let mut noted = self.0.subscribe();
        let is_now = |behind: &Option<Behind>| behind.as_ref().is_some_and(|b| now < b.until);
        // It does not end: the sender is here.
        let behind = noted.wait_for(is_now).await.ok()?;
        behind.as_ref()?.flooded.clone()
    }
}

/// The endpoint that more than half of these are.
fn flooded<'e>(late: &[&'e Endpoint]) -> Option<&'e Endpoint> {
    let mut counts: HashMap<&Endpoint, usize> = HashMap::new();
    for endpoint in late {
        *counts.entry(endpoint).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.filter(|(_, count)| count * 2 > late.len())
        .map(|(endpoint, _)| endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_floods_whose_hints_are_more_than_half_of_the_late_ones() {
        let [shop, other] = ["https://shop", "https://other"].map(Endpoint::new);
        assert_eq!(flooded(&[&shop]), Some(&shop));
        assert_eq!(flooded(&[&other, &shop, &shop]), Some(&shop));
        assert_eq!(flooded(&[&other, &shop]), None);
        assert_eq!(flooded(&[]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn late_hints_are_remembered_for_a_while() {
        let lateness = Lateness::new();
        let behind = async || {
            let behind = lateness.behind();
            tokio::time::timeout(Duration::from_millis(1), behind).await
        };
        assert!(behind().await.is_err(), "none has come late");
        let shop = Endpoint::new("https://shop");
        lateness.note(&[&shop]);
        assert_eq!(behind().await.ok(), Some(Some(shop)));
        tokio::time::advance(BEHIND_FOR).await;
        assert!(behind().await.is_err(), "they are forgotten");
    }
}
