//! One process of the cluster, which may be ended and started again where it was.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bench::client::{Client, Target};
use bytes::Bytes;
use http::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the ready file tells of a process.
#[derive(Deserialize)]
pub(crate) struct Told {
    name: String,
    role: String,
    pid: u32,
    address: String,
    /// Where a role of Turnbuckle tells of its health.
    admin: Option<String>,
    config: Option<PathBuf>,
}

pub(crate) struct Member {
    name: String,
    role: String,
    address: String,
    admin: Option<String>,
    pid: u32,
    /// The command that it was started with, and by which user.
    command: Vec<OsString>,
    folder: PathBuf,
    user: (String, String),
    /// What a role of Turnbuckle writes once it serves.
    ready_file: Option<PathBuf>,
    log: PathBuf,
    child: Option<Child>,
}

impl Member {
    /// `None` for one that has left in good order.
    pub(super) fn find(told: Told, data: &Path) -> anyhow::Result<Option<Self>> {
        let of_ours = told.config.as_ref().filter(|_| told.admin.is_some());
        let ready_file = of_ours.map(|config| config.with_extension("json"));
        // It may have been started anew since.
        let now = ready_file.as_deref().map(pid_in);
        let Some(pid) = now.unwrap_or(Some(told.pid)) else {
            return Ok(None);
        };
        let command = match &told.config {
            // It writes a title over its arguments.
            Some(config) if told.role == "redis" => {
                vec!["redis-server".into(), config.into()]
            }
            _ => {
                let line = fs::read(format!("/proc/{pid}/cmdline"))?;
                let words = line.split_inclusive(|byte| *byte == 0);
                words
                    .map(|word| OsString::from_vec(word[..word.len() - 1].to_vec()))
                    .collect()
            }
        };
        ensure!(!command.is_empty(), "{} has ended", told.name);
        Ok(Some(Self {
            log: data.join("log").join(&told.name),
            name: told.name,
            role: told.role,
            address: told.address,
            admin: told.admin,
            folder: fs::read_link(format!("/proc/{pid}/cwd"))?,
            user: (status(pid, "Uid:")?, status(pid, "Gid:")?),
            pid,
            command,
            ready_file,
            child: None,
        }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn role(&self) -> &str {
        &self.role
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    /// KiB of memory that it holds.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<u64> {
        Ok(status(self.pid, "VmRSS:")?.parse()?)
    }

    /// Whether it has started a process.
    pub(crate) fn has_children(&self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid));
        let children = tasks.into_iter().flatten().flatten();
        children
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .any(|children| !children.trim().is_empty())
    }

    /// Ends it with a signal, and waits until it is gone.
    pub(crate) async fn end(&mut self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        kill_process(pid.context("no process id")?, signal)?;
        let began = Instant::now();
        while !self.is_gone() {
            ensure!(began.elapsed() < LIMIT, "{} does not end", self.name);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn is_gone(&mut self) -> bool {
        if let Some(child) = &mut self.child {
            return !matches!(child.try_wait(), Ok(None));
        }
        // The shell that started it may not have waited for it yet.
        status(self.pid, "State:").map_or(true, |state| state == "Z")
    }

    /// Starts it again, as it was started; it ends with this program.
    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        let log = File::options().append(true).create(true).open(&self.log)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if self.user.0 != rustix::process::getuid().as_raw().to_string() {
            let (user, group) = &self.user;
            command.args(["--reuid", user, "--regid", group, "--clear-groups"]);
        }
        command.arg("--").args(&self.command);
        command.current_dir(&self.folder).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn()?;
        self.pid = child.id();
        self.child = Some(child);
        Ok(())
    }

    /// Whether it serves, and all that it needs with it.
    pub(crate) async fn is_ready(&self) -> bool {
        let Some(admin) = &self.admin else {
            return tokio::net::TcpStream::connect(&self.address).await.is_ok();
        };
        let written = self.ready_file.as_deref().and_then(pid_in);
        written == Some(self.pid) && health(admin).await.is_ok_and(|status| status == "ready")
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !self.is_ready().await {
            if began.elapsed() > LIMIT {
                bail!("{} is not ready: see {}", self.name, self.log.display());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Both fail only for one that has ended already.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// `ready`, `degraded` or another word of `/health/ready`.
async fn health(admin: &str) -> anyhow::Result<String> {
    let mut client = Client::connect(&Target::new(&format!("http://{admin}"), None)?).await?;
    let answer = client.json(Method::GET, "/health/ready", Bytes::new());
    let told: Value = serde_json::from_slice(&answer.await?.body)?;
    Ok(told["status"].as_str().unwrap_or_default().to_owned())
}

fn pid_in(ready_file: &Path) -> Option<u32> {
    let told: Value = serde_json::from_slice(&fs::read(ready_file).ok()?).ok()?;
    told["pid"].as_u64().and_then(|pid| pid.try_into().ok())
}

/// The first word behind a name in `/proc/PID/status`.
fn status(pid: u32, name: &str) -> anyhow::Result<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(word
        .with_context(|| format!("no {name} of {pid}"))?
        .to_owned())
}
