//! Accounts as they are shown, and said.

use std::collections::BTreeMap;
use std::fmt;

use domain::{Account, AccountMethod, Connector};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::SignInInput;
use crate::patch::{self, Change};

/// A sign-in at a provider that calls are made with. Its tokens are never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    pub id: Uuid,
    /// Slug.
    pub connector: String,
    /// Id of the key whose calls are made with it; null: all of the tenant's that have none of
    /// their own.
    pub key: Option<Uuid>,
    /// What its owner calls it; unique among those of the owner for the connector.
    pub name: String,
    /// `oauth`: by the provider's consent page. `token`: by what its owner pasted. The others: by a
    /// program that signs in by itself, as its `sign_in` said.
    #[schema(schema_with = methods)]
    pub method: String,
    /// `needs_reauth`: the provider takes it no more, its owner must connect it again, or give the
    /// program another `sign_in`.
    #[schema(schema_with = states)]
    pub state: String,
    /// Why.
    pub problem: Option<String>,
    /// Whether it is the one of its owner's that calls are made with.
    pub preferred: bool,
    /// Who that is at the provider, where it says so.
    pub subject: Option<String>,
    /// What the provider granted; empty where it does not say.
    pub scopes: Vec<String>,
    /// What it says of variables in the connector's address, e.g. the id of a site.
    pub variables: BTreeMap<String, String>,
    /// When its access token ends, which is refreshed before that if the provider lets it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub refreshed_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// An account of a credential that somebody has: a token, a user name and a password, or what a
/// program signs in with.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccountInput {
    /// 1 to 100 characters.
    pub name: String,
    /// Id of the key whose calls it is for; left out, it is for all of the tenant's calls that have
    /// no account of their own. A `tenant_user` key makes accounts for itself alone.
    #[serde(default)]
    pub key: Option<Uuid>,
    /// Write-only: an API key or a personal access token.
    #[serde(default)]
    pub token: Option<String>,
    /// With `password`, instead of `token`.
    #[serde(default)]
    pub username: Option<String>,
    /// Write-only.
    #[serde(default)]
    pub password: Option<String>,
    /// Instead of `token`: what a program signs in with by itself. For administrators alone.
    #[serde(default)]
    pub sign_in: Option<SignInInput>,
    /// Whether its owner's calls are made with it from now on; true by default.
    #[serde(default)]
    pub preferred: Option<bool>,
    /// Variables in the provider's address that are the account's own, e.g. `site`; of a program
    /// those of the provider's sign-in too, e.g. a Microsoft `tenant`.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

impl fmt::Debug for NewAccountInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAccountInput")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What of an account changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountPatch {
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<String>)]
    pub name: Change<String>,
    /// True, if at all: another account of the owner's is then preferred no more.
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<bool>)]
    pub preferred: Change<bool>,
    /// Of a program's account: what it signs in with from now on. Of the same kind as before, and
    /// whole.
    #[serde(default)]
    pub sign_in: Option<SignInInput>,
    /// With `sign_in` alone: as when the account was made.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// An account that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DisconnectedView {
    pub id: Uuid,
    /// What its provider said to the end of its tokens. `revoked`: they are over there too.
    /// `unsupported`: it has no such thing, they end by themselves or by hand there. `failed`: it
    /// did not answer, or refused. `not_ours`: they were pasted, and are their owner's to end.
    #[schema(schema_with = outcomes)]
    pub provider: String,
}

fn methods() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&AccountMethod::ALL.map(AccountMethod::as_str))
}

fn states() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&["connected", "needs_reauth"])
}

fn outcomes() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&["revoked", "unsupported", "failed", "not_ours"])
}

impl AccountView {
    pub(super) fn new(connector: &Connector, account: Account) -> Self {
        Self {
            id: account.id.as_uuid(),
            connector: connector.slug.to_string(),
            key: account.owner.key().map(|key| key.as_uuid()),
            method: account.method.as_str().to_owned(),
            state: account.state.as_str().to_owned(),
            problem: account.problem,
            preferred: account.preferred,
            name: account.name,
            subject: account.subject,
            scopes: account.scopes,
            variables: account.variables,
            expires_at: account.expires_at,
            refreshed_at: account.refreshed_at,
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}
