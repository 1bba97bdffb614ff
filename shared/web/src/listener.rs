//! Sockets that are bound before any work starts, and drained before the process ends.

mod tls;

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use futures_util::TryFutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::{self, Builder};
use runtime::{Process, Shutdown};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::Service;

use crate::chunked;
use crate::handover::{Handover, Lent};
use crate::impatient::Impatient;

pub use tls::{PeerCertificates, Tls};

/// Connections that the kernel holds for us before we accept them.
const BACKLOG: u32 = 1024;
/// The smallest buffer that hyper reads a request's head into.
const HEAD_MIN_BYTES: usize = 8192;
/// Requests that a peer may take back at once; hyper's own default.
const RESETS_MIN: usize = 20;
/// How long to wait when the machine has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds of one listener: the section `http`. Durations are written as seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServeLimits {
    /// Connections at once; further ones wait in the kernel. At least 1.
    pub connections: u32,
    /// Header fields of one request; more get 431.
    pub headers: usize,
    /// Bytes of one request's head; more get 431. At least 8192.
    pub header_bytes: usize,
    /// For a request's head to arrive, and so also how long an idle connection is kept.
    #[serde(with = "runtime::seconds")]
    pub header_timeout: Duration,
    /// How long a peer may take to read something of what is sent to it; then its connection is
    /// cut off.
    #[serde(with = "runtime::seconds")]
    pub write_timeout: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// What requests under way have to end once the process drains.
    #[serde(with = "runtime::seconds")]
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            headers: 100,
            header_bytes: 64 * 1024,
            header_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            streams: 256,
            drain: Duration::from_secs(30),
        }
    }
}

impl ServeLimits {
    /// # Errors
    /// Names the setting, and what it must be.
    pub fn validate(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.connections >= 1, "connections must be at least 1");
        anyhow::ensure!(self.headers >= 1, "headers must be at least 1");
        anyhow::ensure!(
            self.header_bytes >= HEAD_MIN_BYTES,
            "header_bytes must be 8192 or more"
        );
        anyhow::ensure!(
            !self.header_timeout.is_zero(),
            "header_timeout must be larger than 0"
        );
        anyhow::ensure!(
            !self.write_timeout.is_zero(),
            "write_timeout must be larger than 0"
        );
        anyhow::ensure!(self.streams >= 1, "streams must be at least 1");
        Ok(())
    }
}

/// A bound address on which nobody is answered yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
}

/// Binds `addr`; port 0 takes any free one. Must run inside a tokio runtime.
///
/// # Errors
/// One sentence that names the address and, when it is taken, the `flag` that chooses another.
pub fn bind(addr: SocketAddr, flag: &str) -> anyhow::Result<Listener> {
    let listen = || {
        let socket = if addr.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // Without it a restart would have to wait for the old connections' TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    };
    let socket = match listen() {
        Ok(socket) => socket,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            anyhow::bail!("address {addr} is in use: choose another with {flag}")
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot listen on {addr} ({flag})"));
        }
    };
    let addr = socket.local_addr().context("read the bound address")?;
    Ok(Listener { socket, addr })
}

impl Listener {
    /// The bound address, with the real port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers with `router` until the process drains: then accepts no more, lets requests under
    /// way end within `limits.drain`, and drops the rest. Handlers find the peer's address
    /// as `ConnectInfo<SocketAddr>`.
    pub async fn serve(
        self,
        router: Router,
        process: &Process,
        limits: ServeLimits,
    ) -> anyhow::Result<()> {
        self.serve_by(None, router, process, limits).await
    }

    /// As [`serve`](Self::serve), over TLS. Handlers find what certificates the peer showed as
    /// [`PeerCertificates`].
    pub async fn serve_over(
        self,
        tls: Tls,
        router: Router,
        process: &Process,
        limits: ServeLimits,
    ) -> anyhow::Result<()> {
        self.serve_by(Some(tls), router, process, limits).await
    }

    async fn serve_by(
        self,
        tls: Option<Tls>,
        router: Router,
        process: &Process,
        limits: ServeLimits,
    ) -> anyhow::Result<()> {
        limits.validate()?;
        let slots = Arc::new(Semaphore::new(limits.connections as usize));
        let server = Arc::new(Server::new(router, process.shutdown.clone(), &limits));
        while let Some((stream, peer)) = self.accept(&process.shutdown, &slots).await {
            let (server, slot, tls) = (server.clone(), stream.slot, tls.clone());
            // Tracked by the process; nobody joins it.
            drop(process.tasks.joinable(async move {
                match tls {
                    // Boxed, so that it does not cost those without.
                    Some(tls) => Box::pin(server.secured(&tls, stream.tcp, peer)).await,
                    None => server.connection(stream.tcp, peer).await,
                }
                drop(slot);
            }));
        }
        drop(self.socket);
        tokio::select! {
            _ = slots.acquire_many(limits.connections) => {}
            () = process.shutdown.ending() => {}
        }
        Ok(())
    }

