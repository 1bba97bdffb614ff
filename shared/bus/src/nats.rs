//! A bus over core NATS. Nothing is stored there.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{AuthError, Client, ConnectOptions, Event, Request, ServerAddr, Subscriber};
use futures_util::StreamExt;
use runtime::{Shutdown, Tasks};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::timeout;

use crate::hint::Read;
use crate::{Bus, BusState, Heard, Hint, Hints, Losses, UNREAD_MAX, credentials};

/// Hints that wait to be sent.
const UNSENT_MAX: usize = 1024;
/// How long the client may take to take one hint, before it is dropped.
const SENDING: Duration = Duration::from_secs(1);
/// A server that does not answer two of these is left.
const PING_EVERY: Duration = Duration::from_secs(2);
const CONNECTING: Duration = Duration::from_secs(2);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);
/// How long the server may take to show that it knows our subscription.
const PROBING: Duration = Duration::from_secs(2);

/// How to reach NATS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NatsConfig {
    /// `nats://host:port` or `tls://host:port`, one or more of one cluster. No credentials.
    pub servers: Vec<String>,
    /// What hints go under; one for each installation that shares a NATS.
    pub subject: String,
    /// A `.creds` file, or one line: `user:password`, or a token. Read at each connection.
    pub credentials: Option<PathBuf>,
    pub tls: Option<NatsTls>,
}

/// TLS is required when this is there. Files in PEM, read at each connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NatsTls {
    /// Who signs the servers' certificates; those that the system trusts when absent.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key, where servers ask for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl NatsConfig {
    /// Without credentials and TLS.
    pub fn new(servers: Vec<String>) -> Self {
        Self {
            servers,
            subject: "turnbuckle.changes".to_owned(),
            credentials: None,
            tls: None,
        }
    }
}

impl NatsConfig {
    /// Connects once, for who sets it up; gives the server's version.
    ///
    /// # Errors
    /// One sentence: the configuration is wrong, or no server lets us in.
    pub async fn examine(&self) -> Result<String, String> {
        let said = |error: NatsError| error.to_string();
        let servers = addresses(self).map_err(said)?;
        checked_subject(&self.subject).map_err(said)?;
        let (connections, _) = watch::channel(0);
        let options = options(self, connections, broadcast::Sender::new(1), Arc::default());
        let client = options.connect(servers).await.map_err(|e| e.to_string())?;
        // It would try for ever.
        match timeout(CONNECTING + PROBING, client.flush()).await {
            Ok(Ok(())) if client.connection_state() == State::Connected => {
                Ok(client.server_info().version)
            }
            _ => Err("no server lets us in: see its log".to_owned()),
        }
    }
}

/// The configuration cannot be used. That a server cannot be reached is no error.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    #[error("no NATS server is named")]
    NoServer,
    /// The address is not printed: it may hold a password.
    #[error("NATS server {0} (counted from 1) must be nats://host:port or tls://host:port")]
    Address(usize),
    #[error("NATS server {0} (counted from 1) must not hold credentials: put them into a file")]
    CredentialsInAddress(usize),
    #[error("{0:?} can be no NATS subject: use letters, digits, `-`, `_` and dots between words")]
    Subject(String),
    #[error("the NATS client does not start: {0}")]
    Start(String),
}

/// Tells the subscribers of all processes that have the same subject on the same NATS. Connects,
/// and connects again, by itself.
pub struct NatsBus {
    outgoing: mpsc::Sender<Hint>,
    heard: broadcast::Sender<Heard>,
    counts: Arc<Counts>,
    client: Client,
}

#[derive(Default)]
struct Counts {
    dropped: AtomicU64,
    rejected: AtomicU64,
    /// Whether the server knows our subscription.
    subscribed: AtomicBool,
}

