//! What any platform offers at its front doors, whatever stands behind them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Api, Cli, Home, Mcp, eventually};

/// One public address, and the key of the platform's admin.
pub(crate) struct Doors {
    /// `http://127.0.0.1:PORT`.
    url: String,
    admin_key: String,
    /// Several processes stand behind: a change counts when all of them have it.
    several: bool,
}

impl Doors {
    /// Of one process.
    pub(super) fn of_one(url: &str, admin_key: String) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            admin_key,
            several: false,
        }
    }

    /// Of several processes behind one address.
    pub(super) fn of_several(url: &str, admin_key: String) -> Self {
        Self {
            several: true,
            ..Self::of_one(url, admin_key)
        }
    }

    /// Where REST and MCP are, `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn admin_key(&self) -> &str {
        &self.admin_key
    }

    /// The admin API with the platform admin's key.
    pub(crate) fn admin(&self) -> Api {
        self.api(&self.admin_key)
    }

    /// The admin API with another key. A change is answered when it is in force.
    pub(crate) fn api(&self, key: &str) -> Api {
        let api = Api::new(format!("{}/api/v1/admin", self.url), Some(key));
        if self.several { api.waiting() } else { api }
    }

    /// Everything else over HTTP on the public port, with no key.
    pub(crate) fn public(&self) -> Api {
        Api::new(self.url.clone(), None)
    }

    /// A tenant's endpoint with all connectors.
    pub(crate) fn mcp(&self, tenant: &str, key: &str) -> Mcp {
        Mcp::new(format!("{}/api/v1/{tenant}/mcp", self.url), key)
    }

    /// A tenant's endpoint of one connector.
    pub(crate) fn connector_mcp(&self, tenant: &str, connector: &str, key: &str) -> Mcp {
        Mcp::new(
            format!("{}/api/v1/{tenant}/connectors/{connector}/mcp", self.url),
            key,
        )
    }

    /// The command line in a folder. Changes are in force when a command has ended.
    pub(super) fn cli<'a>(&self, folder: &'a Home) -> Cli<'a> {
        let cli = Cli::new(folder);
        if !self.several {
            return cli;
        }
        cli.settling(self.admin())
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

    /// Waits until what is known anywhere by now is in force everywhere.
    pub(crate) async fn settled(&self) {
        if self.several {
            settled(&self.admin()).await;
        }
    }
}

/// Waits until all gateways enforce the newest revision that there is now.
pub(super) async fn settled(admin: &Api) {
    let newest = admin.get("/nodes").await.expect(200)["newest_revision"].clone();
    let limit = Duration::from_secs(10);
    eventually(limit, "all gateways have what changed", async || {
        let nodes = admin.get("/nodes").await.expect(200);
        let nodes = nodes["nodes"].as_array().unwrap();
        let mut gateways = nodes.iter().filter(|node| node["role"] == "gateway");
        let has = |node: &Value| node["enforced_revision"].as_i64() >= newest.as_i64();
        gateways.all(has).then_some(())
    })
    .await;
}
