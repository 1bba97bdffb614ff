//! A cluster of real processes: two control-planes, two gateways and two workers, with a Postgres, a
//! Redis and a NATS of their own, each of which a scenario can kill, stop and start again.

mod balanced;
mod balancer;
mod config;
mod member;
mod recorder;
mod servers;
mod stage;
mod stream;
mod traffic;
mod wire;

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::nats::Nats;
use testkit::postgres::Private;
use testkit::redis::Redis;

use super::Api;
pub(crate) use balanced::Balanced;
pub(crate) use member::{Holds, Member};
pub(crate) use recorder::Recorder;
use servers::Servers;
pub(crate) use stage::Stage;
pub(crate) use stream::{Next, Stream};
pub(crate) use traffic::Traffic;
pub(crate) use wire::{Got, Legacy, Wire};

/// How many of each role there are.
pub(crate) const PAIR: usize = 2;

/// The processes. Dropping it kills them, and fails the test when one has logged an error that the
/// scenario does not expect.
pub(crate) struct Cluster {
    pub(crate) control_planes: Vec<Member>,
    pub(crate) gateways: Vec<Member>,
    pub(crate) workers: Vec<Member>,
    /// By control-plane: where the other roles reach it.
    fabric: Vec<u16>,
    expected: Vec<&'static str>,
    servers: Servers,
    folder: TempDir,
}

impl Cluster {
    /// Starts all of it.
    pub(crate) async fn start() -> Self {
        let mut cluster = Self::prepare();
        cluster.launch().await;
        cluster
    }

    /// Starts the servers only and writes the configuration of the roles.
    pub(crate) fn prepare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let members = |role| {
            let numbers = 1..=PAIR;
            numbers
                .map(|number| Member::new(role, number, folder.path()))
                .collect()
        };
        let cluster = Self {
            control_planes: members("control-plane"),
            gateways: members("gateway"),
            workers: members("worker"),
            fabric: (0..PAIR).map(|_| free_port()).collect(),
            expected: Vec::new(),
            servers: Servers::start(folder.path()),
            folder,
        };
        cluster.configure();
        cluster
    }

    /// Starts all roles: the control-planes at once, then everybody else at once.
    pub(crate) async fn launch(&mut self) {
        for group in [
            vec![&mut self.control_planes],
            vec![&mut self.workers, &mut self.gateways],
        ] {
            let mut group: Vec<&mut Member> = group.into_iter().flatten().collect();
            for member in &mut group {
                member.launch();
            }
            for member in group {
                member.started().await;
            }
        }
    }

    /// Where the workers say they are, in place of where they listen.
    pub(crate) fn advertise_workers(&self, addresses: &[String]) {
        for (worker, address) in self.workers.iter().zip(addresses) {
            self.configure_worker(worker, Some(address));
        }
    }

    /// Changes the configuration of members; it counts from their next start.
    pub(crate) fn configure_further(&self, role: &str, change: impl Fn(String) -> String) {
        let members = self.members().filter(|member| member.role() == role);
        members.for_each(|member| member.change_config(&change));
    }

    /// `127.0.0.1:PORT` where each control-plane is reached by the other roles.
    pub(crate) fn fabric_addresses(&self) -> Vec<String> {
        let ports = self.fabric.iter();
        ports.map(|port| format!("127.0.0.1:{port}")).collect()
    }

    /// `127.0.0.1:PORT` of each worker.
    pub(crate) fn worker_addresses(&self) -> Vec<String> {
        let address = |worker: &Member| format!("127.0.0.1:{}", worker.listen);
        self.workers.iter().map(address).collect()
    }

    /// Where the files of the processes are.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Errors with this text are what the scenario is about.
    pub(crate) fn expect_error(&mut self, text: &'static str) {
        self.expected.push(text);
    }

    pub(crate) fn postgres(&mut self) -> &mut Private {
        &mut self.servers.postgres
    }

    /// To look into the database.
    pub(crate) fn sql(&self, statement: &str) -> String {
        self.servers.postgres.psql(statement).trim().to_owned()
    }

    pub(crate) fn redis(&mut self) -> &mut Redis {
        &mut self.servers.redis
    }

    pub(crate) fn nats(&mut self) -> &mut Nats {
        &mut self.servers.nats
    }

    /// The admin API of a control-plane with the platform admin's key.
    pub(crate) fn admin(&self, control_plane: usize) -> Api {
        let url = self.control_planes[control_plane].url();
        Api::new(format!("{url}/api/v1/admin"), Some(&self.admin_key()))
    }

    /// The platform admin's key.
    fn admin_key(&self) -> String {
        let key = std::fs::read_to_string(self.folder.path().join("admin.key")).unwrap();
        key.trim().to_owned()
    }

    /// The endpoint of one connector, at all gateways.
    pub(crate) fn wire(&self, tenant: &str, connector: &str, key: &str) -> Wire {
        let bases = self.gateways.iter().map(Member::url).collect();
        let path = format!("/api/v1/{tenant}/connectors/{connector}/mcp");
        Wire::new(bases, path, key)
    }

    /// Creates a tenant and a `tenant_user` key; returns the key's id and secret.
    pub(crate) async fn tenant(&self, slug: &str) -> (String, String) {
        let tenant = json!({ "slug": slug, "name": slug });
        self.admin(0).post("/tenants", &tenant).await.expect(201);
        self.key(slug).await
    }

    /// Creates a `tenant_user` key; returns its id and secret.
    pub(crate) async fn key(&self, tenant: &str) -> (String, String) {
        let key = json!({ "name": "a user", "scope": "tenant_user", "tenant": tenant });
        let created = self.admin(0).post("/keys", &key).await.expect(201);
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    }

    /// Creates a connector, whose first reading of the tools must work.
    pub(crate) async fn connector(&self, tenant: &str, connector: &Value) {
        let path = format!("/tenants/{tenant}/connectors?wait=true");
        let created = self.admin(0).post(&path, connector).await.expect(201);
        assert_eq!(created["sync"]["state"], "ok", "{created}");
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        let (first, second) = (&self.control_planes, &self.workers);
        first.iter().chain(second).chain(&self.gateways)
    }

    fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        let (first, second) = (&mut self.control_planes, &mut self.workers);
        first.iter_mut().chain(second).chain(&mut self.gateways)
    }

    /// Adds to the environment of every process that starts from now on.
    fn add_env(&mut self, env: &[(&str, &str)]) {
        for member in self.members_mut() {
            for (name, value) in env {
                member.add_env(name, value);
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for member in self.members() {
                eprintln!("--- what {} logged\n{}", member.name(), member.story());
            }
            return;
        }
        let errors: Vec<String> = self
            .members()
            .flat_map(|member| member.errors(&self.expected))
            .collect();
        assert!(errors.is_empty(), "errors in logs:\n{}", errors.join("\n"));
    }
}

/// Ports that the kernel does not give to those who ask for any, so that nobody has them when a
/// process that was killed comes back.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u32 = 12_000;
    const MANY: u32 = 20_000;
    loop {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = (std::process::id() * 37 + step) % MANY;
        let port = u16::try_from(FIRST + offset).expect("below 32000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
