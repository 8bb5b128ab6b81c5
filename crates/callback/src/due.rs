//! Reports whose time has come: those that found no slot when their hint came, next tries, replays, probes, and those whose hint or
//! whose worker was lost. Looked for endpoint by endpoint, a few of each.

use std::time::{Duration, Instant};

use store::StoreError;
use store::callbacks::{Head, Line, Pick, Wanted};
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;
use crate::looks::Looks;
use crate::sender::{Errand, Sender, Sent};

/// How many endpoints at which first tries found no slot are looked after at once.
const OVERFLOWING: usize = 200;
/// How many pages of one line are looked at in one round: the next round goes on from there.
const PAGES: usize = 20;
/// The most endpoints that are probed in one round.
const PROBES: usize = 50;
/// The shortest pause between two looks, so that one look serves many slots that are free again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// How often a single report is sent while our own way out is taken for broken.
const TRICKLE: Duration = Duration::from_secs(1);

/// Looks at what is due.
pub(crate) struct DueLoop {
    looks: Looks,
    sender: Sender,
    every: Duration,
    fleet: Fleet,
}

impl DueLoop {
    pub(crate) fn new(sender: Sender, every: Duration, fleet: Fleet) -> Self {
        Self {
            looks: Looks::new(sender.clone()),
            sender,
            every,
            fleet,
        }
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut everywhere_at = Instant::now();
        loop {
            let begun = Instant::now();
            let frozen = self.sender.slots.is_frozen();
            let everywhere = frozen || begun >= everywhere_at;
            let looked = if frozen {
                self.trickle().await.map(|()| false)
            } else if everywhere {
                self.look().await
            } else {
                let hungry = self.sender.slots.take_hungry();
                self.look_in(&hungry).await
            };
            let more = looked.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot look for due reports");
                false
            });
            if more && !shutdown.is_cancelled() {
                continue;
            }
            if everywhere {
                // A look that takes long must not be all that the database does.
                let pause = self.fleet.pause(self.every).max(begun.elapsed() * 3);
                let pause = if frozen { pause.max(TRICKLE) } else { pause };
                everywhere_at = Instant::now() + pause;
            }
            // What a look costs is shared by all slots that are freed in twice the time that it took: on a busy machine by many.
            let pause = self.fleet.pause(SHORTEST_PAUSE).max(begun.elapsed() * 2);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.freed_after(pause), if !frozen => {}
                () = tokio::time::sleep_until(everywhere_at.into()) => {}
            }
        }
    }

    /// A slot is free that something waits for; some more will be after the pause.
    async fn freed_after(&self, pause: Duration) {
        self.sender.slots.freed().await;
        tokio::time::sleep(pause).await;
    }

    /// Returns whether there is probably more that can go now.
    async fn look(&mut self) -> Result<bool, StoreError> {
        self.probe().await?;
        self.look_in(&Line::ALL).await
    }

    /// Where slots are waited for: at endpoints that overflow, and in these lines.
    async fn look_in(&mut self, lines: &[Line]) -> Result<bool, StoreError> {
        self.overflow().await?;
        let mut more = false;
        for line in lines.iter().copied() {
            for _ in 0..PAGES {
                let (sent, is_last) = self.looks.page(line).await?;
                more |= sent;
                if is_last {
                    break;
                }
            }
        }
        Ok(more)
    }

    /// First tries that found no slot when their hint came: as many as there are slots now. The others wait for the slots of these, and for
    /// the pause after the first that is free; looking on at once would find a few at a time.
    async fn overflow(&self) -> Result<(), StoreError> {
        let picks: Vec<Pick> = self
            .sender
            .slots
            .overflowing(OVERFLOWING)
            .into_iter()
            .map(|(endpoint, most)| Pick { endpoint, most })
            .collect();
        if picks.is_empty() {
            return Ok(());
        }
        for pick in &picks {
            // Said before the look: what overflows while it runs is seen by the next one.
            self.sender.slots.overflow_ended(&pick.endpoint);
        }
        let wanted = Wanted::DueFirst {
            line: Line::First,
            picks: &picks,
            early: true,
        };
        let errand = Errand::Deliver(Line::First);
        let Sent { found, .. } = self.sender.send(wanted, errand).await?;
        // Where as many were found as were asked for, there may be more.
        for pick in &picks {
            if found.get(&pick.endpoint).copied().unwrap_or_default() >= pick.most {
                self.sender.slots.overflows(&pick.endpoint);
            }
        }
        Ok(())
    }

    /// One report to each endpoint that is set aside and whose turn it is.
    async fn probe(&self) -> Result<(), StoreError> {
        for (endpoint, turn) in self.sender.standings.to_probe(PROBES) {
            for line in Line::ALL {
                let Some(key) = self.sender.store.longest_due(line, &endpoint).await? else {
                    continue;
                };
                if self.sender.store.take_probe(&turn).await? {
                    self.sender
                        .send(Wanted::Named(&[key]), Errand::Probe)
                        .await?;
                }
                break;
            }
        }
        Ok(())
    }

    /// A single report to the next endpoint in turn, to see whether our own way out is still broken.
    async fn trickle(&mut self) -> Result<(), StoreError> {
        for line in Line::ALL {
            let heads = self.looks.heads(line).await?;
            let standings = &self.sender.standings;
            let waits = |head: &&Head| head.due_for_ms >= 0 && standings.cap(&head.endpoint) > 0;
            let waiting: Vec<&Head> = heads.iter().filter(waits).collect();
            if waiting.is_empty() {
                continue;
            }
            let chosen = waiting[rand::random_range(0..waiting.len())];
            let key = self
                .sender
                .store
                .longest_due(line, &chosen.endpoint)
                .await?;
            self.sender
                .send(Wanted::Named(key.as_slice()), Errand::Probe)
                .await?;
            return Ok(());
        }
        Ok(())
    }
}
