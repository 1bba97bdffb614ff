//! What clients are told without having asked just now: lists that changed, resources that were
//! updated. One hub for all of a gateway's listeners, of every transport and era.
//!
//! It has two feeds. The configuration tells of tools; each change is compared with what a
//! listener's endpoint offered before. Upstreams tell of everything else: for all listeners of one
//! thing together one watch runs in a worker, begun after a listener was accepted and ended some
//! time after the last one has gone.

mod aside;
mod calls;
mod expiry;
mod look;
mod message;
mod missed;
mod moving;
mod notices;
mod registry;
mod settled;
mod subscription;
mod tell;
mod uses;
mod watches;

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use ::mcp::{ClientProfile, ProtocolVersion};
use bytes::Bytes;
use cache::{Mailboxes, SessionId, SessionRecord, StreamId};
use domain::{ConnectorId, Principal, TenantId};
use fabric::{Call, Execute};
use runtime::{Clock, IdGen, Process};
use tokio::sync::{Notify, mpsc};

pub(crate) use registry::{Listening, TooMany};
pub(crate) use settled::Refusal;
pub(crate) use subscription::Subscription;
pub(crate) use uses::end_call;

use crate::kept::{Held, KeptSessions, KeptStreams};
use crate::tenants::Tenants;
use calls::Calls;
use registry::State;

/// How long what is told to an upstream may take.
const TELL_WITHIN: Duration = Duration::from_secs(30);

/// Who listens, and where.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The tenant's slug.
    pub(crate) slug: Arc<str>,
    pub(crate) tenant: TenantId,
    /// The connector, where its endpoint is of one alone.
    pub(crate) connector: Option<ConnectorId>,
    pub(crate) principal: Principal,
    /// What the client declared: who can be asked something is served by an upstream session of
    /// his own, and is told what happens in that one.
    pub(crate) profile: Arc<ClientProfile>,
    /// The session's revision.
    pub(crate) version: ProtocolVersion,
    /// The legacy session that listens. It does so once: a second time replaces the first.
    pub(crate) session: Option<SessionId>,
    /// What its client holds of it, for a store that loses it.
    pub(crate) held: Option<Held>,
    /// Whether the session may have called before it listened.
    pub(crate) is_late: bool,
    /// [`Endpoint::tools_digest`](crate::snapshot::Endpoint) of what the listener was served by.
    pub(crate) tools_digest: u64,
}

/// What is listened to. URIs are those that the client knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    pub(crate) uris: Vec<Box<str>>,
    pub(crate) tasks: Vec<Task>,
}

/// A task of the listener's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// Its id as the client knows it.
    pub(crate) known: Box<str>,
    pub(crate) connector: ConnectorId,
    /// Its id as the upstream knows it.
    pub(crate) own: Box<str>,
}

/// Where messages for a listener go.
#[derive(Clone, Debug)]
pub(crate) enum Sink {
    /// A legacy session's stream; what it keeps is bounded there.
    Stream(SessionId, StreamId),
    /// A connection of its own. Full means that it reads too slowly: it is cut off.
    Channel(mpsc::Sender<Bytes>),
}

/// In whose words.
#[derive(Clone, Debug)]
pub(crate) enum Dress {
    Legacy,
    Modern {
        /// The id of the `subscriptions/listen`, raw JSON.
        subscription_id: Box<str>,
    },
}

/// A `subscriptions/listen` that was accepted.
#[derive(Debug)]
pub(crate) struct Listen {
    /// What of the wish is granted.
    pub(crate) filter: Filter,
    /// The request's id, raw JSON.
    pub(crate) id: Box<str>,
    /// JSON of the endpoint's `serverInfo`.
    pub(crate) server_info: Box<str>,
}

/// Bounds of the hub.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HubLimits {
    pub(crate) listeners_per_key: usize,
    pub(crate) listeners_per_tenant: usize,
    pub(crate) listeners: usize,
    /// How long an upstream is watched after the last listener has gone.
    pub(crate) linger: Duration,
}

