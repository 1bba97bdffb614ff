//! Control-planes that can be killed, on one database, with one account at one provider.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::fabric::{AccountLease, Credential, CredentialError, CredentialRequest};
use crypto::{KeyHasher, RootKey};
use domain::{
    Account, AccountId, AccountMethod, AccountOwner, AccountSecrets, AccountState, ChangedTools,
    Connector, ConnectorId, ConnectorKind, ConnectorSecrets, CredentialInfo, KeyId, OnChange,
    SyncState, SyncStatus, Tenant, TenantId, TenantState,
};
use oauth::{
    ClientSettings, Deadline, Endpoints, Grant, Limits, OAuthClient, Origins, Program, Scopes,
    TokenEndpoint,
};
use runtime::{Clock, IdGen, Process, ShutdownTrigger, SystemClock, TimeOrderedIds};
use secrecy::SecretString;
use storage::{HeldAccount, NewAccount, OAuthClientRow, Storage, StorageConfig};
use testkit::oauth::{Auth, Consent, OAuthProvider, Profile, Registered, Rotation};
use testkit::postgres::{self, Database, Private};
use time::OffsetDateTime;
use tokio::runtime::Runtime;
use url::Url;

use crate::accounts::due::refresh_at;
use crate::operations::Operations;
use crate::{Config, ControlPlane, Deps};

const REDIRECT: &str = "https://turnbuckle.example/api/v1/oauth/callback";
/// What a provider may take here.
pub(super) const TOKEN_DEADLINE: Duration = Duration::from_secs(4);

/// The ground that control-planes stand on.
pub(super) struct Rig {
    pub(super) provider: OAuthProvider,
    pub(super) tenant: TenantId,
    pub(super) connector: ConnectorId,
    pub(super) account: AccountId,
    pub(super) root: Arc<RootKey>,
    url: String,
    /// The type of the connector.
    catalog: &'static str,
    /// None on a server of its own.
    _database: Option<Database>,
}

/// When the access token of the account ends.
#[derive(Clone, Copy)]
pub(super) enum Ends {
    Ago,
    /// Soon: it is still good, and is to be renewed.
    Soon,
    Late,
}

fn new_id() -> uuid::Uuid {
    TimeOrderedIds.next()
}

pub(super) fn now() -> OffsetDateTime {
    SystemClock.now()
}

impl Rig {
    pub(super) async fn new(rotation: Rotation, ends: Ends) -> Self {
        let database = postgres::database();
        let url = database.url();
        Self::on(url, Some(database), rotation, ends).await
    }

    pub(super) async fn on_its_own(server: &Private, rotation: Rotation, ends: Ends) -> Self {
        Self::on(server.url(), None, rotation, ends).await
    }

    async fn on(url: String, database: Option<Database>, rotation: Rotation, ends: Ends) -> Self {
        let client = Registered::new("turnbuckle", "secret-of-client", Auth::Post, REDIRECT);
        let mut profile = Profile::gitlab(client);
        profile.rotation = rotation;
        let provider = OAuthProvider::start(profile).await;
        let mut rig = Self {
            provider,
            tenant: TenantId::new(new_id()),
            connector: ConnectorId::new(new_id()),
            account: AccountId::new(new_id()),
            root: Arc::new(RootKey::generate()),
            url,
            catalog: "gitlab",
            _database: database,
        };
        let storage = rig.storage().await;
        rig.furnish(&storage).await;
        rig.account = rig
            .connect(&storage, AccountOwner::Tenant, "shared", ends)
            .await;
        storage.close().await;
        rig
    }

    /// With the account of a program, whose tokens are not refreshed but asked for anew.
    pub(super) async fn of_program(ends: Ends) -> Self {
        let database = postgres::database();
        let client = Registered::new("turnbuckle", "secret-of-client", Auth::Basic, REDIRECT);
        let mut profile = Profile::standard(client);
        profile.token_path = "/oauth/token".to_owned();
        profile.programs.accounts = vec![("turnbuckle".to_owned(), "account-1".to_owned())];
        let mut rig = Self {
            provider: OAuthProvider::start(profile).await,
            tenant: TenantId::new(new_id()),
            connector: ConnectorId::new(new_id()),
            account: AccountId::new(new_id()),
            root: Arc::new(RootKey::generate()),
            url: database.url(),
            catalog: "zoom",
            _database: Some(database),
        };
        let storage = rig.storage().await;
        rig.furnish(&storage).await;
        let program = Program {
            grant: Grant::AccountCredentials {
                client_id: "turnbuckle".to_owned(),
                client_secret: "secret-of-client".to_owned(),
                account_id: "account-1".to_owned(),
            },
            settings: ClientSettings::default(),
            scopes: Vec::new(),
        };
        let secrets = AccountSecrets {
            access_token: Some("secret-that-has-ended".to_owned()),
            program: Some(program.written().unwrap()),
            ..AccountSecrets::default()
        };
        let method = AccountMethod::AccountCredentials;
        let (account, refresh_at) = rig.account(AccountOwner::Tenant, ("shared", method), ends);
        let new = NewAccount {
            account,
            secrets,
            oauth_client: None,
            refresh_at,
        };
        let own = storage.tenant(rig.tenant);
        rig.account = own.connect_account(&new, None).await.unwrap().account.id;
        storage.close().await;
        rig
    }

