//! Who listens, counted.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;

use ::mcp::ClientProfile;

use cache::{SessionId, SessionRecord};
use domain::KeyId;
use runtime::{Shutdown, Tasks};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::expiry::Expiry;
use super::look::Look;
use super::moving::Unsaid;
use super::notices::Notices;
use super::uses::Uses;
use super::watches::Watches;
use super::{Dress, Filter, Inner, Place, Sink};

/// There are as many listeners as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many streams of notifications are open for {0}: close some, or try again later")]
pub(crate) struct TooMany(pub(crate) &'static str);

impl TooMany {
    /// The message of a JSON-RPC error.
    pub(crate) fn message(self) -> String {
        format!("Too many requests: {self}")
    }
}

#[derive(Default)]
pub(super) struct State {
    last: u64,
    count: usize,
    by_key: HashMap<KeyId, usize>,
    sessions: HashMap<SessionId, (Arc<str>, u64)>,
    pub(super) uses: Uses,
    pub(super) tenants: HashMap<Arc<str>, TenantState>,
}

/// The listeners of one tenant, and what is watched for them.
#[derive(Default)]
pub(super) struct TenantState {
    pub(super) listeners: HashMap<u64, Listener>,
    pub(super) watches: Watches,
    pub(super) look: Look,
    /// When the first of the listeners' keys expires.
    pub(super) expiry: Option<Expiry>,
}

pub(super) struct Listener {
    pub(super) place: Place,
    /// The [`Place::tools_digest`] that it has been told of, and not only is about to be.
    pub(super) told: u64,
    pub(super) filter: Filter,
    pub(super) sink: Sink,
    pub(super) dress: Dress,
    /// Since when it has listened without a break.
    pub(super) began: Instant,
    /// Whether it is yet to be told of what changed just before.
    pub(super) is_new: bool,
    /// What its stream did not take.
    pub(super) unsaid: Vec<Unsaid>,
    /// Told when it is to go on in another stream.
    pub(super) moves: Arc<Notify>,
}

/// Keeps a listener. Dropped, it ends.
#[must_use]
pub(crate) struct Listening {
    pub(super) inner: Weak<Inner>,
    pub(super) slug: Arc<str>,
    pub(super) id: u64,
    pub(super) moves: Arc<Notify>,
    /// What other gateways tell of its session.
    pub(super) notices: Option<Notices>,
    tasks: Tasks,
    shutdown: Shutdown,
}

impl Listening {
    /// Ends only after `time`, unless the same session listens again before that: what happens
    /// while a client is away and comes back is kept for it.
    pub(crate) fn end_after(self, time: Duration) {
        let (tasks, shutdown) = (self.tasks.clone(), self.shutdown.clone());
        tasks.disposable("keep a listener that left", async move {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = shutdown.draining() => {}
            }
            drop(self);
            Ok(())
        });
    }
}

impl Listening {
    /// The same listener listens to something else, for a session that has begun since.
    pub(crate) fn turn_to(&self, place: Place, filter: Filter) {
        if let Some(inner) = self.inner.upgrade() {
            inner.turn(&self.slug, self.id, place, filter);
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            inner.remove(&self.slug, self.id);
        }
    }
}

impl State {
    fn add(&mut self, listener: Listener) -> u64 {
        self.last += 1;
        let id = self.last;
        self.count += 1;
        *self.by_key.entry(listener.place.principal.key).or_default() += 1;
        let slug = listener.place.slug.clone();
        if let Some(session) = listener.place.session {
            self.sessions.insert(session, (slug.clone(), id));
        }
        let tenant = self.tenants.entry(slug).or_default();
        tenant.listeners.insert(id, listener);
        id
    }

    pub(super) fn remove(&mut self, slug: &str, id: u64) -> bool {
        let Some(tenant) = self.tenants.get_mut(slug) else {
            return false;
        };
        let Some(listener) = tenant.listeners.remove(&id) else {
            return false;
        };
        self.count -= 1;
        if let Slot::Occupied(mut count) = self.by_key.entry(listener.place.principal.key) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if let Some(session) = listener.place.session
            && let Slot::Occupied(slot) = self.sessions.entry(session)
            && slot.get().1 == id
        {
            slot.remove();
        }
        true
    }

    /// Forgets a tenant that nobody listens to and of which nothing is watched.
    pub(super) fn forget_if_idle(&mut self, slug: &str) {
        let idle = |tenant: &TenantState| {
            tenant.listeners.is_empty() && tenant.watches.is_empty() && tenant.look == Look::None
        };
        if self.tenants.get(slug).is_some_and(idle) {
            self.tenants.remove(slug);
        }
    }

