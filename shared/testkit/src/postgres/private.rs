//! A Postgres of one test's own, that can be stopped, paused, made read-only and started again.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{ROLE, START_DEADLINE, find_programs, memory_folder, output, server_user};
use crate::certificates::Certificates;
use crate::child::{self, Guarded, free_port};

/// A free port may be taken by somebody else before the server is there.
const ATTEMPTS: usize = 5;

/// A server on loopback with one empty database, whose owner is a plain role. Ends when it is
/// dropped.
#[derive(Debug)]
pub struct Private {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    certificates: Option<Certificates>,
    server: Option<Guarded>,
}

impl Private {
    /// Starts a server that speaks in clear.
    ///
    /// # Panics
    /// When no Postgres is installed or it does not start; the message says what to do.
    pub fn start() -> Self {
        Self::new(None)
    }

    /// Starts a server that refuses whoever does not speak TLS.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn with_tls() -> Self {
        Self::new(Some(Certificates::of_loopback()))
    }

    fn new(certificates: Option<Certificates>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("turnbuckle-postgres-private-")
            .tempdir_in(memory_folder())
            .expect("temporary folders can be made");
        give(folder.path());
        let mut private = Self {
            folder,
            programs: find_programs(),
            port: 0,
            certificates,
            server: None,
        };
        private.make();
        for _ in 0..ATTEMPTS {
            private.port = free_port();
            if private.try_start() {
                private.psql_in("postgres", &format!("CREATE ROLE {ROLE} LOGIN"));
                private.psql_in("postgres", &format!("CREATE DATABASE {ROLE} OWNER {ROLE}"));
                return private;
            }
        }
        panic!("Postgres does not start:\n{}", private.log());
    }

    /// The address a client connects to; the port stays the same over restarts. With TLS it asks
    /// for the certificate of `localhost`.
    pub fn url(&self) -> String {
        self.url_through("localhost", self.port)
    }

    /// The address of the same database behind a proxy on loopback.
    pub fn url_behind(&self, proxy: SocketAddr) -> String {
        self.url_through("localhost", proxy.port())
    }

    /// The address with another name of this machine.
    pub fn url_through(&self, host: &str, port: u16) -> String {
        let tls = match &self.certificates {
            Some(files) => format!("verify-full&sslrootcert={}", files.ca().display()),
            None => "disable".to_owned(),
        };
        format!("postgres://{ROLE}@{host}:{port}/{ROLE}?sslmode={tls}")
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs statements as superuser, and returns what `psql` prints.
    pub fn psql(&self, sql: &str) -> String {
        self.psql_in(ROLE, sql)
    }

    /// Ends the server as its operator would; clients are told. Nothing happens if it is ended.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    /// Ends the server at once, without order. Nothing happens if it is ended.
    pub fn kill(&mut self) {
        self.end(Signal::QUIT);
    }

    /// Starts the server again, if it is ended.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        if self.server.is_none() {
            assert!(self.try_start(), "Postgres does not start:\n{}", self.log());
        }
    }

    /// Lets the server and all its connections do nothing.
    pub fn pause(&self) {
        let server = self.server.as_ref().expect("the server was not stopped");
        // The parent first, so that it has no new children.
        server.signal(Signal::STOP);
        for pid in children(server.pid()) {
            child::send(pid, Signal::STOP);
        }
    }

    pub fn resume(&self) {
        let server = self.server.as_ref().expect("the server was not stopped");
        for pid in children(server.pid()) {
            child::send(pid, Signal::CONT);
        }
        server.signal(Signal::CONT);
    }

    /// Makes the server refuse changes, or take them again: what begins from now on.
    ///
    /// # Panics
    /// When it does not obey.
    pub fn set_read_only(&self, read_only: bool) {
        let word = if read_only { "on" } else { "off" };
        // Not in one: this cannot be done in a transaction.
        self.psql(&format!(
            "ALTER SYSTEM SET default_transaction_read_only = {word}"
        ));
        self.psql("SELECT pg_reload_conf()");
        let start = Instant::now();
        while self.psql("SHOW default_transaction_read_only").trim() != word {
            assert!(start.elapsed() < START_DEADLINE, "it is not {word}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    fn make(&self) {
        let mut initdb = self.program("initdb");
        initdb.args(["--pgdata=data", "--username=postgres", "--auth=trust"]);
        initdb.args(["--encoding=UTF8", "--no-sync", "--locale=C"]);
        output(&mut initdb);
        let data = self.folder.path().join("data");
        let mut hba = "local all all trust\n".to_owned();
        let mut settings = "listen_addresses = '127.0.0.1'\nfsync = off\n\
             full_page_writes = off\nshared_buffers = 16MB\n\
             dynamic_shared_memory_type = mmap\nmax_connections = 60\n"
            .to_owned();
        if let Some(certificates) = &self.certificates {
            hba += "hostssl all all 127.0.0.1/32 trust\n";
            settings += "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n";
            for (from, name) in [
                (certificates.server(), "server.pem"),
                (certificates.server_key(), "server.key"),
            ] {
                let file = data.join(name);
                std::fs::copy(from, &file).expect("the folder is ours");
                let private = std::fs::Permissions::from_mode(0o600);
                std::fs::set_permissions(&file, private).expect("the file is ours");
                give(&file);
            }
        } else {
            hba += "host all all 127.0.0.1/32 trust\n";
        }
        std::fs::write(data.join("pg_hba.conf"), hba).expect("the folder is ours");
        let file = data.join("postgresql.auto.conf");
        std::fs::write(file, settings).expect("the folder is ours");
    }

    /// Whether it comes up; not when somebody else has the port.
    fn try_start(&mut self) -> bool {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("server.log"))
            .expect("the folder is ours");
        let errors = log.try_clone().expect("files can be shared");
        let mut command = self.program("postgres");
        command
            .args(["-D", "data", "-k"])
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string()])
            .stdout(log)
            .stderr(errors)
            .process_group(0);
        let mut server = Guarded::start(&mut command);
        let start = Instant::now();
        while start.elapsed() < START_DEADLINE {
            if server.ended().is_some() {
                return false;
            }
            if self.is_ready(server.pid()) {
                self.server = Some(server);
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// The server writes its number into the first line of its pid file, its state into the
    /// eighth.
    fn is_ready(&self, pid: u32) -> bool {
        let file = self.folder.path().join("data/postmaster.pid");
        std::fs::read_to_string(file).is_ok_and(|text| {
            let mut lines = text.lines();
            lines.next() == Some(&pid.to_string())
                && lines.nth(6).is_some_and(|state| state.trim() == "ready")
        })
    }

    fn end(&mut self, signal: Signal) {
        if self.server.is_some() {
            self.resume();
        }
        if let Some(server) = self.server.take() {
            server.end(signal);
        }
    }

    fn psql_in(&self, database: &str, sql: &str) -> String {
        let mut psql = self.program("psql");
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args(["--set=ON_ERROR_STOP=1", "-U", "postgres", "-h"])
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql]);
        output(&mut psql)
    }

    /// A program that runs in our folder, as the server's user.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command
            .env_clear()
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        if let Some((user, group)) = server_user() {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.end(Signal::QUIT);
    }
}

