//! Sessions in Redis. A session's record is one key, and each change of it one step. What spans
//! sessions lives elsewhere in a cluster: for each owner, for each tenant and for all there is a
//! list of those that live. A session that begins is put into them after its record is written;
//! one that is used puts itself in again now and then, so that what was lost there comes back,
//! and what has died unseen falls out. So an owner may for a moment have more sessions than its
//! cap, never for long, and a session that nobody uses any more may count for up to half of
//! [`SessionLimits::idle`] beyond its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::{ConnectorId, KeyId, TenantId};
use futures_util::future::{BoxFuture, join_all};
use redis::{Cmd, Value};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::link::{Link, args};
use super::script::{
    LIST_ADD, LIST_ALL, SESSION_BEGIN, SESSION_CALL, SESSION_END, SESSION_LEVEL, SESSION_SUBSCRIBE,
    SESSION_TOUCH, SESSION_UNSUBSCRIBE, Script,
};
use crate::local::SessionLimits;
use crate::{CALLED_MAX, CacheError, Changed, SessionId, SessionOwner, SessionRecord, Sessions};

/// Sessions that wait to be put into their lists again. More are put in with their next use.
const WAITING: usize = 4_096;
const ALL: &str = "all";
const COUNT: Duration = Duration::from_secs(1);

pub(super) struct RedisSessions {
    link: Arc<Link>,
    limits: SessionLimits,
    relist: mpsc::Sender<Listed>,
    count: Arc<AtomicU64>,
}

/// What the lists know of a session.
struct Listed {
    id: SessionId,
    owner: SessionOwner,
    /// Milliseconds of the server's clock.
    begun: u64,
}

/// Puts sessions into their lists again, and counts them.
pub(super) struct Lister {
    sessions: Arc<RedisSessions>,
    waiting: mpsc::Receiver<Listed>,
}

impl RedisSessions {
    pub(super) fn new(link: Arc<Link>, limits: SessionLimits) -> (Arc<Self>, Lister) {
        let (relist, waiting) = mpsc::channel(WAITING);
        let sessions = Arc::new(Self {
            link,
            limits,
            relist,
            count: Arc::default(),
        });
        let lister = Lister {
            sessions: sessions.clone(),
            waiting,
        };
        (sessions, lister)
    }