    pub(super) fn listener(&self, slug: &str, id: u64) -> Option<&Listener> {
        self.tenants.get(slug)?.listeners.get(&id)
    }

    pub(super) fn listener_mut(&mut self, slug: &str, id: u64) -> Option<&mut Listener> {
        self.tenants.get_mut(slug)?.listeners.get_mut(&id)
    }

    pub(super) fn told(&self, slug: &str, id: u64) -> Option<u64> {
        Some(self.listener(slug, id)?.told)
    }

    /// The number of the listener that began last.
    pub(super) const fn newest(&self) -> u64 {
        self.last
    }

    pub(super) fn of_session(&self, session: SessionId) -> Option<(Arc<str>, u64)> {
        self.sessions.get(&session).cloned()
    }
}

impl Inner {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }

    pub(super) fn add(
        self: &Arc<Self>,
        mut place: Place,
        filter: Filter,
        sink: Sink,
        dress: Dress,
    ) -> Result<Listening, TooMany> {
        let (slug, key) = (place.slug.clone(), place.principal.key);
        let limits = &self.parts.limits;
        let moves = Arc::new(Notify::new());
        let id = {
            let mut state = self.state();
            let (mut began, mut unsaid) = (None, Vec::new());
            let before = place.session.and_then(|session| state.of_session(session));
            if let Some((slug, id)) = before {
                if let Some(before) = state.listener_mut(&slug, id) {
                    unsaid = std::mem::take(&mut before.unsaid);
                    // What it was offered last, and may not have been told of since.
                    place.tools_digest = before.place.tools_digest;
                    began = Some(before.began);
                }
                state.remove(&slug, id);
            }
            if state.count >= limits.listeners {
                return Err(TooMany("this gateway"));
            }
            let of_tenant = state.tenants.get(&slug).map_or(0, |t| t.listeners.len());
            if of_tenant >= limits.listeners_per_tenant {
                return Err(TooMany("this tenant"));
            }
            if state.by_key.get(&key).copied().unwrap_or(0) >= limits.listeners_per_key {
                return Err(TooMany("this key"));
            }
            state.add(Listener {
                told: place.tools_digest,
                is_new: began.is_none(),
                unsaid,
                moves: moves.clone(),
                began: began.unwrap_or_else(Instant::now),
                place,
                filter,
                sink,
                dress,
            })
        };
        self.look_at(&slug);
        Ok(Listening {
            inner: Arc::downgrade(self),
            slug,
            id,
            moves,
            notices: None,
            tasks: self.parts.process.tasks.clone(),
            shutdown: self.parts.process.shutdown.clone(),
        })
    }

    pub(super) fn remove(self: &Arc<Self>, slug: &Arc<str>, id: u64) {
        let removed = self.state().remove(slug, id);
        if removed {
            self.look_at(slug);
        }
    }

    fn turn(self: &Arc<Self>, slug: &Arc<str>, id: u64, place: Place, filter: Filter) {
        {
            let mut state = self.state();
            let session = place.session;
            let Some(listener) = state.listener_mut(slug, id) else {
                return;
            };
            listener.place = place;
            listener.filter = filter;
            if let Some(session) = session {
                state.sessions.insert(session, (slug.clone(), id));
            }
        }
        self.look_at(slug);
    }

    pub(super) fn remove_session(self: &Arc<Self>, session: SessionId) {
        let found = self.state().of_session(session);
        if let Some((slug, id)) = found {
            self.remove(&slug, id);
        }
    }

    /// Whoever listens for a session here goes by this record. False when nobody does.
    pub(super) fn take_record(
        self: &Arc<Self>,
        session: SessionId,
        record: &SessionRecord,
    ) -> bool {
        let slug = {
            let mut state = self.state();
            let Some((slug, id)) = state.of_session(session) else {
                return false;
            };
            let Some(listener) = state.listener_mut(&slug, id) else {
                return false;
            };
            listener.filter.uris.clone_from(&record.subscriptions);
            let level = record.log_level.as_deref();
            if let Some(level) = level.and_then(|level| level.parse().ok()) {
                let profile = &listener.place.profile;
                listener.place.profile = Arc::new(ClientProfile {
                    log_level: Some(level),
                    log_default: false,
                    ..ClientProfile::clone(profile)
                });
            }
            slug
        };
        self.look_at(&slug);
        true
    }
}