/// Makes something the property of the server's user.
pub(super) fn give(path: &Path) {
    if let Some((user, group)) = server_user() {
        chown(path, Some(user), Some(group)).expect("root may give files away");
    }
}

/// The processes that a process has started.
fn children(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name, in brackets, may hold anything.
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        after_name.split(' ').nth(1) == Some(&parent.to_string())
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(is_child)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_its_own_can_be_ended_started_and_made_read_only() {
        let mut postgres = Private::start();
        postgres.psql("CREATE TABLE t (x INT)");

        postgres.kill();
        postgres.restart();
        assert_eq!(postgres.psql("SELECT COUNT(*) FROM t"), "0\n");
        postgres.set_read_only(true);
        let refused = std::panic::catch_unwind(|| postgres.psql("INSERT INTO t VALUES (1)"));
        assert!(refused.is_err());
        postgres.set_read_only(false);
        postgres.psql("INSERT INTO t VALUES (1)");
        postgres.stop();
        postgres.restart();
        assert_eq!(postgres.psql("SELECT COUNT(*) FROM t"), "1\n");

        let server = postgres.server.as_ref().unwrap().pid();
        assert!(!children(server).is_empty());
        postgres.pause();
        postgres.resume();
        assert_eq!(postgres.psql("SELECT COUNT(*) FROM t"), "1\n");
        let folder = postgres.folder.path().to_owned();
        drop(postgres);
        assert!(!folder.exists());
    }
}
