//! The way of a legacy request's messages into the stream that they are kept in, also while that
//! cannot be reached.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache::{CacheError, EventStreams, SessionId, StreamId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::service::App;

/// How long a message that cannot be kept waits for the store before it goes to the connection
/// itself, where one waits for it. The rest of its stream follows it there, and is not resumable.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before the same message is put to the store again.
const PAUSE: Duration = Duration::from_millis(200);
/// Messages on their way to the connection itself; beyond, the request waits.
const DIRECT: usize = 16;

/// Puts messages into one stream.
pub(super) struct Delivery {
    app: Arc<App>,
    session: SessionId,
    stream: StreamId,
    /// The connection that waits at this gateway.
    connection: Option<mpsc::Sender<Bytes>>,
    /// The store was away for too long: the connection gets the rest.
    directly: bool,
}

impl Delivery {
    /// To a stream that a connection here reads, and to that connection itself in need.
    pub(super) fn with_connection(
        app: Arc<App>,
        session: SessionId,
        stream: StreamId,
    ) -> (Self, mpsc::Receiver<Bytes>) {
        let (connection, messages) = mpsc::channel(DIRECT);
        let mut delivery = Self::new(app, session, stream);
        delivery.connection = Some(connection);
        (delivery, messages)
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
                Ok(number) => return Ok(number.is_some()),
                Err(error) if !self.may_try_again(&error, begun) => return Err(error),
                Err(error) if self.hands_over(begun) => {
                    tracing::warn!("the rest of a stream is not kept: {error}");
                    self.directly = true;
                }
                Err(_) if !self.pause().await => return Ok(false),
                Err(_) => {}
            }
        }
        match &self.connection {
            Some(connection) => Ok(connection.send(message).await.is_ok()),
            None => Ok(false),
        }
    }

    /// No more will come.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub(super) async fn close(self) -> Result<(), CacheError> {
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

    fn hands_over(&self, begun: Instant) -> bool {
        let waits = self.connection.as_ref();
        begun.elapsed() >= PATIENCE && waits.is_some_and(|connection| !connection.is_closed())
    }

    /// False when the process ends.
    async fn pause(&self) -> bool {
        tokio::select! {
            () = self.app.process.shutdown.ending() => false,
            () = sleep(PAUSE) => true,
        }
    }
}
