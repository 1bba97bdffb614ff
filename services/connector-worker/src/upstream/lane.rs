//! One lane to a server: a session, a process or a connection at a time.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use domain::{ConnectorId, KeyId, TenantId};
use egress::Deadline;
use fabric::Failure;
use mcp::ClientCapabilities;
use runtime::Tasks;
use tokio::time::Instant;
use uuid::Uuid;

use super::agree::Era;
use super::notices::{Notices, ToolsChanged};
use super::peer::{Known, Peer};
use super::remote::RemoteServer;
use super::{Transport, UpstreamConfig};
use crate::hosted::{HostedServers, Spec};

/// Whose the lanes are on which tool lists are read.
pub(super) const NOBODY: KeyId = KeyId::new(Uuid::nil());

/// Where the server of a connector is.
pub(crate) enum Source {
    Remote(Box<RemoteServer>),
    Hosted {
        servers: Arc<HostedServers>,
        tenant: TenantId,
        connector: ConnectorId,
        spec: Spec,
        /// Calls in a row that ran out of time and show that a process hangs.
        hung_after: u32,
    },
}

/// What the lanes to one server share.
pub(crate) struct LaneParts {
    pub(crate) source: Source,
    pub(crate) known: Arc<Known>,
    pub(crate) tools_changed: Option<ToolsChanged>,
    /// What all processes of a hosted server tell: whichever runs, all who watch hear of it.
    pub(crate) told: Arc<Notices>,
    pub(crate) config: Arc<UpstreamConfig>,
    pub(crate) tasks: Tasks,
}

/// One lane.
pub(super) struct Lane {
    number: u32,
    capabilities: ClientCapabilities,
    /// The only one who may use it; anybody where it is absent.
    owner: Option<KeyId>,
    /// What was agreed with the process or connection of last time.
    peer: ArcSwapOption<Peer>,
    /// Nobody is told of changed tools: to read a list makes some servers say that it changed.
    quiet: Arc<AtomicBool>,
    in_use: AtomicUsize,
    used_at: Mutex<Instant>,
    /// Calls in a row that ran out of time.
    timeouts: AtomicU32,
}

impl Lane {
    pub(super) fn new(number: u32, capabilities: ClientCapabilities, owner: Option<KeyId>) -> Self {
        Self {
            number,
            capabilities,
            owner,
            peer: ArcSwapOption::empty(),
            quiet: Arc::new(AtomicBool::new(owner == Some(NOBODY))),
            in_use: AtomicUsize::new(0),
            used_at: Mutex::new(Instant::now()),
            timeouts: AtomicU32::new(0),
        }
    }

    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    pub(super) const fn capabilities(&self) -> &ClientCapabilities {
        &self.capabilities
    }

    pub(super) const fn owner(&self) -> Option<KeyId> {
        self.owner
    }

    /// Whether its server speaks the modern era.
    pub(super) fn is_modern(&self) -> bool {
        let peer = self.peer.load();
        let agreed = peer.as_ref().and_then(|peer| peer.link.agreed.load_full());
        agreed.is_some_and(|agreed| agreed.era == Era::Modern)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_use.load(Ordering::Acquire) == 0
    }

    /// When its last use began or ended.
    pub(super) fn used_at(&self) -> Instant {
        *self.used_at.lock().expect("no panic while held")
    }

    pub(super) fn take(&self) {
        self.in_use.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn release(&self) {
        if self.owner.is_some() {
            self.keep(Duration::ZERO);
        }
        self.in_use.fetch_sub(1, Ordering::AcqRel);
    }

    /// Counts as used until `time` from now.
    pub(super) fn keep(&self, time: Duration) {
        let mut used_at = self.used_at.lock().expect("no panic while held");
        *used_at = (*used_at).max(Instant::now() + time);
    }

    /// The server at the end of the lane; started, or connected to anew, where it is gone.
    pub(super) async fn peer(
        &self,
        parts: &LaneParts,
        deadline: Deadline,
    ) -> Result<Arc<Peer>, Failure> {
        let known = self.peer.load();
        let (transport, shared): (Arc<dyn Transport>, bool) = match &parts.source {
            Source::Remote(server) => {
                if let Some(peer) = &*known
                    && !peer.is_closed()
                {
                    return Ok(peer.clone());
                }
                (server.transport(), false)
            }
            Source::Hosted {
                servers,
                tenant,
                connector,
                spec,
                ..
            } => {
                let process =
                    Box::pin(servers.connect(*tenant, *connector, self.number, spec, deadline));
                (process.await?, true)
            }
        };
        if let Some(peer) = &*known
            && peer.is_behind(&transport)
        {
            return Ok(peer.clone());
        }
        let peer = Arc::new(Peer::new(
            transport.clone(),
            self.capabilities.clone(),
            parts.known.clone(),
            self.notices(parts),
            parts.config.clone(),
            parts.tasks.clone(),
        ));
        // Of two calls that find a new process, both must use the same peer: one handshake.
        let before = self.peer.compare_and_swap(&*known, Some(peer.clone()));
        let is_first = match (&*before, &*known) {
            (Some(before), Some(known)) => Arc::ptr_eq(before, known),
            (before, _) => before.is_none(),
        };
        match &*before {
            Some(other) if !is_first && (!shared || other.is_behind(&transport)) => {
                Ok(other.clone())
            }
            _ => Ok(peer),
        }
    }

    /// From now on others use it, too.
    pub(super) fn is_for_all(&self) {
        self.quiet.store(false, Ordering::Relaxed);
    }

    fn notices(&self, parts: &LaneParts) -> Arc<Notices> {
        if !self.quiet.load(Ordering::Relaxed) {
            return match parts.source {
                Source::Hosted { .. } => parts.told.clone(),
                Source::Remote(_) => Arc::new(Notices::new(parts.tools_changed.clone())),
            };
        }
        let tell = parts.tools_changed.clone().map(|tell| -> ToolsChanged {
            let quiet = self.quiet.clone();
            Arc::new(move || {
                if !quiet.load(Ordering::Relaxed) {
                    tell();
                }
            })
        });
        Arc::new(Notices::new(tell))
    }

    /// The peer of last time, if it lives.
    pub(super) fn living(&self) -> Option<Arc<Peer>> {
        self.peer.load_full().filter(|peer| !peer.is_closed())
    }

    /// Notes whether a call ran out of time. A process that lets several run out hangs.
    pub(super) fn timed_out(&self, timed_out: bool, parts: &LaneParts) {
        let Source::Hosted {
            servers,
            tenant,
            connector,
            hung_after,
            ..
        } = &parts.source
        else {
            return;
        };
        if !timed_out {
            self.timeouts.store(0, Ordering::Relaxed);
        } else if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= *hung_after {
            self.timeouts.store(0, Ordering::Relaxed);
            servers.give_up(*tenant, *connector, self.number);
        }
    }
}

/// A process of one caller ends with its lane; the one that is shared ends by the rules of hosted
/// servers.
impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(peer) = self.peer.load_full() {
            peer.talks.end();
            if self.owner.is_some() {
                peer.link.transport.close();
            }
        }
    }
}
