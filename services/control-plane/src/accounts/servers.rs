//! Where people sign in for remote MCP servers, which say themselves where that is.
//!
//! What was found out about a server, and the client that is known there, is one registration of
//! the tenant, named after the server's address. It belongs to the issuer that was found: when the
//! server names another one, it is given up and another takes its place, so that nothing that one
//! issuer gave is ever shown to the next.

use domain::{Connector, ConnectorKind, Tenant, TenantId};
use oauth::{
    ClientAuth, ClientSettings, Deadline, Discovered, DiscoveryError, Endpoints, OAuthClient,
    Registered, Registration, TokenError, client_document, registration,
};
use serde_json::Value;
use storage::{OAuthClientRow, StorageError};
use url::Url;

use super::clients::settings;
use super::provider::{Asks, Provider, client, host_of};
use super::registrations::management as management_of;
use crate::error::Error;
use crate::operations::Operations;

/// What we are called at servers where we become known by ourselves.
const NAME: &str = "Turnbuckle";

/// What the registration for a server is filed under.
pub(crate) fn filed_under(url: &Url) -> String {
    format!("mcp {url}")
}

/// Whether that is what something is filed under.
pub(super) fn is_of_server(provider: &str) -> bool {
    provider.starts_with("mcp ")
}

/// What a client is filed under that somebody registered at an issuer by hand, for all servers
/// that name this issuer.
fn by_hand(issuer: &str) -> String {
    format!("issuer {issuer}")
}

/// The issuer of a name like that, if it is one.
pub(super) fn issuer_named(provider: &str) -> Option<Url> {
    let issuer = Url::parse(provider.strip_prefix("issuer ")?).ok()?;
    let bare = issuer.query().is_none() && issuer.fragment().is_none();
    (matches!(issuer.scheme(), "https" | "http") && issuer.has_host() && bare).then_some(issuer)
}

