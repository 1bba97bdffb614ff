//! A cluster with a tenant and upstreams of every kind.

use serde_json::json;

use super::super::{NodeServer, node_script};
use super::{Cluster, Got, Wire};

const SERVER: &str = "cluster-server.mjs";

/// The tenant `acme` with three connectors of the same tools: `legacy` and `modern` over HTTP, of the
/// legacy and the modern era, and `hosted`, which a worker runs.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) legacy: Wire,
    pub(crate) modern: Wire,
    pub(crate) hosted: Wire,
    key: String,
    upstreams: [NodeServer; 2],
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self::on(Cluster::start().await).await
    }

    /// On a cluster that runs.
    pub(crate) async fn on(cluster: Cluster) -> Self {
        let (_, key) = cluster.tenant("acme").await;
        let legacy = NodeServer::start("clients", SERVER, &["http", "legacy"]).await;
        let modern = NodeServer::start("clients", SERVER, &["http", "modern"]).await;
        let remote = |slug, server: &NodeServer| json!({ "slug": slug, "type": "remote_mcp", "config": { "url": server.url } });
        let script = node_script("clients", SERVER);
        let command = ["node", &script, "stdio", "legacy"];
        let hosted =
            json!({ "slug": "hosted", "type": "hosted_mcp", "config": { "command": command } });
        let (old, new) = (remote("legacy", &legacy), remote("modern", &modern));
        tokio::join!(
            cluster.connector("acme", &old),
            cluster.connector("acme", &new),
            cluster.connector("acme", &hosted),
        );
        let wire = |connector| cluster.wire("acme", connector, &key);
        Self {
            legacy: wire("legacy"),
            modern: wire("modern"),
            hosted: wire("hosted"),
            upstreams: [legacy, modern],
            key,
            cluster,
        }
    }

    /// The endpoint of a further connector, whose upstream gets `secret` in a header.
    pub(crate) async fn marked(&self, secret: &str) -> Wire {
        let connector = json!({
            "slug": "marked", "type": "remote_mcp", "config": { "url": self.upstreams[0].url },
            "secrets": { "headers": { "X-Marked": secret } },
        });
        self.cluster.connector("acme", &connector).await;
        self.cluster.wire("acme", "marked", &self.key)
    }

    /// The endpoint of another tenant, `rival`, whose connector leads to the same upstream as
    /// `legacy`.
    pub(crate) async fn rival(&self) -> Wire {
        let (_, key) = self.cluster.tenant("rival").await;
        let connector = json!({
            "slug": "legacy", "type": "remote_mcp", "config": { "url": self.upstreams[0].url },
        });
        self.cluster.connector("rival", &connector).await;
        self.cluster.wire("rival", "legacy", &key)
    }

    /// Which worker runs the hosted server, and as which process.
    pub(crate) async fn host(&self) -> (usize, u32) {
        let got = self.hosted.call(0, "pid", json!({})).await;
        let pid: u32 = got.text().parse().unwrap();
        let workers = self.cluster.workers.iter().enumerate();
        let running = workers.filter(|(_, worker)| worker.runs());
        let mut hosts = running
            .filter(|(_, worker)| super::super::descendants(worker.pid()).contains(&pid))
            .map(|(number, _)| number);
        let host = hosts.next().unwrap_or_else(|| panic!("nobody runs {pid}"));
        assert_eq!(hosts.next(), None, "it runs once");
        (host, pid)
    }

    /// Each connector answers through each gateway that is there.
    pub(crate) async fn works(&self) {
        for (number, gateway) in self.cluster.gateways.iter().enumerate() {
            if !gateway.runs() {
                continue;
            }
            for wire in [&self.legacy, &self.modern, &self.hosted] {
                let got = wire.call(number, "echo", json!({ "text": "hi" })).await;
                assert_eq!(got.text(), "hi", "through {}", gateway.name());
            }
        }
    }

    /// Whether a call through a gateway gives a result.
    pub(crate) async fn echoes(&self, wire: &Wire, gateway: usize) -> bool {
        let got: Got = wire.call(gateway, "echo", json!({ "text": "hi" })).await;
        got.is_result()
    }
}