impl NatsBus {
    /// Starts to connect, and does not wait for it.
    pub async fn start(
        config: &NatsConfig,
        tasks: &Tasks,
        shutdown: &Shutdown,
    ) -> Result<Self, NatsError> {
        let servers = addresses(config)?;
        let subject = checked_subject(&config.subject)?;
        let counts = Arc::new(Counts::default());
        let heard = broadcast::Sender::new(UNREAD_MAX);
        let (connections, connected) = watch::channel(0_u64);
        let options = options(config, connections, heard.clone(), Arc::clone(&counts));
        let failed = |error: &dyn fmt::Display| NatsError::Start(error.to_string());
        let client = options.connect(servers).await.map_err(|e| failed(&e))?;
        let subscriber = client.subscribe(subject.clone()).await;
        let incoming = Incoming {
            client: client.clone(),
            subject: subject.clone(),
            subscriber: subscriber.map_err(|e| failed(&e))?,
            connected,
            heard: heard.clone(),
            counts: Arc::clone(&counts),
        };
        let (outgoing, unsent) = mpsc::channel(UNSENT_MAX);
        let sending = send(client.clone(), subject, unsent, Arc::clone(&counts));
        let (one, other) = (shutdown.clone(), shutdown.clone());
        tasks.disposable("bus-in", async move {
            tokio::select! {
                biased;
                () = one.draining() => {}
                () = incoming.run() => {}
            }
            Ok(())
        });
        tasks.disposable("bus-out", async move {
            tokio::select! {
                biased;
                () = other.draining() => {}
                () = sending => {}
            }
            Ok(())
        });
        Ok(Self {
            outgoing,
            heard,
            counts,
            client,
        })
    }
}

impl Bus for NatsBus {
    fn publish(&self, hint: Hint) {
        if self.outgoing.try_send(hint).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn subscribe(&self) -> Hints {
        Hints::of(&self.heard)
    }

    fn state(&self) -> BusState {
        let is_connected = self.client.connection_state() == State::Connected;
        if is_connected && self.counts.subscribed.load(Ordering::Relaxed) {
            BusState::Up
        } else {
            BusState::Down
        }
    }

    fn losses(&self) -> Losses {
        Losses {
            dropped: self.counts.dropped.load(Ordering::Relaxed),
            rejected: self.counts.rejected.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for NatsBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NatsBus({:?})", self.state())
    }
}

fn addresses(config: &NatsConfig) -> Result<Vec<ServerAddr>, NatsError> {
    if config.servers.is_empty() {
        return Err(NatsError::NoServer);
    }
    let read = |(number, text): (usize, &String)| {
        let url = url::Url::parse(text).map_err(|_| NatsError::Address(number))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NatsError::CredentialsInAddress(number));
        }
        let is_known = matches!(url.scheme(), "nats" | "tls") && url.has_host();
        if !is_known || !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(NatsError::Address(number));
        }
        ServerAddr::from_url(url).map_err(|_| NatsError::Address(number))
    };
    (1..).zip(&config.servers).map(read).collect()
}

/// Without wildcards, and nothing that would be another command of the protocol.
fn checked_subject(subject: &str) -> Result<String, NatsError> {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if subject.len() <= 200 && subject.split('.').all(is_word) {
        Ok(subject.to_owned())
    } else {
        Err(NatsError::Subject(subject.to_owned()))
    }
}