    pub(super) async fn storage(&self) -> Storage {
        let url = SecretString::from(self.url.clone());
        let config = StorageConfig::Postgres {
            url,
            patience: Duration::from_secs(5),
        };
        Storage::open(&config, self.root.clone()).await.unwrap()
    }

    async fn furnish(&self, storage: &Storage) {
        let tenant = Tenant {
            id: self.tenant,
            slug: "acme".parse().unwrap(),
            name: "Acme".to_owned(),
            description: String::new(),
            contact_email: String::new(),
            state: TenantState::Active,
            created_at: now(),
            updated_at: now(),
            version: 1,
        };
        storage.create_tenant(&tenant, None).await.unwrap();
        let connector = Connector {
            id: self.connector,
            tenant: self.tenant,
            slug: self.catalog.parse().unwrap(),
            display_name: "GitLab".to_owned(),
            kind: ConnectorKind::Native {
                catalog: self.catalog.to_owned(),
                base_url: None,
            },
            enabled: true,
            prefix: String::new(),
            credential: CredentialInfo::default(),
            on_change: OnChange::Accept,
            sync: SyncStatus {
                state: SyncState::Ok,
                at: None,
                error: None,
                tools: 0,
                changed: ChangedTools::default(),
            },
            created_at: now(),
            updated_at: now(),
            version: 1,
        };
        let own = storage.tenant(self.tenant);
        own.create_connector(&connector, &ConnectorSecrets::default(), None)
            .await
            .unwrap();
        let client = OAuthClientRow {
            registration: None,
            id: new_id(),
            tenant: Some(self.tenant),
            provider: "gitlab".to_owned(),
            client_id: "turnbuckle".to_owned(),
            secret: Some(SecretString::from("secret-of-client")),
            settings: serde_json::to_value(ClientSettings::default()).unwrap(),
            created_at: now(),
            updated_at: now(),
            version: 1,
        };
        own.put_oauth_client(&client, None).await.unwrap();
    }

    /// Somebody signs in at the provider, and the account is stored.
    pub(super) async fn connect(
        &self,
        storage: &Storage,
        owner: AccountOwner,
        name: &str,
        ends: Ends,
    ) -> AccountId {
        let client = OAuthClient {
            client_id: "turnbuckle".to_owned(),
            client_secret: Some(SecretString::from("secret-of-client")),
            key: None,
            auth: None,
        };
        let manifest = catalog::Catalog::builtin().connector("gitlab").unwrap();
        let oauth2 = manifest.auth.oauth2.as_ref().unwrap();
        let settings = ClientSettings::default();
        let endpoints = Endpoints::of_manifest(oauth2, &settings, &self.origins()).unwrap();
        let redirect: Url = REDIRECT.parse().unwrap();
        let scopes = Scopes {
            bot: vec!["api".to_owned()],
            user: Vec::new(),
        };
        let asked = oauth::authorization(&endpoints, &client, &redirect, &scopes);
        let consent = Consent::approve("ada");
        let back = self.provider.decide(&asked.url, &consent).await.unwrap();
        let (_, code) = back.query_pairs().find(|(name, _)| name == "code").unwrap();
        let deadline = Deadline::after(Duration::from_secs(20));
        let verifier = asked.verifier.as_ref();
        let tokens = tokens()
            .exchange(&endpoints, &client, &code, verifier, &redirect, deadline)
            .await
            .unwrap();
        let own = storage.tenant(self.tenant);
        let registered = own.find_oauth_client("gitlab").await.unwrap().unwrap();
        let (account, refresh_at) = self.account(owner, (name, AccountMethod::OAuth), ends);
        let new = NewAccount {
            account,
            secrets: tokens.secrets,
            oauth_client: Some(registered.id),
            refresh_at,
        };
        own.connect_account(&new, None).await.unwrap().account.id
    }

