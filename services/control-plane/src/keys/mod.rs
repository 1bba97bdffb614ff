//! API keys: mint, list, read, revoke.

use std::collections::HashMap;

use ::fabric::{StoredKey, Subject};
use crypto::ApiToken;
use domain::{Action, ApiKey, KeyId, KeyState, Principal, Scope, Tenant, TenantId, authorize};
use serde::{Deserialize, Serialize};
use storage::{Constraint, StorageError};
use time::{OffsetDateTime, UtcOffset};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{Error, Resource};
use crate::fields::Violations;
use crate::idempotency::{Created, Creation};
use crate::operations::Operations;
use crate::page::{Page, PageRequest};

pub(crate) mod api;
mod bootstrap;

/// Names this list in page tokens.
const LIST: &str = "keys";

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    pub id: Uuid,
    pub name: String,
    #[schema(schema_with = scopes)]
    pub scope: String,
    /// The tenant's slug; null for platform_admin keys.
    pub tenant: Option<String>,
    #[schema(schema_with = states)]
    pub state: String,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
    /// Accurate to about a minute.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
}

fn scopes() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&Scope::ALL.map(Scope::as_str))
}

fn states() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&["active", "revoked", "expired"])
}

/// A key just made, with the secret that is never shown again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedKey {
    #[serde(flatten)]
    pub key: KeyView,
    /// The whole key, to be sent as `Authorization: Bearer …`. Shown this once.
    pub secret: String,
}

impl std::fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedKey")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What a key is made from.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// 1 to 100 characters, for people.
    pub name: String,
    #[schema(schema_with = scopes)]
    pub scope: String,
    /// Slug; needed for tenant_admin and tenant_user keys. A tenant_admin may leave it out.
    #[serde(default)]
    pub tenant: Option<String>,
    /// In the future; absent: never.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
}

impl Operations {
    pub async fn create_key(
        &self,
        caller: &Principal,
        input: NewKey,
        creation: &Creation,
    ) -> Result<Created<CreatedKey>, Error> {
        let (scope, tenant) = self.new_key_owner(caller, &input).await?;
        let attempt = self.attempt(caller, creation, "create-key".to_owned(), &input)?;
        if let Some(attempt) = &attempt
            && let Some(kept) = self.recall(attempt).await?
        {
            return Ok(kept);
        }
        let now = self.now();
        let mut violations = Violations::default();
        violations.name("name", &input.name);
        let expires_at = input.expires_at.and_then(|expiry| {
            let kept = as_kept(expiry);
            match kept {
                Some(kept) if kept > now => {}
                Some(_) => violations.add("expires_at", "must be in the future"),
                None => violations.add("expires_at", "must be in the year 9999 at the latest"),
            }
            kept
        });
        violations.finish()?;

        let (token, stored) = self.mint(input.name, scope, tenant.as_ref(), expires_at);
        let key = view(
            &stored.key,
            tenant.as_ref().map(|t| t.slug.to_string()),
            now,
        );
        let created = CreatedKey {
            key,
            secret: token.expose(),
        };
        let record = attempt
            .as_ref()
            .map(|a| a.record(&created, now))
            .transpose()?;

        let this = self.clone();
        let written = self.uninterrupted(async move {
            match this
                .store_key(&stored, tenant.as_ref(), record.as_ref())
                .await
            {
                Ok(()) => Ok(true),
                Err(StorageError::Conflict(Constraint::IdempotencyKeyTaken)) => Ok(false),
                Err(StorageError::Conflict(Constraint::LimitReached)) => {
                    let most = domain::limits::KEYS_PER_OWNER;
                    Err(Error::LimitReached(format!(
                        "there may be {most} living keys at most"
                    )))
                }
                // The tenant was deleted meanwhile.
                Err(StorageError::NotFound) => Err(Error::NotFound(Resource::Tenant)),
                Err(error) => Err(Error::storage("create a key")(error)),
            }
        });
        if written.await? {
            return Ok(Created {
                value: created,
                replayed: false,
            });
        }
        self.recall_raced(attempt.as_ref()).await
    }

