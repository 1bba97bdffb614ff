//! Who sends a request: API keys, looked up in the snapshot.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use crypto::{ApiToken, KeyHasher};
use domain::{Action, ApiKey, KeyId, Principal, Scope, authorize};
use fabric::StoredKey;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use time::OffsetDateTime;

use crate::snapshot::Snapshot;

/// Keys by id.
#[derive(Default)]
pub(crate) struct Keys(HashMap<KeyId, CompiledKey>);

pub(crate) struct CompiledKey {
    key: ApiKey,
    hash: [u8; 32],
    /// Unix seconds of the last use that was told; 0 for none.
    noted: AtomicI64,
}

/// How coarse "last used" is, in seconds.
const NOTE_EVERY: i64 = 60;

/// Why a request is from nobody. Which of the reasons it was is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unauthenticated {
    NoToken,
    BadToken,
}

impl Keys {
    pub(crate) fn compile(keys: Vec<StoredKey>) -> Self {
        let compiled = |stored: StoredKey| {
            let StoredKey { key, hash } = stored;
            (
                key.id,
                CompiledKey {
                    key,
                    hash,
                    noted: AtomicI64::new(0),
                },
            )
        };
        Self(keys.into_iter().map(compiled).collect())
    }

    /// The live key that `token` is, if it is one of these.
    pub(crate) fn check(
        &self,
        token: &ApiToken,
        hasher: &KeyHasher,
        now: OffsetDateTime,
    ) -> Option<&CompiledKey> {
        let found = self.0.get(&token.id())?;
        let genuine = hasher.matches(token.secret(), &found.hash);
        (genuine && found.key.is_live(now)).then_some(found)
    }
}

impl Keys {
    /// Whether a key is here and in force.
    pub(crate) fn lives(&self, key: KeyId, now: OffsetDateTime) -> bool {
        self.0.get(&key).is_some_and(|found| found.key.is_live(now))
    }
}

impl Keys {
    /// When a key ends by itself, if it does.
    pub(crate) fn expires_at(&self, key: KeyId) -> Option<OffsetDateTime> {
        self.0.get(&key)?.key.expires_at
    }
}

impl CompiledKey {
    pub(crate) fn principal(&self) -> Principal {
        Principal::from(&self.key)
    }

    /// The key's id, when this use is worth telling.
    pub(crate) fn note_use(&self, now: OffsetDateTime) -> Option<KeyId> {
        let (now, noted) = (now.unix_timestamp(), self.noted.load(Ordering::Relaxed));
        if now - noted < NOTE_EVERY {
            return None;
        }
        self.noted.store(now, Ordering::Relaxed);
        Some(self.key.id)
    }
}

/// Reads the token of a request.
pub(crate) fn token(headers: &HeaderMap) -> Result<ApiToken, Unauthenticated> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        let none = !headers.contains_key(AUTHORIZATION);
        return Err(if none {
            Unauthenticated::NoToken
        } else {
            Unauthenticated::BadToken
        });
    };
    let text = value.to_str().map_err(|_| Unauthenticated::BadToken)?;
    let (scheme, token) = text.split_once(' ').ok_or(Unauthenticated::BadToken)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Unauthenticated::BadToken);
    }
    ApiToken::parse(token.trim()).ok_or(Unauthenticated::BadToken)
}

/// Whether a token can be a platform key: those are looked for before any tenant is loaded.
pub(crate) fn is_platform(token: &ApiToken) -> bool {
    token.scope() == Scope::PlatformAdmin
}

/// Checks a tenant's own key against its snapshot. A key of another tenant is simply not there.
pub(crate) fn tenant_key<'s>(
    snapshot: &'s Snapshot,
    token: &ApiToken,
    hasher: &KeyHasher,
    now: OffsetDateTime,
) -> Result<&'s CompiledKey, Unauthenticated> {
    let key = snapshot
        .keys
        .check(token, hasher, now)
        .filter(|_| snapshot.active);
    key.ok_or(Unauthenticated::BadToken)
}

/// Whether a principal may use a tenant's tools.
pub(crate) fn may_use_tools(principal: &Principal, snapshot: &Snapshot) -> bool {
    authorize(principal, Action::UseTools(snapshot.tenant)).is_ok()
}
