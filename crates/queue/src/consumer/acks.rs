//! Which deliveries of one channel are settled, and the fewest frames that say so.

use std::collections::BTreeSet;

/// How often a connection without deliveries is looked at.
pub(super) const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(500);

/// One frame to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// `basic.ack` for so many deliveries; more than one: all that are unacked up to `tag`.
    Ack { tag: u64, messages: u64 },
    /// `basic.nack` with `requeue`, for one delivery.
    Requeue { tag: u64 },
}

/// What a delivery came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// Its work is committed.
    Done,
    /// Someone else shall do it.
    Requeued,
}

/// The deliveries of one channel. Never holds more than the broker has handed out unacked.
#[derive(Debug, Default)]
pub(crate) struct AckBook {
    outstanding: BTreeSet<u64>,
    done: Vec<u64>,
    requeued: Vec<u64>,
}

impl AckBook {
    /// The broker handed out `tag`.
    pub(crate) fn delivered(&mut self, tag: u64) {
        self.outstanding.insert(tag);
    }

    /// `tag` is settled. A tag that is not outstanding is ignored: a second answer would close the
    /// channel.
    pub(crate) fn settle(&mut self, tag: u64, settlement: Settlement) {
        if self.outstanding.remove(&tag) {
            match settlement {
                Settlement::Done => self.done.push(tag),
                Settlement::Requeued => self.requeued.push(tag),
            }
        }
    }

    /// How many deliveries are neither acked nor given back.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// The frames that tell the broker what was settled since the last call, in the order in which
    /// they must be sent: given back first, because `multiple` would ack those as well.
    pub(crate) fn flush(&mut self) -> Vec<Frame> {
        let mut frames: Vec<Frame> = self
            .requeued
            .drain(..)
            .map(|tag| Frame::Requeue { tag })
            .collect();
        self.done.sort_unstable();
        let prefix = match self.outstanding.first() {
            Some(lowest) => self.done.partition_point(|tag| tag < lowest),
            None => self.done.len(),
        };
        // The broker wants the tag of a `multiple` to be unacked itself: the highest of the prefix is.
        if let Some(&tag) = self.done[..prefix].last() {
            let messages = prefix as u64;
            frames.push(Frame::Ack { tag, messages });
        }
        let alone = self.done[prefix..].iter();
        frames.extend(alone.map(|&tag| Frame::Ack { tag, messages: 1 }));
        self.done.clear();
        frames
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn book(tags: std::ops::RangeInclusive<u64>) -> AckBook {
        let mut book = AckBook::default();
        tags.for_each(|tag| book.delivered(tag));
        book
    }

    fn done(book: &mut AckBook, tags: &[u64]) {
        for &tag in tags {
            book.settle(tag, Settlement::Done);
        }
    }

    fn one(tag: u64) -> Frame {
        Frame::Ack { tag, messages: 1 }
    }

    fn up_to(tag: u64, messages: u64) -> Frame {
        Frame::Ack { tag, messages }
    }

    #[test]
    fn a_done_prefix_is_acked_at_once() {
        let mut book = book(1..=5);
        done(&mut book, &[3, 1, 2]);
        assert_eq!(book.flush(), [up_to(3, 3)]);
        assert_eq!(book.outstanding(), 2);
    }

    #[test]
    fn what_is_done_behind_a_slow_one_is_acked_alone() {
        let mut book = book(1..=5);
        done(&mut book, &[1, 2, 4, 5]);
        assert_eq!(book.flush(), [up_to(2, 2), one(4), one(5)]);
        done(&mut book, &[3]);
        assert_eq!(book.flush(), [one(3)]);
    }

    #[test]
    fn the_prefix_ends_at_a_tag_that_is_still_unacked_at_the_broker() {
        let mut book = book(1..=4);
        done(&mut book, &[3]);
        assert_eq!(book.flush(), [one(3)]);
        done(&mut book, &[1, 2]);
        assert_eq!(book.flush(), [up_to(2, 2)], "3 is acked already");
    }

    #[test]
    fn given_back_goes_first_and_is_not_acked() {
        let mut book = book(1..=3);
        book.settle(2, Settlement::Requeued);
        done(&mut book, &[1, 3]);
        assert_eq!(book.flush(), [Frame::Requeue { tag: 2 }, up_to(3, 2)]);
    }

    #[test]
    fn nothing_settled_says_nothing() {
        assert_eq!(book(1..=3).flush(), []);
    }

    #[test]
    fn settling_twice_or_out_of_nothing_says_nothing() {
        let mut book = book(1..=1);
        done(&mut book, &[1]);
        assert_eq!(book.flush(), [one(1)]);
        done(&mut book, &[1, 7]);
        assert_eq!(book.flush(), []);
    }

    /// A broker that is as strict as RabbitMQ about what is acked.
    #[derive(Default)]
    struct Broker {
        unacked: BTreeSet<u64>,
        acked: BTreeSet<u64>,
        requeued: BTreeSet<u64>,
    }

    impl Broker {
        fn take(&mut self, frame: Frame) {
            match frame {
                Frame::Requeue { tag } => {
                    assert!(self.unacked.remove(&tag), "unknown delivery tag {tag}");
                    self.requeued.insert(tag);
                }
                Frame::Ack { tag, messages } => {
                    assert!(self.unacked.contains(&tag), "unknown delivery tag {tag}");
                    let covered: Vec<u64> = if messages > 1 {
                        self.unacked.range(..=tag).copied().collect()
                    } else {
                        vec![tag]
                    };
                    assert_eq!(covered.len() as u64, messages);
                    for tag in covered {
                        self.unacked.remove(&tag);
                        self.acked.insert(tag);
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_broker_learns_exactly_what_was_settled(
            steps in proptest::collection::vec((0_u8..4, 0_u64..40), 0..300),
        ) {
            let (mut book, mut broker) = (AckBook::default(), Broker::default());
            let (mut done, mut requeued) = (BTreeSet::new(), BTreeSet::new());
            let mut last = 0;
            for (step, tag) in steps {
                match step {
                    0 => {
                        last += 1;
                        book.delivered(last);
                        broker.unacked.insert(last);
                    }
                    1 if tag <= last && tag > 0 => {
                        book.settle(tag, Settlement::Done);
                        if !requeued.contains(&tag) { done.insert(tag); }
                    }
                    2 if tag <= last && tag > 0 => {
                        book.settle(tag, Settlement::Requeued);
                        if !done.contains(&tag) { requeued.insert(tag); }
                    }
                    _ => book.flush().into_iter().for_each(|frame| broker.take(frame)),
                }
            }
            book.flush().into_iter().for_each(|frame| broker.take(frame));
            prop_assert_eq!(&broker.acked, &done);
            prop_assert_eq!(&broker.requeued, &requeued);
            prop_assert_eq!(broker.unacked.len(), book.outstanding());
        }
    }
}
