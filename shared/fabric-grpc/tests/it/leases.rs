//! Leases through the wire.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::*;
use fabric::*;
use fabric_grpc::{LeaseClient, LeaseServer};
use runtime::Process;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::rig::*;

/// Gives the leases that it is asked for, but for the first few connectors.
#[derive(Default)]
struct ControlPlane {
    told: Mutex<Vec<ConnectorId>>,
    heard: Notify,
}

const SEALED: u128 = 1;
const GONE: u128 = 2;
const AWAY: u128 = 3;
const SLOW: u128 = 4;
const MISSING: u128 = 5;
const OWN: u128 = 6;

impl Leases for ControlPlane {
    fn lease(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        Box::pin(async move {
            match connector.as_uuid().as_u128() {
                SEALED => Err(LeaseError::Sealed),
                GONE => Err(LeaseError::Gone),
                AWAY => Err(LeaseError::Unavailable("no database".to_owned())),
                _ => Ok(lease(tenant, connector)),
            }
        })
    }

    fn credential(
        &self,
        request: CredentialRequest,
    ) -> BoxFuture<'_, Result<Credential, CredentialError>> {
        Box::pin(async move {
            match request.connector.as_uuid().as_u128() {
                SEALED => Err(CredentialError::Sealed),
                GONE => Err(CredentialError::Gone),
                AWAY => Err(CredentialError::Unavailable("no database".to_owned())),
                SLOW => Err(CredentialError::Provider("it sleeps".to_owned())),
                MISSING => Err(CredentialError::Missing {
                    connect_url: request.wants_link.then(|| "https://hunter6".to_owned()),
                    message: "nothing is connected".to_owned(),
                }),
                OWN => Ok(Credential::Own),
                _ => Ok(Credential::Account(account(&request))),
            }
        })
    }
}

impl UpstreamListener for ControlPlane {
    fn tools_changed(&self, _tenant: TenantId, connector: ConnectorId) {
        self.told.lock().unwrap().push(connector);
        self.heard.notify_one();
    }
}

fn lease(tenant: TenantId, id: ConnectorId) -> Lease {
    Lease {
        connector: Connector {
            id,
            tenant,
            slug: "acme".parse().unwrap(),
            display_name: "Acme".to_owned(),
            kind: ConnectorKind::RemoteMcp {
                url: "https://example.com/mcp".parse().unwrap(),
            },
            enabled: true,
            prefix: "acme".to_owned(),
            credential: CredentialInfo::default(),
            on_change: OnChange::Hold,
            sync: SyncStatus {
                state: SyncState::Ok,
                at: None,
                error: None,
                tools: 0,
                changed: ChangedTools::default(),
            },
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
            version: 9,
        },
        secrets: SecretBox::new(Box::new(LeasedSecrets(ConnectorSecrets {
            token: Some("hunter2".to_owned()),
            headers: BTreeMap::from([("X-Key".to_owned(), "hunter3".to_owned())]),
            env: BTreeMap::new(),
        }))),
        takes_accounts: true,
    }
}

fn account(request: &CredentialRequest) -> AccountLease {
    AccountLease {
        account: AccountId::new(Uuid::from_u128(5)),
        generation: request.refused.map_or(1, |(_, refused)| refused + 1),
        method: AccountMethod::OAuth,
        access_token: SecretString::from("hunter4"),
        user_token: request.token_kind.map(|_| SecretString::from("hunter5")),
        scopes: request.further_scopes.clone(),
        variables: BTreeMap::from([("cloudId".to_owned(), "c-1".to_owned())]),
        usable_for: Some(Duration::from_millis(1_500)),
    }
}

fn asked(connector: u128) -> CredentialRequest {
    CredentialRequest {
        tenant: TenantId::new(Uuid::from_u128(1)),
        connector: id(connector),
        key: KeyId::new(Uuid::from_u128(3)),
        token_kind: Some(TokenKind::User),
        refused: Some((AccountId::new(Uuid::from_u128(5)), 6)),
        further_scopes: vec!["repo".to_owned()],
        wants_link: true,
    }
}

fn serve(control_plane: &Arc<ControlPlane>) -> Served {
    let trust = trust(&insecure(), Role::ControlPlane);
    let server = LeaseServer::new(control_plane.clone(), control_plane.clone());
    Served::new(&trust, |_| server.router(&trust))
}

fn client(addresses: &[String], role: Role) -> LeaseClient {
    let (_trigger, process) = Process::new();
    LeaseClient::new(addresses, &trust(&insecure(), role), &process).unwrap()
}

