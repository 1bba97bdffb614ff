//! Sessions, also while their store cannot be reached: then a session goes on from what its sealed
//! id says, and what it changes is noted here and told to the store later.
//!
//! A store that is back may have lost sessions, or never have heard of them. What is not known
//! there began again only if it can have been lost: it began before the moment since when the
//! store remembers everything, and that moment is not longer ago than an unused session lives.
//! All gateways share that moment in a session of nobody's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use cache::{
    CacheError, Changed, LocalSessions, SessionId, SessionLimits, SessionOwner, SessionRecord,
    Sessions,
};
use domain::{ConnectorId, KeyId, TenantId};
use runtime::{Clock, Process};
use tokio::sync::watch;
use uuid::Uuid;

use super::{here, is_here};

/// The session whose facts say since when the store remembers, in Unix milliseconds.
const SINCE: SessionId = Uuid::max();
/// How often a gateway looks at it.
const LOOK: Duration = Duration::from_secs(5);
/// With each so manyth look it is written anew: every session ages.
const RENEW: u32 = 12;

/// What a client holds of its session.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) id: SessionId,
    pub(crate) owner: SessionOwner,
    /// Unix milliseconds.
    pub(crate) begun: i64,
    /// What its record says; none where the sealed id is older than the handshake.
    pub(crate) facts: Option<Bytes>,
}

/// Sessions of all gateways, and what this one notes while it cannot reach them.
pub(crate) struct KeptSessions {
    shared: Arc<dyn Sessions>,
    here: LocalSessions,
    /// What is known of shared sessions that go where a connection of this gateway goes, whose
    /// sealed ids say nothing.
    connected: Mutex<HashMap<SessionId, Bytes>>,
    clock: Arc<dyn Clock>,
    /// Until when the store was away, or had forgotten, as far as is known here.
    since: AtomicI64,
    /// The same as the store last said when it was asked, for who has something to tell it.
    told: watch::Sender<i64>,
    idle: Duration,
}

