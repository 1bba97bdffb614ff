//! The cluster, as its ready file tells.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use bench::client::Target;
use serde::Deserialize;

use super::admin::Admin;
use super::member::{Member, Told};

#[derive(Deserialize)]
struct Ready {
    data_dir: PathBuf,
    admin_key_file: PathBuf,
    processes: Vec<Told>,
}

/// The processes, and the key of its platform admin.
pub(crate) struct Cluster {
    members: Vec<Member>,
    admin_key: String,
    redis_password: String,
}

impl Cluster {
    /// # Errors
    /// The file, or one that it names, cannot be read; or a process is gone.
    pub(crate) fn read(path: &str) -> anyhow::Result<Self> {
        let text = fs::read(path).with_context(|| format!("the ready file {path}"))?;
        let ready: Ready = serde_json::from_slice(&text).context("the ready file")?;
        let members = ready.processes.into_iter();
        let found = members.map(|told| Member::find(told, &ready.data_dir));
        let redis = fs::read_to_string(ready.data_dir.join("redis.conf"))?;
        let password = redis
            .lines()
            .find_map(|line| line.strip_prefix("requirepass "));
        Ok(Self {
            members: found
                .filter_map(Result::transpose)
                .collect::<anyhow::Result<_>>()?,
            admin_key: fs::read_to_string(&ready.admin_key_file)?.trim().to_owned(),
            redis_password: password.context("redis.conf has no password")?.to_owned(),
        })
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(crate) fn of_role<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Member> {
        self.members
            .iter()
            .filter(move |member| member.role() == role)
    }

    pub(crate) fn named_mut(&mut self, name: &str) -> anyhow::Result<&mut Member> {
        let mut members = self.members.iter_mut();
        let named = members.find(|member| member.name() == name);
        named.with_context(|| format!("there is no {name}"))
    }

    /// A client of the admin API at all control-planes.
    pub(crate) fn admin(&self) -> Admin {
        let addresses = self.of_role("control-plane").map(Member::address);
        Admin::new(addresses.map(str::to_owned).collect(), &self.admin_key)
    }

    /// A new tenant with one remote MCP server: its administration, a key, and its endpoint at each
    /// gateway.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) async fn tenant(
        &self,
        slug: &str,
        server: &str,
        url: &str,
    ) -> anyhow::Result<(Admin, String, Vec<Target>)> {
        let mut admin = self.admin();
        admin.tenant(slug).await?;
        admin.remote(slug, server, url).await?;
        let key = admin.key(slug).await?.secret;
        let gateways = self.endpoints(slug, server, &key)?;
        Ok((admin, key, gateways))
    }

    /// The endpoint of one connector at each gateway.
    pub(crate) fn endpoints(
        &self,
        tenant: &str,
        connector: &str,
        key: &str,
    ) -> anyhow::Result<Vec<Target>> {
        let target = |gateway: &Member| {
            let base = gateway.address();
            let url = format!("http://{base}/api/v1/{tenant}/connectors/{connector}/mcp");
            Target::new(&url, Some(key))
        };
        self.of_role("gateway").map(target).collect()
    }

    /// Where Redis listens, and its password.
    pub(crate) fn redis(&self) -> anyhow::Result<(&str, &str)> {
        let redis = self.of_role("redis").next().context("there is no Redis")?;
        Ok((redis.address(), &self.redis_password))
    }

    /// KiB of memory that each gateway holds.
    pub(crate) fn gateway_memory(&self) -> anyhow::Result<Vec<u64>> {
        self.of_role("gateway").map(Member::resident_kib).collect()
    }
}
