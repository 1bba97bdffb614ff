//! Who this process is, and whom it believes: mutual TLS with certificates that name a role, or
//! short-lived signed tokens between the processes of one host.

mod certificates;
mod counted;
mod dates;
mod dev;
mod files;
mod layer;
mod peer;
mod tokens;
mod verifier;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use arc_swap::ArcSwap;
use axum::Router;
use runtime::{Clock, Metrics, Process, Shutdown};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use web::ServeLimits;

pub use dev::certs_dev;
pub use fabric::Role;
pub use layer::peer;
pub use peer::Peer;

use certificates::Certificates;
use counted::Calls;
use files::Digest;
use tokens::Secrets;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the roles believe each other by: the section `trust`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrustConfig {
    /// The authority that signs the certificates of all roles, PEM. With `cert` and `key`: mutual
    /// TLS. All three are read anew when they change.
    pub ca: Option<PathBuf>,
    /// The certificate of this process, PEM, with those between it and the authority. Its subject
    /// alternative names have the URI `turnbuckle://role/<role>/<name>`.
    pub cert: Option<PathBuf>,
    /// The key of `cert`, PEM.
    pub key: Option<PathBuf>,
    /// Secrets that tokens are signed with, one a line, 32 characters or more each: the first
    /// signs, all are believed. For the processes of one host; read anew when it changes.
    pub token_secret: Option<PathBuf>,
    /// Believe everybody who connects from this host, where there is neither of the above.
    pub insecure_loopback: bool,
}

/// Who this process is, and whom it believes. Cheap to clone.
#[derive(Clone)]
pub struct Trust(Arc<Inner>);

struct Inner {
    me: Peer,
    clock: Arc<dyn Clock>,
    config: TrustConfig,
    certificates: Option<ArcSwap<Certificates>>,
    secrets: Option<ArcSwap<Secrets>>,
    /// Of the files that are in force.
    digest: Mutex<Digest>,
    calls: Calls,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("me", &self.0.me)
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

impl Trust {
    /// Reads the files. `node` names this process in logs of others.
    ///
    /// # Errors
    /// One sentence that names the file or the setting.
    pub fn load(
        config: &TrustConfig,
        role: Role,
        node: &str,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let given = [&config.ca, &config.cert, &config.key];
        let given = given.iter().filter(|path| path.is_some()).count();
        ensure!(
            given == 0 || given == 3,
            "trust: set all of ca, cert and key, or none of them"
        );
        let (digest, certificates, secrets) = files::read(config, role)?;
        Ok(Self(Arc::new(Inner {
            me: Peer {
                role,
                name: node.into(),
            },
            clock,
            config: config.clone(),
            certificates: certificates.map(ArcSwap::from_pointee),
            secrets: secrets.map(ArcSwap::from_pointee),
            digest: Mutex::new(digest),
            calls: Calls::default(),
        })))
    }

    /// Whether this process may listen there.
    ///
    /// # Errors
    /// Says what to set: nobody could be believed, or everybody on a network would be.
    pub fn check(&self, listen: SocketAddr) -> anyhow::Result<()> {
        if self.0.certificates.is_some() || self.0.secrets.is_some() {
            return Ok(());
        }
        let how = "set trust.ca, trust.cert and trust.key (`turnbuckle certs dev` makes some) or, \
                   on one host, trust.token_secret";
        if !listen.ip().is_loopback() {
            bail!("refusing to listen on {listen} without trust between the roles: {how}");
        }
        if !self.0.config.insecure_loopback {
            bail!(
                "refusing to listen on {listen} without trust between the roles: {how}, \
                 or trust.insecure_loopback = true to believe every process of this host"
            );
        }
        Ok(())
    }

    /// Takes the files anew whenever they change, until the process ends. Files that cannot be
    /// used are logged, and those before stay in force.
    ///
    /// # Errors
    /// None; the type is that of an essential task.
    pub async fn keep_fresh(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let mut told = String::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.ending() => return Ok(()),
            }
            let error = match self.look() {
                Ok(()) => String::new(),
                Err(error) => format!("{error:#}"),
            };
            // Once for each reason, not once a second.
            if error != told && !error.is_empty() {
                tracing::warn!("the files of `trust` cannot be used, those before stay: {error}");
            }
            told = error;
        }
    }

    /// Takes the files anew if they have changed.
    pub(crate) fn look(&self) -> anyhow::Result<()> {
        let inner = &self.0;
        let found = files::digest(&inner.config).context("read the files of `trust`")?;
        if *inner.digest.lock().expect("no panic while held") == found {
            return Ok(());
        }
        let (digest, certificates, secrets) = files::read(&inner.config, inner.me.role)?;
        if let (Some(current), Some(fresh)) = (&inner.certificates, certificates) {
            current.store(Arc::new(fresh));
        }
        if let (Some(current), Some(fresh)) = (&inner.secrets, secrets) {
            current.store(Arc::new(fresh));
        }
        *inner.digest.lock().expect("no panic while held") = digest;
        tracing::info!("took the files of `trust` anew");
        Ok(())
    }

    /// Lets only peers of the `allowed` roles reach `router`, whose handlers find the [`Peer`].
    pub fn protect(&self, router: Router, allowed: &'static [Role]) -> Router {
        layer::protect(self, router, allowed)
    }

    /// Tells how many calls came to what is protected, and how they ended.
    pub fn measure(&self, metrics: &Metrics) {
        self.0.calls.register(metrics);
    }

    /// What a listener speaks TLS by; `None` without certificates.
    pub fn server_tls(&self) -> Option<web::Tls> {
        self.0.certificates.as_ref()?;
        let trust = self.clone();
        Some(web::Tls::new(move || trust.certificates().server.clone()))
    }

    /// Serves a protected router until the process drains.
    ///
    /// # Errors
    /// Those of [`check`](Self::check).
    pub async fn serve(
        &self,
        listener: web::Listener,
        router: Router,
        process: &Process,
    ) -> anyhow::Result<()> {
        self.check(listener.addr())?;
        match self.server_tls() {
            Some(tls) => listener.serve_over(tls, router, process, limits()).await,
            None => listener.serve(router, process, limits()).await,
        }
    }

    /// What a connection to a peer of `role` is secured by; `None` without certificates.
    pub(crate) fn client_tls(&self, role: Role) -> Option<Arc<ClientConfig>> {
        self.0.certificates.as_ref()?;
        Some(self.certificates().client(role))
    }

    /// What tells a peer of the role `to` who this is: header fields.
    pub(crate) fn introduce(&self, to: Role) -> Vec<(http::HeaderName, http::HeaderValue)> {
        let inner = &self.0;
        if inner.certificates.is_some() {
            return Vec::new();
        }
        let Some(secrets) = &inner.secrets else {
            return layer::claim(&inner.me);
        };
        let token = secrets.load().sign(&inner.me, to, inner.clock.now());
        vec![(http::header::AUTHORIZATION, token)]
    }

    fn certificates(&self) -> arc_swap::Guard<Arc<Certificates>> {
        let certificates = self.0.certificates.as_ref();
        certificates.expect("whoever asks has looked").load()
    }
}

/// Bounds of what the roles serve each other: watches are many, and a peer that is gone is soon
/// noticed.
fn limits() -> ServeLimits {
    ServeLimits {
        connections: 4096,
        streams: 8192,
        header_timeout: Duration::from_secs(10),
        ..ServeLimits::default()
    }
}
