//! A platform with a fixed clock, counted ids and a played worker, seen through both interfaces.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::fabric::{BoxFuture, Failure, Listing, ProcessState, ProcessStatus, StderrLine, Workers};
use axum::Router;
use axum::body::Body;
use crypto::{KeyHasher, RootKey};
use domain::{ConnectorId, TenantId, ToolDefinition};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use proto::admin::v1::account_service_client::AccountServiceClient;
use proto::admin::v1::connector_service_client::ConnectorServiceClient;
use proto::admin::v1::key_service_client::KeyServiceClient;
use proto::admin::v1::node_service_client::NodeServiceClient;
use proto::admin::v1::tenant_service_client::TenantServiceClient;
use proto::admin::v1::tool_service_client::ToolServiceClient;
use runtime::{ManualClock, Process, SequentialIds, ShutdownTrigger};
use serde_json::Value;
use serde_json::value::RawValue;
use storage::{Storage, StorageConfig};
use time::macros::datetime;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use crate::{CatalogView, Config, ControlPlane, Deps, NativeType};

pub(super) struct World {
    pub(super) rest: Router,
    pub(super) grpc: Router,
    pub(super) process: Process,
    pub(super) trigger: ShutdownTrigger,
    /// The token of the first key, which opens everything.
    pub(super) root: String,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

/// Asks for the services over a router, with a token.
#[derive(Clone)]
pub(super) struct Clients {
    pub(super) tenants: TenantServiceClient<Guarded>,
    pub(super) connectors: ConnectorServiceClient<Guarded>,
    pub(super) tools: ToolServiceClient<Guarded>,
    pub(super) keys: KeyServiceClient<Guarded>,
    pub(super) nodes: NodeServiceClient<Guarded>,
    pub(super) accounts: AccountServiceClient<Guarded>,
}

type Channel =
    BoxCloneSyncService<Request<tonic::body::Body>, http::Response<Body>, std::convert::Infallible>;
pub(super) type Guarded = InterceptedService<Channel, Bearer>;

#[derive(Clone)]
pub(super) struct Bearer(AsciiMetadataValue);

impl Interceptor for Bearer {
    fn call(
        &mut self,
        mut request: tonic::Request<()>,
    ) -> Result<tonic::Request<()>, tonic::Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Arc::new(RootKey::generate());
        let path = folder.path().join("turnbuckle.db");
        let storage = Storage::open(&StorageConfig::Sqlite { path }, root.clone())
            .await
            .unwrap();
        let clock = Arc::new(ManualClock::new(datetime!(2026-11-21 12:00:00.123456 UTC)));
        let (trigger, process) = Process::new();
        let deps = Deps {
            storage,
            hasher: Arc::new(KeyHasher::new(&root)),
            catalog: Arc::new(Catalog),
            tokens: oauth::TokenEndpoint::new(
                egress::Client::new(&egress::EgressConfig::default()).unwrap(),
                oauth::Limits::default(),
                Arc::new(runtime::SystemClock),
            ),
            clock: clock.clone(),
            ids: Arc::new(SequentialIds::default()),
        };
        let config = Config {
            public_url: Some("https://tools.example.com".parse().unwrap()),
            ..Config::default()
        };
        let platform = ControlPlane::build(config, deps, &process).unwrap();
        let token = platform
            .bootstrap(|_| Ok(()))
            .await
            .unwrap()
            .unwrap()
            .expose();
        platform
            .attach_workers(Arc::new(Worker::default()), None)
            .unwrap();
        Self {
            rest: platform.router(),
            grpc: platform.grpc_router().await.unwrap(),
            process,
            trigger,
            root: token,
            clock,
            _folder: folder,
        }
    }

    pub(super) fn a_second_later(&self) {
        self.clock.advance(Duration::from_secs(1));
    }

