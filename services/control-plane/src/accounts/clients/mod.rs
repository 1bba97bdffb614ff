//! What the operator, and tenants for themselves, registered at providers.

use std::collections::BTreeSet;

use catalog::closed::ClientAuth as Word;
use catalog::{Connector as Manifest, OAuth2};
use domain::{Action, ConnectorKind, Principal, Tenant, authorize};
use oauth::{ClientAuth, ClientSettings, Endpoints, SigningKey};
use secrecy::{ExposeSecret, SecretString};
use storage::{Constraint, OAuthClientRow, StorageError};

use super::scopes::{Wanted, wanted};
use super::servers::issuer_named;
use crate::error::{Error, Resource};
use crate::fields::Violations;
use crate::operations::Operations;
use crate::tenants::Expected;

pub(crate) mod api;
mod view;

pub use view::{OAuthClientInput, OAuthClientView, OAuthProviderView};

/// Bytes of a client id, and of a secret.
const CLIENT_ID_MAX_LENGTH: usize = 512;
const SECRET_MAX_LENGTH: usize = 4096;
/// A secret that begins so is a private key, by which the client proves itself (RFC 7523).
const PEM: &str = "-----BEGIN ";
/// Read at once.
const ALL: u32 = domain::limits::OAUTH_CLIENTS_PER_OWNER as u32;
/// Changes that others make meanwhile are tried again so often.
const TRIES: usize = 5;

impl Operations {
    /// The types of connectors that people sign in for, for administrators of any kind.
    pub async fn list_oauth_providers(
        &self,
        caller: &Principal,
    ) -> Result<Vec<OAuthProviderView>, Error> {
        authorize(
            caller,
            caller
                .tenant
                .map_or(Action::ManagePlatform, Action::ReadTenant),
        )?;
        let configured: BTreeSet<String> = self
            .platform_clients()
            .await?
            .into_iter()
            .map(|client| client.provider)
            .collect();
        let manifests = self
            .catalog()
            .types()
            .into_iter()
            .filter_map(|known| self.catalog().manifest(&known.name));
        let views = manifests.filter_map(|manifest| {
            let oauth2 = manifest.auth.oauth2.as_ref()?;
            let scopes = all_scopes(&manifest, oauth2).scopes;
            Some(OAuthProviderView {
                provider: manifest.name.clone(),
                display_name: manifest.display_name.clone(),
                configured: configured.contains(&manifest.name),
                redirect_uri: self.redirect_uri(),
                scopes: scopes.bot,
                user_scopes: scopes.user,
                variables: oauth2.url_variables.clone(),
                revocable: oauth2.revoke_url.is_some(),
                notes: manifest.auth.notes.clone(),
            })
        });
        Ok(views.collect())
    }

    /// The operator's clients; or, of a tenant (slug), its own and those of the operator's that
    /// serve it because it has none of its own there.
    pub async fn list_oauth_clients(
        &self,
        caller: &Principal,
        tenant: Option<&str>,
    ) -> Result<Vec<OAuthClientView>, Error> {
        let tenant = self.client_owner(caller, tenant).await?;
        let mut views = Vec::new();
        let mut own = BTreeSet::new();
        if let Some(tenant) = &tenant {
            let rows = self.storage().tenant(tenant.id);
            let clients = rows.list_oauth_clients(None, ALL).await;
            for client in clients.map_err(Error::storage("list OAuth clients"))? {
                views.push(self.client_view(&client, Some(tenant)).await?);
                own.insert(client.provider);
            }
        }
        for client in self.platform_clients().await? {
            if !own.contains(&client.provider) {
                views.push(self.client_view(&client, tenant.as_ref()).await?);
            }
        }
        views.sort_by(|one, other| one.provider.cmp(&other.provider));
        Ok(views)
    }

