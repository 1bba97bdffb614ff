//! The worker as the platform runs it, with one connector: GitHub, answered by a stand-in.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure};
use bytes::Bytes;
use connector_worker::{Config, Deps, Worker};
use domain::{
    ChangedTools, Connector, ConnectorId, ConnectorKind, ConnectorSecrets, KeyId, OnChange,
    Principal, Scope, SyncState, SyncStatus, TenantId,
};
use fabric::{
    Affinity, BoxFuture, Call, Execute, Lease, LeaseError, LeasedSecrets, Leases, Method, Outcome,
    Request,
};
use runtime::{Process, ShutdownTrigger, SystemClock, TimeOrderedIds};
use secrecy::SecretBox;
use time::OffsetDateTime;
use uuid::Uuid;

const TENANT: TenantId = TenantId::new(Uuid::from_u128(1));
const CONNECTOR: ConnectorId = ConnectorId::new(Uuid::from_u128(2));
const DEADLINE: Duration = Duration::from_secs(120);

/// Calls one tool through the worker, as a gateway in the same process does.
#[derive(Clone)]
pub(super) struct Engine {
    worker: Arc<Worker>,
    call: Call,
    /// The worker ends when this is gone.
    _running: Arc<ShutdownTrigger>,
}

impl Engine {
    /// `url` is where GitHub's paths begin, `arguments` a JSON object.
    pub(super) fn new(url: &str, token: &str, tool: &str, arguments: &str) -> anyhow::Result<Self> {
        let (running, process) = Process::new();
        let egress = egress::EgressConfig {
            allow: vec!["127.0.0.0/8".parse()?],
            ..egress::EgressConfig::default()
        };
        let deps = Deps {
            leases: Arc::new(Github::new(url, token)?),
            catalog: catalog::Catalog::builtin(),
            egress: egress::Client::new(&egress)?,
            clock: Arc::new(SystemClock),
            ids: Arc::new(TimeOrderedIds),
            listener: None,
            environment: Vec::new(),
        };
        Ok(Self {
            worker: Arc::new(Worker::build(Config::default(), deps, &process)?),
            call: call(tool, arguments),
            _running: Arc::new(running),
        })
    }

    /// The result's bytes.
    pub(super) async fn call(&self) -> anyhow::Result<Bytes> {
        match self.worker.execute(self.call.clone(), None).await {
            Outcome::Result(result) => Ok(result),
            Outcome::Failed(failure) => bail!("{failure}"),
            Outcome::Error(error) => bail!("{error:?}"),
            Outcome::InputRequired(_) => bail!("the tool asks back"),
        }
    }
}

fn call(tool: &str, arguments: &str) -> Call {
    Call {
        tenant: TENANT,
        connector: CONNECTOR,
        version: 1,
        accounts: 0,
        request: Request {
            arguments: Some(Bytes::from(arguments.to_owned())),
            ..Request::new(Method::CallTool, Some(tool.to_owned()))
        },
        client: Arc::default(),
        session: None,
        user_token: None,
        principal: Principal {
            key: KeyId::new(Uuid::from_u128(3)),
            scope: Scope::TenantUser,
            tenant: Some(TENANT),
        },
        deadline: DEADLINE,
        request_id: "0198c0de-0000-7000-8000-000000000000".to_owned(),
        affinity: Affinity::None,
    }
}

/// Leases of the one connector there is.
struct Github {
    connector: Connector,
    secrets: ConnectorSecrets,
}

impl Github {
    fn new(url: &str, token: &str) -> anyhow::Result<Self> {
        ensure!(!token.is_empty(), "GitHub wants a token");
        let secrets = ConnectorSecrets {
            token: Some(token.to_owned()),
            ..ConnectorSecrets::default()
        };
        let connector = Connector {
            id: CONNECTOR,
            tenant: TENANT,
            slug: "github".parse()?,
            display_name: "GitHub".to_owned(),
            kind: ConnectorKind::Native {
                catalog: "github".to_owned(),
                base_url: Some(url.parse()?),
            },
            enabled: true,
            prefix: String::new(),
            credential: secrets.info(),
            on_change: OnChange::Accept,
            sync: SyncStatus {
                state: SyncState::Ok,
                at: None,
                error: None,
                tools: 0,
                changed: ChangedTools::default(),
            },
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
            version: 1,
        };
        Ok(Self { connector, secrets })
    }
}

impl Leases for Github {
    fn lease(&self, _: TenantId, _: ConnectorId) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        let secrets = SecretBox::new(Box::new(LeasedSecrets(self.secrets.clone())));
        let connector = self.connector.clone();
        Box::pin(std::future::ready(Ok(Lease {
            connector,
            secrets,
            takes_accounts: false,
        })))
    }
}
