//! Where a person signs in for a connector, and as whose client.

use std::collections::BTreeSet;
use std::sync::Arc;

use catalog::Connector as Manifest;
use domain::{Connector, ConnectorKind, Tenant};
use oauth::{ClientAuth, Discovered, Endpoints, OAuthClient, SigningKey};
use secrecy::ExposeSecret;
use storage::OAuthClientRow;
use url::{Host, Url};

use super::clients::settings;
use super::scopes::{Wanted, of_server, wanted};
use crate::error::Error;
use crate::operations::Operations;

/// Variables of manifests that say where a provider is that somebody runs for themselves, and where
/// its API is.
const OWN_HOSTS: [&str; 2] = ["host", "api"];

/// A provider that people can sign in at, for one connector.
#[derive(Clone)]
pub(crate) struct Provider {
    /// What it is called, e.g. `GitHub`.
    pub(crate) name: String,
    /// The registration there.
    pub(crate) registration: OAuthClientRow,
    pub(crate) endpoints: Endpoints,
    /// Where calls with the account go.
    pub(crate) goes_to: String,
    pub(super) asks: Asks,
}

/// What tells which scopes there are to ask for.
#[derive(Clone)]
pub(super) enum Asks {
    Manifest(Arc<Manifest>),
    /// A remote MCP server, with what it says of itself.
    Server(Box<Discovered>),
}

impl Provider {
    pub(crate) fn client(&self) -> OAuthClient {
        client(&self.registration)
    }
}

/// How a registration proves itself at the provider.
pub(crate) fn client(registration: &OAuthClientRow) -> OAuthClient {
    // Settings that cannot be read are told where they decide about more.
    let settings = settings(registration).ok();
    let auth = settings.and_then(|settings| settings.auth);
    let by_key = auth == Some(ClientAuth::PrivateKeyJwt);
    let pem = registration.secret.as_ref().filter(|_| by_key);
    OAuthClient {
        client_id: registration.client_id.clone(),
        client_secret: registration.secret.clone(),
        key: pem.and_then(|pem| SigningKey::of_pem(pem.expose_secret(), None).ok()),
        auth,
    }
}

impl Operations {
    /// Where people sign in for a connector: with the tenant's own registration, or else the
    /// operator's.
    ///
    /// # Errors
    /// `TakesNoAccounts`, `OAuthClientMissing`: their texts say what an administrator must do.
    pub(crate) async fn provider_for(
        &self,
        tenant: &Tenant,
        connector: &Connector,
    ) -> Result<Provider, Error> {
        if let ConnectorKind::RemoteMcp { url } = &connector.kind {
            return self.server_provider(tenant, connector, url).await;
        }
        let (manifest, base_url) = self.signs_in(connector)?;
        let registration = match self.stored_client(Some(tenant), &manifest.name).await? {
            Some(own) => own,
            None => {
                let operators = self.stored_client(None, &manifest.name).await?;
                operators.ok_or_else(|| missing(&manifest))?
            }
        };
        // Else a tenant could have people send the tokens of the operator's client wherever it
        // likes.
        if let Some(other) = goes_elsewhere(&manifest, &registration, base_url)? {
            let name = &manifest.name;
            let variables = manifest
                .auth
                .oauth2
                .iter()
                .flat_map(|o| o.url_variables.keys());
            let says = variables.filter(|name| OWN_HOSTS.contains(&name.as_str()));
            let says: Vec<String> = says.map(|name| format!("--variable {name}=…")).collect();
            return Err(Error::OAuthClientMissing(format!(
                "calls of this connector go to {other}, and the OAuth client is for another host: \
                 register one that is for {other}, for this tenant or for all, with `turnbuckle \
                 oauth clients set {name} {}`",
                says.join(" ")
            )));
        }
        let oauth2 = manifest.auth.oauth2.as_ref();
        let oauth2 = oauth2.ok_or_else(|| takes_none(connector))?;
        let endpoints =
            Endpoints::of_manifest(oauth2, &settings(&registration)?, self.oauth_origins());
        // A manifest that was changed since may have other variables.
        let endpoints = endpoints.map_err(|error| {
            let name = &manifest.display_name;
            Error::OAuthClientMissing(format!(
                "the OAuth client for {name} must be changed: {error}"
            ))
        })?;
        let base = base_url.map_or(manifest.base_url.as_str(), Url::as_str);
        Ok(Provider {
            name: manifest.display_name.clone(),
            registration,
            endpoints,
            goes_to: host_of(base).unwrap_or_else(|| base.to_owned()),
            asks: Asks::Manifest(manifest),
        })
    }