    /// Registers a client for a type of connector, or, as `issuer https://…`, for the servers that
    /// name this issuer; or changes what is registered.
    pub async fn put_oauth_client(
        &self,
        caller: &Principal,
        tenant: Option<&str>,
        provider: &str,
        input: OAuthClientInput,
        expected: &Expected,
    ) -> Result<OAuthClientView, Error> {
        let tenant = self.client_owner(caller, tenant).await?;
        let manifest = self.catalog().manifest(provider);
        let manifest = manifest.filter(|manifest| manifest.auth.oauth2.is_some());
        if manifest.is_none() && issuer_named(provider).is_none() {
            return Err(Error::NotFound(Resource::OAuthProvider));
        }
        let manifest = manifest.as_deref();
        for _ in 0..TRIES {
            let before = self.stored_client(tenant.as_ref(), provider).await?;
            if expected.is_given() {
                expected.check(before.as_ref().map_or(0, |client| client.version))?;
            }
            let owner = tenant.as_ref();
            let client = self.changed_client(owner, provider, manifest, &input, before.as_ref())?;
            if let Some(before) = &before
                && is_same(before, &client)
            {
                return self.client_view(before, tenant.as_ref()).await;
            }
            let (this, owner) = (self.clone(), tenant.clone());
            let stored = self.uninterrupted(async move {
                let version = before.map(|before| before.version);
                this.store_client(owner.as_ref(), &client, version).await
            });
            match stored.await {
                Err(Error::VersionMismatch) if !expected.is_given() => {}
                Err(error) => return Err(error),
                Ok(stored) => return self.client_view(&stored, tenant.as_ref()).await,
            }
        }
        Err(Error::ConcurrentChange)
    }

    /// Forgets a client. Accounts that were connected with it stay connected for as long as their
    /// tokens last: nobody can refresh or revoke them any more.
    pub async fn delete_oauth_client(
        &self,
        caller: &Principal,
        tenant: Option<&str>,
        provider: &str,
        expected: &Expected,
    ) -> Result<(), Error> {
        let tenant = self.client_owner(caller, tenant).await?;
        let found = self.stored_client(tenant.as_ref(), provider).await?;
        let client = found.ok_or(Error::NotFound(Resource::OAuthClient))?;
        expected.check(client.version)?;
        let only = expected.is_given().then_some(client.version);
        let this = self.clone();
        self.uninterrupted(async move {
            let deleted = match &tenant {
                Some(tenant) => {
                    let rows = this.storage().tenant(tenant.id);
                    let revision = rows.delete_oauth_client(&client.provider, only).await;
                    revision.map(|revision| this.tenant_changed(tenant, revision))
                }
                None => {
                    let storage = this.storage();
                    let changes = storage.delete_oauth_client(&client.provider, only).await;
                    changes.map(|changes| this.all_changed(&changes))
                }
            };
            deleted.map_err(|error| match error {
                StorageError::NotFound => Error::NotFound(Resource::OAuthClient),
                error => Error::storage("delete an OAuth client")(error),
            })
        })
        .await
    }

    /// Whose clients are meant, if `caller` may manage them.
    async fn client_owner(
        &self,
        caller: &Principal,
        tenant: Option<&str>,
    ) -> Result<Option<Tenant>, Error> {
        match tenant {
            Some(slug) => {
                let tenant = self.tenant_for(caller, slug, Action::ManageTenant).await?;
                Ok(Some(tenant))
            }
            None => {
                authorize(caller, Action::ManagePlatform)?;
                Ok(None)
            }
        }
    }

    async fn platform_clients(&self) -> Result<Vec<OAuthClientRow>, Error> {
        let clients = self.storage().list_oauth_clients(None, ALL).await;
        clients.map_err(Error::storage("list OAuth clients"))
    }

    pub(super) async fn stored_client(
        &self,
        tenant: Option<&Tenant>,
        provider: &str,
    ) -> Result<Option<OAuthClientRow>, Error> {
        let found = match tenant {
            Some(tenant) => {
                let rows = self.storage().tenant(tenant.id);
                rows.find_oauth_client(provider).await
            }
            None => self.storage().find_oauth_client(provider).await,
        };
        found.map_err(Error::storage("find an OAuth client"))
    }

