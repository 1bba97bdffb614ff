//! Which client sessions use an upstream session of their own: those of clients that can be asked,
//! from their first call on. Only for them is it worth to hear what is said there, and only there
//! is anything to end with them.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ::mcp::ClientProfile;
use cache::SessionId;
use domain::{ConnectorId, Principal, TenantId};
use fabric::{Affinity, BoxFuture, Call, Events, Execute, Method, Outcome, Request};
use tokio::time::Instant;

use super::{Hub, Inner, Place};
use crate::snapshot::Upstream;

/// Sessions that are remembered; beyond, those go that called the longest time ago.
const SESSIONS_MAX: usize = 32_768;
/// How soon another gateway, where the session may have begun to listen, is told of a call again.
const TELL_AGAIN: Duration = Duration::from_secs(5);

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
    /// When whoever listens for the session elsewhere was told last.
    told: Instant,
}

/// What a call is to where its session listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noted {
    First,
    /// It has called there before, but not just now.
    Again,
    Known,
}

impl Uses {
    pub(super) fn has(&self, session: SessionId, connector: ConnectorId) -> bool {
        let used = self.0.get(&session);
        used.is_some_and(|used| used.connectors.iter().any(|at| at.connector == connector))
    }

    fn note(&mut self, session: SessionId, call: &Call) -> Noted {
        let now = Instant::now();
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
            told: now,
        };
        let mut known = used.connectors.iter_mut();
        match known.find(|known| known.connector == at.connector) {
            Some(known) => {
                let told = known.told;
                *known = at;
                if now.duration_since(told) >= TELL_AGAIN {
                    return Noted::Again;
                }
                known.told = told;
                Noted::Known
            }
            None => {
                used.connectors.push(at);
                Noted::First
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
            // Whatever its worker holds.
            accounts: 0,
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
        let (noted, listens) = {
            let mut state = self.state();
            (state.uses.note(session, call), state.of_session(session))
        };
        if let (Noted::First, Some((slug, _))) = (noted, &listens) {
            self.look_at(slug);
        }
        // The first one wherever it listens: it may listen elsewhere later.
        let is_news = noted == Noted::First || (noted == Noted::Again && listens.is_none());
        if is_news && self.parts.sessions.are_shared() {
            self.tell_use(session, call.connector);
        }
    }

    /// Notes that a session that listens here has called a connector from another gateway.
    pub(super) async fn note_elsewhere(
        &self,
        slug: &Arc<str>,
        session: SessionId,
        connector: ConnectorId,
    ) {
        let Ok(snapshot) = self.parts.tenants.get(slug).await else {
            return;
        };
        let is_first = {
            let mut state = self.state();
            let Some((_, id)) = state.of_session(session) else {
                return;
            };
            let tenant = state.tenants.get(slug);
            let Some(listener) = tenant.and_then(|tenant| tenant.listeners.get(&id)) else {
                return;
            };
            let place = listener.place.clone();
            let endpoint = (*snapshot).as_ref();
            let endpoint = endpoint.and_then(|all| all.endpoint_of(place.connector));
            let mut all = endpoint.into_iter().flat_map(|all| all.upstreams());
            let Some(upstream) = all.find(|upstream| upstream.connector == connector) else {
                return;
            };
            let call = end_call(&place, upstream, session);
            state.uses.note(session, &call) == Noted::First
        };
        if is_first {
            self.look_at(slug);
        }
    }

    /// Tells upstreams that a session is over: those that it has called, and `others`.
    pub(super) fn end_uses(&self, session: SessionId, others: Vec<Call>) {
        let mut calls = self.state().uses.end(session);
        for other in others {
            if !calls.iter().any(|call| call.connector == other.connector) {
                calls.push(other);
            }
        }
        for call in calls {
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

/// What tells an upstream that a session is over.
pub(crate) fn end_call(place: &Place, upstream: &Upstream, session: SessionId) -> Call {
    Call {
        tenant: place.tenant,
        connector: upstream.connector,
        version: upstream.version,
        accounts: upstream.accounts,
        affinity: upstream.affinity,
        request: Request::new(Method::EndSession, None),
        client: place.profile.clone(),
        principal: place.principal,
        session: Some(session),
        user_token: None,
        deadline: super::TELL_WITHIN,
        request_id: "end of session".to_owned(),
    }
}

/// Workers whose calls are noted.
struct Noting {
    hub: Weak<Inner>,
    workers: Arc<dyn Execute>,
}

impl Execute for Noting {
    fn execute(&self, call: Call, events: Option<Events>) -> BoxFuture<'_, Outcome> {
        let Some(hub) = self.hub.upgrade() else {
            return self.workers.execute(call, events);
        };
        hub.note(&call);
        if call.request.method != Method::CallTool {
            return self.workers.execute(call, events);
        }
        let under_way = hub.calls.begin(call.connector);
        let done = self.workers.execute(call, events);
        Box::pin(async move {
            let _under_way = under_way;
            done.await
        })
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
