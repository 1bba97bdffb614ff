//! The seam for sessions.

use std::sync::Arc;

use bytes::Bytes;
use domain::{ConnectorId, KeyId, TenantId};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::CacheError;

/// Names one session. Random; what the client holds is a sealed token around it.
pub type SessionId = Uuid;

/// Whose session it is: what caps are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionOwner {
    pub tenant: TenantId,
    pub key: KeyId,
}

/// What is kept of a session beside its sealed id. Small: an idle session costs what this costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// What the handshake said, in the words of whoever began the session. Never changed.
    pub facts: Bytes,
    /// `logging/setLevel`; none before that.
    pub log_level: Option<Box<str>>,
    /// URIs of `resources/subscribe`, as the client knows them, without repetition.
    pub subscriptions: Vec<Box<str>>,
    /// Connectors that it has called and whose servers may say something to it outside calls,
    /// without repetition; no more than [`CALLED_MAX`].
    pub called: Vec<ConnectorId>,
}

/// Connectors that a record names as called; further ones are not noted.
pub const CALLED_MAX: usize = 64;

/// How a change of a session went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Done,
    /// The session does not live.
    Gone,
    /// The session has as many subscriptions as it may.
    Full,
}

/// Knows which sessions live.
pub trait Sessions: Send + Sync {
    /// Begins a session. An owner beyond its cap loses the one it began first, and so does a
    /// tenant beyond its own.
    fn begin(
        &self,
        id: SessionId,
        owner: SessionOwner,
        facts: Bytes,
    ) -> BoxFuture<'_, Result<(), CacheError>>;

    /// The session if it lives; its idle time starts anew.
    fn touch(&self, id: SessionId)
    -> BoxFuture<'_, Result<Option<Arc<SessionRecord>>, CacheError>>;

    fn set_log_level<'a>(
        &'a self,
        id: SessionId,
        level: &'a str,
    ) -> BoxFuture<'a, Result<Changed, CacheError>>;

    /// Adds a subscription; one that is there already is no change. Never [`Changed::Full`] then.
    fn subscribe<'a>(
        &'a self,
        id: SessionId,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Changed, CacheError>>;

    /// Takes a subscription away; one that is not there is no change.
    fn unsubscribe<'a>(
        &'a self,
        id: SessionId,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Changed, CacheError>>;

    /// Notes that the session has called a connector; one that is noted already is no change.
    fn note_call(
        &self,
        id: SessionId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Result<Changed, CacheError>>;

    /// Ends a session; it never lives again. False when it did not live.
    fn end(&self, id: SessionId) -> BoxFuture<'_, Result<bool, CacheError>>;

    /// How many live, about.
    fn count(&self) -> u64;

    /// Whether they are kept outside this process, where others know them as well and they can be
    /// lost without it.
    fn outlives_process(&self) -> bool {
        false
    }
}
