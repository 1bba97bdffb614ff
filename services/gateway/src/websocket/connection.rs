//! One connection: what comes in, what runs, what goes out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};
use web::RequestId;

use super::close::Close;
use super::flight::{self, Landed, Outgoing};
use super::token::UserToken;
use crate::core::LegacyClient;
use crate::hub::{Listening, Place};
use crate::service::App;

/// Frames that wait to be written.
const OUTGOING: usize = 64;
/// How long the last frames may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

pub(super) struct Connection {
    pub(super) app: Arc<App>,
    pub(super) place: Place,
    pub(super) request_id: RequestId,
    /// What the hub has for this connection. Its end says that the key does not hold any more.
    notices: mpsc::Receiver<Bytes>,
    pub(super) listening: Listening,
    pub(super) legacy: Option<Arc<LegacyClient>>,
    pub(super) user_token: Option<UserToken>,
    pub(super) flights: FuturesUnordered<BoxFuture<'static, Landed>>,
    /// By raw request id: how to cancel what is in flight.
    pub(super) cancels: HashMap<Box<str>, oneshot::Sender<()>>,
}

impl Connection {
    pub(super) fn new(
        app: Arc<App>,
        place: Place,
        request_id: RequestId,
        notices: mpsc::Receiver<Bytes>,
        listening: Listening,
    ) -> Self {
        Self {
            app,
            place,
            request_id,
            notices,
            listening,
            legacy: None,
            user_token: None,
            flights: FuturesUnordered::new(),
            cancels: HashMap::new(),
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self, socket: WebSocket) {
        let open = self.app.metrics.websockets.clone();
        open.inc();
        let (sink, stream) = socket.split();
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let (tell, told) = oneshot::channel();
        let write = write(sink, queue, told, self.app.config.write_timeout);
        tokio::pin!(write);
        let why = tokio::select! {
            why = self.serve(stream, outgoing) => Some(why),
            () = &mut write => None,
        };
        if let Some(why) = why {
            tracing::debug!(close.code = why.code(), "a WebSocket is closed");
            tell.send(why).ok();
            tokio::time::timeout(CLOSE_WITHIN, write).await.ok();
        }
        // A session of this transport cannot be taken up by another connection.
        if let Some(client) = &self.legacy {
            let id = client.session.id;
            self.app.hub.session_ended(id);
            if let Err(error) = self.app.sessions.end(id).await {
                tracing::warn!("could not end a session: {error}");
            }
        }
        open.dec();
    }

    async fn serve(&mut self, mut stream: SplitStream<WebSocket>, outgoing: Outgoing) -> Close {
        let shutdown = self.app.process.shutdown.clone();
        let mut ping = tokio::time::interval_at(
            Instant::now() + self.app.config.keep_alive,
            self.app.config.keep_alive,
        );
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut draining, mut heard) = (false, true);
        loop {
            tokio::select! {
                biased;
                () = shutdown.draining(), if !draining => draining = true,
                Some(landed) = self.flights.next() => {
                    if self.land(landed, &outgoing).await.is_err() {
                        return Close::Unresponsive;
                    }
                }
                notice = self.notices.recv() => match notice.and_then(flight::frame) {
                    Some(frame) => if outgoing.send(frame).await.is_err() {
                        return Close::Unresponsive;
                    },
                    None => return Close::Unauthorized,
                },
                frame = stream.next(), if !draining => {
                    heard = true;
                    let taken = match frame {
                        Some(Ok(frame)) => self.frame(frame, &outgoing).await,
                        Some(Err(error)) => Err(Close::of(error)),
                        None => Err(Close::Normal),
                    };
                    if let Err(why) = taken {
                        return why;
                    }
                }
                _ = ping.tick() => {
                    if !std::mem::take(&mut heard) {
                        return Close::Unresponsive;
                    }
                    if outgoing.send(Message::Ping(Bytes::new())).await.is_err() {
                        return Close::Unresponsive;
                    }
                }
            }
            if draining && self.flights.is_empty() {
                return Close::GoingAway;
            }
        }
    }

    async fn frame(&mut self, frame: Message, outgoing: &Outgoing) -> Result<(), Close> {
        match frame {
            Message::Text(text) => self.receive(text.into(), outgoing).await,
            Message::Binary(_) => Err(Close::BinaryFrame),
            // Pings are answered by the library.
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(Close::Normal),
        }
    }

    async fn land(&mut self, landed: Landed, outgoing: &Outgoing) -> Result<(), Close> {
        let Landed { id, answer } = landed;
        self.cancels.remove(&id);
        match answer {
            Some(answer) => self.answer(answer, outgoing).await,
            None => Ok(()),
        }
    }

    pub(super) async fn answer(&mut self, answer: Bytes, outgoing: &Outgoing) -> Result<(), Close> {
        let frame = flight::frame(answer).ok_or(Close::Internal)?;
        outgoing.send(frame).await.map_err(|_| Close::Unresponsive)
    }
}

/// Writes frames until the connection is to be closed, or does not take them in time.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Message>,
    mut told: oneshot::Receiver<Close>,
    timeout: Duration,
) {
    let why = loop {
        let frame = tokio::select! {
            biased;
            frame = queue.recv() => frame,
            why = &mut told => break why,
        };
        match frame {
            Some(frame) => {
                if !put(&mut sink, frame, timeout).await {
                    return;
                }
            }
            // The senders are gone; why is told next.
            None => break told.await,
        }
    };
    let Ok(why) = why else { return };
    while let Ok(frame) = queue.try_recv() {
        if !put(&mut sink, frame, timeout).await {
            return;
        }
    }
    // To a client that said goodbye the library's own answer is still to be written.
    if why != Close::Normal {
        put(&mut sink, why.frame(), timeout).await;
    }
    tokio::time::timeout(timeout, sink.close()).await.ok();
}

async fn put(sink: &mut SplitSink<WebSocket, Message>, frame: Message, timeout: Duration) -> bool {
    let sent = tokio::time::timeout(timeout, sink.send(frame)).await;
    matches!(sent, Ok(Ok(())))
}
