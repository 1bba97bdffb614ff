//! A private PgBouncer that pools by transactions, in front of the run's Postgres.

use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::private::give;
use super::{Database, ROLE, START_DEADLINE, server_user};
use crate::child::{Guarded, find_program, free_port};

const INSTALL: &str = "install it: apt-get install pgbouncer";
const ATTEMPTS: usize = 5;

/// A pooler on loopback. Ends when it is dropped.
#[derive(Debug)]
pub struct PgBouncer {
    folder: TempDir,
    port: u16,
    _pooler: Guarded,
}

impl PgBouncer {
    /// Starts a pooler that gives each transaction one of `connections` to a database.
    ///
    /// # Panics
    /// When no `pgbouncer` is installed or it does not start; the message says what to do.
    pub fn start(database: &Database, connections: u32) -> Self {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        give(folder.path());
        let program = find_program("pgbouncer", INSTALL);
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let config = format!(
                "[databases]\n{name} = host={server} user={ROLE}\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
                 default_pool_size = {connections}\nserver_lifetime = 600\n",
                name = database.name,
                server = database.server.folder.display(),
            );
            let file = folder.path().join("pgbouncer.ini");
            std::fs::write(&file, config).expect("the folder is ours");
            let log = File::create(folder.path().join("pooler.log")).expect("the folder is ours");
            let mut command = Command::new(&program);
            command
                .arg(&file)
                .env_clear()
                .current_dir(folder.path())
                .stdout(log.try_clone().expect("files can be shared"))
                .stderr(log);
            // It refuses root, as Postgres does.
            if let Some((user, group)) = server_user() {
                command.uid(user).gid(group);
            }
            let mut pooler = Guarded::start(&mut command);
            if comes_up(&mut pooler, port) {
                return Self {
                    folder,
                    port,
                    _pooler: pooler,
                };
            }
        }
        let log = std::fs::read_to_string(folder.path().join("pooler.log"));
        panic!("pgbouncer does not start:\n{}", log.unwrap_or_default());
    }

    /// The address of the database behind the pooler.
    pub fn url(&self, database: &Database) -> String {
        let (port, name) = (self.port, &database.name);
        format!("postgres://{ROLE}@127.0.0.1:{port}/{name}?sslmode=disable")
    }

    /// What the pooler has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("pooler.log")).unwrap_or_default()
    }
}

fn comes_up(pooler: &mut Guarded, port: u16) -> bool {
    let start = Instant::now();
    while start.elapsed() < START_DEADLINE && pooler.ended().is_none() {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
