//! One connection to a peer: made when it is needed, made anew when it broke, and honest about
//! whether a request that failed had been sent.
//!
//! tonic's own channel does not tell the two apart, and a call that was not sent may go elsewhere.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use fabric::BoxFuture;
use http::{HeaderValue, Request, Response, Uri, uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::{Executor, Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use crate::refusal::Refused;
use crate::{Role, Trust};

/// For a connection to be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a request waits for a connection after one that broke, or could not be made: a peer that
/// is there takes no longer, and a request that was not sent may go elsewhere.
const AGAIN_WITHIN: Duration = Duration::from_millis(150);
/// How often a silent peer is asked whether it is there, and how long it may take to say so: one
/// that went without a word is noticed within three seconds.
const PING_EVERY: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause after an attempt to connect that failed, doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// What one stream may send ahead of its reader, and all of a connection: a reader that is slow
/// holds its own stream back and never the others.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024 * 1024;

/// Requests that were given up, of which it is remembered that the peer may still answer them.
const RESETS: usize = 1024;

/// A connection to one peer, for the clients that are generated from the contracts. Cheap to
/// clone; all clones share the connection.
///
/// An error is a [`Status`]; [`nothing_happened`](crate::nothing_happened) tells those of requests
/// that were surely not sent, or refused before anything was begun.
#[derive(Clone)]
pub struct Channel(Arc<Inner>);

struct Inner {
    /// `host:port`.
    address: String,
    host: ServerName<'static>,
    origin: uri::Parts,
    to: Role,
    trust: Trust,
    state: Mutex<State>,
    /// One at a time connects.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    sender: Option<SendRequest<Body>>,
    /// Attempts to connect that have ended.
    attempts: u64,
    /// Those since the last that succeeded.
    failures: u32,
    /// Until when none is made.
    pause_until: Option<Instant>,
    /// Why the last one failed.
    error: String,
}

impl State {
    /// Whether there was a connection that broke, or an attempt that failed.
    fn has_failed(&self) -> bool {
        self.failures > 0 || self.sender.is_some()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("address", &self.0.address)
            .field("to", &self.0.to)
            .finish_non_exhaustive()
    }
}

impl Channel {
    /// To a process of the role `to` at `address`, `host:port`. Nothing is connected yet.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(address: &str, to: Role, trust: &Trust) -> anyhow::Result<Self> {
        let bad = || anyhow::anyhow!("{address:?} is no address of the form host:port");
        let authority: uri::Authority = address.parse().map_err(|_| bad())?;
        anyhow::ensure!(authority.port_u16().is_some(), bad());
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let scheme = match trust.client_tls(to) {
            Some(_) => uri::Scheme::HTTPS,
            None => uri::Scheme::HTTP,
        };
        let mut origin = uri::Parts::default();
        origin.scheme = Some(scheme);
        origin.authority = Some(authority);
        Ok(Self(Arc::new(Inner {
            address: address.to_owned(),
            host: ServerName::try_from(host).map_err(|_| bad())?,
            origin,
            to,
            trust: trust.clone(),
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::new(()),
        })))
    }

    /// Whether there is a connection. A silent peer has one until that is noticed.
    pub fn is_up(&self) -> bool {
        living(&self.0.state()).is_some()
    }

    /// Whether the last attempt to connect failed a moment ago, or the one after that has not
    /// succeeded yet, so that the next request would fail at once.
    pub fn is_down(&self) -> bool {
        let state = self.0.state();
        let connects = || self.0.connecting.try_lock().is_err();
        self.0.is_paused(&state) || (living(&state).is_none() && state.has_failed() && connects())
    }

    /// The connection, made first where there is none.
    async fn sender(&self) -> Result<SendRequest<Body>, String> {
        let (attempts, failed) = {
            let state = self.0.state();
            if let Some(sender) = living(&state) {
                return Ok(sender);
            }
            if self.0.is_paused(&state) {
                return Err(state.error.clone());
            }
            (state.attempts, state.has_failed())
        };
        if !failed {
            return self.0.connected(attempts).await;
        }
        // One attempt at a time, which goes on without whoever asked first.
        if self.0.connecting.try_lock().is_err() {
            return Err("the connection broke and is not there again yet".to_owned());
        }
        let (tell, told) = oneshot::channel();
        let inner = self.0.clone();
        TokioExecutor::new().execute(async move {
            let _ = tell.send(inner.connected(attempts).await);
        });
        match tokio::time::timeout(AGAIN_WITHIN, told).await {
            Ok(Ok(connected)) => connected,
            _ => Err("the peer does not take a connection at once".to_owned()),
        }
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Incoming>, Status> {
        let mut request = self.0.dress(request)?;
        let mut fresh = false;
        loop {
            let mut sender = self.sender().await.map_err(not_sent)?;
            let failed = match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            let mut failed = failed;
            match failed.take_message() {
                // The connection was over and nobody had noticed.
                Some(unsent) if !fresh => {
                    fresh = true;
                    request = unsent;
                }
                unsent => {
                    let error = failed.into_error();
                    return Err(if unsent.is_some() || was_refused(&error) {
                        not_sent(describe(&error))
                    } else {
                        Status::unavailable(format!("the connection broke: {}", describe(&error)))
                    });
                }
            }
        }
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Incoming>, Status>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }

    fn is_paused(&self, state: &State) -> bool {
        let until = state.pause_until;
        living(state).is_none() && until.is_some_and(|until| Instant::now() < until)
    }

    /// Says whom the request goes to, and who asks.
    fn dress(&self, mut request: Request<Body>) -> Result<Request<Body>, Status> {
        let mut parts = uri::Parts::default();
        parts.scheme = self.origin.scheme.clone();
        parts.authority = self.origin.authority.clone();
        parts.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() =
            Uri::from_parts(parts).map_err(|error| Status::internal(error.to_string()))?;
        let headers = request.headers_mut();
        for (name, value) in self.trust.introduce(self.to) {
            let value: HeaderValue = value;
            headers.insert(name, value);
        }
        Ok(request)
    }

    /// Connects, unless another has done so, or tried to, since there were so many attempts.
    async fn connected(&self, attempts: u64) -> Result<SendRequest<Body>, String> {
        let _turn = self.connecting.lock().await;
        {
            let state = self.state();
            if let Some(sender) = living(&state) {
                return Ok(sender);
            }
            // What another has tried meanwhile is not tried again by all who waited.
            if state.attempts != attempts && self.is_paused(&state) {
                return Err(state.error.clone());
            }
        }
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, self.connect()).await;
        let connected = connected.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let mut state = self.state();
        state.attempts += 1;
        match connected {
            Ok(sender) => {
                state.failures = 0;
                state.pause_until = None;
                state.sender = Some(sender.clone());
                Ok(sender)
            }
            Err(error) => {
                let pause = PAUSE_MIN.saturating_mul(1 << state.failures.min(10));
                state.failures = state.failures.saturating_add(1);
                state.pause_until = Some(Instant::now() + pause.min(PAUSE_MAX));
                state.sender = None;
                state.error = format!("cannot connect: {error}");
                Err(state.error.clone())
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Body>, String> {
        let stream = TcpStream::connect(&self.address).await;
        let stream = stream.map_err(|error| error.to_string())?;
        // Small messages must not wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        match self.trust.client_tls(self.to) {
            Some(config) => {
                let connecting = TlsConnector::from(config).connect(self.host.clone(), stream);
                let stream = connecting.await.map_err(|error| error.to_string())?;
                handshake(TokioIo::new(stream)).await
            }
            None => handshake(TokioIo::new(stream)).await,
        }
    }
}

fn living(state: &State) -> Option<SendRequest<Body>> {
    let sender = state.sender.as_ref();
    sender.filter(|sender| !sender.is_closed()).cloned()
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Body>, String>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // Calls are given up at any time, for as long as the connection lasts, and what the peer
        // still says of them is no offence.
        .max_concurrent_reset_streams(RESETS)
        .max_local_error_reset_streams(None)
        .handshake(stream)
        .await;
    let (sender, driver) = connection.map_err(|error| describe(&error))?;
    // Ends by itself once nobody holds the sender; nothing waits for it.
    TokioExecutor::new().execute(async move {
        if let Err(error) = driver.await {
            tracing::debug!("a connection ended: {}", describe(&error));
        }
    });
    Ok(sender)
}

fn not_sent(error: impl fmt::Display) -> Status {
    Refused::NotSent.status(Code::Unavailable, error.to_string())
}

/// Whether the peer said that it did not look at the request (RFC 9113, 8.7).
fn was_refused(error: &hyper::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<h2::Error>() {
            return cause.is_remote() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
        }
        source = cause.source();
    }
    false
}

/// An error with its causes.
fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
