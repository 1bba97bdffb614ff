//! A private NATS server, started from the installed program, that a test can stop, pause and start
//! again.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::child::{Guarded, find_program, free_port};

const INSTALL: &str = "install it: apt-get install nats-server";
const START_DEADLINE: Duration = Duration::from_secs(20);
/// A free port may be taken by somebody else before the server is there.
const ATTEMPTS: usize = 5;

/// A server of this test's own, on loopback. Ends when it is dropped.
#[derive(Debug)]
pub struct Nats {
    folder: TempDir,
    port: u16,
    server: Option<Guarded>,
}

impl Nats {
    /// Starts a server that asks nobody who they are.
    ///
    /// # Panics
    /// When no `nats-server` is installed or it does not start; the message says what to do.
    pub fn start() -> Self {
        Self::with_config("")
    }

    /// Starts a server with lines of its configuration file: users, certificates.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn with_config(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        std::fs::write(folder.path().join("nats.conf"), config).expect("the folder is ours");
        let mut nats = Self {
            folder,
            port: 0,
            server: None,
        };
        for _ in 0..ATTEMPTS {
            nats.port = free_port();
            if nats.try_start() {
                return nats;
            }
        }
        panic!("nats-server does not start:\n{}", nats.log());
    }

    /// `127.0.0.1:port`; the port stays the same over restarts.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address a client connects to.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Puts other lines into the configuration file, for the next start.
    pub fn set_config(&self, config: &str) {
        let file = self.folder.path().join("nats.conf");
        std::fs::write(file, config).expect("the folder is ours");
    }

    /// Ends the server as its operator would; clients are told. Nothing happens if it is ended.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.end(Signal::TERM);
        }
    }

    /// Kills the server. Nothing happens if it is ended.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.end(Signal::KILL);
        }
    }

    /// Starts the server again, on the same port, if it is ended.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        if self.server.is_none() {
            assert!(
                self.try_start(),
                "nats-server does not start:\n{}",
                self.log()
            );
        }
    }

    /// Lets the server do nothing, with all connections open.
    pub fn pause(&self) {
        self.running().signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.running().signal(Signal::CONT);
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    fn running(&self) -> &Guarded {
        self.server.as_ref().expect("the server was not stopped")
    }

    /// Whether it comes up; not when somebody else has the port.
    fn try_start(&mut self) -> bool {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("server.log"))
            .expect("the folder is ours");
        let errors = log.try_clone().expect("files can be shared");
        let mut command = Command::new(find_program("nats-server", INSTALL));
        command
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--config", "nats.conf"])
            .current_dir(self.folder.path())
            .stdout(log)
            .stderr(errors);
        let mut server = Guarded::start(&mut command);
        let start = Instant::now();
        while start.elapsed() < START_DEADLINE {
            if server.ended().is_some() {
                return false;
            }
            if self.greets() {
                self.server = Some(server);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// A NATS server speaks first.
    fn greets(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else {
            return false;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let mut word = [0; 4];
        stream.read_exact(&mut word).is_ok() && word == *b"INFO"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_comes_back_on_its_port_and_goes_with_its_value() {
        let mut nats = Nats::start();
        let (port, first) = (nats.port(), nats.running().pid());
        assert!(nats.greets());

        nats.kill();
        assert!(!nats.greets());
        nats.restart();

        assert_eq!(nats.port(), port);
        assert!(nats.greets());
        assert_ne!(nats.running().pid(), first);
        nats.stop();
        assert!(!nats.greets());
        nats.restart();
        drop(nats);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }
}
