//! Sessions in this process' memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use moka::sync::Cache;

use crate::sessions::{CacheError, SessionId, SessionOwner, Sessions};

/// Bounds of sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// How long an unused session lives.
    pub idle: Duration,
    /// How long any session lives.
    pub age: Duration,
    /// Living sessions of one owner; the next one ends its oldest.
    pub per_owner: usize,
    /// Living sessions in all; beyond, the least used ones end.
    pub total: u64,
}

/// Sessions in memory: gone with the process, as is everything they could refer to.
pub struct LocalSessions {
    living: Cache<SessionId, SessionOwner>,
    /// In the order of their beginning; may name sessions that have died since.
    by_owner: Mutex<HashMap<SessionOwner, VecDeque<SessionId>>>,
    per_owner: usize,
}

impl LocalSessions {
    pub fn new(limits: SessionLimits) -> Self {
        let living = Cache::builder()
            .max_capacity(limits.total)
            .time_to_idle(limits.idle)
            .time_to_live(limits.age)
            .build();
        Self {
            living,
            by_owner: Mutex::default(),
            per_owner: limits.per_owner.max(1),
        }
    }

    fn begin_now(&self, id: SessionId, owner: SessionOwner) {
        let mut by_owner = self.by_owner.lock().expect("no panic while held");
        // Owners whose sessions all died are forgotten here, so the map stays as small as the
        // living sessions; a full sweep is paid for by the doubling that caused it.
        if by_owner.len() == by_owner.capacity() {
            by_owner.retain(|_, ids| ids.iter().any(|id| self.living.contains_key(id)));
        }
        let ids = by_owner.entry(owner).or_default();
        if ids.len() >= self.per_owner {
            ids.retain(|id| self.living.contains_key(id));
        }
        while ids.len() >= self.per_owner {
            if let Some(oldest) = ids.pop_front() {
                self.living.invalidate(&oldest);
            }
        }
        ids.push_back(id);
        self.living.insert(id, owner);
    }

    fn end_now(&self, id: SessionId) -> bool {
        let Some(owner) = self.living.remove(&id) else {
            return false;
        };
        let mut by_owner = self.by_owner.lock().expect("no panic while held");
        if let Some(ids) = by_owner.get_mut(&owner) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                by_owner.remove(&owner);
            }
        }
        true
    }
}

impl Sessions for LocalSessions {
    fn begin(&self, id: SessionId, owner: SessionOwner) -> BoxFuture<'_, Result<(), CacheError>> {
        self.begin_now(id, owner);
        Box::pin(ready(Ok(())))
    }

    fn touch(&self, id: SessionId) -> BoxFuture<'_, Result<bool, CacheError>> {
        Box::pin(ready(Ok(self.living.get(&id).is_some())))
    }

    fn end(&self, id: SessionId) -> BoxFuture<'_, Result<bool, CacheError>> {
        Box::pin(ready(Ok(self.end_now(id))))
    }

    fn count(&self) -> u64 {
        self.living.run_pending_tasks();
        self.living.entry_count()
    }
}

#[cfg(test)]
mod tests {
    use domain::{KeyId, TenantId};
    use uuid::Uuid;

    use super::*;

    const LIMITS: SessionLimits = SessionLimits {
        idle: Duration::from_secs(60),
        age: Duration::from_secs(600),
        per_owner: 2,
        total: 100,
    };

    fn owner(n: u128) -> SessionOwner {
        SessionOwner {
            tenant: TenantId::new(Uuid::from_u128(1)),
            key: KeyId::new(Uuid::from_u128(n)),
        }
    }

    #[tokio::test]
    async fn an_owner_beyond_its_cap_loses_its_oldest_session_and_nobody_elses() {
        let sessions = LocalSessions::new(LIMITS);
        let ids: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();

        sessions.begin(ids[3], owner(2)).await.unwrap();
        for id in &ids[..3] {
            sessions.begin(*id, owner(1)).await.unwrap();
        }

        assert!(!sessions.touch(ids[0]).await.unwrap());
        for id in &ids[1..] {
            assert!(sessions.touch(*id).await.unwrap());
        }
    }

    #[tokio::test]
    async fn an_ended_session_stays_ended_and_makes_room() {
        let sessions = LocalSessions::new(LIMITS);
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        sessions.begin(ids[0], owner(1)).await.unwrap();
        sessions.begin(ids[1], owner(1)).await.unwrap();

        assert!(sessions.end(ids[0]).await.unwrap());
        assert!(!sessions.end(ids[0]).await.unwrap());
        sessions.begin(ids[2], owner(1)).await.unwrap();

        assert!(!sessions.touch(ids[0]).await.unwrap());
        assert!(sessions.touch(ids[1]).await.unwrap());
    }
}