    /// Checks all that can be wrong with a client by itself.
    fn changed_client(
        &self,
        tenant: Option<&Tenant>,
        provider: &str,
        manifest: Option<&Manifest>,
        input: &OAuthClientInput,
        before: Option<&OAuthClientRow>,
    ) -> Result<OAuthClientRow, Error> {
        let mut violations = Violations::default();
        if !is_visible(&input.client_id, CLIENT_ID_MAX_LENGTH) {
            let rule = format!("must have 1 to {CLIENT_ID_MAX_LENGTH} visible ASCII characters");
            violations.add("client_id", rule);
        }
        let secret = match &input.client_secret {
            Some(given) => given.as_deref().map(SecretString::from),
            None => before
                .filter(|before| before.client_id == input.client_id)
                .and_then(|before| before.secret.clone()),
        };
        let is_key = secret
            .as_ref()
            .is_some_and(|secret| secret.expose_secret().starts_with(PEM));
        let settings = ClientSettings {
            variables: input.variables.clone(),
            auth: is_key.then_some(ClientAuth::PrivateKeyJwt),
            ..ClientSettings::default()
        };
        if let Some(Some(secret)) = &input.client_secret {
            check_secret(secret, manifest, &mut violations);
        }
        let oauth2 = manifest.and_then(|manifest| manifest.auth.oauth2.as_ref());
        if oauth2.is_none() && !input.variables.is_empty() {
            violations.add("variables", "an issuer has none");
        }
        if let Some(oauth2) = oauth2
            && let Err(error) = Endpoints::of_manifest(oauth2, &settings, self.oauth_origins())
        {
            violations.add("variables", error.to_string());
        }
        violations.finish()?;
        let settings = serde_json::to_value(&settings)
            .map_err(|error| Error::internal("write down an OAuth client", error))?;
        let now = self.now();
        Ok(OAuthClientRow {
            // Storage keeps the one that is there, if it is the same registration.
            id: self.ids().next(),
            tenant: tenant.map(|tenant| tenant.id),
            provider: provider.to_owned(),
            client_id: input.client_id.clone(),
            secret,
            registration: None,
            settings,
            created_at: now,
            updated_at: now,
            version: 1,
        })
    }

    /// `before` is the version that it replaces.
    pub(super) async fn store_client(
        &self,
        tenant: Option<&Tenant>,
        client: &OAuthClientRow,
        before: Option<i64>,
    ) -> Result<OAuthClientRow, Error> {
        let stored = match tenant {
            Some(tenant) => {
                let rows = self.storage().tenant(tenant.id);
                let stored = rows.put_oauth_client(client, before).await;
                stored.map(|(revision, stored)| {
                    self.tenant_changed(tenant, revision);
                    stored
                })
            }
            None => {
                let stored = self.storage().put_oauth_client(client, before).await;
                stored.map(|(changes, stored)| {
                    self.all_changed(&changes);
                    stored
                })
            }
        };
        stored.map_err(|error| match error {
            StorageError::Conflict(Constraint::LimitReached) => {
                Error::LimitReached(format!("there may be {ALL} OAuth clients at most"))
            }
            StorageError::NotFound if before.is_none() => Error::NotFound(Resource::Tenant),
            // It was deleted meanwhile: look again.
            StorageError::NotFound => Error::VersionMismatch,
            error => Error::storage("store an OAuth client")(error),
        })
    }

