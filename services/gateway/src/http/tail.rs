//! One connection's view of a stream that is kept: replays what there is, then tails it. It waits
//! without a task of its own.

use std::sync::Arc;
use std::time::Duration;

use ::mcp::{ProtocolVersion, sse};
use bytes::{Bytes, BytesMut};
use cache::{CacheError, EventStreams, Read, Reader, SessionId};
use domain::KeyId;
use futures_util::{Stream, stream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::event_id;
use super::legacy_sse::Connection;
use super::nearby::{Direct, Seen};
use super::respond::Open;
use crate::core;
use crate::hub::Listening;
use crate::service::App;

/// Bytes of events after which no further one is put into the same piece of the body.
const PIECE: usize = 64 * 1024;

/// The pause after which a stream is read again that could not be, while who writes it is here.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// What a connection keeps alive beside its stream, and what becomes of that when it ends.
pub(super) enum Holds {
    /// The stream of a request, which runs elsewhere.
    Answer,
    /// The stream of what happens without a request. The listening goes on for as long as the
    /// client may be away.
    Standalone(Listening),
    /// The one stream of a 2024-11-05 session, which ends with it.
    Session(Box<Connection>),
}

pub(super) struct Tail {
    app: Arc<App>,
    reader: Reader,
    after: u64,
    /// The stream that it goes on with when this one has ended.
    next: Option<Reader>,
    /// Whether its client knows events of an id and nothing else.
    primes: bool,
    /// The stream beside it that this gateway alone writes to, and how far that was read.
    near: Option<(Reader, u64)>,
    first: Option<Bytes>,
    /// What comes past the stream when that cannot be reached, or is lost.
    direct: Option<mpsc::Receiver<(Option<u64>, Bytes)>>,
    /// Something has come so, or must: everything else does.
    directly: bool,
    /// Tells who writes how far this is.
    seen: Option<watch::Sender<Seen>>,
    holds: Holds,
    over: bool,
    /// When the session was last kept from looking unused.
    touched: Instant,
    _open: Open,
}

impl Tail {
    /// The stream from its beginning, for a client of `version`.
    pub(super) fn begin(
        app: Arc<App>,
        reader: Reader,
        version: ProtocolVersion,
        holds: Holds,
    ) -> Self {
        let primes = version >= ProtocolVersion::V2025_11_25;
        let first = first(&app, reader, primes);
        let mut tail = Self::new(app, reader, 0, first, holds);
        tail.primes = primes;
        tail
    }

    /// The stream behind number `after`, as a client of `version` has asked for it.
    pub(super) fn resume(
        app: Arc<App>,
        reader: Reader,
        version: ProtocolVersion,
        after: u64,
        holds: Holds,
    ) -> Self {
        let first = Bytes::from_static(sse::KEEP_ALIVE);
        let mut tail = Self::new(app, reader, after, first, holds);
        tail.primes = version >= ProtocolVersion::V2025_11_25;
        tail
    }

    /// A stream that begins with `first`.
    pub(super) fn new(
        app: Arc<App>,
        reader: Reader,
        after: u64,
        first: Bytes,
        holds: Holds,
    ) -> Self {
        Self {
            reader,
            after,
            next: None,
            primes: false,
            near: None,
            first: Some(first),
            direct: None,
            directly: false,
            seen: None,
            holds,
            over: false,
            touched: Instant::now(),
            _open: Open::count(&app.metrics.streams),
            app,
        }
    }

    /// The same, with what may come past the stream.
    pub(super) fn or_directly(mut self, direct: Direct) -> Self {
        self.direct = Some(direct.messages);
        self.seen = Some(direct.seen);
        self
    }

    /// The same, with a stream beside it.
    pub(super) fn and_near(mut self, reader: Option<Reader>) -> Self {
        self.near = reader.map(|reader| (reader, 0));
        self
    }

    pub(super) fn events(self) -> impl Stream<Item = Bytes> + Send + 'static {
        stream::unfold(self, |mut tail| async {
            let bytes = tail.next().await?;
            Some((bytes, tail))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.over {
            return None;
        }
        let app = self.app.clone();
        let mut direct = self.direct.take();
        let mut pauses = false;
        loop {
            let came = async {
                match &mut direct {
                    Some(messages) => messages.recv().await,
                    None => std::future::pending().await,
                }
            };
            let near = async {
                match self.near {
                    Some((reader, after)) => app.streams.read(reader, after).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                read = near => {
                    self.direct = direct;
                    return self.found(read, true).await;
                }
                read = app.streams.read(self.reader, self.after), if !self.directly && !pauses => {
                    if direct.is_some() && matches!(read, Ok(Read::Lost | Read::Unknown)) {
                        // Who writes has what is missing.
                        self.is_lost();
                        continue;
                    }
                    let is_written_here = direct.is_some() || self.near.is_some();
                    if is_written_here && let Err(error) = &read {
                        // Who writes sees to it that all of it comes.
                        tracing::warn!("a stream cannot be read just now: {error}");
                        pauses = true;
                        continue;
                    }
                    self.direct = direct;
                    return self.found(read, false).await;
                }
                message = came => match message {
                    Some((Some(number), _)) if number <= self.after => {}
                    Some((_, message)) => {
                        (self.direct, self.directly) = (direct, true);
                        return Some(sse::encode(&message));
                    }
                    None if self.directly => return None,
                    // All of it was kept.
                    None => direct = None,
                },
                () = self.is_to_move(), if self.next.is_none() => {
                    // What there is in this one is read before.
                    self.next = self.move_on().await;
                }
                () = tokio::time::sleep(READ_AGAIN), if pauses => {
                    self.direct = direct;
                    return Some(Bytes::from_static(sse::KEEP_ALIVE));
                }
                () = tokio::time::sleep(app.config.keep_alive) => {
                    self.direct = direct;
                    return self.keep_alive().await;
                }
                () = self.drained(&app) => {
                    self.over = true;
                    return Some(retry(&app).into());
                }
            }
        }
    }

    /// What was read, of the stream or of that beside it.
    async fn found(&mut self, read: Result<Read, CacheError>, is_near: bool) -> Option<Bytes> {
        match read {
            Ok(Read::Events(events)) => {
                if let Holds::Session(connection) = &mut self.holds {
                    connection.agree().await;
                }
                Some(self.write(events, is_near))
            }
            Ok(Read::End) => {
                let next = self.next.take()?;
                Some(self.turn_to(next))
            }
            Ok(Read::Unknown) => {
                let next = match self.next.take() {
                    None => self.move_on().await,
                    next => next,
                };
                if next.is_none() {
                    tracing::debug!("a stream is cut off: it is forgotten");
                }
                Some(self.turn_to(next?))
            }
            Ok(Read::TakenOver) => None,
            Ok(Read::Lost) => {
                tracing::debug!("a stream is cut off: its reader is too slow");
                None
            }
            Err(error) => {
                tracing::warn!("a stream cannot be read on: {error}");
                self.over = true;
                Some(retry(&self.app).into())
            }
        }
    }

    /// Resolves when this is to go on with another stream.
    async fn is_to_move(&self) {
        match &self.holds {
            Holds::Standalone(listening) => listening.is_to_move().await,
            Holds::Answer | Holds::Session(_) => std::future::pending().await,
        }
    }

    /// Another stream to go on with, where there may be one.
    async fn move_on(&self) -> Option<Reader> {
        match &self.holds {
            Holds::Standalone(listening) => listening.move_on().await,
            Holds::Answer | Holds::Session(_) => None,
        }
    }

    /// Goes on with another stream, and says so to a client that may have to take it up.
    fn turn_to(&mut self, next: Reader) -> Bytes {
        self.app.streams.detach(self.reader);
        (self.reader, self.after) = (next, 0);
        first(&self.app, next, self.primes)
    }

    /// There is no more to be read.
    fn is_lost(&mut self) {
        self.directly = true;
        if let Some(seen) = &self.seen {
            seen.send_modify(|seen| seen.lost = true);
        }
    }

    fn write(&mut self, events: Vec<(u64, Bytes)>, is_near: bool) -> Bytes {
        let with_ids = !matches!(self.holds, Holds::Session(_));
        let after = match &mut self.near {
            Some((_, after)) if is_near => after,
            _ => &mut self.after,
        };
        let mut out = BytesMut::new();
        for (number, message) in events {
            *after = number;
            if with_ids {
                let id = event_id::write(self.reader.stream, number);
                out.extend_from_slice(format!("id: {id}\n").as_bytes());
            }
            out.extend_from_slice(&sse::encode(&message));
            if out.len() >= PIECE {
                break;
            }
        }
        if let Some(seen) = &self.seen {
            seen.send_modify(|seen| seen.number = self.after);
        }
        out.freeze()
    }

    /// A comment; now and then the session is told that it is in use, and asked whether it lives.
    async fn keep_alive(&mut self) -> Option<Bytes> {
        let comment = Some(Bytes::from_static(sse::KEEP_ALIVE));
        let now = Instant::now();
        if now.duration_since(self.touched) < self.app.config.session_idle / 4 {
            return comment;
        }
        self.touched = now;
        match self.app.sessions.touch(self.reader.session).await {
            Ok(None) => None,
            Ok(Some(_)) | Err(_) => comment,
        }
    }

    /// Resolves when the process drains and nothing that this connection is needed for runs any
    /// more.
    async fn drained(&self, app: &App) {
        match &self.holds {
            // The request runs to its end, or to that of the process.
            Holds::Answer => std::future::pending().await,
            Holds::Standalone(_) => app.process.shutdown.draining().await,
            Holds::Session(connection) => {
                app.process.shutdown.draining().await;
                idle(app, self.reader.session, connection.caller.principal.key).await;
            }
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let app = &self.app;
        app.streams.detach(self.reader);
        if let Some(next) = self.next {
            app.streams.detach(next);
        }
        if let Some((near, _)) = self.near {
            app.streams.detach(near);
        }
        match std::mem::replace(&mut self.holds, Holds::Answer) {
            Holds::Answer => {}
            Holds::Standalone(listening) => listening.end_after(app.config.stream_unread),
            Holds::Session(_) => {
                let (app, session) = (app.clone(), self.reader.session);
                let tasks = app.process.tasks.clone();
                tasks.disposable("end the session of a connection", async move {
                    core::end_session(&app, session).await?;
                    Ok(())
                });
            }
        }
    }
}

/// Waits until nothing is under way for a key here, nor for the session anywhere, and what was has
/// been written.
async fn idle(app: &App, session: SessionId, key: KeyId) {
    loop {
        let before = is_busy(app, session, key).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if !before && !is_busy(app, session, key).await {
            return;
        }
    }
}

async fn is_busy(app: &App, session: SessionId, key: KeyId) -> bool {
    if app.flights.under_way(key) > 0 {
        return true;
    }
    let elsewhere = app.mailboxes.any(session, core::MAIL_OF_REQUESTS).await;
    // What runs elsewhere cannot be heard of here while that is unknown.
    elsewhere.unwrap_or(false)
}

/// What a stream begins with.
fn first(app: &App, reader: Reader, primes: bool) -> Bytes {
    match primes {
        true => priming(app, reader),
        false => Bytes::from_static(sse::KEEP_ALIVE),
    }
}

/// An event of an id and nothing else: the place to resume from when the connection is lost
/// before anything happens (2025-11-25, "Sending Messages to the Server").
fn priming(app: &App, reader: Reader) -> Bytes {
    let id = event_id::write(reader.stream, 0);
    let retry = app.config.sse_retry.as_millis();
    format!("id: {id}\nretry: {retry}\ndata: \n\n").into()
}

/// When to come again after an end that is ours.
fn retry(app: &App) -> String {
    format!("retry: {}\n\n", app.config.sse_retry.as_millis())
}
