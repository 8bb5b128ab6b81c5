//! Reports whose time has come: those that found no slot when their hint came, next tries, replays, probes, and those whose hint or
//! whose worker was lost. Looked for endpoint by endpoint, a few of each.

use std::time::{Duration, Instant};

use domain::Endpoint;
use store::StoreError;
use store::callbacks::{Head, Line, Pick};
use tokio_util::sync::CancellationToken;

use crate::sender::{Errand, Sender};

/// How many endpoints are looked at in one query.
const PAGE: usize = 200;
/// How many pages of one line are looked at in one round: the next round goes on from there.
const PAGES: usize = 20;
/// The most reports of one endpoint that are picked at once.
const EACH: usize = 32;
/// The most endpoints that are probed in one round.
const PROBES: usize = 50;
/// The shortest pause between two looks, so that one look serves many slots that are free again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// The pause while hints come late: then reports are looked for before they are due, a few of each endpoint, so that nobody waits behind
/// another's flood.
const EARLY_EVERY: Duration = Duration::from_millis(50);
/// How often a single report is sent while our own way out is taken for broken.
const TRICKLE: Duration = Duration::from_secs(1);

/// Looks at what is due.
pub(crate) struct DueLoop {
    pub(crate) sender: Sender,
    pub(crate) every: Duration,
    /// The last endpoint that was looked at, for each line.
    pub(crate) after: [Option<Endpoint>; 3],
}

impl DueLoop {
    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let begun = Instant::now();
            let frozen = self.sender.slots.is_frozen();
            let looked = if frozen {
                self.trickle().await.map(|()| false)
            } else {
                self.look().await
            };
            let more = looked.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot look for due reports");
                false
            });
            if more && !shutdown.is_cancelled() {
                continue;
            }
            let behind = self.sender.slots.is_behind(Instant::now());
            let every = if behind { EARLY_EVERY } else { self.every };
            // A look that takes long must not be all that the database does.
            let pause = every.max(begun.elapsed() * 3);
            let pause = if frozen { pause.max(TRICKLE) } else { pause };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.freed_after(SHORTEST_PAUSE) => {}
                () = tokio::time::sleep(pause) => {}
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
        let mut more = self.overflow().await?;
        for line in Line::ALL {
            for _ in 0..PAGES {
                let (sent, is_last) = self.page(line).await?;
                more |= sent;
                if is_last {
                    break;
                }
            }
        }
        Ok(more)
    }

    /// First tries that found no slot when their hint came.
    async fn overflow(&self) -> Result<bool, StoreError> {
        let mut more = false;
        let picks: Vec<Pick> = self
            .sender
            .slots
            .overflowing(PAGE)
            .into_iter()
            .map(|(endpoint, most)| Pick { endpoint, most })
            .collect();
        if picks.is_empty() {
            return Ok(false);
        }
        for pick in &picks {
            // Said before the look: what overflows while it runs is seen by the next one.
            self.sender.slots.overflow_ended(&pick.endpoint);
        }
        let keys = self
            .sender
            .store
            .pick_reports(Line::First, &picks, true)
            .await?;
        let asked: usize = picks.iter().map(|p| p.most).sum();
        if keys.len() == asked {
            for pick in &picks {
                self.sender.slots.overflows(&pick.endpoint);
            }
            more = true;
        }
        let sent = self
            .sender
            .send(&keys, Errand::Deliver(Line::First))
            .await?;
        Ok(more && sent > 0)
    }

    /// One page of endpoints: a few reports of each that has any due, and room for them. Returns whether one of them probably has
    /// more, and whether this was the last page.
    async fn page(&mut self, line: Line) -> Result<(bool, bool), StoreError> {
        let heads = self.heads(line).await?;
        let is_last = heads.len() < PAGE;
        let early = line == Line::First && self.sender.slots.is_behind(Instant::now());
        let picks = self.picks(line, heads, early);
        let keys = self.sender.store.pick_reports(line, &picks, early).await?;
        if keys.is_empty() {
            return Ok((false, is_last));
        }
        let sent = self.sender.send(&keys, Errand::Deliver(line)).await?;
        Ok((sent > 0, is_last))
    }

    /// How many of each endpoint that has any due: as many as there are slots for, shared out evenly, beginning anywhere.
    fn picks(&self, line: Line, heads: Vec<Head>, early: bool) -> Vec<Pick> {
        let slots = &self.sender.slots;
        let mut open: Vec<Pick> = heads
            .into_iter()
            .filter(|head| (early || head.due_for_ms >= 0) && slots.is_open(&head.endpoint))
            .map(|head| Pick {
                most: slots.room(&head.endpoint, line).min(EACH),
                endpoint: head.endpoint,
            })
            .collect();
        if open.is_empty() {
            return open;
        }
        let first = rand::random_range(0..open.len());
        open.rotate_left(first);
        let mut left = slots.free(line);
        let each = (left / open.len()).max(1);
        for pick in &mut open {
            let wanted = pick.most;
            pick.most = wanted.min(each).min(left);
            left -= pick.most;
            if pick.most == 0 {
                slots.hunger();
            }
        }
        open.retain(|pick| pick.most > 0);
        open
    }

    /// The next page of endpoints that have anything in the line; after the last it begins again.
    async fn heads(&mut self, line: Line) -> Result<Vec<Head>, StoreError> {
        let place = match line {
            Line::First => 0,
            Line::Retry => 1,
            Line::Replay => 2,
        };
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let after = self.after[place].take();
        let heads = self.sender.store.heads(line, after.as_ref(), limit).await?;
        if heads.len() == PAGE {
            self.after[place] = heads.last().map(|head| head.endpoint.clone());
        }
        Ok(heads)
    }

    /// One report to each endpoint that is set aside and whose turn it is.
    async fn probe(&self) -> Result<(), StoreError> {
        for (endpoint, turn) in self.sender.standings.to_probe(PROBES) {
            let pick = [Pick { endpoint, most: 1 }];
            for line in Line::ALL {
                let keys = self.sender.store.pick_reports(line, &pick, false).await?;
                if keys.is_empty() {
                    continue;
                }
                if self.sender.store.take_probe(&turn).await? {
                    self.sender.send(&keys, Errand::Probe).await?;
                }
                break;
            }
        }
        Ok(())
    }

    /// A single report to the next endpoint in turn, to see whether our own way out is still broken.
    async fn trickle(&mut self) -> Result<(), StoreError> {
        for line in [Line::First, Line::Retry] {
            let heads = self.heads(line).await?;
            let standings = &self.sender.standings;
            let waits = |head: &&Head| head.due_for_ms >= 0 && standings.cap(&head.endpoint) > 0;
            let waiting: Vec<&Head> = heads.iter().filter(waits).collect();
            if waiting.is_empty() {
                continue;
            }
            let chosen = waiting[rand::random_range(0..waiting.len())];
            let pick = Pick {
                endpoint: chosen.endpoint.clone(),
                most: 1,
            };
            let keys = self.sender.store.pick_reports(line, &[pick], false).await?;
            self.sender.send(&keys, Errand::Probe).await?;
            return Ok(());
        }
        Ok(())
    }
}