impl Operations {
    /// For a remote server: finds out where one signs in there, as it says it now, and becomes
    /// known there. Nothing to do for others.
    ///
    /// # Errors
    /// `TakesNoAccounts` when it asks for no sign-in, `OAuthClientMissing` when there is no way in:
    /// the text says what an administrator must do.
    pub(super) async fn look_for_sign_in(
        &self,
        tenant: &Tenant,
        connector: &Connector,
    ) -> Result<(), Error> {
        let ConnectorKind::RemoteMcp { url } = &connector.kind else {
            return Ok(());
        };
        let deadline = Deadline::after(self.config().oauth.exchange_deadline);
        let found = self.tokens().discover(url, deadline).await;
        let found = found.map_err(|error| no_way(connector, url, &error))?;
        let provider = filed_under(url);
        let known = self.stored_client(Some(tenant), &provider).await?;
        let before = match &known {
            Some(known) => settings(known)?.server,
            None => None,
        };
        let same_issuer = before
            .as_ref()
            .is_some_and(|before| before.server.issuer == found.server.issuer);
        let given = self.given_by_hand(tenant.id, &found.server.issuer).await?;
        let Registered { client, management } = match (given, &known) {
            (Some(given), _) => Registered {
                client: client(&given),
                management: None,
            },
            (None, Some(known)) if same_issuer => {
                if before.as_ref() == Some(&found) {
                    return Ok(());
                }
                Registered {
                    client: client(known),
                    management: management_of(known),
                }
            }
            _ => self.become_known(url, &found, deadline).await?,
        };
        if let Some(known) = known.as_ref().filter(|_| !same_issuer) {
            // By the same document one has the same name at every issuer: the registration's id
            // must change all the same.
            let rows = self.storage().tenant(tenant.id);
            match rows.delete_oauth_client(&provider, None).await {
                Ok(revision) => self.tenant_changed(tenant, revision),
                Err(StorageError::NotFound) => {}
                Err(error) => return Err(Error::storage("give up an OAuth client")(error)),
            }
            self.revoke_later(Vec::new(), management_of(known).into_iter().collect());
        }
        let settings = ClientSettings {
            server: Some(found),
            auth: client.auth,
            registration: management.as_ref().map(|management| management.at.clone()),
            ..ClientSettings::default()
        };
        let settings = serde_json::to_value(&settings)
            .map_err(|error| Error::internal("write down an OAuth client", error))?;
        let now = self.now();
        let row = OAuthClientRow {
            id: self.ids().next(),
            tenant: Some(tenant.id),
            provider,
            client_id: client.client_id,
            secret: client.client_secret,
            registration: management.map(|management| management.token),
            settings,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let (this, tenant) = (self.clone(), tenant.clone());
        self.uninterrupted(async move { this.store_client(Some(&tenant), &row, None).await })
            .await?;
        Ok(())
    }

    /// Where one signs in for a remote server, as far as somebody has looked.
    pub(super) async fn server_provider(
        &self,
        tenant: &Tenant,
        connector: &Connector,
        url: &Url,
    ) -> Result<Provider, Error> {
        let registration = self.stored_client(Some(tenant), &filed_under(url)).await?;
        let registration = registration.ok_or_else(|| {
            Error::OAuthClientMissing(format!(
                "nobody has connected an account to {} yet: an administrator does it first, with \
                 `turnbuckle oauth authorize`",
                connector.display_name
            ))
        })?;
        let found = settings(&registration)?.server;
        let way = self.way_at_server(tenant.id, &registration).await?;
        let (Some(found), Some((endpoints, client))) = (found, way) else {
            let why = "a registration for a server says nothing of it";
            return Err(Error::internal("read the settings of an OAuth client", why));
        };
        Ok(Provider {
            name: host_of(&found.server.issuer).unwrap_or_else(|| found.server.issuer.clone()),
            registration: OAuthClientRow {
                secret: client.client_secret,
                ..registration
            },
            endpoints,
            goes_to: host_of(url.as_str()).unwrap_or_else(|| url.to_string()),
            asks: Asks::Server(Box::new(found)),
        })
    }

    /// Whether somebody has found out where one signs in for a remote server.
    pub(super) async fn knows_sign_in(
        &self,
        tenant: TenantId,
        url: &Url,
    ) -> Result<bool, StorageError> {
        let rows = self.storage().tenant(tenant);
        let found = rows.find_oauth_client(&filed_under(url)).await?;
        Ok(found.is_some())
    }

    /// The endpoints behind a registration at a server, and the client; none for a registration at
    /// a provider with a manifest. A secret that was given by hand is the one that is there now.
    pub(super) async fn way_at_server(
        &self,
        tenant: TenantId,
        registration: &OAuthClientRow,
    ) -> Result<Option<(Endpoints, OAuthClient)>, Error> {
        let Some(found) = settings(registration)?.server else {
            return Ok(None);
        };
        let endpoints = Endpoints::of_server(&found);
        let endpoints = endpoints.map_err(|error| Error::internal("reach a server", error))?;
        let given = self.given_by_hand(tenant, &found.server.issuer).await?;
        let given = given.filter(|given| given.client_id == registration.client_id);
        Ok(Some((
            endpoints,
            client(given.as_ref().unwrap_or(registration)),
        )))
    }

    /// The document about us that servers fetch whose client's id is its address.
    pub(crate) fn client_document(&self) -> Option<Value> {
        let public_url = self.public_url()?;
        let at = public_url.client_document();
        Some(client_document(
            &at,
            NAME,
            &public_url.home(),
            &public_url.redirect_uri(),
        ))
    }

    /// The tenant's client at an issuer, or the operator's, that somebody registered by hand.
    async fn given_by_hand(
        &self,
        tenant: TenantId,
        issuer: &str,
    ) -> Result<Option<OAuthClientRow>, Error> {
        let provider = by_hand(issuer);
        let own = self
            .storage()
            .tenant(tenant)
            .find_oauth_client(&provider)
            .await;
        let found = match own {
            Ok(None) => self.storage().find_oauth_client(&provider).await,
            own => own,
        };
        found.map_err(Error::storage("find an OAuth client"))
    }

    async fn become_known(
        &self,
        url: &Url,
        found: &Discovered,
        deadline: Deadline,
    ) -> Result<Registered, Error> {
        let public_url = self.public_url().ok_or(Error::PublicUrlMissing)?;
        let document = public_url.client_document();
        let issuer = &found.server.issuer;
        match registration(&found.server, Some(&document)) {
            Registration::Document => Ok(Registered {
                client: OAuthClient {
                    client_id: document.into(),
                    client_secret: None,
                    key: None,
                    auth: Some(ClientAuth::None),
                },
                management: None,
            }),
            Registration::Dynamic => {
                let (home, back) = (public_url.home(), public_url.redirect_uri());
                let made = self
                    .tokens()
                    .register(&found.server, NAME, &home, &back, deadline)
                    .await;
                made.map_err(|error| {
                    if found.is_assumed() {
                        return Error::OAuthClientMissing(says_nothing(url, issuer));
                    }
                    Error::OAuthClientMissing(format!(
                        "{issuer} did not register this installation ({error}): {}",
                        register(url, issuer)
                    ))
                })
            }
            Registration::ByHand => Err(Error::OAuthClientMissing(format!(
                "{issuer} registers nobody by itself: {}",
                register(url, issuer)
            ))),
        }
    }
}

fn register(url: &Url, issuer: &str) -> String {
    let host = host_of(url.as_str()).unwrap_or_default();
    format!(
        "an administrator registers a client there for {host}, and tells it with `turnbuckle oauth \
         clients set '{}'`",
        by_hand(issuer)
    )
}

fn says_nothing(url: &Url, issuer: &str) -> String {
    format!(
        "{} refuses calls without a sign-in and does not say where one signs in: give the connector \
         a token for it; or {}",
        host_of(url.as_str()).unwrap_or_default(),
        register(url, issuer)
    )
}

fn no_way(connector: &Connector, url: &Url, error: &DiscoveryError) -> Error {
    let name = &connector.display_name;
    match error {
        DiscoveryError::Open => {
            Error::TakesNoAccounts(format!("{name} asks for no sign-in: it works as it is"))
        }
        DiscoveryError::Exchange(TokenError::Unsent(why) | TokenError::Unclear(why)) => {
            Error::OAuthClientMissing(format!("where one signs in for {name} is not known: {why}"))
        }
        error => Error::OAuthClientMissing(format!(
            "where one signs in for {} cannot be found: {error}",
            host_of(url.as_str()).unwrap_or_default()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_by_hand_is_filed_under_an_issuer_and_nothing_else() {
        for good in [
            "issuer https://as.example",
            "issuer https://as.example/tenant",
        ] {
            assert!(issuer_named(good).is_some(), "{good}");
        }
        for bad in [
            "https://as.example",
            "issuer",
            "issuer as.example",
            "issuer https://as.example/?a=b",
            "issuer file:///etc",
            "mcp https://as.example",
        ] {
            assert!(issuer_named(bad).is_none(), "{bad}");
        }
    }
}
