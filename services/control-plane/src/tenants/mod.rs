//! Tenants: create, list, read, change, switch off and on, delete.

use domain::{Action, ConnectorId, Principal, Slug, Tenant, TenantId, TenantState, authorize};
use serde::{Deserialize, Serialize};
use storage::{Constraint, StorageError};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{Error, Resource};
use crate::fields::Violations;
use crate::idempotency::{Created, Creation};
use crate::operations::Operations;
use crate::page::{Page, PageRequest};
use crate::patch::{self, Change};

pub(crate) mod api;
mod expected;

pub use expected::Expected;

/// Times that a change is tried anew when somebody else changed the same thing meanwhile.
pub(crate) const TRIES: usize = 8;
/// Connectors read at once where all are gone through.
pub(crate) const CHUNK: u32 = 100;
/// Names this list in page tokens.
const LIST: &str = "tenants";

/// A customer of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantView {
    pub id: Uuid,
    pub slug: String,
    pub name: String,
    pub description: String,
    pub contact_email: String,
    /// An inactive tenant's keys open nothing, and nothing of it can be called.
    #[schema(schema_with = states)]
    pub state: String,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Grows with each change; the `ETag`, in quotes.
    pub version: i64,
}

fn states() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&["active", "inactive"])
}

impl From<&Tenant> for TenantView {
    fn from(tenant: &Tenant) -> Self {
        Self {
            id: tenant.id.as_uuid(),
            slug: tenant.slug.to_string(),
            name: tenant.name.clone(),
            description: tenant.description.clone(),
            contact_email: tenant.contact_email.clone(),
            state: tenant.state.as_str().to_owned(),
            created_at: tenant.created_at,
            updated_at: tenant.updated_at,
            version: tenant.version,
        }
    }
}

/// What a tenant is made from.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// Its name in URLs; never changes. 1 to 63 of `a-z`, `0-9` and single `-`, starting with a
    /// letter, and no reserved word.
    pub slug: String,
    /// 1 to 100 characters.
    pub name: String,
    /// At most 1000 characters.
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub contact_email: String,
}

/// Which of a tenant's fields change; null empties a field that may be empty.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantPatch {
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<String>)]
    pub name: Change<String>,
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<String>)]
    pub description: Change<String>,
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<String>)]
    pub contact_email: Change<String>,
}

impl Operations {
    pub async fn create_tenant(
        &self,
        caller: &Principal,
        input: NewTenant,
        creation: &Creation,
    ) -> Result<Created<TenantView>, Error> {
        authorize(caller, Action::ManagePlatform)?;
        let attempt = self.attempt(caller, creation, "create-tenant".to_owned(), &input)?;
        if let Some(attempt) = &attempt
            && let Some(kept) = self.recall(attempt).await?
        {
            return Ok(kept);
        }
        let tenant = self.new_tenant(input)?;
        let view = TenantView::from(&tenant);
        let record = attempt
            .as_ref()
            .map(|a| a.record(&view, tenant.created_at))
            .transpose()?;

        let this = self.clone();
        let written = self.uninterrupted(async move {
            match this.storage().create_tenant(&tenant, record.as_ref()).await {
                Ok(revision) => {
                    this.tenant_changed(&tenant, revision);
                    Ok(true)
                }
                Err(StorageError::Conflict(Constraint::IdempotencyKeyTaken)) => Ok(false),
                Err(StorageError::Conflict(Constraint::SlugTaken)) => Err(Error::SlugTaken {
                    slug: tenant.slug.to_string(),
                }),
                Err(error) => Err(Error::storage("create a tenant")(error)),
            }
        });
        if written.await? {
            return Ok(Created {
                value: view,
                replayed: false,
            });
        }
        self.recall_raced(attempt.as_ref()).await
    }

    fn new_tenant(&self, input: NewTenant) -> Result<Tenant, Error> {
        let mut violations = Violations::default();
        let slug = violations.keep("slug", input.slug.parse::<Slug>());
        violations.name("name", &input.name);
        violations.description("description", &input.description);
        violations.email("contact_email", &input.contact_email);
        violations.finish()?;
        let now = self.now();
        Ok(Tenant {
            id: TenantId::new(self.ids().next()),
            slug: slug.ok_or_else(|| Error::invalid("slug", "is missing"))?,
            name: input.name,
            description: input.description,
            contact_email: input.contact_email,
            state: TenantState::Active,
            created_at: now,
            updated_at: now,
            version: 1,
        })
    }

    pub async fn list_tenants(
        &self,
        caller: &Principal,
        request: &PageRequest,
    ) -> Result<Page<TenantView>, Error> {
        authorize(caller, Action::ManagePlatform)?;
        let after = request.after_id(LIST)?;
        let tenants = self.storage().list_tenants(after, request.limit()?).await;
        let tenants = tenants.map_err(Error::storage("list tenants"))?;
        let page = request.page(LIST, tenants, |tenant| tenant.id.to_string())?;
        Ok(page.map(|tenant| TenantView::from(&tenant)))
    }

