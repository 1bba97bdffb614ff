//! A private NATS server.

use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::server::{Program, Server};

const CONFIG: &str = "nats.conf";

/// A server of this test's own, on loopback. Ends when it is dropped.
pub type Nats = Server<NatsServer>;

/// `nats-server`.
#[derive(Debug)]
pub struct NatsServer;

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
        Self::begin(NatsServer, |folder| write(folder, config))
    }

    /// The address a client connects to.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// Puts other lines into the configuration file, for the next start.
    pub fn set_config(&self, config: &str) {
        write(self.folder(), config);
    }
}

fn write(folder: &Path, config: &str) {
    std::fs::write(folder.join(CONFIG), config).expect("the folder is ours");
}

impl Program for NatsServer {
    const NAME: &'static str = "nats-server";
    const INSTALL: &'static str = "install it: apt-get install nats-server";

    fn arguments(&self, _folder: &Path, port: u16, command: &mut Command) {
        command
            .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
            .args(["--config", CONFIG]);
    }

    /// A NATS server speaks first.
    fn is_up(&self, _folder: &Path, port: u16) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
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
        let greets = |nats: &Nats| NatsServer.is_up(nats.folder(), port);
        assert!(greets(&nats));

        nats.kill();
        assert!(!greets(&nats));
        nats.restart();

        assert_eq!(nats.port(), port);
        assert!(greets(&nats));
        assert_ne!(nats.running().pid(), first);
        nats.stop();
        assert!(!greets(&nats));
        nats.restart();
        drop(nats);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }
}