    /// What the new key may open, if `caller` may hand that out.
    async fn new_key_owner(
        &self,
        caller: &Principal,
        input: &NewKey,
    ) -> Result<(Scope, Option<Tenant>), Error> {
        authorize(caller, own(caller))?;
        let scope: Scope = input
            .scope
            .parse()
            .map_err(|error: domain::ScopeError| Error::invalid("scope", error.to_string()))?;
        if scope == Scope::PlatformAdmin {
            authorize(caller, Action::ManagePlatform)?;
        }
        let tenant = match (&input.tenant, caller.tenant) {
            (Some(slug), _) => Some(self.tenant_for(caller, slug, Action::ManageTenant).await?),
            (None, Some(own)) => Some(self.tenant_by_id(own).await?),
            (None, None) => None,
        };
        scope
            .check_tenant(tenant.is_some())
            .map_err(|error| Error::invalid("tenant", error.to_string()))?;
        Ok((scope, tenant))
    }

    pub(super) fn mint(
        &self,
        name: String,
        scope: Scope,
        tenant: Option<&Tenant>,
        expires_at: Option<OffsetDateTime>,
    ) -> (ApiToken, StoredKey) {
        let token = ApiToken::mint(KeyId::new(self.ids().next()), scope);
        let key = ApiKey {
            id: token.id(),
            name,
            scope,
            tenant: tenant.map(|tenant| tenant.id),
            state: KeyState::Active,
            created_at: self.now(),
            expires_at,
            last_used_at: None,
        };
        let hash = self.hasher().hash(token.secret());
        (token, StoredKey { key, hash })
    }

    pub(super) async fn store_key(
        &self,
        stored: &StoredKey,
        tenant: Option<&Tenant>,
        record: Option<&storage::Remembered>,
    ) -> Result<(), StorageError> {
        if let Some(tenant) = tenant {
            let revision = self
                .storage()
                .tenant(tenant.id)
                .create_key(stored, record)
                .await?;
            self.tenant_changed(tenant, revision);
        } else {
            let revision = self.storage().create_platform_key(stored, record).await?;
            self.changed(&Subject::Platform, revision);
        }
        Ok(())
    }

