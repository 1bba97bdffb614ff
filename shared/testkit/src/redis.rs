//! A private Redis, which a test can also empty. It keeps nothing on disk: it comes back empty.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::child::{find_program, free_port};
use crate::server::{Program, Server};

const SOCKET: &str = "redis.sock";

/// A server of this test's own, on loopback and on a socket in its folder. Ends when it is
/// dropped.
pub type Redis = Server<RedisServer>;

/// `redis-server`.
#[derive(Debug)]
pub struct RedisServer {
    bus_port: Option<u16>,
    options: Vec<String>,
}

impl Redis {
    /// Starts a server that asks nobody who they are.
    ///
    /// # Panics
    /// When no Redis is installed or it does not start; the message says what to do.
    pub fn start() -> Self {
        Self::with_options(&[])
    }

    /// Starts a server with further options of its command line.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn with_options(options: &[&str]) -> Self {
        Self::with_bus(options, None)
    }

    /// The same for a member of a cluster.
    pub(crate) fn in_cluster(options: &[&str]) -> Self {
        Self::with_bus(options, Some(free_port()))
    }

    fn with_bus(options: &[&str], bus_port: Option<u16>) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self::begin(RedisServer { bus_port, options }, |_| ())
    }

    /// The address a client connects to.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// The address of its socket.
    pub fn socket_url(&self) -> String {
        format!("redis+unix://{}", self.folder().join(SOCKET).display())
    }

    pub(crate) fn bus_port(&self) -> u16 {
        self.program.bus_port.expect("it is of a cluster")
    }

    /// Runs a command and returns what `redis-cli` prints.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn run(&self, command: &[&str]) -> String {
        self.try_run(command)
            .unwrap_or_else(|said| panic!("Redis refuses {command:?}: {said}"))
    }

    pub(crate) fn try_run(&self, command: &[&str]) -> Result<String, String> {
        ask(&self.folder().join(SOCKET), command)
    }

    /// Forgets everything.
    pub fn flush(&self) {
        self.run(&["FLUSHALL"]);
    }

    /// How many keys there are, and whether each of them expires.
    pub fn keys(&self) -> (usize, bool) {
        let listed = self.run(&["--scan"]);
        let keys: Vec<&str> = listed.lines().collect();
        let expire = keys.iter().all(|key| self.run(&["PTTL", key]) != "-1");
        (keys.len(), expire)
    }
}

/// What `redis-cli` prints, or why there is nothing.
fn ask(socket: &Path, command: &[&str]) -> Result<String, String> {
    let done = Command::new(find_program("redis-cli", RedisServer::INSTALL))
        .arg("-e")
        .arg("-s")
        .arg(socket)
        .args(command)
        .stdin(Stdio::null())
        .output()
        .expect("redis-cli was found");
    let text = String::from_utf8_lossy(&done.stdout).trim_end().to_owned();
    match done.status.success() {
        true => Ok(text),
        false => Err(text + &String::from_utf8_lossy(&done.stderr)),
    }
}

impl Program for RedisServer {
    const NAME: &'static str = "redis-server";
    const INSTALL: &'static str = "install it: apt-get install redis-server";

    fn arguments(&self, folder: &Path, port: u16, command: &mut Command) {
        // One that was killed leaves it behind.
        let _ = std::fs::remove_file(folder.join(SOCKET));
        command
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--unixsocket", SOCKET, "--save", "", "--appendonly", "no"])
            .args(&self.options);
        if let Some(bus_port) = self.bus_port {
            command.args(["--cluster-port", &bus_port.to_string()]);
        }
    }

    fn is_up(&self, folder: &Path, _port: u16) -> bool {
        let socket = folder.join(SOCKET);
        socket.exists() && ask(&socket, &["PING"]).is_ok_and(|said| said == "PONG")
    }

    fn turn(&mut self) {
        self.bus_port = self.bus_port.map(|_| free_port());
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[test]
    fn a_server_comes_back_empty_on_its_port_and_goes_with_its_value() {
        let mut redis = Redis::start();
        let port = redis.port();
        redis.run(&["SET", "key", "value"]);
        assert_eq!(redis.keys(), (1, false));

        redis.kill();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        redis.restart();

        assert_eq!((redis.port(), redis.keys()), (port, (0, true)));
        redis.stop();
        redis.restart();
        drop(redis);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }
}
