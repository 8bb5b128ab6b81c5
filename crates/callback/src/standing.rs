//! What the fleet knows of endpoints that are not well, as this process last read it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::Endpoint;
use store::endpoints::{EndpointLine, Standing};

/// A recovering endpoint may get twice as many at once with each second; after so many it has its own pace again.
const DOUBLINGS: u64 = 12;
/// Until this process has read when it is to be probed.
const NEW_PROBE_IN_MS: i64 = 15_000;

/// Shared by all parts of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standings {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    read_at: Option<Instant>,
    endpoints: HashMap<Endpoint, Standing>,
}

impl Standings {
    /// What the store says now.
    pub(crate) fn read(&self, lines: &[EndpointLine]) {
        let mut known = self.lock();
        known.read_at = Some(Instant::now());
        known.endpoints = lines
            .iter()
            .map(|line| (line.endpoint.clone(), line.standing))
            .collect();
    }

    /// This process is the first to know.
    pub(crate) fn set_aside(&self, endpoint: &Endpoint) {
        let standing = Standing::SetAside {
            probe_in_ms: NEW_PROBE_IN_MS,
        };
        self.lock().endpoints.insert(endpoint.clone(), standing);
    }

    /// This process is the first to know.
    pub(crate) fn answered(&self, endpoint: &Endpoint) {
        let mut known = self.lock();
        known.endpoints.remove(&endpoint.host());
        if let Some(standing) = known.endpoints.get_mut(endpoint) {
            *standing = Standing::Recovering { for_ms: 0 };
        }
    }

    /// How many reports may be on the way to the endpoint at once.
    pub(crate) fn cap(&self, endpoint: &Endpoint) -> usize {
        let known = self.lock();
        if known.endpoints.is_empty() {
            return usize::MAX;
        }
        if matches!(
            known.endpoints.get(&endpoint.host()),
            Some(Standing::SetAside { .. } | Standing::Paused)
        ) {
            return 0;
        }
        match known.endpoints.get(endpoint) {
            None => usize::MAX,
            Some(Standing::SetAside { .. } | Standing::Paused) => 0,
            Some(Standing::Recovering { for_ms }) => {
                let seconds = known.since(*for_ms) / 1000;
                1 << seconds.clamp(0, i64::try_from(DOUBLINGS).unwrap_or(i64::MAX))
            }
        }
    }

    pub(crate) fn is_set_aside(&self, endpoint: &Endpoint) -> bool {
        let known = self.lock();
        let set_aside =
            |e: &Endpoint| matches!(known.endpoints.get(e), Some(Standing::SetAside { .. }));
        set_aside(endpoint) || set_aside(&endpoint.host())
    }

    pub(crate) fn is_recovering(&self, endpoint: &Endpoint) -> bool {
        let known = self.lock();
        matches!(
            known.endpoints.get(endpoint),
            Some(Standing::Recovering { .. })
        )
    }

    /// Endpoints that are to be probed now, each with whose turn the probe is: its own, or its host's. One for each host that is set aside.
    pub(crate) fn to_probe(&self, limit: usize) -> Vec<(Endpoint, Endpoint)> {
        let known = self.lock();
        let due = |standing: &Standing| match standing {
            Standing::SetAside { probe_in_ms } => known.since(-probe_in_ms) >= 0,
            _ => false,
        };
        let mut hosts = std::collections::HashSet::new();
        let mut found = vec![];
        for (endpoint, standing) in &known.endpoints {
            if endpoint.is_host() || !matches!(standing, Standing::SetAside { .. }) {
                continue;
            }
            let host = endpoint.host();
            let turn = match known.endpoints.get(&host) {
                Some(Standing::Paused) => continue,
                Some(of_host @ Standing::SetAside { .. }) => {
                    if !due(of_host) || !hosts.insert(host.clone()) {
                        continue;
                    }
                    host
                }
                _ if due(standing) => endpoint.clone(),
                _ => continue,
            };
            found.push((endpoint.clone(), turn));
            if found.len() >= limit {
                break;
            }
        }
        found
    }

    /// Endpoints that recover, and for how long.
    pub(crate) fn recovering(&self) -> Vec<(Endpoint, Duration)> {
        let known = self.lock();
        let mut found = vec![];
        for (endpoint, standing) in &known.endpoints {
            if let Standing::Recovering { for_ms } = standing {
                let since = u64::try_from(known.since(*for_ms)).unwrap_or_default();
                found.push((endpoint.clone(), Duration::from_millis(since)));
            }
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// A time that was so many milliseconds when it was read.
    fn since(&self, then_ms: i64) -> i64 {
        let passed = self.read_at.map_or(Duration::ZERO, |at| at.elapsed());
        then_ms.saturating_add(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knows(lines: &[(&str, Standing)]) -> Standings {
        let standings = Standings::default();
        let lines: Vec<EndpointLine> = lines
            .iter()
            .map(|(endpoint, standing)| EndpointLine {
                endpoint: Endpoint::new(*endpoint),
                standing: *standing,
                reason: String::new(),
                probes: 0,
                since: domain::UnixMs(0),
            })
            .collect();
        standings.read(&lines);
        standings
    }

    const WAITS: Standing = Standing::SetAside {
        probe_in_ms: 60_000,
    };
    const DUE: Standing = Standing::SetAside { probe_in_ms: -5 };

    #[test]
    fn one_that_is_set_aside_gets_nothing_and_one_that_recovers_twice_as_much_each_second() {
        let standings = knows(&[
            ("http://a", WAITS),
            ("http://b", Standing::Recovering { for_ms: 3_000 }),
            ("//c", WAITS),
            ("http://d", Standing::Paused),
        ]);
        let cap = |name: &str| standings.cap(&Endpoint::new(name));
        assert_eq!(cap("http://a"), 0);
        assert_eq!(cap("http://b"), 8);
        assert_eq!(cap("http://c:81"), 0);
        assert_eq!(cap("http://d"), 0);
        assert_eq!(cap("http://e"), usize::MAX);
    }

    #[test]
    fn probes_go_to_those_whose_time_has_come_and_one_to_each_host() {
        let standings = knows(&[
            ("http://a", WAITS),
            ("http://b", DUE),
            ("//c", DUE),
            ("http://c:1", WAITS),
            ("http://c:2", DUE),
            ("//d", WAITS),
            ("http://d:1", DUE),
            ("http://e", Standing::Paused),
        ]);
        let mut turns: Vec<String> = standings
            .to_probe(10)
            .into_iter()
            .map(|(_, turn)| turn.to_string())
            .collect();
        turns.sort();
        assert_eq!(turns, ["//c", "http://b"]);
    }

    #[test]
    fn what_this_process_sees_holds_before_it_is_read() {
        let standings = Standings::default();
        let endpoint = Endpoint::new("http://a");
        standings.set_aside(&endpoint);
        assert_eq!(standings.cap(&endpoint), 0);
        standings.answered(&endpoint);
        assert!(standings.is_recovering(&endpoint));
        assert_eq!(standings.cap(&endpoint), 1);
    }
}
