//! A control-plane to ask things of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use control_plane::{CatalogView, Config, ControlPlane, Deps, NativeType};
use crypto::KeyHasher;
use domain::{ConnectorId, TenantId, ToolDefinition, UpstreamInfo};
use fabric::{
    BoxFuture, Effect, Failure, FailureKind, Listing, ProcessState, ProcessStatus, StderrLine,
    Workers,
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use runtime::{ManualClock, Process, ShutdownTrigger, TimeOrderedIds};
use serde_json::{Value, json};
use storage::testing::TestStorage;
use time::macros::datetime;
use tokio::sync::Semaphore;
use tower::ServiceExt;
use web::Observer;

pub(crate) const NOW: time::OffsetDateTime = datetime!(2026-01-01 00:00:00.123456789 UTC);

/// A control-plane with one platform_admin key.
pub(crate) struct Plane {
    pub(crate) plane: ControlPlane,
    pub(crate) workers: Arc<FakeWorkers>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) process: Process,
    pub(crate) trigger: ShutdownTrigger,
    pub(crate) storage: TestStorage,
    /// The platform_admin key.
    pub(crate) admin: String,
    router: Router,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Plane {
    pub(crate) async fn new() -> Self {
        Self::on(storage::testing::sqlite().await).await
    }

    pub(crate) async fn on(storage: TestStorage) -> Self {
        Self::configured(storage, Config::default()).await
    }

    pub(crate) async fn configured(storage: TestStorage, config: Config) -> Self {
        Self::with_catalog(storage, config, Arc::new(FakeCatalog)).await
    }

    /// One that knows the connectors that are part of the program.
    pub(crate) async fn with_builtin_catalog(config: Config) -> Self {
        let storage = storage::testing::sqlite().await;
        Self::with_catalog(storage, config, catalog::Catalog::builtin()).await
    }

    async fn with_catalog(
        storage: TestStorage,
        config: Config,
        catalog: Arc<dyn CatalogView>,
    ) -> Self {
        let (trigger, process) = Process::new();
        let clock = Arc::new(ManualClock::new(NOW));
        let ids = Arc::new(TimeOrderedIds);
        let deps = Deps {
            storage: (*storage).clone(),
            hasher: Arc::new(KeyHasher::new(&storage.root())),
            catalog,
            tokens: oauth::TokenEndpoint::new(
                egress::Client::new(&egress::EgressConfig {
                    allow: vec!["127.0.0.0/8".parse().unwrap()],
                    ..egress::EgressConfig::default()
                })
                .unwrap(),
                oauth::Limits::default(),
                Arc::new(runtime::SystemClock),
            ),
            clock: clock.clone(),
            ids: ids.clone(),
        };
        let plane = ControlPlane::build(config, deps, &process).unwrap();
        let workers = Arc::new(FakeWorkers::default());
        let first = plane.bootstrap(|_| Ok(())).await.unwrap();
        let admin = first.map(|token| token.expose()).unwrap_or_default();
        plane.attach_workers(workers.clone(), None).unwrap();
        let router = Observer::new(&process, ids).observe(plane.router());
        Self {
            plane,
            workers,
            clock,
            process,
            trigger,
            storage,
            admin,
            router,
        }
    }

    /// Ends the process and starts another on the same data.
    pub(crate) async fn restart(self) -> Self {
        self.trigger.drain();
        self.process.tasks.finished().await;
        let next = Self::on(self.storage).await;
        Self {
            admin: self.admin,
            ..next
        }
    }

    /// The connector, once its tools were read.
    pub(crate) async fn synced(&self, path: &str) -> Value {
        loop {
            let connector = self.get(path).await.expect(200);
            if connector["sync"]["state"] != "pending" {
                return connector;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Asks as the platform's administrator.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask_as(&self.admin, method, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, Value::Null).await
    }

    pub(crate) async fn ask_as(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        let authorization = format!("Bearer {key}");
        self.ask_with(&[("authorization", &authorization)], method, path, body)
            .await
    }

    pub(crate) async fn ask_with(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Value,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/admin{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        };
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer {
            status: head.status,
            headers: head.headers,
            text,
            body,
        }
    }

    pub(crate) async fn tenant(&self, slug: &str) -> Value {
        let tenant = self
            .ask("POST", "/tenants", json!({"slug": slug, "name": slug}))
            .await;
        tenant.expect(201)
    }

    /// A key's text.
    pub(crate) async fn key(&self, scope: &str, tenant: &str) -> String {
        let body = json!({"name": scope, "scope": scope, "tenant": tenant});
        let key = self.ask("POST", "/keys", body).await.expect(201);
        key["secret"].as_str().unwrap().to_owned()
    }

    /// A remote MCP server whose tools were read.
    pub(crate) async fn remote(&self, tenant: &str, slug: &str) -> Value {
        let body = json!({"slug": slug, "type": "remote_mcp", "config": {"url": "http://u/mcp"}});
        let path = format!("/tenants/{tenant}/connectors?wait=true");
        self.ask("POST", &path, body).await.expect(201)
    }
}

impl Answer {
    /// The body, if the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }

    /// Checks that it is this problem, well written.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, name: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(
            self.body["type"],
            format!("urn:turnbuckle:problem:{name}"),
            "{}",
            self.text
        );
        assert_eq!(self.body["status"], status);
        assert_eq!(
            self.body["request_id"].as_str(),
            self.header("x-request-id")
        );
    }

    /// The fields that a rule was broken of.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let errors = self.body["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        errors
            .iter()
            .filter_map(|error| error["field"].as_str())
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Two types with two tools each: `fake`, and `sited`, whose connectors have a base URL of their own.
struct FakeCatalog;

impl CatalogView for FakeCatalog {
    fn types(&self) -> Vec<NativeType> {
        let native = |name: &str, display_name: &str| NativeType {
            name: name.to_owned(),
            display_name: display_name.to_owned(),
            tools: 2,
        };
        vec![native("fake", "Fake"), native("sited", "Sited")]
    }

    fn own_base_url(&self, name: &str) -> Option<String> {
        (name == "sited").then(|| "https://{site}.example.com".to_owned())
    }

    fn tools(&self, name: &str) -> Option<Vec<ToolDefinition>> {
        (name == "fake").then(|| vec![tool("fake_one"), tool("fake_two")])
    }
}

/// A definition with this name.
pub(crate) fn tool(name: &str) -> ToolDefinition {
    let json = json!({
        "name": name,
        "title": format!("Tool {name}"),
        "description": "does it",
        "inputSchema": {"type": "object"},
        "annotations": {"readOnlyHint": true},
    });
    ToolDefinition::parse(serde_json::value::to_raw_value(&json).unwrap()).unwrap()
}

/// The definition of [`tool`] with another description.
pub(crate) fn tool_that(name: &str, does: &str) -> ToolDefinition {
    let text = tool(name).json.get().replace("does it", does);
    ToolDefinition::parse(serde_json::value::RawValue::from_string(text).unwrap()).unwrap()
}

/// A failure that says this.
pub(crate) fn failure(message: &str) -> Failure {
    Failure {
        kind: FailureKind::Unreachable,
        message: message.to_owned(),
        effect: Effect::None,
    }
}

type Listed = Result<Vec<ToolDefinition>, Failure>;

/// Workers that answer what a test tells them to.
pub(crate) struct FakeWorkers {
    /// What upstreams list, by default `echo` and `add`.
    pub(crate) listed: Mutex<Listed>,
    /// What upstreams say of themselves, by default nothing.
    pub(crate) server: Mutex<Option<UpstreamInfo>>,
    /// How often each connector's tools were asked for.
    pub(crate) asked: Mutex<HashMap<ConnectorId, u32>>,
    pub(crate) released: Mutex<Vec<ConnectorId>>,
    /// Those that were released for good.
    pub(crate) forgotten: Mutex<Vec<ConnectorId>>,
    pub(crate) stderr: Mutex<Vec<StderrLine>>,
    /// A permit is needed for each answer to a listing.
    pub(crate) gate: Semaphore,
}

impl Default for FakeWorkers {
    fn default() -> Self {
        Self {
            listed: Mutex::new(Ok(vec![tool("echo"), tool("add")])),
            server: Mutex::default(),
            asked: Mutex::default(),
            released: Mutex::default(),
            forgotten: Mutex::default(),
            stderr: Mutex::default(),
            gate: Semaphore::new(1_000),
        }
    }
}

impl FakeWorkers {
    pub(crate) fn lists(&self, listed: Listed) {
        *self.listed.lock().unwrap() = listed;
    }

    /// What was released since the last time.
    pub(crate) fn take_released(&self) -> usize {
        std::mem::take(&mut *self.released.lock().unwrap()).len()
    }

    /// What was forgotten since the last time.
    pub(crate) fn take_forgotten(&self) -> usize {
        std::mem::take(&mut *self.forgotten.lock().unwrap()).len()
    }

    pub(crate) fn times_asked(&self) -> u32 {
        self.asked.lock().unwrap().values().sum()
    }
}

impl Workers for FakeWorkers {
    fn list_tools(
        &self,
        _: TenantId,
        connector: ConnectorId,
        _: i64,
    ) -> BoxFuture<'_, Result<Listing, Failure>> {
        *self.asked.lock().unwrap().entry(connector).or_default() += 1;
        Box::pin(async {
            self.gate.acquire().await.unwrap().forget();
            let tools = self.listed.lock().unwrap().clone()?;
            let server = self.server.lock().unwrap().clone();
            Ok(Listing { tools, server })
        })
    }

    fn process(&self, _: TenantId, _: ConnectorId) -> BoxFuture<'_, Option<ProcessStatus>> {
        Box::pin(async {
            Some(ProcessStatus {
                state: ProcessState::Running,
                pid: Some(42),
                started_at: Some(NOW),
                restarts: 1,
                last_exit: Some("exit status 1: hunter2-marker".to_owned()),
            })
        })
    }

    fn stderr(&self, _: TenantId, _: ConnectorId) -> BoxFuture<'_, Vec<StderrLine>> {
        Box::pin(async { self.stderr.lock().unwrap().clone() })
    }

    fn release(&self, _: TenantId, connector: ConnectorId) -> BoxFuture<'_, ()> {
        self.released.lock().unwrap().push(connector);
        Box::pin(async {})
    }

    fn forget(&self, _: TenantId, connector: ConnectorId) -> BoxFuture<'_, ()> {
        self.forgotten.lock().unwrap().push(connector);
        Box::pin(async {})
    }
}