    pub(super) fn clients(&self, token: &str) -> Clients {
        let channel = || {
            let map = |request: Request<tonic::body::Body>| request.map(Body::new);
            let channel = BoxCloneSyncService::new(self.grpc.clone().map_request(map));
            let bearer = Bearer(format!("Bearer {token}").parse().unwrap());
            InterceptedService::new(channel, bearer)
        };
        Clients {
            tenants: TenantServiceClient::new(channel()),
            connectors: ConnectorServiceClient::new(channel()),
            tools: ToolServiceClient::new(channel()),
            keys: KeyServiceClient::new(channel()),
            nodes: NodeServiceClient::new(channel()),
            accounts: AccountServiceClient::new(channel()),
        }
    }

    /// A request below `/api/v1/admin`; an answer without a body is null.
    pub(super) async fn rest(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/admin{path}"))
            .header("authorization", format!("Bearer {token}"));
        let body = match body {
            Value::Null => Body::empty(),
            body => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
        };
        let request = request.body(body).unwrap();
        let response = self.rest.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    /// A key's token, of a scope and a tenant.
    pub(super) async fn key(&self, scope: &str, tenant: &str) -> String {
        let body = serde_json::json!({"name": "k", "scope": scope, "tenant": tenant});
        let (status, key) = self.rest(&self.root, Method::POST, "/keys", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{key}");
        key["secret"].as_str().unwrap().to_owned()
    }
}

fn definition(text: &str) -> ToolDefinition {
    ToolDefinition::parse(RawValue::from_string(text.to_owned()).unwrap()).unwrap()
}

struct Catalog;

impl CatalogView for Catalog {
    fn types(&self) -> Vec<NativeType> {
        let (name, display_name) = ("github".to_owned(), "GitHub".to_owned());
        vec![NativeType {
            name,
            display_name,
            tools: 1,
        }]
    }

    fn own_base_url(&self, _: &str) -> Option<String> {
        None
    }

    fn tools(&self, name: &str) -> Option<Vec<ToolDefinition>> {
        let tool = r#"{"name":"github_get_issue","inputSchema":{"type":"object"}}"#;
        (name == "github").then(|| vec![definition(tool)])
    }

    fn manifest(&self, name: &str) -> Option<Arc<::catalog::Connector>> {
        let known = (name == "github").then(::catalog::Catalog::builtin);
        known.and_then(|catalog| catalog.connector(name))
    }
}

/// Every hosted server offers the same tools; one of them is another from the second reading on.
#[derive(Default)]
struct Worker(AtomicUsize);

impl Workers for Worker {
    fn list_tools(
        &self,
        _: TenantId,
        _: ConnectorId,
        _: i64,
    ) -> BoxFuture<'_, Result<Listing, Failure>> {
        let plain = r#"{"name":"a/b","inputSchema":{"type":"object"}}"#;
        let full = r#"{"name":"echo","title":"Echo","description":"Says it again.",
            "annotations":{"readOnlyHint":true},"outputSchema":{"type":"object"},
            "inputSchema":{"type":"object","maxProperties":9007199254740993, "x":1.0}}"#;
        let read = self.0.fetch_add(1, Ordering::Relaxed);
        let turned = format!(
            r#"{{"name":"turned","description":"{}","inputSchema":{{}}}}"#,
            ["is", "was"][read.min(1)]
        );
        Box::pin(async move {
            Ok(Listing {
                tools: vec![definition(plain), definition(full), definition(&turned)],
                server: None,
            })
        })
    }

    fn process(&self, _: TenantId, _: ConnectorId) -> BoxFuture<'_, Option<ProcessStatus>> {
        let status = ProcessStatus {
            state: ProcessState::BackingOff,
            pid: Some(4711),
            started_at: Some(datetime!(2026-11-21 11:00 UTC)),
            restarts: 3,
            last_exit: Some("exit status 1".to_owned()),
        };
        Box::pin(async move { Some(status) })
    }

    fn stderr(&self, _: TenantId, _: ConnectorId) -> BoxFuture<'_, Vec<StderrLine>> {
        let line = StderrLine {
            at: datetime!(2026-11-21 11:00:01.5 UTC),
            text: "ouch".to_owned(),
        };
        Box::pin(async move { vec![line] })
    }

    fn release(&self, _: TenantId, _: ConnectorId) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