fn id(n: u128) -> ConnectorId {
    ConnectorId::new(Uuid::from_u128(n))
}

#[tokio::test]
async fn a_worker_gets_leases_and_clear_refusals() {
    let control_plane = Arc::new(ControlPlane::default());
    let served = serve(&control_plane);
    let tenant = TenantId::new(Uuid::from_u128(1));
    let client_of = |role| client(&[served.address.to_string()], role);
    let worker = client_of(Role::Worker);

    let given = within(worker.lease(tenant, id(9))).await.unwrap();

    assert_eq!(given.connector, lease(tenant, id(9)).connector);
    assert!(given.takes_accounts);
    let secrets = &given.secrets.expose_secret().0;
    assert_eq!(secrets, &lease(tenant, id(9)).secrets.expose_secret().0);
    assert!(!format!("{given:?}").contains("hunter"));
    let refused = |connector| within(worker.lease(tenant, id(connector)));
    assert!(matches!(refused(SEALED).await, Err(LeaseError::Sealed)));
    assert!(matches!(refused(GONE).await, Err(LeaseError::Gone)));
    let Err(LeaseError::Unavailable(why)) = refused(AWAY).await else {
        panic!("a lease of nobody");
    };
    assert_eq!(why, "no database");
    // A gateway never gets one.
    let refused = within(client_of(Role::Gateway).lease(tenant, id(9))).await;
    assert!(matches!(refused, Err(LeaseError::Unavailable(_))));
}

#[tokio::test]
async fn another_control_plane_is_asked_when_one_is_gone() {
    let control_plane = Arc::new(ControlPlane::default());
    let (gone, there) = (serve(&control_plane), serve(&control_plane));
    let addresses = [gone.address.to_string(), there.address.to_string()];
    gone.kill();
    within(gone.process.tasks.finished()).await;
    let worker = client(&addresses, Role::Worker);
    let tenant = TenantId::new(Uuid::from_u128(1));

    for _ in 0..4 {
        within(worker.lease(tenant, id(9))).await.unwrap();
    }
    worker.tools_changed(tenant, id(9));
    within(control_plane.heard.notified()).await;

    assert_eq!(*control_plane.told.lock().unwrap(), [id(9)]);
    there.kill();
    within(there.process.tasks.finished()).await;
    let refused = within(worker.lease(tenant, id(9))).await;
    assert!(matches!(refused, Err(LeaseError::Unavailable(_))));
}

#[tokio::test]
async fn a_worker_gets_credentials_of_accounts_and_words_on_what_is_missing() {
    let control_plane = Arc::new(ControlPlane::default());
    let served = serve(&control_plane);
    let addresses = [served.address.to_string()];
    let worker = client(&addresses, Role::Worker);
    let ask = |request| within(worker.credential(request));

    let Ok(Credential::Account(given)) = ask(asked(9)).await else {
        panic!("no account");
    };
    let meant = account(&asked(9));
    assert_eq!(format!("{given:?}"), format!("{meant:?}"));
    assert_eq!((given.generation, given.scopes.len()), (7, 1));
    assert_eq!(given.access_token.expose_secret(), "hunter4");
    assert_eq!(
        given.user_token.as_ref().unwrap().expose_secret(),
        "hunter5"
    );
    assert!(!format!("{given:?}").contains("hunter"));

    assert!(matches!(ask(asked(OWN)).await, Ok(Credential::Own)));
    for wants_link in [true, false] {
        let missing = CredentialRequest {
            wants_link,
            ..asked(MISSING)
        };
        let Err(CredentialError::Missing {
            connect_url,
            message,
        }) = ask(missing).await
        else {
            panic!("nothing is missing");
        };
        assert_eq!(connect_url.is_some(), wants_link);
        assert_eq!(message, "nothing is connected");
    }
    let why = |connector| async move { ask(asked(connector)).await.unwrap_err() };
    assert!(matches!(why(SEALED).await, CredentialError::Sealed));
    assert!(matches!(why(GONE).await, CredentialError::Gone));
    assert!(matches!(why(SLOW).await, CredentialError::Provider(why) if why == "it sleeps"));
    assert!(matches!(why(AWAY).await, CredentialError::Unavailable(why) if why == "no database"));
    // A gateway never gets one.
    let refused = within(client(&addresses, Role::Gateway).credential(asked(9))).await;
    assert!(matches!(refused, Err(CredentialError::Unavailable(_))));
}
