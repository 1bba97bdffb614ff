//! Leases through the wire.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::*;
use fabric::*;
use fabric_grpc::{LeaseClient, LeaseServer};
use runtime::Process;
use secrecy::{ExposeSecret, SecretBox};
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
