//! A private Redis, started from the installed programs, that a test can stop, pause, empty and
//! start again. It keeps nothing on disk.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::child::{Guarded, find_program, free_port};

const INSTALL: &str = "install it: apt-get install redis-server";
const START_DEADLINE: Duration = Duration::from_secs(20);
/// A free port may be taken by somebody else before the server is there.
const ATTEMPTS: usize = 5;

/// A server of this test's own, on loopback and on a socket in its folder. Ends when it is
/// dropped.
#[derive(Debug)]
pub struct Redis {
    folder: TempDir,
    port: u16,
    bus_port: Option<u16>,
    options: Vec<String>,
    server: Option<Guarded>,
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
        Self::begin(options, false)
    }

    pub(crate) fn begin(options: &[&str], cluster: bool) -> Self {
        let mut redis = Self {
            folder: tempfile::tempdir().expect("temporary folders can be made"),
            port: 0,
            bus_port: None,
            options: options.iter().map(|&option| option.to_owned()).collect(),
            server: None,
        };
        for _ in 0..ATTEMPTS {
            redis.port = free_port();
            redis.bus_port = cluster.then(free_port);
            if redis.try_start() {
                return redis;
            }
        }
        panic!("redis-server does not start:\n{}", redis.log());
    }

    /// `127.0.0.1:port`; the port stays the same over restarts.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address a client connects to.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// The address of its socket.
    pub fn socket_url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn bus_port(&self) -> u16 {
        self.bus_port.expect("it is of a cluster")
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
        let done = Command::new(find_program("redis-cli", INSTALL))
            .arg("-e")
            .arg("-s")
            .arg(self.socket())
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

    /// Ends the server as its operator would. Nothing happens if it is ended.
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

    /// Starts the server again, empty, on the same port, if it is ended.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        if self.server.is_none() {
            assert!(
                self.try_start(),
                "redis-server does not start:\n{}",
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

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
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
        let mut command = Command::new(find_program("redis-server", INSTALL));
        command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args([
                "--unixsocket",
                "redis.sock",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args(&self.options)
            .current_dir(self.folder.path())
            .stdout(log)
            .stderr(Stdio::null());
        if let Some(bus_port) = self.bus_port {
            command.args(["--cluster-port", &bus_port.to_string()]);
        }
        let _ = std::fs::remove_file(self.socket());
        let mut server = Guarded::start(&mut command);
        let start = Instant::now();
        while start.elapsed() < START_DEADLINE {
            if server.ended().is_some() {
                return false;
            }
            if self.socket().exists() && self.try_run(&["PING"]).is_ok_and(|said| said == "PONG") {
                self.server = Some(server);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
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
