//! A running `turnbuckle up`.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use serde_json::Value;

use super::doors::Doors;
use super::home::Ready;
use super::{Api, Cli, Home, Signal, eventually_blocking, signal};

/// A running process. Dropping it kills the process, and fails the test when it logged an error: nothing
/// that a client, an upstream or a bad request does is one.
pub(crate) struct Platform {
    doors: Doors,
    /// Taken when the process is stopped on purpose.
    home: Option<Home>,
    child: Child,
    ready: Ready,
    /// Length of the log when this process started: what is before is another's.
    log_start: usize,
}

impl Platform {
    /// Where scenarios run, for what they leave and say.
    pub(crate) const PLACE: &str = "process";

    /// A new one with a data folder of its own.
    pub(crate) async fn start() -> Self {
        Self::start_with_env(&[]).await
    }

    /// The same with an environment.
    pub(crate) async fn start_with_env(env: &[(&str, &str)]) -> Self {
        let add = |home: Home, (name, value): &(&str, &str)| home.with_env(name, value);
        env.iter().fold(Home::new(), add).start().await
    }

    /// The same with origins of a provider answered elsewhere, for calls and for people who sign in.
    pub(crate) async fn start_with_origins(origins: &[(&str, &str)]) -> Self {
        let home = Home::new();
        let config = home.path().join("turnbuckle.toml");
        let table = origins_table(origins);
        let text = format!("[worker.origins]\n{table}[control_plane.oauth.origins]\n{table}");
        std::fs::write(&config, text).unwrap();
        let config = config.to_str().unwrap().to_owned();
        home.with_env("TURNBUCKLE_CONFIG", &config).start().await
    }

    pub(super) fn new(home: Home, child: Child, ready: Ready, log_start: usize) -> Self {
        assert_eq!(
            ready.data_dir.canonicalize().unwrap(),
            home.data_dir().canonicalize().unwrap(),
            "the ready file names the data folder"
        );
        Self {
            doors: Doors::of_one(&ready.url, home.admin_key()),
            home: Some(home),
            child,
            ready,
            log_start,
        }
    }

    pub(crate) fn home(&self) -> &Home {
        self.home.as_ref().expect("taken only when it is stopped")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processes that may run hosted servers.
    pub(crate) fn hosts(&self) -> Vec<u32> {
        vec![self.pid()]
    }

    /// Where these keep what hosted servers write.
    pub(crate) fn host_folders(&self) -> Vec<PathBuf> {
        vec![self.home().data_dir()]
    }

    pub(crate) fn grpc_url(&self) -> &str {
        &self.ready.grpc_url
    }

    /// The port of the operator.
    pub(crate) fn operator(&self) -> Api {
        Api::new(self.ready.admin_url.trim_end_matches('/').to_owned(), None)
    }

    /// The command line, run in the folder of the platform.
    pub(crate) fn cli(&self) -> Cli<'_> {
        self.doors.cli(self.home())
    }

    /// The metrics' text.
    pub(crate) async fn metrics(&self) -> String {
        self.operator().get("/metrics").await.text
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        eventually_blocking(limit, "turnbuckle ends", || child.try_wait().unwrap()).await
    }

    /// Stops it as a service manager does, and returns what stays.
    pub(crate) async fn stop(mut self) -> Home {
        signal(self.pid(), Signal::TERM);
        let status = self.ended(Duration::from_secs(30)).await;
        assert!(
            status.success(),
            "a stop is no failure: {status}\n{}",
            self.home().log()
        );
        self.leave()
    }

    /// Kills it as the kernel does, and returns what stays.
    pub(crate) fn kill(mut self) -> Home {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.leave()
    }

    fn leave(mut self) -> Home {
        self.assert_no_error();
        self.home.take().expect("left once")
    }

    fn assert_no_error(&self) {
        let log = self.home().log();
        let errors: Vec<&str> = log[self.log_start.min(log.len())..]
            .lines()
            .filter(|line| is_error(line))
            .collect();
        assert!(
            errors.is_empty(),
            "errors in the log:\n{}",
            errors.join("\n")
        );
    }
}

/// An error event, or the message of a panic.
/// The lines of a table of origins.
pub(super) fn origins_table(origins: &[(&str, &str)]) -> String {
    let line = |(from, to): &(&str, &str)| format!("\"{from}\" = \"{to}\"\n");
    origins.iter().map(line).collect()
}

pub(super) fn is_error(line: &str) -> bool {
    match serde_json::from_str::<Value>(line) {
        Ok(event) => event["level"] == "ERROR",
        Err(_) => line.contains("panicked at"),
    }
}

impl Deref for Platform {
    type Target = Doors;

    fn deref(&self) -> &Doors {
        &self.doors
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let Some(home) = &self.home else { return };
        if std::thread::panicking() {
            eprintln!("--- what turnbuckle logged\n{}---", home.log());
        } else {
            self.assert_no_error();
        }
    }
}
