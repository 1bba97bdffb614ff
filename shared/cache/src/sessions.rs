//! The seam for sessions.

use domain::{KeyId, TenantId};
use futures_util::future::BoxFuture;
use uuid::Uuid;

/// Names one session. Random; what the client holds is a sealed token around it.
pub type SessionId = Uuid;

/// Whose session it is: what caps are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionOwner {
    pub tenant: TenantId,
    pub key: KeyId,
}

/// The sessions cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("sessions are unavailable: {0}")]
pub struct CacheError(pub String);

/// Knows which sessions live.
pub trait Sessions: Send + Sync {
    /// Begins a session. An owner beyond its cap loses the one it began first.
    fn begin(&self, id: SessionId, owner: SessionOwner) -> BoxFuture<'_, Result<(), CacheError>>;

    /// Whether the session lives; if so its idle time starts anew.
    fn touch(&self, id: SessionId) -> BoxFuture<'_, Result<bool, CacheError>>;

    /// Ends a session; it never lives again. False when it did not live.
    fn end(&self, id: SessionId) -> BoxFuture<'_, Result<bool, CacheError>>;

    /// How many live, about.
    fn count(&self) -> u64;
}
