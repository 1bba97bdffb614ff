//! A gateway whose neighbours do what a test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use cache::Cache;
use crypto::{ApiToken, KeyHasher, RootKey, TokenSealer};
use domain::*;
use fabric::{
    BoxFuture, Call, CallEvent, ConfigListener, ConfigSource, ConnectorConfig, Events, Execute,
    Method, Outcome, PlatformConfig, SourceError, StoredKey, Subject, TenantConfig,
};
use gateway::{Config, Deps, Gateway};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use runtime::{ManualClock, Process, SequentialIds, ShutdownTrigger};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tower::ServiceExt;
use uuid::Uuid;

pub(crate) const NOW: OffsetDateTime = time::macros::datetime!(2026-11-21 12:00 UTC);
pub(crate) const MODERN: &str = "2026-07-28";

/// A gateway and all around it.
pub(crate) struct Rig {
    pub(crate) router: Router,
    pub(crate) source: Arc<Source>,
    pub(crate) worker: Arc<Worker>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) process: Process,
    pub(crate) cache: Cache,
    pub(crate) keys: Vec<String>,
    hasher: KeyHasher,
    config: Config,
    root: Arc<RootKey>,
    ids: Arc<SequentialIds>,
    pub(crate) gateway: Gateway,
    pub(crate) trigger: ShutdownTrigger,
}

/// A control-plane of constants.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) tenants: Mutex<HashMap<String, TenantConfig>>,
    pub(crate) platform: Mutex<Vec<StoredKey>>,
    pub(crate) loads: Mutex<Vec<String>>,
    pub(crate) away: Mutex<bool>,
    listeners: Mutex<Vec<Arc<dyn ConfigListener>>>,
}

impl ConfigSource for Source {
    fn platform(&self) -> BoxFuture<'_, Result<PlatformConfig, SourceError>> {
        let keys = self.platform.lock().unwrap().clone();
        Box::pin(async {
            Ok(PlatformConfig {
                revision: i64::MAX,
                keys,
            })
        })
    }

    fn tenant<'a>(
        &'a self,
        slug: &'a str,
    ) -> BoxFuture<'a, Result<Option<TenantConfig>, SourceError>> {
        self.loads.lock().unwrap().push(slug.to_owned());
        let found = match *self.away.lock().unwrap() {
            true => Err(SourceError("away".to_owned())),
            false => Ok(self.tenants.lock().unwrap().get(slug).cloned()),
        };
        Box::pin(async { found })
    }

    fn subscribe(&self, listener: Arc<dyn ConfigListener>) {
        self.listeners.lock().unwrap().push(listener);
    }

    fn keys_used<'a>(&'a self, _keys: &'a [KeyId]) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Source {
    /// Changes a tenant as a control-plane would: first the truth, then the hint.
    pub(crate) fn change(&self, slug: &str, change: impl FnOnce(&mut TenantConfig)) {
        let mut tenants = self.tenants.lock().unwrap();
        let tenant = tenants.get_mut(slug).unwrap();
        tenant.revision += 1;
        change(tenant);
        let (subject, revision) = (Subject::Tenant(slug.to_owned()), tenant.revision);
        drop(tenants);
        for listener in self.listeners.lock().unwrap().iter() {
            listener.changed(&subject, revision);
        }
    }
}

/// What a test has its worker do.
pub(crate) type Script =
    Arc<dyn Fn(Call, Option<Events>) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// A worker that records calls, and does what its script says; without one it answers by the
/// method and the tool's name.
#[derive(Default)]
pub(crate) struct Worker {
    pub(crate) calls: Mutex<Vec<Call>>,
    pub(crate) outcome: Mutex<Option<Outcome>>,
    script: Mutex<Option<Script>>,
    /// Lets a call of the tool `wait` go on.
    pub(crate) go: Notify,
    /// Signalled when a call of the tool `wait` ends, and when one is dropped.
    pub(crate) finished: Notify,
    pub(crate) dropped: Notify,
}

struct OnDrop<'a>(&'a Notify);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A result, as a worker gives it.
pub(crate) fn result(json: impl ToString) -> Outcome {
    Outcome::Result(Bytes::from(json.to_string()))
}