    /// The next connection; `None` once the process drains.
    async fn accept(
        &self,
        shutdown: &Shutdown,
        slots: &Arc<Semaphore>,
    ) -> Option<(Accepted, SocketAddr)> {
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.draining() => return None,
                accepted = self.accept_within(slots) => accepted,
            };
            match accepted {
                Ok(accepted) => return Some(accepted),
                // The peer went away between its handshake and our accept.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(listen = %self.addr, "cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn accept_within(&self, slots: &Arc<Semaphore>) -> io::Result<(Accepted, SocketAddr)> {
        let slot = slots
            .clone()
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let (tcp, peer) = self.socket.accept().await?;
        Ok((Accepted { tcp, slot }, peer))
    }
}

struct Accepted {
    tcp: TcpStream,
    slot: tokio::sync::OwnedSemaphorePermit,
}

/// What all connections of a listener share.
struct Server {
    http1: http1::Builder,
    either: Builder<TokioExecutor>,
    router: Router,
    shutdown: Shutdown,
    header_time: Duration,
    write_time: Duration,
    drain_time: Duration,
}

impl Server {
    fn new(router: Router, shutdown: Shutdown, limits: &ServeLimits) -> Self {
        let header_time = limits.header_timeout;
        let header_bytes = limits.header_bytes;
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(header_time)
            .max_headers(limits.headers)
            .max_buf_size(header_bytes);
        let resets = limits.streams as usize / 4;
        let mut either = Builder::new(TokioExecutor::new());
        either
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(header_time)
            .max_headers(limits.headers)
            .max_buf_size(header_bytes);
        either
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(header_time)
            .max_concurrent_streams(limits.streams)
            // Of requests that are taken back before they are looked at; a flood of them ends the
            // connection.
            .max_pending_accept_reset_streams(Some(resets.max(RESETS_MIN)))
            .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX));
        let (write_time, drain_time) = (limits.write_timeout, limits.drain);
        Self {
            http1,
            either,
            router,
            shutdown,
            header_time,
            write_time,
            drain_time,
        }
    }

    /// Serves one connection to its end.
    async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        // Small answers must not wait for the peer's acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let Some(is_http1) = self.begins_as_http1(&stream).await else {
            return;
        };
        let spoken = Arc::new(AtomicBool::new(false));
        let handover = Handover::new();
        let service = {
            let (router, spoken) = (self.router.clone(), spoken.clone());
            let handover = handover.clone();
            hyper::service::service_fn(move |request: http::Request<Incoming>| {
                spoken.store(true, Ordering::Relaxed);
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                let (method, version) = (request.method().clone(), request.version());
                let handover = handover.clone();
                let answer = router.clone().call(request);
                answer.map_ok(move |answer| handover.announce(answer, &method, version))
            })
        };
        let stream = Impatient::new(stream, self.write_time);
        let stream = TokioIo::new(Lent::new(stream, handover.clone()));
        // Pinned where they are made: moved, each would take its room twice, in every connection.
        let ended = if is_http1 {
            let connection = pin!(self.http1.serve_connection(stream, service).with_upgrades());
            let end = http1::UpgradeableConnection::graceful_shutdown;
            let ended = self.drive(connection, end, &spoken).await;
            ended.map_err(|error| error.to_string())
        } else {
            let connection = pin!(self.either.serve_connection_with_upgrades(stream, service));
            let end = auto::UpgradeableConnection::graceful_shutdown;
            let ended = self.drive(connection, end, &spoken).await;
            ended.map_err(|error| error.to_string())
        };
        let ended = match handover.take() {
            Some((stream, body)) => {
                let rest = pin!(chunked::write(stream, body));
                let ended = self.drive(rest, |_| {}, &spoken).await;
                ended.map_err(|error| error.to_string())
            }
            None => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, "connection ended: {error}");
        }
    }

    /// Whether the first bytes can be those of HTTP/1 alone; `None` when none come. To have hyper
    /// find out doubles the buffer of each connection for as long as it lasts.
    async fn begins_as_http1(&self, stream: &TcpStream) -> Option<bool> {
        let mut start = [0; 3];
        let length = tokio::select! {
            peeked = stream.peek(&mut start) => peeked.ok()?,
            () = tokio::time::sleep(self.header_time) => return None,
            () = self.shutdown.draining() => return None,
        };
        Some(start[0] != b'P' || (length == start.len() && start != *b"PRI"))
    }

    /// Runs a connection to its end, or to that of the process.
    async fn drive<C, E>(
        &self,
        mut connection: Pin<&mut C>,
        end: impl Fn(Pin<&mut C>),
        spoken: &AtomicBool,
    ) -> Result<(), E>
    where
        C: Future<Output = Result<(), E>>,
    {
        // Until the first bytes tell which protocol it is, hyper has no timer of its own.
        let mut silence = pin!(tokio::time::sleep(self.header_time));
        let mut drained = pin!(tokio::time::sleep(Duration::MAX));
        let (mut draining, mut waiting) = (false, true);
        loop {
            tokio::select! {
                ended = &mut connection => return ended,
                () = &mut silence, if waiting => {
                    waiting = false;
                    if !spoken.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                }
                () = self.shutdown.draining(), if !draining => {
                    draining = true;
                    end(connection.as_mut());
                    drained.as_mut().reset(Instant::now() + self.drain_time);
                }
                () = &mut drained, if draining => return Ok(()),
                () = self.shutdown.ending() => return Ok(()),
            }
        }
    }
}
