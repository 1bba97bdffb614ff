//! Which client sessions use an upstream session of their own: those of clients that can be asked,
//! from their first call on. Only for them is it worth to hear what is said there, and only there
//! is anything to end with them.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use ::mcp::ClientProfile;
use cache::SessionId;
use domain::{ConnectorId, Principal, TenantId};
use fabric::{Affinity, BoxFuture, Call, Events, Execute, Method, Outcome, Request};
use tokio::time::Instant;

use super::{Hub, Inner};

/// Sessions that are remembered; beyond, those go that called the longest time ago.
const SESSIONS_MAX: usize = 32_768;

/// The sessions that have called.
#[derive(Default)]
pub(super) struct Uses(HashMap<SessionId, Used>);

struct Used {
    tenant: TenantId,
    principal: Principal,
    profile: Arc<ClientProfile>,
    connectors: Vec<At>,
    at: Instant,
}

/// Where a session has called, as the last call had it.
#[derive(Clone, Copy)]
struct At {
    connector: ConnectorId,
    version: i64,
    affinity: Affinity,
}

impl Uses {
    pub(super) fn has(&self, session: SessionId, connector: ConnectorId) -> bool {
        let used = self.0.get(&session);
        used.is_some_and(|used| used.connectors.iter().any(|at| at.connector == connector))
    }

    /// Notes a call. Tells whether it is the first there.
    fn note(&mut self, session: SessionId, call: &Call) -> bool {
        if self.0.len() >= SESSIONS_MAX && !self.0.contains_key(&session) {
            self.forget_half();
        }
        let used = self.0.entry(session).or_insert_with(|| Used {
            tenant: call.tenant,
            principal: call.principal,
            profile: call.client.clone(),
            connectors: Vec::new(),
            at: Instant::now(),
        });
        used.at = Instant::now();
        let at = At {
            connector: call.connector,
            version: call.version,
            affinity: call.affinity,
        };
        let mut known = used.connectors.iter_mut();
        match known.find(|known| known.connector == at.connector) {
            Some(known) => {
                *known = at;
                false
            }
            None => {
                used.connectors.push(at);
                true
            }
        }
    }

    fn forget_half(&mut self) {
        let mut times: Vec<Instant> = self.0.values().map(|used| used.at).collect();
        let middle = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(middle);
        let middle = *middle;
        self.0.retain(|_, used| used.at > middle);
    }

    /// Forgets a session: what tells its upstreams that it is over.
    fn end(&mut self, session: SessionId) -> Vec<Call> {
        let Some(used) = self.0.remove(&session) else {
            return Vec::new();
        };
        let call = |at: &At| Call {
            tenant: used.tenant,
            connector: at.connector,
            version: at.version,
            affinity: at.affinity,
            request: Request::new(Method::EndSession, None),
            client: used.profile.clone(),
            principal: used.principal,
            session: Some(session),
            user_token: None,
            deadline: super::TELL_WITHIN,
            request_id: "end of session".to_owned(),
        };
        used.connectors.iter().map(call).collect()
    }
}

impl Inner {
    fn note(&self, call: &Call) {
        let Some(session) = call.session else { return };
        let is_own = !matches!(
            call.request.method,
            Method::Watch
                | Method::WatchTask
                | Method::RootsChanged
                | Method::GiveUp
                | Method::Reply
                | Method::EndSession
        );
        if !is_own || !call.client.capabilities.can_be_asked() {
            return;
        }
        let listens = {
            let mut state = self.state();
            let is_first = state.uses.note(session, call);
            is_first.then(|| state.of_session(session)).flatten()
        };
        if let Some((slug, _)) = listens {
            self.look_at(&slug);
        }
    }

    /// Tells upstreams that a session is over.
    pub(super) fn end_uses(&self, session: SessionId) {
        for call in self.state().uses.end(session) {
            let workers = self.parts.workers.clone();
            let tasks = &self.parts.process.tasks;
            tasks.disposable("end a session upstream", async move {
                if let Outcome::Failed(failure) = workers.execute(call, None).await {
                    tracing::debug!("a session was not ended upstream: {failure}");
                }
                Ok(())
            });
        }
    }
}

/// Workers whose calls are noted.
struct Noting {
    hub: Weak<Inner>,
    workers: Arc<dyn Execute>,
}

impl Execute for Noting {
    fn execute(&self, call: Call, events: Option<Events>) -> BoxFuture<'_, Outcome> {
        if let Some(hub) = self.hub.upgrade() {
            hub.note(&call);
        }
        self.workers.execute(call, events)
    }
}

impl Hub {
    /// The workers, as calls reach them: the hub hears of who uses which.
    pub(crate) fn workers(&self) -> Arc<dyn Execute> {
        Arc::new(Noting {
            hub: Arc::downgrade(&self.0),
            workers: self.0.parts.workers.clone(),
        })
    }
}
