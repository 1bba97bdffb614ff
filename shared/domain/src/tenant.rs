//! Tenants: who owns connectors and keys, and what nothing ever crosses.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{Slug, TenantId};

/// A customer of the operator. Everything but platform keys belongs to exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub slug: Slug,
    pub name: String,
    pub description: String,
    pub contact_email: String,
    pub state: TenantState,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    /// Grows by one with each change of this row; the ETag.
    pub version: i64,
}

/// Whether a tenant's keys open anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantState {
    Active,
    /// Everything is kept, and nothing of it can be called, until it is active again.
    Inactive,
}

impl TenantState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }
}
