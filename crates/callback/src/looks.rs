//! Reports found endpoint by endpoint, a few of each, so that no endpoint waits behind another.

use domain::Endpoint;
use store::StoreError;
use store::callbacks::{Head, Line, Pick, Wanted};

use crate::sender::{Errand, Sender, Sent};

/// How many endpoints are looked at in one query.
const PAGE: usize = 200;
/// The most reports of one endpoint that are picked at once.
const EACH: usize = 32;

/// Goes from endpoint to endpoint, in each line from where it was last.
pub(crate) struct Looks {
    pub(crate) sender: Sender,
    /// The last endpoint that was looked at, for each line.
    after: [Option<Endpoint>; 3],
}

impl Looks {
    /// Begins with the first endpoint of each line.
    pub(crate) fn new(sender: Sender) -> Self {
        Self {
            sender,
            after: [None, None, None],
        }
    }

    /// One page of endpoints: a few reports of each that has any due, and room for them. Returns whether one of them probably has
    /// more, and whether this was the last page.
    pub(crate) async fn page(&mut self, line: Line) -> Result<(bool, bool), StoreError> {
        let mut heads = self.heads(line).await?;
        let is_last = heads.len() < PAGE;
        heads.retain(|head| head.due_for_ms >= 0);
        Ok((self.send(line, heads, false).await?, is_last))
    }

    /// One page of endpoints with first tries that are not due, because their hint may still come; all but the `flooded` one. Returns
    /// whether something was sent.
    pub(crate) async fn behind(&mut self, flooded: Option<&Endpoint>) -> Result<bool, StoreError> {
        let mut heads = self.heads(Line::First).await?;
        heads.retain(|head| Some(&head.endpoint) != flooded);
        self.send(Line::First, heads, true).await
    }

    async fn send(&self, line: Line, heads: Vec<Head>, early: bool) -> Result<bool, StoreError> {
        let picks = self.picks(line, heads);
        let wanted = Wanted::DueFirst {
            line,
            picks: &picks,
            early,
        };
        let Sent { sent, .. } = self.sender.send(wanted, Errand::Deliver(line)).await?;
        Ok(sent > 0)
    }

    /// How many of each of these endpoints: as many as there are slots for, shared out evenly, beginning anywhere.
    fn picks(&self, line: Line, heads: Vec<Head>) -> Vec<Pick> {
        let slots = &self.sender.slots;
        let mut open: Vec<Pick> = heads
            .into_iter()
            .filter(|head| slots.is_open(&head.endpoint))
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
                slots.hunger(line);
            }
        }
        open.retain(|pick| pick.most > 0);
        open
    }

    /// The next page of endpoints that have anything in the line; after the last it begins again.
    pub(crate) async fn heads(&mut self, line: Line) -> Result<Vec<Head>, StoreError> {
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
}
