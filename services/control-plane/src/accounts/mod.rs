//! Accounts: what is registered at providers, how people connect accounts there, and what becomes
//! of them.

mod clients;
mod connect;
mod credential;
mod due;
mod manage;
mod pages;
mod programs;
mod provider;
mod public_url;
mod registrations;
mod renewal;
mod revoke;
mod scopes;
mod servers;

use anyhow::Context;
use oauth::Origins;

pub use clients::{OAuthClientInput, OAuthClientView, OAuthProviderView};
pub use connect::{ConnectionView, NewConnection};
pub(crate) use due::refresh_at;
pub use manage::{AccountPatch, AccountView, DisconnectedView, NewAccountInput};
pub(crate) use pages::router as pages;
pub use programs::SignInInput;
pub(crate) use public_url::PublicUrl;
pub(crate) use renewal::Renewals;

use crate::config::Config;
use crate::openapi::Table;

/// REST.
pub(crate) fn routes(table: Table) -> Table {
    manage::api::routes(connect::api::routes(clients::api::routes(table)))
}

/// What of the configuration says how people sign in at providers.
#[derive(Clone, Debug)]
pub(crate) struct SigningIn {
    pub(crate) origins: Origins,
    pub(crate) public_url: Option<PublicUrl>,
}

impl SigningIn {
    /// # Errors
    /// Names the setting, and what it must be.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Self> {
        let origins = Origins::new(&config.oauth.origins)
            .map_err(anyhow::Error::msg)
            .context("oauth.origins")?;
        let public_url = config.public_url.as_ref().map(PublicUrl::new).transpose()?;
        Ok(Self {
            origins,
            public_url,
        })
    }
}
