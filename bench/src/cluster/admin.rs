//! The admin API, at whichever control-plane answers.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench::client::{Answer, Client, Target};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The pause before something is asked for again.
const AGAIN: Duration = Duration::from_millis(200);

/// A client of one connection at a time.
pub(crate) struct Admin {
    addresses: Vec<String>,
    key: String,
    at: usize,
    client: Option<Client>,
}

/// A key of a tenant.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Admin {
    pub(super) fn new(addresses: Vec<String>, key: &str) -> Self {
        Self {
            addresses,
            key: key.to_owned(),
            at: 0,
            client: None,
        }
    }

    /// Goes to the next control-plane.
    pub(crate) fn turn(&mut self) {
        self.at = (self.at + 1) % self.addresses.len();
        self.client = None;
    }

    /// Sends a request; whatever the answer.
    ///
    /// # Errors
    /// There is no answer. The next request goes to the next control-plane.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let sent = timeout(PATIENCE, self.attempt(method, path, body)).await;
        let sent = sent.context("no answer in time").and_then(|sent| sent);
        if sent.is_err() {
            self.turn();
        }
        sent
    }

    async fn attempt(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let client = match &mut self.client {
            Some(client) => client,
            None => {
                let url = format!("http://{}", self.addresses[self.at]);
                let connected = Client::connect(&Target::new(&url, Some(&self.key))?).await?;
                self.client.insert(connected)
            }
        };
        let body = match body {
            Value::Null => Bytes::new(),
            body => Bytes::from(body.to_string()),
        };
        let path = format!("/api/v1/admin{path}");
        client.json(method, &path, body).await
    }

    /// Sends a request that must work.
    pub(crate) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<()> {
        let answer = self.send(method.clone(), path, body).await?;
        let is_done = answer.status.is_success();
        ensure!(is_done, "{method} {path}: {}", answer.told());
        Ok(())
    }

    /// Makes something. A control-plane with too much to do says so before it begins, and is asked
    /// again.
    async fn make(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            let answer = self.send(Method::POST, path, body).await?;
            if answer.status.is_success() {
                return Ok(serde_json::from_slice(&answer.body)?);
            }
            let may_come_again = answer.status == 503 && began.elapsed() < PATIENCE;
            ensure!(may_come_again, "POST {path}: {}", answer.told());
            tokio::time::sleep(AGAIN).await;
        }
    }

    pub(crate) async fn tenant(&mut self, slug: &str) -> anyhow::Result<()> {
        let tenant = json!({ "slug": slug, "name": slug });
        self.make("/tenants", &tenant).await.map(drop)
    }

    /// A remote MCP server whose tools have been read.
    pub(crate) async fn remote(
        &mut self,
        tenant: &str,
        slug: &str,
        url: &str,
    ) -> anyhow::Result<()> {
        let config = json!({ "slug": slug, "type": "remote_mcp", "config": { "url": url } });
        self.connector(tenant, &config, true).await
    }

    /// A connector; `wait` for its tools.
    pub(crate) async fn connector(
        &mut self,
        tenant: &str,
        config: &Value,
        wait: bool,
    ) -> anyhow::Result<()> {
        let path = format!("/tenants/{tenant}/connectors?wait={wait}");
        self.make(&path, config).await.map(drop)
    }

    pub(crate) async fn key(&mut self, tenant: &str) -> anyhow::Result<Key> {
        let key = json!({ "name": "bench", "scope": "tenant_user", "tenant": tenant });
        let made = self.make("/keys", &key).await?;
        let text = |name: &str| made[name].as_str().map(str::to_owned);
        Ok(Key {
            id: text("id").context("a key without an id")?,
            secret: text("secret").context("a key without a secret")?,
        })
    }
}