impl Worker {
    /// From now on each call does this.
    pub(crate) fn script<F, W>(&self, script: F)
    where
        F: Fn(Call, Option<Events>) -> W + Send + Sync + 'static,
        W: Future<Output = Outcome> + Send + 'static,
    {
        let script: Script = Arc::new(move |call, events| Box::pin(script(call, events)));
        *self.script.lock().unwrap() = Some(script);
    }

    /// From now on each call is answered so at once.
    pub(crate) fn answers(&self, answer: impl Fn(&Call) -> Outcome + Send + Sync + 'static) {
        let answer = Arc::new(answer);
        self.script(move |call, _events| {
            let answer = answer.clone();
            async move { answer(&call) }
        });
    }

    /// The calls so far, which are forgotten.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl Execute for Worker {
    fn execute(&self, call: Call, events: Option<Events>) -> BoxFuture<'_, Outcome> {
        if call.request.method == Method::Watch && self.script.lock().unwrap().is_none() {
            return Box::pin(std::future::pending());
        }
        self.calls.lock().unwrap().push(call.clone());
        if let Some(script) = self.script.lock().unwrap().clone() {
            return script(call, events);
        }
        Box::pin(async move {
            let _dropped = OnDrop(&self.dropped);
            let name = call.request.name.as_deref().unwrap_or_default();
            if name == "progress" {
                for step in ["{\"progress\":1}", "{\"progress\":2,\"message\":\"x\"}"] {
                    if let Some(events) = &events {
                        events
                            .send(CallEvent::Progress(Bytes::from_static(step.as_bytes())))
                            .await
                            .ok();
                    }
                }
            }
            if name == "wait" {
                self.go.notified().await;
                self.finished.notify_one();
            }
            if let Some(outcome) = self.outcome.lock().unwrap().take() {
                return outcome;
            }
            let echoed = call.request.arguments.clone();
            let echoed = echoed.unwrap_or_else(|| Bytes::from_static(b"{}"));
            let echoed = std::str::from_utf8(&echoed).unwrap();
            result(format!(r#"{{"content":[],"echo":{echoed},"x":1.0}}"#))
        })
    }
}

/// A response, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// Status, JSON-RPC code and message, for comparison at once.
    pub(crate) fn error(&self) -> (u16, i64, String) {
        let error = self.json()["error"].clone();
        let message = error["message"].as_str().unwrap_or_default().to_owned();
        (
            self.status.as_u16(),
            error["code"].as_i64().unwrap_or_default(),
            message,
        )
    }

    /// The data of each event.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events = Vec::new();
        mcp::sse::Decoder::new(1 << 20)
            .feed(self.text.as_bytes(), |event| {
                // A priming event has no data.
                if !event.data.is_empty() {
                    events.push(serde_json::from_slice(&event.data).unwrap());
                }
            })
            .unwrap();
        events
    }
}

