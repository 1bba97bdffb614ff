//! API keys: what opens the platform, and how far.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{KeyId, TenantId};

/// An API key, without its secret: only a keyed hash of that is kept, elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: KeyId,
    pub name: String,
    pub scope: Scope,
    /// Set for every scope but `platform_admin`.
    pub tenant: Option<TenantId>,
    pub state: KeyState,
    pub created_at: OffsetDateTime,
    pub expires_at: Option<OffsetDateTime>,
    /// Accurate to about a minute.
    pub last_used_at: Option<OffsetDateTime>,
}

impl ApiKey {
    /// Whether it opens anything at `now`.
    pub fn is_live(&self, now: OffsetDateTime) -> bool {
        self.state == KeyState::Active && self.expires_at.is_none_or(|expiry| now < expiry)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    Active,
    Revoked { at: OffsetDateTime },
}

/// How far a key reaches. The names are those of the system that Turnbuckle replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything, in every tenant.
    PlatformAdmin,
    /// One tenant's connectors, tools and keys, and its MCP endpoints.
    TenantAdmin,
    /// One tenant's MCP endpoints.
    TenantUser,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    #[error("must be platform_admin, tenant_admin or tenant_user")]
    Unknown,
    #[error("tenant_admin and tenant_user need a tenant")]
    TenantMissing,
    #[error("platform_admin belongs to no tenant")]
    TenantGiven,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::PlatformAdmin, Self::TenantAdmin, Self::TenantUser];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "platform_admin",
            Self::TenantAdmin => "tenant_admin",
            Self::TenantUser => "tenant_user",
        }
    }

    /// Holds a scope and a tenant together: a tenant scope has exactly one, a platform scope none.
    pub const fn check_tenant(self, tenant_given: bool) -> Result<(), ScopeError> {
        match (self, tenant_given) {
            (Self::PlatformAdmin, true) => Err(ScopeError::TenantGiven),
            (Self::TenantAdmin | Self::TenantUser, false) => Err(ScopeError::TenantMissing),
            _ => Ok(()),
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or(ScopeError::Unknown)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