    /// An account as it is stored, and when it is to be renewed.
    fn account(
        &self,
        owner: AccountOwner,
        (name, method): (&str, AccountMethod),
        ends: Ends,
    ) -> (Account, Option<OffsetDateTime>) {
        let hour = Duration::from_secs(3600);
        let (expires_at, refresh) = match ends {
            Ends::Ago => (now() - hour, Some(now() - hour)),
            Ends::Soon => (now() + Duration::from_secs(30), Some(now() - hour)),
            Ends::Late => (
                now() + hour,
                refresh_at(now(), Some(hour), true, &TimeOrderedIds),
            ),
        };
        let account = Account {
            id: AccountId::new(new_id()),
            tenant: self.tenant,
            connector: self.connector,
            owner,
            name: name.to_owned(),
            method,
            state: AccountState::Connected,
            preferred: true,
            subject: None,
            scopes: vec!["api".to_owned()],
            variables: std::collections::BTreeMap::new(),
            generation: 1,
            expires_at: Some(expires_at),
            problem: None,
            created_at: now() - 2 * hour,
            updated_at: now() - 2 * hour,
            refreshed_at: None,
        };
        (account, refresh)
    }

    fn origins(&self) -> Origins {
        Origins::new(&self.origin()).unwrap()
    }

    fn origin(&self) -> std::collections::BTreeMap<String, Url> {
        ["https://gitlab.com", "https://zoom.us"]
            .map(|origin| (origin.to_owned(), self.provider.url()))
            .into()
    }

    pub(super) fn request(&self) -> CredentialRequest {
        CredentialRequest {
            tenant: self.tenant,
            connector: self.connector,
            key: KeyId::new(new_id()),
            token_kind: None,
            refused: None,
            further_scopes: Vec::new(),
            wants_link: false,
        }
    }
}

fn tokens() -> TokenEndpoint {
    let loopback = egress::EgressConfig {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..egress::EgressConfig::default()
    };
    let client = egress::Client::new(&loopback).unwrap();
    TokenEndpoint::new(client, Limits::default(), Arc::new(SystemClock))
}

/// A control-plane with threads, connections and memory of its own.
pub(super) struct Plane {
    runtime: Option<Runtime>,
    pub(super) operations: Operations,
    /// For as long as it runs.
    _trigger: ShutdownTrigger,
}

impl Plane {
    /// With a folder for what is in hand, which outlives it.
    pub(super) async fn start(rig: &Rig, spool: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut config = Config::default();
        config.oauth.origins = rig.origin();
        config.public_url = Some("https://turnbuckle.example".parse().unwrap());
        config.accounts.token_deadline = TOKEN_DEADLINE;
        config.accounts.spool_dir = Some(spool.to_owned());
        let (trigger, process) = Process::new();
        let (root, url) = (rig.root.clone(), SecretString::from(rig.url.clone()));
        let built = runtime.spawn(async move {
            let database = StorageConfig::Postgres {
                url,
                patience: Duration::from_secs(5),
            };
            let deps = Deps {
                storage: Storage::open(&database, root.clone()).await.unwrap(),
                hasher: Arc::new(KeyHasher::new(&root)),
                catalog: catalog::Catalog::builtin(),
                tokens: tokens(),
                clock: Arc::new(SystemClock),
                ids: Arc::new(TimeOrderedIds),
            };
            let plane = ControlPlane::build(config, deps, &process).unwrap();
            plane.operations().clone()
        });
        let operations = built.await.unwrap();
        let storing = operations.clone();
        runtime.spawn(async move { storing.store_what_is_in_hand().await });
        Self {
            runtime: Some(runtime),
            operations,
            _trigger: trigger,
        }
    }

    pub(super) fn run<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.runtime.as_ref().unwrap().spawn(work)
    }

    /// What a worker is answered. On the control-plane's own threads.
    pub(super) async fn credential(
        &self,
        request: CredentialRequest,
    ) -> Result<Credential, CredentialError> {
        let operations = self.operations.clone();
        let asked = self.run(async move { operations.credential(&request).await });
        asked.await.unwrap()
    }

    pub(super) async fn held(&self, account: AccountId) -> HeldAccount {
        let operations = self.operations.clone();
        let read = self.run(async move {
            let all = operations.storage().list_tenants(None, 1).await.unwrap();
            let own = operations.storage().tenant(all[0].id);
            own.held_account(account).await.unwrap().unwrap()
        });
        read.await.unwrap()
    }

    /// As SIGKILL: whatever it does ends where it stands.
    pub(super) fn kill(self) {
        drop(self);
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The account that was given.
pub(super) fn account(given: Result<Credential, CredentialError>) -> AccountLease {
    match given {
        Ok(Credential::Account(lease)) => lease,
        other => panic!("{other:?}"),
    }
}
