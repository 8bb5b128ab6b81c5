//! Which sets of messages the broker still owes an answer for.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::publisher::PublishError;
use crate::publisher::load::{Load, Message};
use crate::topology::QueueName;

/// Names a set within one connection.
pub(crate) type SetId = u64;

/// The sets that are being published. `R` is how the asker is answered.
pub(crate) struct Window<R> {
    sets: BTreeMap<SetId, Set<R>>,
    complete: Vec<SetId>,
    next: SetId,
}

struct Set<R> {
    queue: QueueName,
    load: Load,
    sent: usize,
    confirmed: usize,
    /// One past the last message that is to be sent.
    end: usize,
    fault: Option<PublishError>,
    begun: Instant,
    progress: Instant,
    /// Gone when the asker has been told already.
    reply: Option<R>,
}

/// A set that is over.
pub(crate) struct Finished<R> {
    pub(crate) queue: QueueName,
    pub(crate) reply: Option<R>,
    pub(crate) confirmed: usize,
    pub(crate) took: Duration,
    pub(crate) outcome: Result<(), PublishError>,
}

/// What the broker said about one message.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// `basic.ack` rather than `basic.nack`.
    pub(crate) acked: bool,
    /// The id of a message that was returned and that the client handed over with this answer.
    pub(crate) returned: Option<String>,
}

