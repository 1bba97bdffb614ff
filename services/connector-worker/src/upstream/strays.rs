//! What a server says that is no answer, on a wire where everything comes on one stream: its own
//! requests, and notifications that belong to no call of ours. Kept within bounds until somebody
//! reads it, so that the stream itself never waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use fabric::{BoxFuture, Failure};
use tokio::sync::Notify;

use super::Exchange;

/// Messages in wait.
const MAX: usize = 256;
/// Bytes of all of them; one message alone may be larger, up to the limit of its wire.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// There is no room for a request: it is to be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The messages in wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Strays {
    queue: Mutex<Queue>,
    more: Notify,
    /// The reader has dealt with all there were.
    quiet: Notify,
    taken: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    all: VecDeque<Stray>,
    bytes: usize,
    closed: bool,
    /// The reader has one that it has not dealt with.
    in_hand: bool,
}

#[derive(Debug)]
struct Stray {
    raw: Bytes,
    is_request: bool,
}

impl Queue {
    fn has_room(&self, bytes: usize) -> bool {
        self.all.is_empty() || (self.all.len() < MAX && self.bytes + bytes <= MAX_BYTES)
    }

    /// Drops the oldest notification; tells whether there was one.
    fn drop_notification(&mut self) -> bool {
        let oldest = self.all.iter().position(|stray| !stray.is_request);
        let dropped = oldest.and_then(|at| self.all.remove(at));
        self.bytes -= dropped.as_ref().map_or(0, |stray| stray.raw.len());
        dropped.is_some()
    }
}

impl Strays {
    /// Keeps a message. Where there is no room, notifications go first: the new one, or for a
    /// request the oldest ones.
    pub(super) fn push(&self, raw: Bytes, is_request: bool) -> Result<(), Full> {
        let mut queue = self.queue();
        while !queue.has_room(raw.len()) {
            if !is_request {
                return Ok(());
            }
            if !queue.drop_notification() {
                return Err(Full);
            }
        }
        queue.bytes += raw.len();
        queue.all.push_back(Stray { raw, is_request });
        drop(queue);
        self.more.notify_one();
        Ok(())
    }

    /// Nothing more will come; what is in wait can still be read.
    pub(super) fn close(&self) {
        self.queue().closed = true;
        self.more.notify_one();
    }

    /// The messages, those in wait and those to come, for one reader at a time. `None` while
    /// another has them.
    pub(super) fn take(self: &Arc<Self>) -> Option<Box<dyn Exchange>> {
        let first = !self.taken.swap(true, Ordering::Relaxed);
        first.then(|| Box::new(Reading(self.clone())) as Box<dyn Exchange>)
    }

    /// The next message; `None` when there is none now, with whether there will be none ever.
    fn pop(&self) -> (Option<Bytes>, bool) {
        let mut queue = self.queue();
        let next = queue.all.pop_front().map(|stray| stray.raw);
        queue.bytes -= next.as_ref().map_or(0, Bytes::len);
        queue.in_hand = next.is_some();
        if next.is_none() {
            self.quiet.notify_waiters();
        }
        (next, queue.closed)
    }

    /// Resolves when the reader, if there is one, has dealt with all that came.
    pub(super) async fn settled(&self) {
        while self.taken.load(Ordering::Relaxed) {
            let mut quiet = std::pin::pin!(self.quiet.notified());
            quiet.as_mut().enable();
            {
                let queue = self.queue();
                if queue.closed || (queue.all.is_empty() && !queue.in_hand) {
                    return;
                }
            }
            quiet.await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no panic while held")
    }
}

struct Reading(Arc<Strays>);

impl Exchange for Reading {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Failure>> {
        Box::pin(async move {
            loop {
                match self.0.pop() {
                    (None, false) => self.0.more.notified().await,
                    (next, _) => return Ok(next),
                }
            }
        })
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rest(strays: &Arc<Strays>) -> Vec<Bytes> {
        strays.close();
        let mut reading = strays.take().unwrap();
        let mut all = Vec::new();
        while let Some(next) = reading.next().await.unwrap() {
            all.push(next);
        }
        all
    }

    #[tokio::test]
    async fn notifications_make_room_for_requests_and_requests_for_nothing() {
        let strays = Arc::new(Strays::default());
        for n in 0..MAX {
            let is_request = n % 2 == 0;
            strays.push(Bytes::from(n.to_string()), is_request).unwrap();
        }

        strays.push(Bytes::from_static(b"dropped"), false).unwrap();
        for n in 0..MAX / 2 {
            strays.push(Bytes::from(format!("more {n}")), true).unwrap();
        }

        assert_eq!(strays.push(Bytes::from_static(b"refused"), true), Err(Full));
        let all = rest(&strays).await;
        assert_eq!(all.len(), MAX);
        assert_eq!((&all[0], &all[1]), (&Bytes::from("0"), &Bytes::from("2")));
        assert_eq!(all[MAX - 1], format!("more {}", MAX / 2 - 1));
    }

    #[tokio::test]
    async fn bytes_are_bounded_but_one_message_always_fits() {
        let strays = Arc::new(Strays::default());
        let huge = Bytes::from(vec![b'x'; 2 * MAX_BYTES]);

        strays.push(huge.clone(), true).unwrap();

        assert_eq!(strays.push(Bytes::from_static(b"y"), true), Err(Full));
        assert_eq!(rest(&strays).await, [huge]);
    }

    #[tokio::test]
    async fn there_is_one_reader_at_a_time() {
        let strays = Arc::new(Strays::default());

        let first = strays.take();
        assert!(first.is_some() && strays.take().is_none());
        drop(first);

        assert!(strays.take().is_some());
    }
}