    /// All keys that `caller` may see: every one, or its tenant's. `tenant` (slug) narrows that.
    pub async fn list_keys(
        &self,
        caller: &Principal,
        tenant: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<KeyView>, Error> {
        let tenant = match tenant {
            Some(slug) => Some(
                self.tenant_for(caller, slug, Action::ManageTenant)
                    .await?
                    .id,
            ),
            None => {
                authorize(caller, own(caller))?;
                caller.tenant
            }
        };
        let (after, limit) = (request.after_id(LIST)?, request.limit()?);
        let keys = match tenant {
            Some(tenant) => self.storage().tenant(tenant).list_keys(after, limit).await,
            None => self.storage().list_keys(after, limit).await,
        };
        let keys = keys.map_err(Error::storage("list keys"))?;
        let Page { items, next } = request.page(LIST, keys, |key| key.id.to_string())?;

        let now = self.now();
        let mut slugs: HashMap<TenantId, Option<String>> = HashMap::new();
        let mut views = Vec::with_capacity(items.len());
        for key in items {
            let slug = match key.tenant {
                Some(tenant) => match slugs.get(&tenant) {
                    Some(slug) => slug.clone(),
                    None => slugs
                        .entry(tenant)
                        .or_insert(self.slug_of(tenant).await?)
                        .clone(),
                },
                None => None,
            };
            views.push(view(&key, slug, now));
        }
        Ok(Page { items: views, next })
    }

    pub async fn get_key(&self, caller: &Principal, id: &str) -> Result<KeyView, Error> {
        let (key, _) = self.visible_key(caller, id).await?;
        self.key_view(&key).await
    }

    /// Lets the key open nothing any more, for good. Revoking it again changes nothing.
    pub async fn revoke_key(&self, caller: &Principal, id: &str) -> Result<KeyView, Error> {
        let (key, tenant) = self.visible_key(caller, id).await?;
        if let KeyState::Revoked { .. } = key.state {
            return self.key_view(&key).await;
        }
        let this = self.clone();
        let at = self.now();
        let revoked = ApiKey {
            state: KeyState::Revoked { at },
            ..key
        };
        let id = revoked.id;
        self.uninterrupted(async move {
            let revision = match &tenant {
                Some(tenant) => this.storage().tenant(tenant.id).revoke_key(id, at).await,
                None => this.storage().revoke_key(id, at).await,
            };
            let revision = match revision {
                Ok(revision) => revision,
                Err(StorageError::NotFound) => return Err(Error::NotFound(Resource::Key)),
                Err(error) => return Err(Error::storage("revoke a key")(error)),
            };
            let subject = tenant.as_ref().map_or(Subject::Platform, |tenant| {
                Subject::Tenant(tenant.slug.to_string())
            });
            this.changed(&subject, revision);
            // Those of the platform's keys, in whichever tenants, are found in the background.
            if let Some(tenant) = &tenant {
                this.end_accounts_of_key(tenant, id).await;
            }
            Ok(())
        })
        .await?;
        self.key_view(&revoked).await
    }

    /// The key, if `caller` may manage it, and its tenant. Another tenant's key is as absent as
    /// one that does not exist.
    async fn visible_key(
        &self,
        caller: &Principal,
        id: &str,
    ) -> Result<(ApiKey, Option<Tenant>), Error> {
        authorize(caller, own(caller))?;
        let missing = || Error::NotFound(Resource::Key);
        let id: KeyId = id.parse().map_err(|_| missing())?;
        let found = self
            .storage()
            .find_key(id)
            .await
            .map_err(Error::storage("find a key"))?;
        let key = found.ok_or_else(missing)?.key;
        let action = key
            .tenant
            .map_or(Action::ManagePlatform, Action::ManageTenant);
        authorize(caller, action).map_err(|_| missing())?;
        let tenant =
            match key.tenant {
                Some(tenant) => Some(self.tenant_by_id(tenant).await.map_err(
                    |error| match error {
                        Error::NotFound(_) => missing(),
                        error => error,
                    },
                )?),
                None => None,
            };
        Ok((key, tenant))
    }

    pub(crate) async fn key_view(&self, key: &ApiKey) -> Result<KeyView, Error> {
        let slug = match key.tenant {
            Some(tenant) => self.slug_of(tenant).await?,
            None => None,
        };
        Ok(view(key, slug, self.now()))
    }

    async fn slug_of(&self, tenant: TenantId) -> Result<Option<String>, Error> {
        let found = self.storage().find_tenant_by_id(tenant).await;
        let found = found.map_err(Error::storage("find a tenant"))?;
        Ok(found.map(|tenant| tenant.slug.to_string()))
    }

    pub(crate) async fn tenant_by_id(&self, id: TenantId) -> Result<Tenant, Error> {
        let found = self.storage().find_tenant_by_id(id).await;
        found
            .map_err(Error::storage("find a tenant"))?
            .ok_or(Error::NotFound(Resource::Tenant))
    }
}

/// A time as storage keeps it, in UTC and whole microseconds; `None` when it is no such time.
fn as_kept(time: OffsetDateTime) -> Option<OffsetDateTime> {
    let time = time.checked_to_offset(UtcOffset::UTC)?;
    let year_is_written = (0..=9999).contains(&time.year());
    let cut = time.replace_microsecond(time.microsecond()).ok()?;
    year_is_written.then_some(cut)
}

/// Managing what is the caller's own: its tenant, or the platform.
fn own(caller: &Principal) -> Action {
    caller
        .tenant
        .map_or(Action::ManagePlatform, Action::ManageTenant)
}

fn view(key: &ApiKey, tenant: Option<String>, now: OffsetDateTime) -> KeyView {
    let (state, revoked_at) = match key.state {
        KeyState::Revoked { at } => ("revoked", Some(at)),
        KeyState::Active if key.is_live(now) => ("active", None),
        KeyState::Active => ("expired", None),
    };
    KeyView {
        id: key.id.as_uuid(),
        name: key.name.clone(),
        scope: key.scope.to_string(),
        tenant,
        state: state.to_owned(),
        created_at: key.created_at,
        expires_at: key.expires_at,
        revoked_at,
        last_used_at: key.last_used_at,
    }
}
