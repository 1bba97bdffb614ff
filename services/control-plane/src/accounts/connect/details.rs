//! What is kept of an attempt, sealed, from one step to the next.

use std::collections::BTreeMap;

use domain::AccountSecrets;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use storage::ConnectFlow;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::Error;

/// Never shown, never logged.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Details {
    /// What the link carries: the same link is offered again while nobody has used it.
    pub(super) nonce: String,
    /// Scopes that are asked for beside those that tools need.
    pub(super) further: Vec<String>,
    /// What an account is to be called that is new.
    pub(super) name: Option<String>,
    /// The registration that the person was sent to the provider with.
    pub(super) client: Option<Uuid>,
    /// What the provider was asked for: that is what it granted, where it does not say.
    pub(super) asked: Vec<String>,
    /// Proves that the code was asked for by us.
    pub(super) verifier: Option<String>,
    /// What the provider gave, while the person chooses a site.
    pub(super) waiting: Option<Waiting>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) grant: Grant,
    pub(super) sites: Vec<Choice>,
}

/// What the provider gave.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Grant {
    pub(super) secrets: AccountSecrets,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) refresh_at: Option<OffsetDateTime>,
    pub(super) scopes: Vec<String>,
    pub(super) subject: Option<String>,
    pub(super) variables: BTreeMap<String, String>,
}

/// One of several sites.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Choice {
    pub(super) label: String,
    pub(super) variables: BTreeMap<String, String>,
}

impl Details {
    pub(super) fn of(flow: &ConnectFlow) -> Result<Self, Error> {
        // The parser's message could quote what it read.
        serde_json::from_str(flow.details.expose_secret())
            .map_err(|_| Error::internal("read an attempt to connect", "no such JSON document"))
    }

    pub(super) fn sealed(&self) -> Result<SecretString, Error> {
        let text = serde_json::to_string(self)
            .map_err(|_| Error::internal("write down an attempt to connect", "no JSON"))?;
        Ok(SecretString::from(text))
    }
}
