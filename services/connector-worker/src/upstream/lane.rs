//! One lane to a server: a session, a process or a connection at a time.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use domain::{ConnectorId, KeyId, TenantId};
use egress::Deadline;
use fabric::{Events, Failure};
use mcp::ClientCapabilities;
use runtime::Tasks;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::agree::Era;
use super::aside::{Aside, Hearing};
use super::notices::{Notice, Notices, ToolsChanged};
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
    /// The only client session of the owner's that may use it, where it is so for its whole life.
    session: Option<Uuid>,
    /// What is said outside calls, and for whom.
    aside: Arc<Aside>,
    /// What a session's server told since it was connected to, until somebody listens.
    first: Mutex<Option<broadcast::Receiver<Notice>>>,
    /// Those who hear what its server says; they keep it, but not from others who need the room.
    heard: AtomicUsize,
    ended: watch::Sender<bool>,
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
    pub(super) fn new(
        number: u32,
        capabilities: ClientCapabilities,
        owner: Option<KeyId>,
        session: Option<Uuid>,
    ) -> Self {
        Self {
            number,
            aside: Aside::new(capabilities.clone(), session.is_some()),
            capabilities,
            owner,
            session,
            first: Mutex::default(),
            heard: AtomicUsize::new(0),
            ended: watch::Sender::new(false),
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

    pub(super) const fn session(&self) -> Option<Uuid> {
        self.session
    }

    pub(super) const fn aside(&self) -> &Arc<Aside> {
        &self.aside
    }

    /// Hears for a client session what is said outside calls, until what is returned is dropped;
    /// with it come the notices that nobody has had yet.
    pub(super) fn hear(
        self: &Arc<Self>,
        session: Uuid,
        events: Events,
    ) -> (Heard, Option<broadcast::Receiver<Notice>>) {
        self.heard.fetch_add(1, Ordering::AcqRel);
        let heard = Heard {
            _hearing: self.aside.hear(session, events),
            lane: self.clone(),
        };
        let first = self.first.lock().expect("no panic while held").take();
        (heard, first)
    }

    pub(super) fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Acquire) > 0
    }

    /// It is given to nobody any more: who hears lets go of it.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Resolves when the lane is given to nobody any more.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender is ours.
        let _ = ended.wait_for(|ended| *ended).await;
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
            self.aside.clone(),
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
            _ => {
                if self.session.is_some() {
                    let mut first = self.first.lock().expect("no panic while held");
                    *first = Some(peer.notices.subscribe());
                }
                Ok(peer)
            }
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

/// Somebody hears what a lane's server says outside calls, until this is dropped.
pub(super) struct Heard {
    _hearing: Hearing,
    lane: Arc<Lane>,
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.lane.keep(Duration::ZERO);
        self.lane.heard.fetch_sub(1, Ordering::AcqRel);
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
