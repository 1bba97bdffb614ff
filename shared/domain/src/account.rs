//! Accounts: sign-ins at a provider that calls are made with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{AccountId, ConnectorId, KeyId, TenantId};

/// A sign-in at the provider behind one connector. Says nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub tenant: TenantId,
    pub connector: ConnectorId,
    pub owner: AccountOwner,
    /// What its owner calls it. Unique among the owner's accounts of the connector; 1 to 100
    /// characters.
    pub name: String,
    pub method: AccountMethod,
    pub state: AccountState,
    /// Of several accounts of one owner the one that calls use. The one connected last, unless
    /// somebody says otherwise.
    pub preferred: bool,
    /// Who that is at the provider, where it says so: a name, an address, a workspace.
    pub subject: Option<String>,
    /// What the provider granted, in its own words. Empty where it does not say.
    pub scopes: Vec<String>,
    /// What the connection says of variables in the connector's base URL, e.g. `cloudId`.
    pub variables: BTreeMap<String, String>,
    /// Grows by one with each pair of tokens. What was decided about another generation is void.
    pub generation: i64,
    /// When the access token ends; none for one that does not.
    pub expires_at: Option<OffsetDateTime>,
    /// Why it cannot be used, in words for its owner, without secrets.
    pub problem: Option<String>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub refreshed_at: Option<OffsetDateTime>,
}

/// Whose calls an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountOwner {
    /// Everybody's in the tenant who has none of their own.
    Tenant,
    /// The calls of one key.
    Key(KeyId),
}

impl AccountOwner {
    pub const fn key(self) -> Option<KeyId> {
        match self {
            Self::Tenant => None,
            Self::Key(key) => Some(key),
        }
    }
}

/// How the account was connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountMethod {
    /// By the provider's consent page.
    OAuth,
    /// By a key or token that its owner pasted.
    Token,
    /// By a program that signs in by itself, with what an administrator gave it: an OAuth client's
    /// own id and secret or key (RFC 6749 §4.4).
    ClientCredentials,
    /// The same, with the key of a service account (RFC 7523 §2.1).
    JwtBearer,
    /// The same, with an OAuth client's secret for one account of the provider's (Zoom).
    AccountCredentials,
    /// The same, with the key of an app that somebody installed (GitHub).
    AppInstallation,
}

/// Whether calls can be made with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    Connected,
    /// The provider takes it no more: its owner must connect it again.
    NeedsReauth,
}

/// No such word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such state or method of an account")]
pub struct InvalidAccountWord;

impl AccountState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::NeedsReauth => "needs_reauth",
        }
    }
}

impl std::str::FromStr for AccountState {
    type Err = InvalidAccountWord;

    fn from_str(text: &str) -> Result<Self, InvalidAccountWord> {
        [Self::Connected, Self::NeedsReauth]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(InvalidAccountWord)
    }
}

impl AccountMethod {
    pub const ALL: [Self; 6] = [
        Self::OAuth,
        Self::Token,
        Self::ClientCredentials,
        Self::JwtBearer,
        Self::AccountCredentials,
        Self::AppInstallation,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OAuth => "oauth",
            Self::Token => "token",
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "jwt_bearer",
            Self::AccountCredentials => "account_credentials",
            Self::AppInstallation => "app_installation",
        }
    }

    /// Whether a program signs in by itself: its tokens are not refreshed but asked for anew.
    pub const fn is_programs_own(self) -> bool {
        !matches!(self, Self::OAuth | Self::Token)
    }
}

impl std::str::FromStr for AccountMethod {
    type Err = InvalidAccountWord;

    fn from_str(text: &str) -> Result<Self, InvalidAccountWord> {
        Self::ALL
            .into_iter()
            .find(|method| method.as_str() == text)
            .ok_or(InvalidAccountWord)
    }
}

/// Whose token requests are made with, of a provider that tells a bot's and a user's apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    Bot,
    User,
}

impl TokenKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::User => "user",
        }
    }
}

impl std::str::FromStr for TokenKind {
    type Err = InvalidAccountWord;

    fn from_str(text: &str) -> Result<Self, InvalidAccountWord> {
        [Self::Bot, Self::User]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(InvalidAccountWord)
    }
}

/// The tokens of an account, in clear: between the provider, the sealing and the worker that uses
/// them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountSecrets {
    /// What requests are signed with; of a provider with two kinds, the bot's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// The user's token of a provider that gives a bot's and a user's (Slack).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_token: Option<String>,
    /// Never leaves the control-plane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// The user token's own, where that is refreshed apart. Never leaves the control-plane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_refresh_token: Option<String>,
    /// Whose tokens these are, in words of the provider that do not change; where it says so. A
    /// refresh that answers for somebody else is not believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// What a program signs in with by itself, where the tokens come of that: a document of crate
    /// `oauth`. Never leaves the control-plane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

impl AccountSecrets {
    /// Whether there is something to get newer tokens with.
    pub const fn is_renewable(&self) -> bool {
        self.refresh_token.is_some() || self.user_refresh_token.is_some() || self.program.is_some()
    }
}

impl std::fmt::Debug for AccountSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountSecrets(..)")
    }
}
