//! The way of a legacy request's messages into the stream that they are kept in, also while that
//! cannot be reached, or has been forgotten.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache::{CacheError, EventStreams, SessionId, StreamId};
use tokio::time::{Instant, sleep};

use super::nearby::{Direct, Nearby};
use crate::service::App;

/// How long a message that cannot be kept waits for the store before it goes to the connection
/// itself, where one waits for it. The rest of its stream follows it there, and is not resumable.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before the same message is put to the store again.
const PAUSE: Duration = Duration::from_millis(200);

/// Puts messages into one stream.
pub(super) struct Delivery {
    app: Arc<App>,
    session: SessionId,
    stream: StreamId,
    /// The connection that waits at this gateway.
    connection: Option<Nearby>,
    /// The store was away for too long, or forgot: the connection gets the rest.
    directly: bool,
}

impl Delivery {
    /// To a stream that a connection here reads, and to that connection itself in need.
    pub(super) fn with_connection(
        app: Arc<App>,
        session: SessionId,
        stream: StreamId,
    ) -> (Self, Direct) {
        let (connection, direct) = Nearby::new();
        let mut delivery = Self::new(app, session, stream);
        delivery.connection = Some(connection);
        (delivery, direct)
    }

    /// To a stream that may be read anywhere.
    pub(super) fn new(app: Arc<App>, session: SessionId, stream: StreamId) -> Self {
        Self {
            app,
            session,
            stream,
            connection: None,
            directly: false,
        }
    }

    /// Puts a message into the stream, or hands it to the connection. False when neither takes
    /// any more.
    ///
    /// # Errors
    /// The store refuses it, or was away for as long as a stream may be unread.
    pub(super) async fn put(&mut self, message: Bytes) -> Result<bool, CacheError> {
        let begun = Instant::now();
        while !self.directly {
            let streams = &self.app.streams;
            let put = streams.append(self.session, self.stream, message.clone());
            match put.await {
                Ok(Some(number)) => {
                    self.keep(number, message).await;
                    return Ok(true);
                }
                Ok(None) if self.can_hand_over() => {
                    self.hand_over("its store has forgotten it").await;
                }
                Ok(None) => return Ok(false),
                Err(error) if !self.may_try_again(&error, begun) => return Err(error),
                Err(error) if begun.elapsed() >= PATIENCE && self.can_hand_over() => {
                    self.hand_over(&error.to_string()).await;
                }
                Err(_) if !self.pause().await => return Ok(false),
                Err(_) => {}
            }
        }
        match &self.connection {
            Some(connection) => Ok(connection.tell(message).await),
            None => Ok(false),
        }
    }

    /// No more will come. Waits until a connection here has read all of it, or has gone.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub(super) async fn close(mut self) -> Result<(), CacheError> {
        self.close_kept().await?;
        if let Some(connection) = &mut self.connection
            && !self.directly
        {
            tokio::select! {
                () = self.app.process.shutdown.ending() => {}
                () = connection.read_to_the_end() => {}
            }
        }
        Ok(())
    }

    async fn close_kept(&self) -> Result<(), CacheError> {
        let begun = Instant::now();
        loop {
            let closed = self.app.streams.close(self.session, self.stream).await;
            match closed {
                // The connection has had it all, and whoever else reads finds no more than that.
                Err(_) if self.directly => return Ok(()),
                Err(error) if self.may_try_again(&error, begun) => {
                    if !self.pause().await {
                        return Ok(());
                    }
                }
                closed => return closed,
            }
        }
    }

    /// What is not read for so long is closed anyway.
    fn may_try_again(&self, error: &CacheError, begun: Instant) -> bool {
        error.is_unavailable() && begun.elapsed() < self.app.config.stream_unread
    }

    /// A connection that cannot read on gets the rest here, or is cut off when that has a gap.
    async fn keep(&mut self, number: u64, message: Bytes) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        connection.keep(number, message);
        if !connection.is_lost() {
            return;
        }
        match self.can_hand_over() {
            true => self.hand_over("its connection cannot read it").await,
            false => self.connection = None,
        }
    }

    fn can_hand_over(&self) -> bool {
        let waits = self.connection.as_ref();
        waits.is_some_and(Nearby::can_take_over)
    }

    /// The connection gets what it has not read, and all that comes.
    async fn hand_over(&mut self, why: &str) {
        tracing::warn!("the rest of a stream is not kept: {why}");
        self.directly = true;
        if let Some(connection) = &mut self.connection {
            connection.catch_up().await;
        }
    }

    /// False when the process ends.
    async fn pause(&self) -> bool {
        tokio::select! {
            () = self.app.process.shutdown.ending() => false,
            () = sleep(PAUSE) => true,
        }
    }
}
