//! What a cluster needs: Postgres, Redis and NATS of its own, certificates and a root key.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use testkit::nats::Nats;
use testkit::postgres::Private;
use testkit::redis::Redis;

use super::super::home::binary;

/// The servers that the roles share.
pub(super) struct Servers {
    pub(super) postgres: Private,
    pub(super) redis: Redis,
    pub(super) nats: Nats,
}

impl Servers {
    /// Starts all of them at once, and prepares `folder` for the roles.
    pub(super) fn start(folder: &Path) -> Self {
        let servers = thread::scope(|scope| {
            let postgres = scope.spawn(Private::start);
            let redis = scope.spawn(Redis::start);
            let nats = scope.spawn(Nats::start);
            run(folder, &["root-key", "root.key"]);
            run(folder, &["certs", "dev", "certs"]);
            Self {
                postgres: postgres.join().unwrap(),
                redis: redis.join().unwrap(),
                nats: nats.join().unwrap(),
            }
        });
        fs::write(folder.join("database.url"), servers.postgres.url()).unwrap();
        servers
    }
}

fn run(folder: &Path, args: &[&str]) {
    let done = Command::new(binary())
        .args(args)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{args:?}: {said}");
}
