//! A cluster as one platform, for scenarios that do not care what they run on: each request reaches
//! a random gateway, or control-plane.

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;

use serde_json::json;

use super::super::doors::Doors;
use super::super::platform::origins_table;
use super::super::{Cli, Home};
use super::balancer::{Balancer, Target};
use super::{Cluster, Member};

/// A cluster behind a balancer that knows no affinity. Dropping it fails the test as
/// [`Cluster`]'s does, and when a gateway never had a request.
pub(crate) struct Balanced {
    doors: Doors,
    /// Where the command line runs.
    home: Home,
    /// Taken when the processes are killed on purpose.
    behind: Option<(Balancer, Cluster)>,
}

impl Balanced {
    /// Where scenarios run, for what they leave and say.
    pub(crate) const PLACE: &str = "cluster";

    pub(crate) async fn start() -> Self {
        Self::start_with_env(&[]).await
    }

    /// The same with an environment for every process.
    pub(crate) async fn start_with_env(env: &[(&str, &str)]) -> Self {
        let mut cluster = Cluster::prepare();
        cluster.add_env(env);
        Self::launch(cluster).await
    }

    /// The same with origins of a provider answered elsewhere, for calls and for people who sign in.
    pub(crate) async fn start_with_origins(origins: &[(&str, &str)]) -> Self {
        let cluster = Cluster::prepare();
        let table = origins_table(origins);
        cluster.configure_further("worker", |toml| {
            format!("{toml}\n[worker.origins]\n{table}")
        });
        cluster.configure_further("control-plane", |toml| {
            let allow = "[egress]\nallow = [\"127.0.0.0/8\"]\n";
            format!("{toml}\n{allow}[control_plane.oauth.origins]\n{table}")
        });
        Self::launch(cluster).await
    }

    async fn launch(mut cluster: Cluster) -> Self {
        cluster.launch().await;
        let gateways = cluster.gateways.iter().map(target).collect();
        let control_planes = cluster.control_planes.iter().map(target).collect();
        let balancer = Balancer::start(gateways, control_planes);
        let doors = Doors::of_several(&balancer.url(), cluster.admin_key());
        Self {
            home: folder(&doors),
            doors,
            behind: Some((balancer, cluster)),
        }
    }

    fn cluster(&self) -> &Cluster {
        let behind = self.behind.as_ref();
        &behind.expect("taken only when it is killed").1
    }

    pub(crate) fn cli(&self) -> Cli<'_> {
        self.doors.cli(&self.home)
    }

    /// A folder of this test's own, where the command line runs.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// The processes that may run hosted servers.
    pub(crate) fn hosts(&self) -> Vec<u32> {
        let workers = self.cluster().workers.iter();
        workers.map(Member::pid).collect()
    }

    /// Where these keep what hosted servers write.
    pub(crate) fn host_folders(&self) -> Vec<PathBuf> {
        let workers = self.cluster().workers.iter();
        workers.map(Member::state_dir).collect()
    }

    /// Kills every process as the kernel does, and returns what stays.
    pub(crate) fn kill(mut self) -> Cluster {
        let (_, mut cluster) = self.behind.take().expect("killed once");
        cluster.members_mut().for_each(Member::kill);
        cluster
    }
}

/// What `./run cluster` leaves for the command line: where the platform is, and a key to it.
fn folder(doors: &Doors) -> Home {
    let home = Home::new();
    let data = home.data_dir();
    fs::create_dir(&data).unwrap();
    let running = json!({ "url": doors.url(), "mcp_url": doors.url() });
    fs::write(data.join("turnbuckle.json"), running.to_string()).unwrap();
    fs::write(data.join("admin.key"), doors.admin_key()).unwrap();
    home
}

fn target(member: &Member) -> Target {
    Target {
        name: member.name().to_owned(),
        address: ([127, 0, 0, 1], member.listen).into(),
    }
}

impl Deref for Balanced {
    type Target = Doors;

    fn deref(&self) -> &Doors {
        &self.doors
    }
}

impl Drop for Balanced {
    fn drop(&mut self) {
        let Some((balancer, _)) = &self.behind else {
            return;
        };
        if std::thread::panicking() {
            eprintln!("--- which way requests went\n{}", balancer.story());
        } else {
            balancer.assert_spread();
        }
    }
}
