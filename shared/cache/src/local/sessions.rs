//! Sessions in this process' memory: some 500 bytes each beside what its record says.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use domain::{ConnectorId, TenantId};
use futures_util::future::{BoxFuture, ready};
use tokio::time::Instant;

use super::SessionLimits;
use crate::{CALLED_MAX, CacheError, Changed, SessionId, SessionOwner, SessionRecord, Sessions};

/// Sessions in memory.
pub struct LocalSessions {
    state: Mutex<State>,
    limits: SessionLimits,
}

#[derive(Default)]
struct State {
    living: HashMap<SessionId, Living>,
    /// What orders beginnings and uses: larger is later.
    order: u64,
    by_use: BTreeMap<u64, SessionId>,
    by_owner: HashMap<SessionOwner, BTreeMap<u64, SessionId>>,
    by_tenant: HashMap<TenantId, BTreeMap<u64, SessionId>>,
}

struct Living {
    record: Arc<SessionRecord>,
    owner: SessionOwner,
    begun: u64,
    begun_at: Instant,
    used: u64,
    used_at: Instant,
}

impl LocalSessions {
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            state: Mutex::default(),
            limits,
        }
    }

    /// The state without sessions that have been idle too long.
    fn state(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().expect("no panic while held");
        // Each session is found idle once, so this costs no more than beginning it did.
        while let Some(id) = state.least_used() {
            if now.duration_since(state.living[&id].used_at) < self.limits.idle {
                break;
            }
            state.remove(id);
        }
        state
    }

    fn begin_now(&self, id: SessionId, owner: SessionOwner, facts: Bytes) {
        let now = Instant::now();
        let mut state = self.state(now);
        state.remove(id);
        while state.by_owner.get(&owner).map_or(0, BTreeMap::len) >= self.limits.per_owner.max(1) {
            let oldest = state.by_owner[&owner].values().next().copied();
            state.remove(oldest.expect("as many as the cap is more than none"));
        }
        let tenant = owner.tenant;
        while state.by_tenant.get(&tenant).map_or(0, BTreeMap::len) >= self.limits.per_tenant.max(1)
        {
            let oldest = state.by_tenant[&tenant].values().next().copied();
            state.remove(oldest.expect("as many as the cap is more than none"));
        }
        while state.living.len() >= self.limits.total.max(1) {
            let least = state.least_used();
            state.remove(least.expect("as many as the cap is more than none"));
        }
        let record = SessionRecord {
            facts,
            log_level: None,
            subscriptions: Vec::new(),
            called: Vec::new(),
        };
        state.insert(id, owner, Arc::new(record), now);
    }

    /// The session if it lives, used now.
    fn used<'a>(
        &self,
        state: &'a mut State,
        id: SessionId,
        now: Instant,
    ) -> Option<&'a mut Living> {
        let begun_at = state.living.get(&id)?.begun_at;
        if now.duration_since(begun_at) >= self.limits.age {
            state.remove(id);
            return None;
        }
        state.order += 1;
        let order = state.order;
        let session = state.living.get_mut(&id)?;
        state.by_use.remove(&session.used);
        state.by_use.insert(order, id);
        (session.used, session.used_at) = (order, now);
        Some(session)
    }

    /// Changes a record; those who hold the old one keep it.
    fn change(&self, id: SessionId, change: impl FnOnce(&mut SessionRecord) -> Changed) -> Changed {
        let now = Instant::now();
        let mut state = self.state(now);
        match self.used(&mut state, id, now) {
            Some(session) => change(Arc::make_mut(&mut session.record)),
            None => Changed::Gone,
        }
    }

    fn subscribe_now(&self, id: SessionId, uri: &str) -> Changed {
        self.change(id, |record| {
            let have = &mut record.subscriptions;
            if have.iter().any(|other| **other == *uri) {
                return Changed::Done;
            }
            let bytes: usize = have.iter().map(|other| other.len()).sum();
            let full = have.len() >= self.limits.subscriptions
                || bytes + uri.len() > self.limits.subscription_bytes;
            if full {
                return Changed::Full;
            }
            have.push(uri.into());
            Changed::Done
        })
    }
}

impl State {
    fn least_used(&self) -> Option<SessionId> {
        self.by_use.values().next().copied()
    }

    fn insert(
        &mut self,
        id: SessionId,
        owner: SessionOwner,
        record: Arc<SessionRecord>,
        now: Instant,
    ) {
        self.order += 1;
        let order = self.order;
        self.by_use.insert(order, id);
        self.by_owner.entry(owner).or_default().insert(order, id);
        let tenant = self.by_tenant.entry(owner.tenant).or_default();
        tenant.insert(order, id);
        let session = Living {
            record,
            owner,
            begun: order,
            begun_at: now,
            used: order,
            used_at: now,
        };
        self.living.insert(id, session);
    }

    fn remove(&mut self, id: SessionId) -> bool {
        let Some(session) = self.living.remove(&id) else {
            return false;
        };
        self.by_use.remove(&session.used);
        take(&mut self.by_owner, &session.owner, session.begun);
        take(&mut self.by_tenant, &session.owner.tenant, session.begun);
        true
    }
}

/// Takes one session out of a list, and the list out of the map when it was the last.
fn take<K: Eq + Hash>(map: &mut HashMap<K, BTreeMap<u64, SessionId>>, key: &K, order: u64) {
    if let Some(list) = map.get_mut(key) {
        list.remove(&order);
        if list.is_empty() {
            map.remove(key);
        }
    }
}

fn done<T: Send + 'static>(value: T) -> BoxFuture<'static, Result<T, CacheError>> {
    Box::pin(ready(Ok(value)))
}

impl Sessions for LocalSessions {
    fn begin(
        &self,
        id: SessionId,
        owner: SessionOwner,
        facts: Bytes,
    ) -> BoxFuture<'_, Result<(), CacheError>> {
        self.begin_now(id, owner, facts);
        done(())
    }

    fn touch(
        &self,
        id: SessionId,
    ) -> BoxFuture<'_, Result<Option<Arc<SessionRecord>>, CacheError>> {
        let now = Instant::now();
        let mut state = self.state(now);
        let record = self.used(&mut state, id, now);
        done(record.map(|session| session.record.clone()))
    }

    fn set_log_level<'a>(
        &'a self,
        id: SessionId,
        level: &'a str,
    ) -> BoxFuture<'a, Result<Changed, CacheError>> {
        done(self.change(id, |record| {
            record.log_level = Some(level.into());
            Changed::Done
        }))
    }

    fn subscribe<'a>(
        &'a self,
        id: SessionId,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Changed, CacheError>> {
        done(self.subscribe_now(id, uri))
    }

    fn unsubscribe<'a>(
        &'a self,
        id: SessionId,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Changed, CacheError>> {
        done(self.change(id, |record| {
            record.subscriptions.retain(|other| **other != *uri);
            Changed::Done
        }))
    }

    fn note_call(
        &self,
        id: SessionId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Result<Changed, CacheError>> {
        done(self.change(id, |record| {
            if record.called.contains(&connector) {
                return Changed::Done;
            }
            if record.called.len() >= CALLED_MAX {
                return Changed::Full;
            }
            record.called.push(connector);
            Changed::Done
        }))
    }

    fn end(&self, id: SessionId) -> BoxFuture<'_, Result<bool, CacheError>> {
        done(self.state(Instant::now()).remove(id))
    }

    fn count(&self) -> u64 {
        self.state(Instant::now()).living.len() as u64
    }
}
