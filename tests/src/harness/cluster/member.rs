//! One process of Turnbuckle in a cluster.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::child::Guarded;

use super::super::home::binary;
use super::super::platform::is_error;
use super::super::{Api, Signal, descendants, eventually_blocking, signal};

/// A debug build on a busy machine takes its time.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A process with a configuration file, ports and a log that outlive it.
pub(crate) struct Member {
    /// `gateway-1`.
    name: String,
    role: &'static str,
    folder: PathBuf,
    /// Where clients or other roles reach it.
    pub(super) listen: u16,
    pub(super) admin: u16,
    child: Option<Guarded>,
    /// What its environment has besides.
    env: Vec<(String, String)>,
}

/// What a process holds: memory in MiB, open descriptors, processes below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holds {
    pub(crate) memory: u64,
    pub(crate) descriptors: usize,
    pub(crate) processes: usize,
}

impl Member {
    pub(super) fn new(role: &'static str, number: usize, folder: &Path) -> Self {
        Self {
            name: format!("{role}-{number}"),
            role,
            folder: folder.to_owned(),
            listen: super::free_port(),
            admin: super::free_port(),
            child: None,
            env: Vec::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn role(&self) -> &str {
        self.role
    }

    /// Where a gateway or worker keeps what it needs after a restart.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.file("state")
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.listen)
    }

    /// Of `listen`.
    pub(crate) fn port(&self) -> u16 {
        self.listen
    }

    /// Health and metrics.
    pub(crate) fn operator(&self) -> Api {
        Api::new(format!("http://127.0.0.1:{}", self.admin), None)
    }

    /// Where it says whether it is ready.
    pub(crate) fn ready_url(&self) -> String {
        format!("http://127.0.0.1:{}/health/ready", self.admin)
    }

    /// What `/health/ready` says: `status`, `pending`, `degraded`.
    pub(crate) async fn ready(&self) -> Value {
        self.operator().get("/health/ready").await.json
    }

    pub(crate) fn pid(&self) -> u32 {
        let child = self.child.as_ref();
        child
            .unwrap_or_else(|| panic!("{} does not run", self.name))
            .pid()
    }

    pub(super) fn write_config(&self, toml: &str) {
        fs::write(self.file("toml"), toml).unwrap();
    }

    /// Changes what its configuration says.
    pub(super) fn change_config(&self, change: impl Fn(String) -> String) {
        let toml = fs::read_to_string(self.file("toml")).unwrap();
        self.write_config(&change(toml));
    }

    /// Adds a variable to its environment, from its next start on.
    pub(super) fn add_env(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// What the other processes call it; another name after each start.
    pub(crate) fn node(&self) -> String {
        let ready = fs::read_to_string(self.file("json")).unwrap();
        let ready: Value = serde_json::from_str(&ready).unwrap();
        ready["node"].as_str().unwrap().to_owned()
    }

    /// Starts it, without waiting for anything.
    pub(crate) fn launch(&mut self) {
        self.launch_with(&[]);
    }

    /// The same, with further flags.
    pub(crate) fn launch_with(&mut self, flags: &[&str]) {
        assert!(self.child.is_none(), "{} runs", self.name);
        let _ = fs::remove_file(self.file("json"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.file("log"))
            .unwrap();
        let mut command = Command::new(binary());
        command
            .arg(self.role)
            .arg("--config")
            .arg(self.file("toml"))
            .arg("--ready-file")
            .arg(self.file("json"))
            .args(flags)
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", &self.folder)
            .env("TURNBUCKLE_LOG__FORMAT", "json")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log));
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        self.child = Some(Guarded::start(&mut command));
    }

    /// Waits until a launched process says that it is ready.
    pub(crate) async fn started(&mut self) -> Duration {
        let began = Instant::now();
        let file = self.file("json");
        let what = format!("{} is ready", self.name);
        eventually_blocking(START_LIMIT, &what, || {
            if let Some(status) = self.ended() {
                panic!("{} ended at its start with {status}", self.name);
            }
            let ready: Value = serde_json::from_str(&fs::read_to_string(&file).ok()?).ok()?;
            (ready["pid"] == self.pid()).then_some(())
        })
        .await;
        began.elapsed()
    }

    /// Starts it again where it was.
    pub(crate) async fn restart(&mut self) -> Duration {
        self.launch();
        self.started().await
    }

    /// Kills it as the kernel does.
    pub(crate) fn kill(&mut self) {
        let child = self.child.take().expect("it runs");
        child.end(Signal::KILL);
    }

    /// Stops it as a service manager does.
    pub(crate) async fn stop(&mut self) {
        signal(self.pid(), Signal::TERM);
        let what = format!("{} ends", self.name);
        let status = eventually_blocking(Duration::from_secs(30), &what, || self.ended()).await;
        assert!(status.success(), "a stop is no failure: {status}");
        self.child = None;
    }

    /// Lets it do nothing, with all its connections open.
    pub(crate) fn pause(&self) {
        signal(self.pid(), Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        signal(self.pid(), Signal::CONT);
    }

    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// What it holds of the machine.
    pub(crate) fn holds(&self) -> Holds {
        let pid = self.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = memory.and_then(|text| text.split_whitespace().next());
        Holds {
            memory: kilobytes.unwrap().parse::<u64>().unwrap() >> 10,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
            processes: descendants(pid).len(),
        }
    }

    /// Everything that it has logged, all starts.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// The end of the log, without the requests that were answered.
    pub(super) fn story(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| !line.contains("request answered"))
            .collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Lines that tell of an error that nobody expects.
    pub(super) fn errors(&self, expected: &[&str]) -> Vec<String> {
        let log = self.log();
        let unexpected = |line: &&str| {
            is_error(line) && !expected.iter().any(|expected| line.contains(expected))
        };
        let lines = log.lines().filter(unexpected);
        lines.map(|line| format!("{}: {line}", self.name)).collect()
    }

    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(Guarded::ended)
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }
}