fn options(
    config: &NatsConfig,
    connections: watch::Sender<u64>,
    heard: broadcast::Sender<Heard>,
    counts: Arc<Counts>,
) -> ConnectOptions {
    let mut options = match config.credentials.clone() {
        Some(path) => ConnectOptions::with_auth_callback(move |nonce| {
            let path = path.clone();
            async move {
                let read = credentials::read(&path, &nonce).await;
                read.map_err(AuthError::new)
            }
        }),
        None => ConnectOptions::new(),
    };
    if let Some(tls) = &config.tls {
        options = options.require_tls(true);
        if let Some(ca) = &tls.ca {
            options = options.add_root_certificates(ca.clone());
        }
        if let Some((certificate, key)) = &tls.certificate {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
    }
    options
        .name("turnbuckle")
        .retry_on_initial_connect()
        .max_reconnects(None)
        .connection_timeout(CONNECTING)
        .ping_interval(PING_EVERY)
        .client_capacity(UNSENT_MAX)
        .subscription_capacity(UNREAD_MAX)
        .reconnect_delay_callback(|attempts| {
            let exponent = u32::try_from(attempts).unwrap_or(u32::MAX).min(10);
            Duration::from_millis(2_u64.pow(exponent)).min(RETRY_AFTER_MAX)
        })
        .event_callback(move |event| {
            tell(&event, &connections, &heard, &counts);
            std::future::ready(())
        })
}

/// Takes note of what the client tells of its connection.
fn tell(
    event: &Event,
    connections: &watch::Sender<u64>,
    heard: &broadcast::Sender<Heard>,
    counts: &Counts,
) {
    match event {
        Event::Connected => connections.send_modify(|count| *count += 1),
        Event::Disconnected => {
            counts.subscribed.store(false, Ordering::Relaxed);
            tracing::warn!("lost the connection to NATS: changes are found later");
        }
        Event::SlowConsumer(_) => {
            let _ = heard.send(Heard::Gap);
        }
        // It tries on, and what it says would come once a second.
        other => tracing::debug!("NATS: {other}"),
    }
}

/// Sends what is to be sent; what cannot be sent now is worth nothing later.
async fn send(
    client: Client,
    subject: String,
    mut unsent: mpsc::Receiver<Hint>,
    counts: Arc<Counts>,
) {
    while let Some(hint) = unsent.recv().await {
        let is_connected = client.connection_state() == State::Connected;
        let sent = is_connected && {
            let publishing = client.publish(subject.clone(), hint.write().into());
            matches!(timeout(SENDING, publishing).await, Ok(Ok(())))
        };
        if !sent {
            counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What comes from NATS, passed on to the subscribers of this process.
struct Incoming {
    client: Client,
    subject: String,
    subscriber: Subscriber,
    connected: watch::Receiver<u64>,
    heard: broadcast::Sender<Heard>,
    counts: Arc<Counts>,
}

impl Incoming {
    async fn run(mut self) {
        loop {
            tokio::select! {
                message = self.subscriber.next() => match message {
                    Some(message) => self.read(&message.payload),
                    None => return,
                },
                changed = self.connected.changed() => match changed {
                    Ok(()) => self.subscribed_anew().await,
                    Err(_) => return,
                },
            }
        }
    }

    fn read(&self, message: &[u8]) {
        let heard = match Hint::read(message) {
            Read::Hint(hint) => Heard::Hint(hint),
            Read::Newer => Heard::Gap,
            Read::Junk => {
                self.counts.rejected.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        let _ = self.heard.send(heard);
    }

    /// The server handles what we send in order: once it has answered anything, it knows our
    /// subscription, and nothing is missed from then on.
    async fn subscribed_anew(&self) {
        let nobody = format!("{}.probe", self.subject);
        let probe = self
            .client
            .send_request(nobody, Request::new().timeout(Some(PROBING)));
        if let Err(error) = probe.await {
            tracing::debug!("the probe of NATS: {error}");
        }
        self.counts.subscribed.store(true, Ordering::Relaxed);
        let _ = self.heard.send(Heard::Gap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(server: &str) -> NatsConfig {
        NatsConfig::new(vec![server.to_owned()])
    }

    #[test]
    fn addresses_are_checked_and_what_may_be_secret_is_not_printed() {
        for server in ["nats://a:4222", "tls://a.example", "nats://[::1]:4222"] {
            assert!(addresses(&config(server)).is_ok(), "{server}");
        }
        let address = "NATS server 1 (counted from 1) must be nats://host:port or tls://host:port";
        let credentials = "NATS server 1 (counted from 1) must not hold credentials: \
                           put them into a file";
        for (server, why) in [
            ("hunter2", address),
            ("http://hunter2", address),
            ("ws://hunter2", address),
            ("nats://a/hunter2", address),
            ("nats://a?x=hunter2", address),
            ("nats://hunter2@a", credentials),
            ("tls://user:hunter2@a", credentials),
        ] {
            let refused = addresses(&config(server)).unwrap_err().to_string();
            assert_eq!(refused, why, "{server}");
        }
        let none = addresses(&NatsConfig::new(Vec::new())).unwrap_err();
        assert_eq!(none.to_string(), "no NATS server is named");
    }

    #[test]
    fn subjects_are_plain_words() {
        assert!(checked_subject("turnbuckle.changes").is_ok());
        for subject in [
            "",
            "a..b",
            ".a",
            "a.*",
            "a.>",
            "a b",
            "a\r\nPUB x",
            &"a".repeat(201),
        ] {
            let refused = checked_subject(subject);
            assert!(matches!(refused, Err(NatsError::Subject(_))), "{subject}");
        }
    }
}
