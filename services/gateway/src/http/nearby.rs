//! The connection that waits at the gateway where its request runs: what it has not read yet of
//! what went to the store is kept here too, so that it can have the rest when the store has gone.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

/// Messages on their way to the connection itself; beyond, the request waits.
const DIRECT: usize = 16;
/// Messages that are kept here too until the connection has read them, and their bytes, unless one
/// alone is longer. With a connection that is further behind the store is all there is.
const UNREAD: usize = 64;
const UNREAD_BYTES: usize = 256 * 1024;

/// A connection, as who writes sees it.
pub(super) struct Nearby {
    messages: mpsc::Sender<(Option<u64>, Bytes)>,
    seen: watch::Receiver<Seen>,
    /// What it has not read.
    unread: VecDeque<(u64, Bytes)>,
    bytes: usize,
    /// Whether that is all of it.
    whole: bool,
    /// The last event that went to the store.
    last: u64,
}

/// What a connection has of its stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// The last event.
    pub(super) number: u64,
    /// There will be no other: the store does not have the stream any more.
    pub(super) lost: bool,
}

/// The same connection, as who reads sees it.
pub(super) struct Direct {
    /// What comes past the store; with its number where it went there, too.
    pub(super) messages: mpsc::Receiver<(Option<u64>, Bytes)>,
    pub(super) seen: watch::Sender<Seen>,
}

impl Nearby {
    pub(super) fn new() -> (Self, Direct) {
        let (sender, messages) = mpsc::channel(DIRECT);
        let (seen, watched) = watch::channel(Seen::default());
        let connection = Self {
            messages: sender,
            seen: watched,
            unread: VecDeque::new(),
            bytes: 0,
            whole: true,
            last: 0,
        };
        (connection, Direct { messages, seen })
    }

    /// Hands it what only it gets. False when it takes no more.
    pub(super) async fn tell(&self, message: Bytes) -> bool {
        self.messages.send((None, message)).await.is_ok()
    }

    /// Whether it cannot read on in the store.
    pub(super) fn is_lost(&self) -> bool {
        self.seen.borrow().lost
    }

    /// Forgets what was read; how far that is.
    fn forget_read(&mut self) -> Seen {
        let seen = *self.seen.borrow_and_update();
        while let Some((_, read)) = self
            .unread
            .pop_front_if(|(number, _)| *number <= seen.number)
        {
            self.bytes -= read.len();
        }
        seen
    }

    /// Keeps a message that went to the store.
    pub(super) fn keep(&mut self, number: u64, message: Bytes) {
        if self.messages.is_closed() {
            return self.give_up();
        }
        let seen = self.forget_read();
        self.whole |= seen.number >= self.last;
        self.last = number;
        if !self.whole {
            return;
        }
        self.bytes += message.len();
        self.unread.push_back((number, message));
        let much = self.bytes > UNREAD_BYTES && self.unread.len() > 1;
        if much || self.unread.len() > UNREAD {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        (self.whole, self.bytes) = (false, 0);
        self.unread.clear();
    }

    /// Whether the rest can go to the connection without a gap.
    pub(super) fn can_take_over(&self) -> bool {
        let whole = self.whole || self.seen.borrow().number >= self.last;
        whole && !self.messages.is_closed()
    }

    /// Sends what it has not read, as far as that is kept.
    pub(super) async fn catch_up(&mut self) {
        self.forget_read();
        for (number, message) in std::mem::take(&mut self.unread) {
            if self.messages.send((Some(number), message)).await.is_err() {
                return;
            }
        }
    }

    /// Waits until all has been read, or none will be; what the store lost comes past it.
    pub(super) async fn read_to_the_end(&mut self) {
        loop {
            let seen = self.forget_read();
            if self.unread.is_empty() {
                return;
            }
            if seen.lost {
                return self.catch_up().await;
            }
            if self.seen.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: u64) -> Bytes {
        Bytes::from(format!("event {number}"))
    }

    #[tokio::test]
    async fn what_was_not_read_comes_once_and_nothing_comes_over_a_gap() {
        let (mut connection, mut direct) = Nearby::new();
        for number in 1..=4 {
            connection.keep(number, text(number));
        }
        direct.seen.send_modify(|seen| seen.number = 2);
        assert!(connection.can_take_over());
        direct.seen.send_modify(|seen| seen.lost = true);
        connection.read_to_the_end().await;
        for number in 3..=4 {
            assert_eq!(
                direct.messages.try_recv().unwrap(),
                (Some(number), text(number))
            );
        }
        assert!(direct.messages.try_recv().is_err());

        let (mut connection, mut direct) = Nearby::new();
        let many = UNREAD as u64 + 1;
        for number in 1..=many {
            connection.keep(number, text(number));
        }
        assert!(!connection.can_take_over(), "it is too far behind");
        direct.seen.send_modify(|seen| seen.number = many - 1);
        connection.keep(many + 1, text(many + 1));
        assert!(!connection.can_take_over(), "one is missing");
        direct.seen.send_modify(|seen| seen.number = many + 1);
        assert!(connection.can_take_over(), "it has read it all");
        connection.keep(many + 2, text(many + 2));
        connection.catch_up().await;
        let last = (Some(many + 2), text(many + 2));
        assert_eq!(direct.messages.try_recv().unwrap(), last);
    }
}