    /// As `tenant` sees it.
    async fn client_view(
        &self,
        client: &OAuthClientRow,
        tenant: Option<&Tenant>,
    ) -> Result<OAuthClientView, Error> {
        let manifest = self.catalog().manifest(&client.provider);
        let known = manifest
            .as_deref()
            .and_then(|manifest| Some((manifest, manifest.auth.oauth2.as_ref()?)));
        let scopes = match (known, tenant) {
            (Some((manifest, oauth2)), Some(tenant)) => {
                let enabled = self.enabled_tools(tenant, &manifest.name).await?;
                wanted(manifest, oauth2, &enabled, &[]).scopes
            }
            (Some((manifest, oauth2)), None) => all_scopes(manifest, oauth2).scopes,
            (None, _) => oauth::Scopes::default(),
        };
        let settings = settings(client)?;
        Ok(OAuthClientView {
            id: client.id,
            provider: client.provider.clone(),
            display_name: known.map_or_else(
                || client.provider.clone(),
                |(manifest, _)| manifest.display_name.clone(),
            ),
            tenant: client
                .tenant
                .and_then(|_| tenant.map(|tenant| tenant.slug.to_string())),
            client_id: client.client_id.clone(),
            secret_set: client.secret.is_some(),
            variables: settings.variables,
            redirect_uri: self.redirect_uri(),
            scopes: scopes.bot,
            user_scopes: scopes.user,
            created_at: client.created_at,
            updated_at: client.updated_at,
            version: client.version,
        })
    }

    /// The tools that are enabled in any of the tenant's enabled connectors of a type.
    async fn enabled_tools(
        &self,
        tenant: &Tenant,
        r#type: &str,
    ) -> Result<BTreeSet<String>, Error> {
        let mut enabled = BTreeSet::new();
        let most = u32::try_from(domain::limits::CONNECTORS_PER_TENANT).unwrap_or(u32::MAX);
        let rows = self.storage().tenant(tenant.id);
        let connectors = rows.list_connectors(None, most).await;
        for connector in connectors.map_err(Error::storage("list connectors"))? {
            let is_one = matches!(&connector.kind, ConnectorKind::Native { catalog, .. } if *catalog == r#type);
            if is_one && connector.enabled {
                let tools = self.stored_tools(&connector).await?;
                let on = tools.into_iter().filter(|tool| tool.enabled);
                enabled.extend(on.map(|tool| tool.approved.name));
            }
        }
        Ok(enabled)
    }

    fn redirect_uri(&self) -> Option<String> {
        self.public_url().map(|url| url.redirect_uri().to_string())
    }
}

/// What is stored of a client besides id and secret.
pub(super) fn settings(client: &OAuthClientRow) -> Result<ClientSettings, Error> {
    serde_json::from_value(client.settings.clone())
        .map_err(|error| Error::internal("read the settings of an OAuth client", error))
}

/// All that tools of a type can need.
fn all_scopes(manifest: &Manifest, oauth2: &OAuth2) -> Wanted {
    let all = manifest
        .tools
        .iter()
        .map(|tool| tool.name.clone())
        .collect();
    wanted(manifest, oauth2, &all, &[])
}

fn is_same(one: &OAuthClientRow, other: &OAuthClientRow) -> bool {
    use secrecy::ExposeSecret;
    let secret =
        |client: &OAuthClientRow| client.secret.as_ref().map(|s| s.expose_secret().to_owned());
    one.client_id == other.client_id
        && one.settings == other.settings
        && secret(one) == secret(other)
}

/// A secret is one word; a private key is what the provider must take from its clients.
fn check_secret(secret: &str, manifest: Option<&Manifest>, violations: &mut Violations) {
    if !secret.starts_with(PEM) {
        if !is_visible(secret, SECRET_MAX_LENGTH) {
            let rule = format!(
                "must have 1 to {SECRET_MAX_LENGTH} visible ASCII characters, or be a private key \
                 in PEM"
            );
            violations.add("client_secret", rule);
        }
        return;
    }
    violations.keep("client_secret", SigningKey::of_pem(secret, None));
    let oauth2 = manifest.and_then(|manifest| manifest.auth.oauth2.as_ref());
    if oauth2.is_some_and(|oauth2| !oauth2.client_auth.contains(&Word::PrivateKeyJwt)) {
        let rule = "may not be a private key: the provider takes none from its clients";
        violations.add("client_secret", rule);
    }
}

fn is_visible(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
