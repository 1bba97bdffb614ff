//! Real processes: servers of the test kit, run through the real guard.

mod calls;
mod lanes;
mod owner;
mod start;
mod tree;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::{ConnectorId, TenantId};
use egress::Deadline;
use fabric::{Failure, ProcessStatus};
use http::HeaderMap;
use runtime::{IdGen, TimeOrderedIds};
use serde_json::Value;
use testkit::hosted::StdioServer;

use super::process::HostedProcess;
use super::{Config, GuardCommand, HostedServers, Spec};
use crate::upstream::{Exchange, Outgoing, Rejected, Transport};

/// A worker's hosted servers with one connector.
struct Bench {
    script: StdioServer,
    _state: tempfile::TempDir,
    trigger: runtime::ShutdownTrigger,
    process: runtime::Process,
    servers: Arc<HostedServers>,
    tenant: TenantId,
    connector: ConnectorId,
    /// In the command line of every process of the connector, the guard included.
    marker: String,
    next_id: AtomicU64,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut config = Config {
            state_dir: state.path().to_owned(),
            guard: guard(),
            backoff_min: Duration::from_secs(60),
            backoff_max: Duration::from_secs(60),
            ..Config::default()
        };
        change(&mut config);
        let (trigger, process) = runtime::Process::new();
        let clock = Arc::new(runtime::SystemClock);
        let ids = Arc::new(TimeOrderedIds);
        let environment = std::env::vars_os();
        let servers = HostedServers::new(config, environment, &process, clock, ids);
        Self {
            script: StdioServer::new(),
            _state: state,
            trigger,
            process,
            servers: Arc::new(servers),
            tenant: TenantId::new(TimeOrderedIds.next()),
            connector: ConnectorId::new(TimeOrderedIds.next()),
            marker: format!("marker-{}", TimeOrderedIds.next().simple()),
            next_id: AtomicU64::new(1),
        }
    }

    /// The test server with `args`, and the marker.
    fn spec(&self, args: &[&str]) -> Spec {
        let mut all = args.to_vec();
        all.extend(["--marker", &self.marker]);
        self.spec_of(self.script.command(&all))
    }

    fn spec_of(&self, command: Vec<String>) -> Spec {
        Spec {
            version: 1,
            command,
            working_directory: None,
            environment: BTreeMap::new(),
        }
    }

    async fn connect(&self, spec: &Spec) -> Result<Arc<HostedProcess>, Failure> {
        self.connect_lane(0, spec).await
    }

    async fn connect_lane(&self, lane: u32, spec: &Spec) -> Result<Arc<HostedProcess>, Failure> {
        self.servers
            .connect(self.tenant, self.connector, lane, spec, in_time())
            .await
    }

    /// Connects and calls, as a first call does.
    async fn call(&self, spec: &Spec, tool: &str, arguments: Value) -> Result<Value, Failure> {
        let process = self.connect(spec).await?;
        self.call_on(&process, tool, arguments).await
    }

    /// Calls a tool; gives the result's first text, as JSON where it is.
    async fn call_on(
        &self,
        process: &Arc<HostedProcess>,
        tool: &str,
        arguments: Value,
    ) -> Result<Value, Failure> {
        let mut exchange = self.begin(process, tool, arguments, in_time()).await?;
        let answer = last(&mut *exchange).await?;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        Ok(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
    }

    async fn begin(
        &self,
        process: &Arc<HostedProcess>,
        tool: &str,
        arguments: Value,
        deadline: Deadline,
    ) -> Result<Box<dyn Exchange>, Failure> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = serde_json::json!({
            "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments, "_meta": {"progressToken": id}},
        });
        // Line breaks between tokens, as a client may write them.
        let body = Bytes::from(serde_json::to_vec_pretty(&body).unwrap());
        let headers = HeaderMap::new();
        match process
            .request(Outgoing {
                id,
                body,
                headers,
                deadline,
            })
            .await
        {
            Ok(exchange) => Ok(exchange),
            Err(Rejected::Failed(failure)) => Err(failure),
            Err(Rejected::Status { .. }) => panic!("a status without HTTP"),
        }
    }

    fn status(&self) -> ProcessStatus {
        self.servers.status(self.tenant, self.connector).unwrap()
    }

    fn stderr(&self) -> Vec<String> {
        let lines = self.servers.stderr(self.tenant, self.connector);
        lines.into_iter().map(|line| line.text).collect()
    }

    async fn release(&self) {
        self.servers.release(self.tenant, self.connector).await;
    }

    /// Processes of the connector, the guard included.
    fn processes(&self) -> Vec<u32> {
        testkit::hosted::processes_with(&self.marker)
    }
}

/// The last message of an exchange.
async fn last(exchange: &mut dyn Exchange) -> Result<Bytes, Failure> {
    let mut last = None;
    while let Some(message) = exchange.next().await? {
        last = Some(message);
    }
    Ok(last.unwrap())
}

fn in_time() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// Repeats `look` until it is true.
async fn until(what: &str, mut look: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if look() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 10 s: {what}");
}

/// The guard of this package, which Cargo builds for its integration tests, beside the folder of
/// this executable.
fn guard() -> GuardCommand {
    let us = std::env::current_exe().unwrap();
    let program: PathBuf = us
        .parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join("hosted-guard");
    assert!(
        program.is_file(),
        "build all targets of the package: {} is missing",
        program.display()
    );
    GuardCommand {
        program,
        args: Vec::new(),
    }
}