impl<R> Window<R> {
    pub(crate) fn new() -> Self {
        Self {
            sets: BTreeMap::new(),
            complete: Vec::new(),
            next: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Begins a set, which must not be empty.
    pub(crate) fn open(&mut self, queue: QueueName, load: Load, reply: R, now: Instant) -> SetId {
        let id = self.next;
        self.next += 1;
        let set = Set {
            queue,
            sent: 0,
            confirmed: 0,
            end: load.len(),
            load,
            fault: None,
            begun: now,
            progress: now,
            reply: Some(reply),
        };
        self.sets.insert(id, set);
        id
    }

    /// The set's next message and where it goes; `None` when there is none left to send.
    pub(crate) fn next_message(&mut self, id: SetId) -> Option<(QueueName, Message)> {
        let set = self.sets.get_mut(&id)?;
        if set.sent >= set.end {
            return None;
        }
        let message = set.load.message(set.sent)?;
        set.sent += 1;
        Some((set.queue.clone(), message))
    }

    /// Takes the broker's answer for one message of the set.
    ///
    /// The client hands a returned message over with whichever confirm it completes next, not always
    /// with its own. So the returned one is found by its id, and the one whose confirm carried another's
    /// return counts as failed as well: its own return may be waiting behind. Failing without need
    /// costs a second message; the opposite would lose one.
    pub(crate) fn confirm(&mut self, id: SetId, verdict: &Verdict, now: Instant) {
        if let Some(set) = self.sets.get_mut(&id) {
            set.confirmed += 1;
            set.progress = now;
            if !verdict.acked {
                set.fail(PublishError::Nacked);
            }
            if verdict.returned.is_some() {
                set.fail(PublishError::Returned);
            }
            if set.confirmed >= set.end {
                self.complete.push(id);
            }
        }
        if let Some(message_id) = &verdict.returned {
            for (id, set) in &mut self.sets {
                if set.load.carries(message_id) {
                    let was_open = set.confirmed < set.end;
                    set.fail(PublishError::Returned);
                    if was_open && set.confirmed >= set.end {
                        self.complete.push(*id);
                    }
                }
            }
        }
    }

    /// The sets for which every answer is in. Call it only when all answers that have arrived are
    /// taken: a return may be among those not looked at yet.
    pub(crate) fn finished(&mut self, now: Instant) -> Vec<Finished<R>> {
        let mut finished = Vec::new();
        for id in std::mem::take(&mut self.complete) {
            if let Some(set) = self.sets.remove(&id) {
                finished.push(set.finish(now));
            }
        }
        finished
    }

    /// The askers whose sets have made no progress for `limit`, and their queues. The messages stay in the window,
    /// because the client still holds them; what was not sent will not be.
    pub(crate) fn overdue(&mut self, now: Instant, limit: Duration) -> Vec<(QueueName, R)> {
        let mut askers = Vec::new();
        for (id, set) in &mut self.sets {
            if now.duration_since(set.progress) < limit {
                continue;
            }
            if let Some(asker) = set.reply.take() {
                set.fail(PublishError::TimedOut);
                askers.push((set.queue.clone(), asker));
                if set.confirmed >= set.end {
                    self.complete.push(*id);
                }
            }
        }
        askers
    }

    /// Gives up on everything: the connection is lost.
    pub(crate) fn abandon(&mut self) -> Vec<R> {
        self.complete.clear();
        std::mem::take(&mut self.sets)
            .into_values()
            .filter_map(|set| set.reply)
            .collect()
    }
}

impl<R> Set<R> {
    /// The first fault is the one that is told; nothing more of the set is sent.
    fn fail(&mut self, fault: PublishError) {
        self.fault.get_or_insert(fault);
        self.end = self.sent;
    }

    fn finish(self, now: Instant) -> Finished<R> {
        Finished {
            queue: self.queue,
            reply: self.reply,
            confirmed: self.confirmed,
            took: now.duration_since(self.begun),
            outcome: self.fault.map_or(Ok(()), Err),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{BusinessId, OrderCode, OrderKey};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn ack() -> Verdict {
        Verdict {
            acked: true,
            returned: None,
        }
    }

    fn ack_with_return(key: &OrderKey) -> Verdict {
        Verdict {
            acked: true,
            returned: Some(crate::hint::message_id(key)),
        }
    }

    fn keys(count: usize) -> Vec<OrderKey> {
        let key = |_| OrderKey {
            business: BusinessId::new("b"),
            order: OrderCode::generate(),
        };
        (0..count).map(key).collect()
    }

    /// Opens a set under the asker's name and sends all of it.
    fn publish(
        window: &mut Window<&'static str>,
        asker: &'static str,
        keys: &[OrderKey],
        now: Instant,
    ) -> SetId {
        let load = Load::Hints {
            keys: keys.to_vec(),
            trace: None,
        };
        let id = window.open(QueueName::callbacks(), load, asker, now);
        while window.next_message(id).is_some() {}
        id
    }

    fn outcomes(
        window: &mut Window<&'static str>,
        now: Instant,
    ) -> Vec<(&'static str, Result<(), PublishError>)> {
        let finished = window.finished(now);
        finished
            .into_iter()
            .map(|f| (f.reply.unwrap(), f.outcome))
            .collect()
    }

    #[test]
    fn a_set_is_confirmed_when_all_of_it_is() {
        let (mut window, now) = (Window::new(), Instant::now());
        let id = publish(&mut window, "a", &keys(2), now);
        window.confirm(id, &ack(), now);
        assert_eq!(outcomes(&mut window, now), []);
        window.confirm(id, &ack(), now);
        assert_eq!(outcomes(&mut window, now), [("a", Ok(()))]);
        assert!(window.is_empty());
    }

    #[test]
    fn a_refused_message_fails_its_set() {
        let (mut window, now) = (Window::new(), Instant::now());
        let id = publish(&mut window, "a", &keys(2), now);
        let nack = Verdict {
            acked: false,
            returned: None,
        };
        window.confirm(id, &nack, now);
        window.confirm(id, &ack(), now);
        assert_eq!(
            outcomes(&mut window, now),
            [("a", Err(PublishError::Nacked))]
        );
    }

    #[test]
    fn a_return_is_matched_by_its_id_and_doubts_the_confirm_that_carried_it() {
        let (mut window, now) = (Window::new(), Instant::now());
        let (lost, carrier, other) = (keys(1), keys(1), keys(1));
        let a = publish(&mut window, "lost", &lost, now);
        let b = publish(&mut window, "carrier", &carrier, now);
        let c = publish(&mut window, "other", &other, now);
        window.confirm(a, &ack(), now);
        window.confirm(b, &ack_with_return(&lost[0]), now);
        window.confirm(c, &ack(), now);
        let expected = [
            ("lost", Err(PublishError::Returned)),
            ("carrier", Err(PublishError::Returned)),
            ("other", Ok(())),
        ];
        assert_eq!(outcomes(&mut window, now), expected);
    }

    #[test]
    fn the_same_order_in_two_sets_fails_in_both() {
        let (mut window, now) = (Window::new(), Instant::now());
        let key = keys(1);
        let a = publish(&mut window, "a", &key, now);
        let b = publish(&mut window, "b", &key, now);
        window.confirm(a, &ack_with_return(&key[0]), now);
        window.confirm(b, &ack(), now);
        let returned = Err(PublishError::Returned);
        assert_eq!(
            outcomes(&mut window, now),
            [("a", returned.clone()), ("b", returned)]
        );
    }

    #[test]
    fn a_set_that_failed_is_not_sent_to_its_end() {
        let (mut window, now) = (Window::new(), Instant::now());
        let keys = keys(3);
        let load = Load::Hints {
            keys: keys.clone(),
            trace: None,
        };
        let id = window.open(QueueName::callbacks(), load, "a", now);
        assert!(window.next_message(id).is_some());
        window.confirm(id, &ack_with_return(&keys[0]), now);
        assert!(window.next_message(id).is_none());
        assert_eq!(
            outcomes(&mut window, now),
            [("a", Err(PublishError::Returned))]
        );
    }

    #[test]
    fn a_set_without_progress_is_overdue_once() {
        let (mut window, now) = (Window::new(), Instant::now());
        let id = publish(&mut window, "a", &keys(2), now);
        window.confirm(id, &ack(), now + LIMIT / 2);
        assert!(window.overdue(now + LIMIT, LIMIT).is_empty(), "it moved");
        let later = now + LIMIT * 2;
        assert_eq!(
            window.overdue(later, LIMIT),
            [(QueueName::callbacks(), "a")]
        );
        assert!(window.overdue(later, LIMIT).is_empty());
        assert!(!window.is_empty(), "the client still holds the message");
        window.confirm(id, &ack(), later);
        let finished = window.finished(later);
        assert!(finished[0].reply.is_none());
        assert!(window.is_empty());
    }

    #[test]
    fn a_lost_connection_answers_everyone() {
        let (mut window, now) = (Window::new(), Instant::now());
        publish(&mut window, "a", &keys(1), now);
        publish(&mut window, "b", &keys(1), now);
        assert_eq!(window.abandon(), ["a", "b"]);
        assert!(window.is_empty());
    }
}