    /// What a person is asked to grant for a connector now: what was `granted` before and what is
    /// needed `further` included.
    pub(crate) async fn wanted_scopes(
        &self,
        provider: &Provider,
        connector: &Connector,
        granted: &[String],
        further: &[String],
    ) -> Result<Wanted, Error> {
        let manifest = match &provider.asks {
            Asks::Manifest(manifest) => manifest,
            Asks::Server(found) => return Ok(of_server(found.scopes(granted, further))),
        };
        let enabled = self.tools_switched_on(connector).await?;
        let oauth2 = manifest.auth.oauth2.as_ref();
        let oauth2 = oauth2.ok_or_else(|| takes_none(connector))?;
        let also = [further, granted].concat();
        Ok(wanted(manifest, oauth2, &enabled, &also))
    }

    /// The names of the tools that are switched on.
    pub(super) async fn tools_switched_on(
        &self,
        connector: &Connector,
    ) -> Result<BTreeSet<String>, Error> {
        let tools = self.stored_tools(connector).await?;
        let enabled = tools.into_iter().filter(|tool| tool.enabled);
        Ok(enabled.map(|tool| tool.approved.name).collect())
    }

    /// The manifest of a connector that people sign in for, and the address of its own.
    fn signs_in<'c>(
        &self,
        connector: &'c Connector,
    ) -> Result<(Arc<Manifest>, Option<&'c Url>), Error> {
        let ConnectorKind::Native { catalog, base_url } = &connector.kind else {
            return Err(takes_none(connector));
        };
        let manifest = self.catalog().manifest(catalog);
        let manifest = manifest.filter(|manifest| manifest.auth.oauth2.is_some());
        let manifest = manifest.ok_or_else(|| takes_none(connector))?;
        Ok((manifest, base_url.as_ref()))
    }
}

fn takes_none(connector: &Connector) -> Error {
    Error::TakesNoAccounts(format!(
        "the type {} has no sign-in by OAuth; give the connector a token, or its people accounts \
         with tokens of their own",
        connector.kind.type_name()
    ))
}

fn missing(manifest: &Manifest) -> Error {
    Error::OAuthClientMissing(format!(
        "no OAuth client for {} is registered: the operator does that for all tenants, or a \
         tenant's administrator for the tenant, with `turnbuckle oauth clients set {}`",
        manifest.display_name, manifest.name
    ))
}

/// Where the connector's calls go, if that is not where the registration's tokens belong: the host
/// that it names, or else the provider's own.
fn goes_elsewhere(
    manifest: &Manifest,
    registration: &OAuthClientRow,
    base_url: Option<&Url>,
) -> Result<Option<String>, Error> {
    // Else the address of a call is made of what the provider says of the account.
    if !manifest.base_url_variables.is_empty() {
        return Ok(None);
    }
    let goes = base_url.map_or(manifest.base_url.as_str(), Url::as_str);
    let variables = settings(registration)?.variables;
    let named: Vec<String> = OWN_HOSTS
        .iter()
        .filter_map(|name| host_of(&format!("https://{}", variables.get(*name)?)))
        .collect();
    // A tenant's own client is the tenant's to use: at regional addresses, for example.
    if named.is_empty() && registration.tenant.is_some() {
        return Ok(None);
    }
    let goes = host_of(goes);
    let belongs = |goes: &String| match named.as_slice() {
        [] => host_of(&manifest.base_url).as_ref() == Some(goes),
        named => named.contains(goes),
    };
    Ok(goes.filter(|goes| !belongs(goes)))
}

pub(super) fn host_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    url.host().as_ref().map(Host::to_string)
}