impl Rig {
    /// Two tenants, `acme` and `rival`, each with the connectors `one` and `two` and a key.
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let cache = Cache::local(&config.cache_limits());
        Self::over(config, cache)
    }

    /// The same over a cache of the test's own.
    pub(crate) fn over(config: Config, cache: Cache) -> Self {
        let mut rig = Self::build(
            config,
            cache,
            (
                Arc::new(RootKey::generate()),
                Arc::new(Source::default()),
                Arc::new(Worker::default()),
                Arc::new(ManualClock::new(NOW)),
                Arc::new(SequentialIds::default()),
            ),
        );
        for (number, slug) in [(1, "acme"), (2, "rival")] {
            rig.add_tenant(number, slug);
        }
        rig
    }

    /// Another gateway of the same cluster, over a cache that leads to the same store.
    pub(crate) fn beside(&self, cache: Cache) -> Self {
        let mut rig = Self::build(
            self.config.clone(),
            cache,
            (
                self.root.clone(),
                self.source.clone(),
                self.worker.clone(),
                self.clock.clone(),
                self.ids.clone(),
            ),
        );
        rig.keys = self.keys.clone();
        rig
    }

    #[expect(clippy::type_complexity, reason = "named where they are made")]
    fn build(
        config: Config,
        cache: Cache,
        (root, source, worker, clock, ids): (
            Arc<RootKey>,
            Arc<Source>,
            Arc<Worker>,
            Arc<ManualClock>,
            Arc<SequentialIds>,
        ),
    ) -> Self {
        let (trigger, process) = Process::new();
        let deps = Deps {
            source: source.clone(),
            workers: worker.clone(),
            cache: cache.clone(),
            hasher: KeyHasher::new(&root),
            sealer: TokenSealer::new(&root, "mcp-session"),
            clock: clock.clone(),
            ids: ids.clone(),
        };
        let gateway = Gateway::build(config.clone(), deps, &process).unwrap();
        Self {
            router: gateway.router(),
            source,
            worker,
            clock,
            process,
            cache,
            keys: Vec::new(),
            hasher: KeyHasher::new(&root),
            config,
            root,
            ids,
            gateway,
            trigger,
        }
    }

    fn add_tenant(&mut self, number: u128, slug: &str) {
        let id = TenantId::new(Uuid::from_u128(number));
        let token = self.mint(100 + number, Scope::TenantUser);
        let key = self.stored(&token, Scope::TenantUser, Some(id));
        self.keys.push(token.expose());
        let tenant = Tenant {
            id,
            slug: slug.parse().unwrap(),
            name: slug.to_owned(),
            description: String::new(),
            contact_email: String::new(),
            state: TenantState::Active,
            created_at: NOW,
            updated_at: NOW,
            version: 1,
        };
        let tools = ["echo", "progress", "wait", "off"];
        let connectors = vec![
            connector(id, number * 10 + 1, "one", "", &tools),
            connector(id, number * 10 + 2, "two", "two", &tools),
        ];
        let config = TenantConfig {
            revision: 1,
            tenant,
            keys: vec![key],
            connectors,
        };
        self.source
            .tenants
            .lock()
            .unwrap()
            .insert(slug.to_owned(), config);
    }

    /// From now on one of acme's connectors is an MCP server that said this of itself.
    pub(crate) fn server(&self, connector: usize, version: &str, capabilities: Value) {
        let capabilities = RawValue::from_string(capabilities.to_string()).unwrap();
        self.source.change("acme", |config| {
            config.connectors[connector].server = Some(UpstreamInfo {
                version: version.to_owned(),
                capabilities,
                instructions: Some(format!("Use {connector}.")),
                tool_list: None,
            });
        });
    }

    pub(crate) fn mint(&self, id: u128, scope: Scope) -> ApiToken {
        ApiToken::mint(KeyId::new(Uuid::from_u128(id)), scope)
    }

    pub(crate) fn stored(
        &self,
        token: &ApiToken,
        scope: Scope,
        tenant: Option<TenantId>,
    ) -> StoredKey {
        let key = ApiKey {
            id: token.id(),
            name: "key".to_owned(),
            scope,
            tenant,
            state: KeyState::Active,
            created_at: NOW,
            expires_at: Some(NOW + Duration::from_secs(3_600)),
            last_used_at: None,
        };
        StoredKey {
            key,
            hash: self.hasher.hash(token.secret()),
        }
    }

    /// The process is asked to end.
    pub(crate) fn drain(&self) {
        self.trigger.drain();
    }

    pub(crate) async fn send(&self, request: http::Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    /// A POST to acme's aggregate endpoint with acme's key.
    pub(crate) fn post(
        &self,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> http::Request<Body> {
        self.post_to("/api/v1/acme/mcp", &self.keys[0], headers, body)
    }

    pub(crate) fn post_to(
        &self,
        path: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> http::Request<Body> {
        let mut request = http::Request::post(path)
            .header("authorization", format!("Bearer {key}"))
            .header("accept", "application/json, text/event-stream");
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.into()).unwrap()
    }

    /// A modern request with everything that it must have, of a client without capabilities.
    pub(crate) async fn modern(&self, method: &str, params: Value) -> Answer {
        self.modern_as("/api/v1/acme/mcp", json!({}), method, params)
            .await
    }

    /// The same of a client with capabilities, at an endpoint of acme.
    pub(crate) async fn modern_as(
        &self,
        path: &str,
        capabilities: Value,
        method: &str,
        mut params: Value,
    ) -> Answer {
        let name = ["name", "uri", "taskId"].iter().find_map(|key| {
            let named = match *key {
                "uri" => method == "resources/read",
                _ => true,
            };
            params
                .get(key)
                .filter(|_| named)?
                .as_str()
                .map(str::to_owned)
        });
        let given = params.get("_meta").cloned().unwrap_or(json!({}));
        params["_meta"] = meta();
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities;
        for (name, value) in given.as_object().unwrap() {
            params["_meta"][name] = value.clone();
        }
        let mut headers = vec![("mcp-protocol-version", MODERN), ("mcp-method", method)];
        headers.extend(name.as_deref().map(|name| ("mcp-name", name)));
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.send(self.post_to(path, &self.keys[0], &headers, body.to_string()))
            .await
    }

    /// The answer, whichever of its forms it came in.
    pub(crate) fn last(answer: &Answer) -> Value {
        match answer.headers["content-type"].to_str().unwrap() {
            "text/event-stream" => answer.events().pop().unwrap(),
            _ => answer.json(),
        }
    }

    /// Begins a legacy session and returns its id.
    pub(crate) async fn session(&self, path: &str, key: &str) -> String {
        let answer = self
            .send(self.post_to(path, key, &[], initialize("2025-11-25")))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.headers["mcp-session-id"]
            .to_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) async fn legacy(&self, session: &str, method: &str, params: Value) -> Answer {
        let headers = [
            ("mcp-session-id", session),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        let body = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params});
        self.send(self.post(&headers, body.to_string())).await
    }
}

pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

pub(crate) fn initialize(version: &str) -> String {
    let client = json!({"name": "test", "version": "1"});
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string()
}

fn connector(
    tenant: TenantId,
    number: u128,
    slug: &str,
    prefix: &str,
    tools: &[&str],
) -> ConnectorConfig {
    let connector = Connector {
        id: ConnectorId::new(Uuid::from_u128(number)),
        tenant,
        slug: slug.parse().unwrap(),
        display_name: slug.to_owned(),
        kind: ConnectorKind::RemoteMcp {
            url: "http://127.0.0.1:1/".parse().unwrap(),
        },
        enabled: true,
        prefix: prefix.to_owned(),
        credential: CredentialInfo::default(),
        on_change: domain::OnChange::Accept,
        sync: SyncStatus {
            state: SyncState::Ok,
            at: None,
            error: None,
            tools: 0,
            changed: domain::ChangedTools::default(),
        },
        created_at: NOW,
        updated_at: NOW,
        version: 7,
    };
    let tool = |name: &&str| Tool {
        definition: definition(name, &json!({"type": "object"})),
        enabled: *name != "off",
    };
    ConnectorConfig {
        connector,
        server: None,
        tools: tools.iter().map(tool).collect(),
    }
}

pub(crate) fn definition(name: &str, schema: &Value) -> ToolDefinition {
    let text = format!(r#"{{"name":"{name}","inputSchema":{schema},"x":1.0}}"#);
    ToolDefinition::parse(RawValue::from_string(text).unwrap()).unwrap()
}

impl Rig {
    /// Begins a legacy session of a client with capabilities.
    pub(crate) async fn session_as(
        &self,
        path: &str,
        version: &str,
        capabilities: Value,
    ) -> String {
        let client = json!({"name": "test", "version": "1"});
        let params = json!({
            "protocolVersion": version, "capabilities": capabilities, "clientInfo": client,
        });
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let request = self.post_to(path, &self.keys[0], &[], body.to_string());
        let answer = self.send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let session = answer.headers["mcp-session-id"].to_str().unwrap();
        session.to_owned()
    }

    /// A message of a legacy session at one of acme's endpoints.
    pub(crate) fn message(&self, path: &str, session: &str, body: Value) -> http::Request<Body> {
        let headers = [("mcp-session-id", session)];
        self.post_to(path, &self.keys[0], &headers, body.to_string())
    }

    /// A request of a legacy session at one of acme's endpoints.
    pub(crate) async fn legacy_at(
        &self,
        path: &str,
        session: &str,
        method: &str,
        params: Value,
    ) -> Answer {
        let body = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params});
        self.send(self.message(path, session, body)).await
    }
}