    pub async fn get_tenant(&self, caller: &Principal, slug: &str) -> Result<TenantView, Error> {
        let tenant = self.tenant_for(caller, slug, Action::ReadTenant).await?;
        Ok(TenantView::from(&tenant))
    }

    pub async fn update_tenant(
        &self,
        caller: &Principal,
        slug: &str,
        change: TenantPatch,
        expected: &Expected,
    ) -> Result<TenantView, Error> {
        let apply = move |tenant: &mut Tenant| {
            let mut violations = Violations::default();
            if let Some(name) = change.name.clone() {
                tenant.name = name.unwrap_or_default();
                violations.name("name", &tenant.name);
            }
            if let Some(description) = change.description.clone() {
                tenant.description = description.unwrap_or_default();
                violations.description("description", &tenant.description);
            }
            if let Some(email) = change.contact_email.clone() {
                tenant.contact_email = email.unwrap_or_default();
                violations.email("contact_email", &tenant.contact_email);
            }
            violations.finish()
        };
        self.change_tenant(caller, slug, expected, apply).await
    }

    /// Lets the tenant's keys open things again.
    pub async fn activate_tenant(
        &self,
        caller: &Principal,
        slug: &str,
        expected: &Expected,
    ) -> Result<TenantView, Error> {
        let activate = |tenant: &mut Tenant| {
            tenant.state = TenantState::Active;
            Ok(())
        };
        self.change_tenant(caller, slug, expected, activate).await
    }

    /// Keeps everything of the tenant and lets nothing of it be used.
    pub async fn deactivate_tenant(
        &self,
        caller: &Principal,
        slug: &str,
        expected: &Expected,
    ) -> Result<TenantView, Error> {
        let deactivate = |tenant: &mut Tenant| {
            tenant.state = TenantState::Inactive;
            Ok(())
        };
        self.change_tenant(caller, slug, expected, deactivate).await
    }

    /// Deletes the tenant with all it has, for good.
    pub async fn delete_tenant(
        &self,
        caller: &Principal,
        slug: &str,
        expected: &Expected,
    ) -> Result<(), Error> {
        let tenant = self.managed_tenant(caller, slug).await?;
        expected.check(tenant.version)?;
        let only = expected.is_given().then_some(tenant.version);
        let this = self.clone();
        self.uninterrupted(async move {
            let connectors = this.connector_ids(tenant.id).await?;
            let accounts = this.to_give_back(&tenant, None).await;
            let registrations = this.registrations_of(&tenant).await;
            let revision = match this.storage().delete_tenant(tenant.id, only).await {
                Ok(revision) => revision,
                Err(StorageError::NotFound) => return Err(Error::NotFound(Resource::Tenant)),
                Err(error) => return Err(Error::storage("delete a tenant")(error)),
            };
            this.tenant_changed(&tenant, revision);
            this.revoke_later(accounts, registrations);
            this.forget(tenant.id, &connectors).await;
            Ok(())
        })
        .await
    }

    /// The tenant, for who may change tenants. Foreign and absent ones are the same to others.
    async fn managed_tenant(&self, caller: &Principal, slug: &str) -> Result<Tenant, Error> {
        let tenant = self.tenant_for(caller, slug, Action::ReadTenant).await?;
        authorize(caller, Action::ManagePlatform)?;
        Ok(tenant)
    }

    async fn change_tenant(
        &self,
        caller: &Principal,
        slug: &str,
        expected: &Expected,
        apply: impl Fn(&mut Tenant) -> Result<(), Error>,
    ) -> Result<TenantView, Error> {
        for _ in 0..TRIES {
            let tenant = self.managed_tenant(caller, slug).await?;
            expected.check(tenant.version)?;
            let mut changed = tenant.clone();
            apply(&mut changed)?;
            if changed == tenant {
                return Ok(TenantView::from(&tenant));
            }
            changed.version += 1;
            changed.updated_at = self.now();
            let this = self.clone();
            let saved = self.uninterrupted(async move { this.save_tenant(&tenant, changed).await });
            match saved.await {
                Err(Error::VersionMismatch) if !expected.is_given() => {}
                ended => return ended,
            }
        }
        Err(Error::ConcurrentChange)
    }

    async fn save_tenant(&self, before: &Tenant, after: Tenant) -> Result<TenantView, Error> {
        let revision = self.storage().save_tenant(&after, before.version).await;
        let revision = revision.map_err(Error::storage("save a tenant"))?;
        self.tenant_changed(&after, revision);
        if before.state == TenantState::Active && after.state == TenantState::Inactive {
            self.release(after.id, &self.connector_ids(after.id).await?)
                .await;
        }
        Ok(TenantView::from(&after))
    }

    async fn connector_ids(&self, tenant: TenantId) -> Result<Vec<ConnectorId>, Error> {
        let mut ids: Vec<ConnectorId> = Vec::new();
        loop {
            let rows = self.storage().tenant(tenant);
            let page = rows.list_connectors(ids.last().copied(), CHUNK).await;
            let page = page.map_err(Error::storage("list connectors"))?;
            let ended = page.len() < CHUNK as usize;
            ids.extend(page.into_iter().map(|connector| connector.id));
            if ended {
                return Ok(ids);
            }
        }
    }
}