    /// Runs a script on a session's record.
    async fn on_record<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        id: SessionId,
        arguments: impl Fn(&mut Cmd),
    ) -> Result<T, CacheError> {
        let tag = id.as_simple().to_string();
        let key = format!("{}r", self.link.base(&tag));
        self.link.eval(script, &tag, &[&key], arguments).await
    }

    async fn change(
        &self,
        script: &Script,
        id: SessionId,
        arguments: impl Fn(&mut Cmd),
    ) -> Result<Changed, CacheError> {
        let (idle, age) = (ms(self.limits.idle), ms(self.limits.age));
        let changed: String = self
            .on_record(script, id, |command| {
                args(command, &[&idle, &age]);
                arguments(command);
            })
            .await?;
        match changed.as_str() {
            "done" => Ok(Changed::Done),
            "full" => Ok(Changed::Full),
            _ => Ok(Changed::Gone),
        }
    }

    /// Puts a session into the lists; ends those that are too many.
    async fn list(&self, listed: &Listed) -> Result<(), CacheError> {
        let limits = &self.limits;
        let by_owner = self.list_in(owner_tag(listed.owner), listed, limits.per_owner);
        let by_tenant = self.list_in(tenant_tag(listed.owner.tenant), listed, limits.per_tenant);
        let (by_owner, by_tenant, all) =
            tokio::join!(by_owner, by_tenant, self.list_in_all(listed));
        let mut goes = by_owner?;
        goes.extend(by_tenant?);
        goes.extend(all?);
        goes.sort_unstable();
        goes.dedup();
        let ends = join_all(goes.into_iter().map(|id| self.end_now(id))).await;
        ends.into_iter().try_for_each(|ended| ended.map(drop))
    }

    /// How long a session counts without a word. It says one after a quarter of its idle time at
    /// the earliest, and lives for all of it after its last use.
    fn silence(&self) -> u64 {
        ms(self.limits.idle * 3 / 2)
    }

    async fn list_in(
        &self,
        tag: String,
        listed: &Listed,
        cap: usize,
    ) -> Result<Vec<SessionId>, CacheError> {
        let base = self.link.base(&tag);
        let keys = [format!("{base}x"), format!("{base}b")];
        let id = listed.id.as_simple().to_string();
        let over: Vec<String> = self
            .link
            .eval(&LIST_ADD, &tag, &[&keys[0], &keys[1]], |command| {
                args(command, &[&id, &listed.begun, &self.silence(), &cap.max(1)]);
            })
            .await?;
        Ok(ids(&over))
    }

    /// Among those that were heard of longest ago, the least lately used go.
    async fn list_in_all(&self, listed: &Listed) -> Result<Vec<SessionId>, CacheError> {
        let key = format!("{}x", self.link.base(ALL));
        let id = listed.id.as_simple().to_string();
        let found: Vec<String> = self
            .link
            .eval(&LIST_ALL, ALL, &[&key], |command| {
                args(command, &[&id, &self.silence(), &self.limits.total.max(1)]);
            })
            .await?;
        let over = found.first().and_then(|count| count.parse().ok());
        let over: usize = over.unwrap_or(0);
        if over == 0 {
            return Ok(Vec::new());
        }
        let candidates = ids(&found[1..]).into_iter().filter(|id| *id != listed.id);
        let mut by_use = Vec::new();
        for used in join_all(candidates.map(|id| self.used_at(id))).await {
            by_use.push(used?);
        }
        by_use.sort_unstable();
        Ok(by_use.into_iter().take(over).map(|(_, id)| id).collect())
    }

    async fn used_at(&self, id: SessionId) -> Result<(u64, SessionId), CacheError> {
        let tag = id.as_simple().to_string();
        let mut command = redis::cmd("HGET");
        command
            .arg(format!("{}r", self.link.base(&tag)))
            .arg("used");
        let used: Option<u64> = self.link.command(&tag, &command).await?;
        Ok((used.unwrap_or(0), id))
    }

    /// Ends a session and takes it out of the lists.
    async fn end_now(&self, id: SessionId) -> Result<bool, CacheError> {
        let (idle, age) = (ms(self.limits.idle), ms(self.limits.age));
        let found: Vec<String> = self
            .on_record(&SESSION_END, id, |command| args(command, &[&idle, &age]))
            .await?;
        let id = id.as_simple().to_string();
        let owner = owner_of(&found);
        let mut lists = vec![(ALL.to_owned(), "x")];
        if let Some(owner) = owner {
            for tag in [owner_tag(owner), tenant_tag(owner.tenant)] {
                lists.push((tag.clone(), "x"));
                lists.push((tag, "b"));
            }
        }
        let removals = lists.iter().map(|(tag, list)| {
            let mut command = redis::cmd("ZREM");
            command
                .arg(format!("{}{list}", self.link.base(tag)))
                .arg(&id);
            async move { self.link.command::<i64>(tag, &command).await }
        });
        // It has ended; from lists that cannot be reached it falls out by itself.
        for removed in join_all(removals).await {
            if let Err(error) = removed {
                tracing::debug!("an ended session counts for a while: {error}");
            }
        }
        Ok(owner.is_some())
    }

    async fn count_now(&self) -> Result<(), CacheError> {
        let mut command = redis::cmd("ZCARD");
        command.arg(format!("{}x", self.link.base(ALL)));
        let count = self.link.command(ALL, &command).await?;
        self.count.store(count, Ordering::Relaxed);
        Ok(())
    }
}

impl Lister {
    /// Ends when nobody asks any more.
    pub(super) async fn run(mut self) {
        let mut tick = tokio::time::interval(COUNT);
        loop {
            tokio::select! {
                listed = self.waiting.recv() => {
                    let Some(listed) = listed else { return };
                    if let Err(error) = self.sessions.list(&listed).await {
                        tracing::debug!("a session is not listed for now: {error}");
                    }
                }
                // What it was stands while it cannot be asked.
                _ = tick.tick() => self.sessions.count_now().await.unwrap_or(()),
            }
        }
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).map_or(u64::MAX, |ms| ms.max(1))
}

fn owner_tag(owner: SessionOwner) -> String {
    let (tenant, key) = (owner.tenant.as_uuid(), owner.key.as_uuid());
    format!("o-{}-{}", tenant.as_simple(), key.as_simple())
}

fn tenant_tag(tenant: TenantId) -> String {
    format!("t-{}", tenant.as_uuid().as_simple())
}

fn ids(texts: &[String]) -> Vec<SessionId> {
    let ids = texts.iter().map(|text| Uuid::try_parse(text));
    ids.filter_map(Result::ok).collect()
}

fn owner_of(found: &[String]) -> Option<SessionOwner> {
    let [tenant, key] = found else { return None };
    Some(SessionOwner {
        tenant: TenantId::new(Uuid::try_parse(tenant).ok()?),
        key: KeyId::new(Uuid::try_parse(key).ok()?),
    })
}

