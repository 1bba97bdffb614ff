//! A running `turnbuckle up`.

use std::process::{Child, ExitStatus};
use std::time::Duration;

use serde_json::{Value, json};

use super::home::Ready;
use super::{Api, Cli, Home, Mcp, Signal, eventually_blocking, signal};

/// A running process. Dropping it kills the process, and fails the test when it logged an error: nothing
/// that a client, an upstream or a bad request does is one.
pub(crate) struct Platform {
    /// Taken when the process is stopped on purpose.
    home: Option<Home>,
    child: Child,
    ready: Ready,
    /// Length of the log when this process started: what is before is another's.
    log_start: usize,
}

impl Platform {
    /// A new one with a data folder of its own.
    pub(crate) async fn start() -> Self {
        Home::new().start().await
    }

    pub(super) fn new(home: Home, child: Child, ready: Ready, log_start: usize) -> Self {
        assert_eq!(
            ready.data_dir.canonicalize().unwrap(),
            home.data_dir().canonicalize().unwrap(),
            "the ready file names the data folder"
        );
        Self {
            home: Some(home),
            child,
            ready,
            log_start,
        }
    }

    pub(crate) fn home(&self) -> &Home {
        self.home.as_ref().expect("taken only when it is stopped")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where REST and MCP are, `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> &str {
        self.ready.url.trim_end_matches('/')
    }

    pub(crate) fn grpc_url(&self) -> &str {
        &self.ready.grpc_url
    }

    /// The admin API with the platform admin's key.
    pub(crate) fn admin(&self) -> Api {
        self.api(&self.home().admin_key())
    }

    /// The admin API with another key.
    pub(crate) fn api(&self, key: &str) -> Api {
        Api::new(format!("{}/api/v1/admin", self.url()), Some(key))
    }

    /// Everything else over HTTP on the public port, with no key.
    pub(crate) fn public(&self) -> Api {
        Api::new(self.url().to_owned(), None)
    }

    /// The port of the operator.
    pub(crate) fn operator(&self) -> Api {
        Api::new(self.ready.admin_url.trim_end_matches('/').to_owned(), None)
    }

    /// A tenant's endpoint with all connectors.
    pub(crate) fn mcp(&self, tenant: &str, key: &str) -> Mcp {
        Mcp::new(format!("{}/api/v1/{tenant}/mcp", self.url()), key)
    }

    /// A tenant's endpoint of one connector.
    pub(crate) fn connector_mcp(&self, tenant: &str, connector: &str, key: &str) -> Mcp {
        Mcp::new(
            format!("{}/api/v1/{tenant}/connectors/{connector}/mcp", self.url()),
            key,
        )
    }

    /// The command line, run in the folder of the platform.
    pub(crate) fn cli(&self) -> Cli<'_> {
        Cli::new(self.home())
    }

    /// Creates a tenant and a `tenant_user` key; returns the key's secret.
    pub(crate) async fn tenant(&self, slug: &str) -> String {
        let tenant = json!({ "slug": slug, "name": slug });
        self.admin().post("/tenants", &tenant).await.expect(201);
        self.key(slug, "tenant_user").await
    }

    /// Creates a key of a tenant; returns its secret.
    pub(crate) async fn key(&self, tenant: &str, scope: &str) -> String {
        let key = json!({ "name": format!("a {scope}"), "scope": scope, "tenant": tenant });
        let created = self.admin().post("/keys", &key).await.expect(201);
        created["secret"].as_str().unwrap().to_owned()
    }

    /// Creates a connector and waits for its first sync, which must work; returns it.
    pub(crate) async fn connector(&self, tenant: &str, connector: &Value) -> Value {
        let path = format!("/tenants/{tenant}/connectors?wait=true");
        let created = self.admin().post(&path, connector).await.expect(201);
        assert_eq!(
            created["sync"]["state"], "ok",
            "the first sync works: {created}"
        );
        created
    }

    /// The metrics' text.
    pub(crate) async fn metrics(&self) -> String {
        self.operator().get("/metrics").await.text
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        eventually_blocking(limit, "turnbuckle ends", || child.try_wait().unwrap()).await
    }

    /// Stops it as a service manager does, and returns what stays.
    pub(crate) async fn stop(mut self) -> Home {
        signal(self.pid(), Signal::TERM);
        let status = self.ended(Duration::from_secs(30)).await;
        assert!(
            status.success(),
            "a stop is no failure: {status}\n{}",
            self.home().log()
        );
        self.leave()
    }

    /// Kills it as the kernel does, and returns what stays.
    pub(crate) fn kill(mut self) -> Home {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.leave()
    }

    fn leave(mut self) -> Home {
        self.assert_no_error();
        self.home.take().expect("left once")
    }

    fn assert_no_error(&self) {
        let log = self.home().log();
        let errors: Vec<&str> = log[self.log_start.min(log.len())..]
            .lines()
            .filter(|line| is_error(line))
            .collect();
        assert!(
            errors.is_empty(),
            "errors in the log:\n{}",
            errors.join("\n")
        );
    }
}

/// An error event, or the message of a panic.
pub(super) fn is_error(line: &str) -> bool {
    match serde_json::from_str::<Value>(line) {
        Ok(event) => event["level"] == "ERROR",
        Err(_) => line.contains("panicked at"),
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let Some(home) = &self.home else { return };
        if std::thread::panicking() {
            eprintln!("--- what turnbuckle logged\n{}---", home.log());
        } else {
            self.assert_no_error();
        }
    }
}