impl KeptSessions {
    pub(crate) fn new(
        shared: Arc<dyn Sessions>,
        limits: SessionLimits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            shared,
            here: LocalSessions::new(limits),
            connected: Mutex::default(),
            clock,
            since: AtomicI64::new(0),
            told: watch::Sender::new(0),
            idle: limits.idle,
        }
    }

    /// Whether other gateways may know the same sessions.
    pub(crate) fn are_shared(&self) -> bool {
        self.shared.outlives_process()
    }

    /// Whether other gateways may know this one.
    pub(crate) fn is_shared(&self, id: SessionId) -> bool {
        self.are_shared() && !is_here(id)
    }

    /// Changes whenever the store is found back: it was away, or has forgotten.
    pub(crate) fn back(&self) -> watch::Receiver<i64> {
        self.told.subscribe()
    }

    /// Begins a session; one that cannot be recorded now is noted here.
    pub(crate) async fn begin(
        &self,
        id: SessionId,
        owner: SessionOwner,
        facts: Bytes,
    ) -> Result<(), CacheError> {
        self.know(id, &facts);
        if !is_here(id) {
            let begun = self.shared.begin(id, owner, facts.clone()).await;
            if !self.is_away(&begun) {
                return begun;
            }
        }
        self.here.begin(id, owner, facts).await
    }

    /// As [`begin`](Self::begin), for a session that goes where its one stream goes: when it
    /// cannot be recorded it is of this gateway alone, by the name that is returned. What is known
    /// of it stays here too, until it ends.
    pub(crate) async fn begin_with_stream(
        &self,
        id: SessionId,
        owner: SessionOwner,
        facts: Bytes,
    ) -> Result<SessionId, CacheError> {
        let begun = self.shared.begin(id, owner, facts.clone()).await;
        if !self.is_away(&begun) {
            begun?;
            if self.are_shared() {
                self.connected().insert(id, facts);
            }
            return Ok(id);
        }
        let id = here(id);
        self.here.begin(id, owner, facts).await?;
        Ok(id)
    }

    /// The session that a client holds, if it lives; its idle time starts anew.
    ///
    /// # Errors
    /// The store cannot be reached, and what the client holds does not say enough.
    pub(crate) async fn find(&self, held: &Held) -> Result<Option<Arc<SessionRecord>>, CacheError> {
        let id = held.id;
        if is_here(id) {
            return self.here.touch(id).await;
        }
        let found = self.shared.touch(id).await;
        if self.is_away(&found) {
            if let Some(noted) = self.here.touch(id).await? {
                return Ok(Some(noted));
            }
            let known = || self.connected().get(&id).cloned();
            let Some(facts) = held.facts.clone().or_else(known) else {
                return found;
            };
            self.here.begin(id, held.owner, facts).await?;
            return self.here.touch(id).await;
        }
        if let Some(record) = found? {
            let record = self.tell_noted(id, held.owner, record).await?;
            if let Some(record) = &record {
                self.know(id, &record.facts);
            }
            return Ok(record);
        }
        let Some(facts) = &held.facts else {
            return Ok(None);
        };
        if !self.can_be_lost(held.begun).await? {
            return Ok(None);
        }
        self.shared.begin(id, held.owner, facts.clone()).await?;
        match self.shared.touch(id).await? {
            Some(record) => {
                tracing::info!("a session that its store had lost, or never had, goes on");
                self.tell_noted(id, held.owner, record).await
            }
            // It has ended.
            None => {
                self.here.end(id).await?;
                Ok(None)
            }
        }
    }

    /// The session if it lives, as far as is known without what its client holds.
    pub(crate) async fn touch(
        &self,
        id: SessionId,
    ) -> Result<Option<Arc<SessionRecord>>, CacheError> {
        if is_here(id) {
            return self.here.touch(id).await;
        }
        let found = self.shared.touch(id).await;
        if self.is_away(&found)
            && let Some(noted) = self.here.touch(id).await?
        {
            return Ok(Some(noted));
        }
        found
    }

    pub(crate) async fn set_log_level(
        &self,
        id: SessionId,
        level: &str,
    ) -> Result<Changed, CacheError> {
        if !is_here(id) {
            let changed = self.shared.set_log_level(id, level).await;
            if !self.is_away(&changed) {
                return changed;
            }
        }
        noted(self.here.set_log_level(id, level).await?)
    }

    pub(crate) async fn subscribe(&self, id: SessionId, uri: &str) -> Result<Changed, CacheError> {
        if !is_here(id) {
            let changed = self.shared.subscribe(id, uri).await;
            if !self.is_away(&changed) {
                return changed;
            }
        }
        noted(self.here.subscribe(id, uri).await?)
    }

    pub(crate) async fn unsubscribe(
        &self,
        id: SessionId,
        uri: &str,
    ) -> Result<Changed, CacheError> {
        if !is_here(id) {
            let changed = self.shared.unsubscribe(id, uri).await;
            if !self.is_away(&changed) {
                return changed;
            }
        }
        noted(self.here.unsubscribe(id, uri).await?)
    }

    /// Notes which connector a session has called, for whoever it listens at.
    pub(crate) async fn note_call(
        &self,
        id: SessionId,
        connector: ConnectorId,
    ) -> Result<Changed, CacheError> {
        if is_here(id) {
            return self.here.note_call(id, connector).await;
        }
        let noted = self.shared.note_call(id, connector).await;
        self.is_away(&noted);
        noted
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store cannot be told: others go on to take it for alive.
    pub(crate) async fn end(&self, id: SessionId) -> Result<bool, CacheError> {
        self.connected().remove(&id);
        let noted = self.here.end(id).await?;
        if is_here(id) {
            return Ok(noted);
        }
        let ended = self.shared.end(id).await;
        self.is_away(&ended);
        ended
    }

    /// How many live, about.
    pub(crate) fn count(&self) -> u64 {
        self.shared.count()
    }

    /// Keeps the moment since when the store remembers, until the process ends.
    pub(crate) fn keep(self: Arc<Self>, process: &Process) {
        if !self.are_shared() {
            return;
        }
        let shutdown = process.shutdown.clone();
        process.tasks.disposable("memory of sessions", async move {
            for look in 0_u32.. {
                match self.remembers_since(look.is_multiple_of(RENEW)).await {
                    Ok(since) => {
                        let told = &self.told;
                        told.send_if_modified(|told| std::mem::replace(told, since) != since);
                    }
                    Err(error) => {
                        tracing::debug!("since when sessions are remembered is not known: {error}");
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = shutdown.ending() => break,
                }
            }
            Ok(())
        });
    }

    /// Whether a session that is not known can have been lost, or never been recorded.
    async fn can_be_lost(&self, begun: i64) -> Result<bool, CacheError> {
        if !self.are_shared() {
            return Ok(false);
        }
        let since = self.remembers_since(false).await?;
        let ago = self.now().saturating_sub(since).max(0);
        Ok(begun < since && u128::try_from(ago).is_ok_and(|ago| ago < self.idle.as_millis()))
    }

    async fn remembers_since(&self, renew: bool) -> Result<i64, CacheError> {
        let found = self.shared.touch(SINCE).await;
        self.is_away(&found);
        let written = found?.and_then(|record| {
            let text = std::str::from_utf8(&record.facts).ok()?;
            text.parse::<i64>().ok()
        });
        let known = written.unwrap_or_else(|| self.now());
        let since = self.since.fetch_max(known, Ordering::AcqRel).max(known);
        if renew || written != Some(since) {
            let nobody = SessionOwner {
                tenant: TenantId::new(Uuid::nil()),
                key: KeyId::new(Uuid::nil()),
            };
            let facts = Bytes::from(since.to_string());
            self.shared.begin(SINCE, nobody, facts).await?;
        }
        Ok(since)
    }

    /// Tells the store what was noted while it was away.
    async fn tell_noted(
        &self,
        id: SessionId,
        owner: SessionOwner,
        record: Arc<SessionRecord>,
    ) -> Result<Option<Arc<SessionRecord>>, CacheError> {
        if self.here.count() == 0 {
            return Ok(Some(record));
        }
        let Some(noted) = self.here.touch(id).await? else {
            return Ok(Some(record));
        };
        if noted.facts != record.facts {
            // Its handshake was meanwhile.
            self.shared.begin(id, owner, noted.facts.clone()).await?;
        }
        if let Some(level) = &noted.log_level {
            self.shared.set_log_level(id, level).await?;
        }
        for uri in &noted.subscriptions {
            self.shared.subscribe(id, uri).await?;
        }
        self.here.end(id).await?;
        self.shared.touch(id).await
    }

    fn connected(&self) -> MutexGuard<'_, HashMap<SessionId, Bytes>> {
        self.connected.lock().expect("no panic while held")
    }

    /// Keeps what a session's record says, where its connection is here.
    fn know(&self, id: SessionId, facts: &Bytes) {
        if let Some(known) = self.connected().get_mut(&id) {
            known.clone_from(facts);
        }
    }

    /// Notes it when the store cannot be reached.
    fn is_away<T>(&self, outcome: &Result<T, CacheError>) -> bool {
        let away = outcome.as_ref().is_err_and(CacheError::is_unavailable);
        if away {
            self.note_away();
        }
        away
    }

    /// The store cannot be reached, as somebody has found who asked it for something else.
    pub(crate) fn note_away(&self) {
        self.since.fetch_max(self.now() + 1, Ordering::AcqRel);
    }

    fn now(&self) -> i64 {
        let nanoseconds = self.clock.now().unix_timestamp_nanos();
        i64::try_from(nanoseconds / 1_000_000).unwrap_or(i64::MAX - 1)
    }
}

/// A session that nothing was noted of may live nevertheless.
fn noted(changed: Changed) -> Result<Changed, CacheError> {
    match changed {
        Changed::Gone => Err(CacheError::Unavailable(
            "nothing was noted of the session".to_owned(),
        )),
        changed => Ok(changed),
    }
}
