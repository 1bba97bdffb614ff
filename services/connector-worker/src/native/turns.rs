//! Whose turn it is: how many requests or calls of one kind run at once, and who is next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use domain::{ConnectorId, TenantId};
use egress::Deadline;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::holder::Holder;

/// Entries beyond which those that nobody holds are dropped.
const SWEEP_ABOVE: usize = 1_024;

/// What is done by turns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Requests with one credential.
    Requests(Holder),
    /// Calls that write with it.
    Writes(Holder),
    /// Calls that concern one thing of the provider's, whoever makes them.
    Thing((TenantId, ConnectorId), String),
}

impl Lane {
    /// Those who are in it, for whoever waits.
    pub(super) const fn others(&self) -> &'static str {
        match self {
            Self::Requests(_) => "other requests with this credential",
            Self::Writes(_) => "other writes with this credential",
            Self::Thing(..) => "other calls that concern the same thing",
        }
    }
}

/// Why there is no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// As many as may wait do so already.
    Full,
    /// Not before the deadline.
    Late,
}

/// The lanes that somebody is in.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<Lane, Weak<Queue>>>);

struct Queue {
    /// Gives its permits in the order in which they were asked for.
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A turn; it ends when this is dropped.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    /// The lane is there for as long as somebody is in it.
    _queue: Arc<Queue>,
}

impl Turns {
    /// Waits for a turn in `lane`, where `at_once` have theirs at the same time and at most
    /// `waiting_max` wait. Who gives up waiting leaves the queue.
    ///
    /// # Errors
    /// There is no place to wait, or no turn before the deadline.
    pub(super) async fn take(
        &self,
        lane: Lane,
        at_once: usize,
        waiting_max: usize,
        deadline: Deadline,
    ) -> Result<Turn, NoTurn> {
        let queue = self.queue(lane, at_once);
        let permits = queue.permits.clone();
        // Nobody is overtaken: there is a free permit only while nobody waits.
        if let Ok(permit) = permits.clone().try_acquire_owned() {
            return Ok(Turn {
                _permit: permit,
                _queue: queue,
            });
        }
        let permit = {
            let _waiting = Waiting::enter(&queue.waiting, waiting_max).ok_or(NoTurn::Full)?;
            let permit = tokio::time::timeout_at(deadline.instant(), permits.acquire_owned());
            let permit = permit.await.map_err(|_| NoTurn::Late)?;
            permit.expect("nobody closes a lane")
        };
        Ok(Turn {
            _permit: permit,
            _queue: queue,
        })
    }

    fn queue(&self, lane: Lane, at_once: usize) -> Arc<Queue> {
        let mut turns = self.0.lock().expect("no panic while held");
        if let Some(queue) = turns.get(&lane).and_then(Weak::upgrade) {
            return queue;
        }
        if turns.len() >= SWEEP_ABOVE {
            turns.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = Arc::new(Queue {
            permits: Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
        });
        turns.insert(lane, Arc::downgrade(&queue));
        queue
    }
}

/// A place in a queue, given back however the wait ends.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let one_more = |now: usize| (now < most).then_some(now + 1);
        let entered = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered.ok().map(|_| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::poll;

    use super::*;

    fn lane(version: i64) -> Lane {
        Lane::Requests(Holder::own(1, 2, version))
    }

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    #[tokio::test]
    async fn turns_are_given_in_order_and_who_leaves_holds_up_nobody() {
        let turns = Turns::default();
        let first = turns.take(lane(1), 1, 2, soon()).await.ok().unwrap();
        let mut second = Box::pin(turns.take(lane(1), 1, 2, soon()));
        let mut third = pin!(turns.take(lane(1), 1, 2, soon()));
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());

        // The queue is full; another lane is not.
        let fourth = turns.take(lane(1), 1, 2, soon()).await;
        assert_eq!(fourth.err(), Some(NoTurn::Full));
        assert!(turns.take(lane(2), 1, 0, soon()).await.is_ok());

        // Who leaves makes room for another, and is passed over.
        drop(second);
        let mut fifth = pin!(turns.take(lane(1), 1, 2, soon()));
        assert!(poll!(&mut fifth).is_pending());
        drop(first);
        let third = third.await.ok().unwrap();
        assert!(poll!(&mut fifth).is_pending());
        drop(third);
        assert!(fifth.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_does_not_come_in_time_is_not_waited_for() {
        let turns = Turns::default();
        let _held = turns.take(lane(1), 1, 1, soon()).await.ok().unwrap();

        let late = turns.take(lane(1), 1, 1, soon()).await;
        assert_eq!(late.err(), Some(NoTurn::Late));

        // It has left its place in the queue to another.
        let late = turns.take(lane(1), 1, 1, soon()).await;
        assert_eq!(late.err(), Some(NoTurn::Late));
    }

    #[tokio::test]
    async fn lanes_that_nobody_is_in_are_dropped() {
        let turns = Turns::default();
        let _held = turns.take(lane(-1), 1, 0, soon()).await.ok().unwrap();
        for version in 0..3_000 {
            turns.take(lane(version), 1, 0, soon()).await.ok().unwrap();
        }

        assert!(turns.0.lock().unwrap().len() <= SWEEP_ABOVE + 1);
        let again = turns.take(lane(-1), 1, 0, soon()).await;
        assert_eq!(again.err(), Some(NoTurn::Full));
    }
}
