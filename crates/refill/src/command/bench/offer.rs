//! What is offered to the platform: how many orders, in which batches, from whom, and when.

use std::time::Duration;

use super::shares::Dealer;

/// A load, decided before the clock starts.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) orders: u32,
    /// Orders in one batch; of several sizes each gets the same number of orders.
    pub(super) sizes: Vec<u32>,
    pub(super) pace: Pace,
    pub(super) refused: Refused,
    pub(super) product: &'static str,
    /// The part of each account.
    pub(super) shares: Vec<f64>,
    /// Where the batches want their reports, in turn.
    pub(super) callback_urls: Vec<String>,
    /// Whether all requests are signed before the clock starts: the sender shares its cores with the platform.
    pub(super) signed_before: bool,
}

/// When batches are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Closed loop: so many at a time, each next one when an answer comes.
    AtOnce(usize),
    /// Open loop: so many orders a second, at moments that are fixed in advance, whatever is unanswered.
    PerSecond {
        rate: u32,
        /// Requests that may be unanswered. When so many are, the next waits, and its latency counts from when it was due.
        outstanding: usize,
    },
}

/// What becomes of a batch that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is sent again, and its latency runs on.
    SentAgain,
    /// It is not.
    Dropped,
}

/// One batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) number: u32,
    /// The load's number of its first order.
    pub(super) first: u32,
    pub(super) items: u32,
    /// Of the sizes that were asked for; the last batches may have fewer items.
    pub(super) size: u32,
    /// Whose it is.
    pub(super) account: usize,
    /// From the start on; none in a closed loop.
    pub(super) due: Option<Duration>,
}

impl Offer {
    /// All batches in the order in which they are sent.
    pub(super) fn plan(&self) -> Vec<Planned> {
        let mut dealer = Dealer::new(self.shares.clone());
        // So many orders each size has had.
        let mut had: Vec<(u32, u32)> = self.sizes.iter().map(|size| (*size, 0)).collect();
        let (mut plan, mut first) = (vec![], 0);
        while first < self.orders {
            let Some((size, so_far)) = had.iter_mut().min_by_key(|(size, had)| (*had, *size))
            else {
                break;
            };
            let items = (*size).clamp(1, self.orders - first);
            *so_far += items;
            plan.push(Planned {
                number: u32::try_from(plan.len()).unwrap_or(u32::MAX),
                first,
                items,
                size: *size,
                account: dealer.next(items),
                due: self.pace.due(first),
            });
            first += items;
        }
        plan
    }
}

impl Pace {
    /// When the batch is due before which so many orders have been.
    fn due(self, orders: u32) -> Option<Duration> {
        match self {
            Self::AtOnce(_) => None,
            Self::PerSecond { rate, .. } => Some(Duration::from_secs_f64(
                f64::from(orders) / f64::from(rate.max(1)),
            )),
        }
    }

    /// Requests that may be unanswered.
    pub(super) const fn outstanding(self) -> usize {
        match self {
            Self::AtOnce(requests) => requests,
            Self::PerSecond { outstanding, .. } => outstanding,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(orders: u32, sizes: &[u32], pace: Pace) -> Offer {
        Offer {
            orders,
            sizes: sizes.to_vec(),
            pace,
            refused: Refused::SentAgain,
            product: "P",
            shares: vec![1.0],
            callback_urls: vec![],
            signed_before: false,
        }
    }

    #[test]
    fn batches_are_due_at_the_rate_whatever_their_size() {
        let pace = Pace::PerSecond {
            rate: 100,
            outstanding: 5,
        };
        let due: Vec<u128> = offer(25, &[10], pace)
            .plan()
            .iter()
            .map(|batch| batch.due.unwrap().as_millis())
            .collect();
        assert_eq!(due, [0, 100, 200]);
        let closed = offer(25, &[10], Pace::AtOnce(3)).plan();
        assert!(closed.iter().all(|batch| batch.due.is_none()));
    }

    #[test]
    fn every_order_is_in_one_batch() {
        let plan = offer(25, &[10], Pace::AtOnce(1)).plan();
        let spans: Vec<(u32, u32, u32)> =
            plan.iter().map(|b| (b.number, b.first, b.items)).collect();
        assert_eq!(spans, [(0, 0, 10), (1, 10, 10), (2, 20, 5)]);
    }

    #[test]
    fn sizes_alternate_and_each_gets_as_many_orders() {
        let plan = offer(3_000, &[1_000, 1, 100], Pace::AtOnce(1)).plan();
        for size in [1, 100, 1_000] {
            let of_size = plan.iter().filter(|b| b.size == size);
            assert_eq!(of_size.map(|b| b.items).sum::<u32>(), 1_000, "{size}");
        }
        let first: Vec<u32> = plan.iter().take(4).map(|b| b.size).collect();
        assert_eq!(first, [1, 100, 1_000, 1]);
    }
}