/// What a hub is made of.
pub(crate) struct HubParts {
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) workers: Arc<dyn Execute>,
    pub(crate) sessions: Arc<KeptSessions>,
    pub(crate) streams: Arc<KeptStreams>,
    pub(crate) mailboxes: Arc<dyn Mailboxes>,
    pub(crate) ids: Arc<dyn IdGen>,
    /// How long a client has to answer what it is asked.
    pub(crate) input_timeout: Duration,
    /// How long a session's request waits until what it changed holds where it listens.
    pub(crate) settle_within: Duration,
    /// Of what a client answers.
    pub(crate) json_depth: usize,
    pub(crate) process: Process,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: HubLimits,
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    this: Weak<Self>,
    parts: HubParts,
    state: Mutex<State>,
    calls: Arc<Calls>,
    /// Tells that watches stand otherwise than before.
    settling: Notify,
}

impl Hub {
    /// A hub that hears of each change of configuration from now on.
    pub(crate) fn new(parts: HubParts) -> Self {
        let tenants = parts.tenants.clone();
        let inner = Arc::new_cyclic(|this| Inner {
            this: this.clone(),
            parts,
            state: Mutex::default(),
            calls: Arc::default(),
            settling: Notify::new(),
        });
        tenants.observe(inner.this.clone());
        inner.hear_of_the_store();
        Self(inner)
    }

    /// Begins to listen, until what is returned is dropped.
    ///
    /// # Errors
    /// There are as many listeners as there may be.
    pub(crate) fn listen(
        &self,
        place: Place,
        filter: Filter,
        sink: Sink,
        dress: Dress,
    ) -> Result<Listening, TooMany> {
        self.0.add(place, filter, sink, dress)
    }

    /// As [`listen`](Self::listen), for a session whose requests may come to other gateways: what
    /// they change is heard of here, and who listened for it there does so no more. What its record
    /// says counts, also where `filter` is of an older one.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub(crate) async fn listen_for(
        &self,
        mut place: Place,
        filter: Filter,
        sink: Sink,
    ) -> Result<Listening, TooMany> {
        let mail = match place.session {
            Some(session) => {
                let offered = self.0.take_over(session).await;
                place.tools_digest = offered.unwrap_or(place.tools_digest);
                self.0.open_notices(session).await
            }
            None => None,
        };
        let mut listening = self.0.add(place.clone(), filter, sink, Dress::Legacy)?;
        if let Some(mail) = mail {
            self.0.take_notices(&mut listening, &place, mail);
        }
        if let Some(session) = place.session {
            self.0.catch_up(&place.slug, session).await;
        }
        Ok(listening)
    }

    /// Begins the answer to a `subscriptions/listen`.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub(crate) fn subscribe(&self, place: Place, listen: Listen) -> Result<Subscription, TooMany> {
        Subscription::begin(self, place, listen)
    }

    /// The record of a session has changed. Whoever listens for it, here or elsewhere, goes by the
    /// new one when this returns, and a resource that it has `subscribed` to is watched then, unless
    /// either takes longer than [`HubParts::settle_within`]. A session that does not listen now
    /// takes all of it from its record when it does.
    ///
    /// # Errors
    /// The upstream takes no such subscription.
    pub(crate) async fn session_changed(
        &self,
        session: SessionId,
        record: &SessionRecord,
        subscribed: Option<&str>,
    ) -> Result<(), Refusal> {
        self.0.session_changed(session, record, subscribed).await
    }

    /// Whoever listens for a session does so no more, and its upstreams are told that it is over.
    pub(crate) fn session_ended(&self, session: SessionId) {
        self.session_ended_at(session, Vec::new());
    }

    /// The same; `others` tell it to upstreams that other gateways may have called.
    pub(crate) fn session_ended_at(&self, session: SessionId, others: Vec<Call>) {
        self.0.remove_session(session);
        self.0.end_uses(session, others);
    }
}
