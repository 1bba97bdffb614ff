//! Registrations at providers, and the providers, as they are shown and said.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::patch::{self, Change};

/// An OAuth client: what was registered at a provider, so that people can sign in there for calls
/// of a type of connector. Its secret is never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OAuthClientView {
    pub id: Uuid,
    /// The type of the connectors that it is for, e.g. `github`.
    pub provider: String,
    /// What the provider is called.
    pub display_name: String,
    /// The tenant's slug; null for one of the operator's, which serves tenants that have none of
    /// their own.
    pub tenant: Option<String>,
    pub client_id: String,
    /// Whether it has a secret; a public client has none.
    pub secret_set: bool,
    /// What differs from installation to installation in the provider's addresses, e.g. a
    /// Microsoft `tenant` or the `host` of a provider that one runs oneself.
    pub variables: BTreeMap<String, String>,
    /// What is to be registered at the provider as the redirect URI, to the letter; null while the
    /// installation has no public address.
    pub redirect_uri: Option<String>,
    /// What people are asked to grant: of a tenant's client by the tools that are enabled, of the
    /// operator's by all that there are. At some providers they are registered too.
    pub scopes: Vec<String>,
    /// The same for the user's own token, of a provider that gives a bot's and a user's.
    pub user_scopes: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Grows with each change; the `ETag`, in quotes.
    pub version: i64,
}

/// What an OAuth client is to be. What is left out is as by default, but for the secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuthClientInput {
    /// As the provider gave it.
    pub client_id: String,
    /// Write-only. Left out, it stays as it is if `client_id` does too; null makes the client a
    /// public one. A private key in PEM makes it one that proves itself by signatures
    /// (`private_key_jwt`), where the provider takes that.
    #[serde(
        default,
        deserialize_with = "patch::change",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub client_secret: Change<String>,
    /// Values of the provider's variables, where they are not as `GET /oauth-providers` shows.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

impl fmt::Debug for OAuthClientInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClientInput")
            .field("client_id", &self.client_id)
            .field("variables", &self.variables)
            .finish_non_exhaustive()
    }
}

/// A type of connector that people sign in for, and what is needed for that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OAuthProviderView {
    /// The type of the connectors, e.g. `github`.
    pub provider: String,
    pub display_name: String,
    /// Whether the operator has registered a client, so that a tenant needs none.
    pub configured: bool,
    /// What is to be registered at the provider as the redirect URI, to the letter; null while the
    /// installation has no public address.
    pub redirect_uri: Option<String>,
    /// All that tools of this type can need. People are asked for what enabled tools need.
    pub scopes: Vec<String>,
    /// The same for the user's own token, of a provider that gives a bot's and a user's.
    pub user_scopes: Vec<String>,
    /// What can differ in the provider's addresses, with the values by default.
    pub variables: BTreeMap<String, String>,
    /// Whether tokens can be revoked there when an account is disconnected.
    pub revocable: bool,
    /// What an administrator should know.
    pub notes: Vec<String>,
}