impl Sessions for RedisSessions {
    fn begin(
        &self,
        id: SessionId,
        owner: SessionOwner,
        facts: Bytes,
    ) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move {
            let limits = &self.limits;
            let (idle, age) = (ms(limits.idle), ms(limits.age));
            let tenant = owner.tenant.as_uuid().as_simple().to_string();
            let key = owner.key.as_uuid().as_simple().to_string();
            let begun: Option<u64> = self
                .on_record(&SESSION_BEGIN, id, |command| {
                    args(command, &[&&*facts, &tenant, &key, &idle, &age]);
                })
                .await?;
            if let Some(begun) = begun
                && let Err(error) = self.list(&Listed { id, owner, begun }).await
            {
                tracing::debug!("a session is not listed for now: {error}");
            }
            Ok(())
        })
    }

    fn touch(
        &self,
        id: SessionId,
    ) -> BoxFuture<'_, Result<Option<Arc<SessionRecord>>, CacheError>> {
        Box::pin(async move {
            let (idle, age) = (ms(self.limits.idle), ms(self.limits.age));
            let found: Value = self
                .on_record(&SESSION_TOUCH, id, |command| args(command, &[&idle, &age]))
                .await?;
            let Value::Array(found) = found else {
                return Ok(None);
            };
            let mut found = found.into_iter().map(|value| match value {
                Value::BulkString(bytes) => Some(Bytes::from(bytes)),
                _ => None,
            });
            let mut next = || found.next().flatten();
            let corrupt = || CacheError::Failed("a session's record cannot be read".to_owned());
            let facts = next().ok_or_else(corrupt)?;
            let log_level = next().as_deref().map(text).transpose()?;
            let subscriptions = uris(&next().unwrap_or_default()).ok_or_else(corrupt)?;
            let called = connectors(&next().unwrap_or_default()).ok_or_else(corrupt)?;
            if let (Some(tenant), Some(key), Some(begun)) = (next(), next(), next()) {
                let owner = owner_of(&[text(&tenant)?.into(), text(&key)?.into()]);
                let begun = text(&begun)?.parse().map_err(|_| corrupt())?;
                let owner = owner.ok_or_else(corrupt)?;
                // When too many wait, it comes with a later use.
                let _ = self.relist.try_send(Listed { id, owner, begun });
            }
            Ok(Some(Arc::new(SessionRecord {
                facts,
                log_level,
                subscriptions,
                called,
            })))
        })
    }

    fn set_log_level<'a>(
        &'a self,
        id: SessionId,
        level: &'a str,
    ) -> BoxFuture<'a, Result<Changed, CacheError>> {
        Box::pin(self.change(&SESSION_LEVEL, id, move |command| {
            command.arg(level);
        }))
    }

    fn subscribe<'a>(
        &'a self,
        id: SessionId,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Changed, CacheError>> {
        let (most, bytes) = (self.limits.subscriptions, self.limits.subscription_bytes);
        Box::pin(self.change(&SESSION_SUBSCRIBE, id, move |command| {
            args(command, &[&uri, &most, &bytes]);
        }))
    }

    fn unsubscribe<'a>(
        &'a self,
        id: SessionId,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Changed, CacheError>> {
        Box::pin(self.change(&SESSION_UNSUBSCRIBE, id, move |command| {
            command.arg(uri);
        }))
    }

    fn note_call(
        &self,
        id: SessionId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Result<Changed, CacheError>> {
        let connector = connector.as_uuid().as_simple().to_string();
        Box::pin(async move {
            self.change(&SESSION_CALL, id, |command| {
                args(command, &[&connector, &CALLED_MAX]);
            })
            .await
        })
    }

    fn end(&self, id: SessionId) -> BoxFuture<'_, Result<bool, CacheError>> {
        Box::pin(self.end_now(id))
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn outlives_process(&self) -> bool {
        true
    }
}

fn text(bytes: &[u8]) -> Result<Box<str>, CacheError> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| CacheError::Failed("a session's record is no text".to_owned()))?;
    Ok(text.into())
}

/// Reads ids that are written in 32 digits each, one behind the other.
fn connectors(bytes: &[u8]) -> Option<Vec<ConnectorId>> {
    let ids = bytes.chunks(32).map(Uuid::try_parse_ascii);
    ids.map(|id| id.ok().map(ConnectorId::new)).collect()
}

/// Reads URIs that are written as `<bytes>:<uri>`, one behind the other.
fn uris(mut bytes: &[u8]) -> Option<Vec<Box<str>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let colon = bytes.iter().position(|byte| *byte == b':')?;
        let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
        let rest = &bytes[colon + 1..];
        found.push(std::str::from_utf8(rest.get(..length)?).ok()?.into());
        bytes = &rest[length..];
    }
    Some(found)
}
