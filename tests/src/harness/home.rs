//! A place where `turnbuckle` runs: a data folder and logs that outlive the process.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

use super::{Platform, eventually_blocking};

/// A debug build on a busy machine takes its time; a start that works takes well below a second.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What the process writes to `--ready-file`.
#[derive(Debug, Deserialize)]
pub(crate) struct Ready {
    pub(crate) pid: u32,
    pub(crate) url: String,
    pub(crate) admin_url: String,
    pub(crate) grpc_url: String,
    pub(crate) data_dir: PathBuf,
}

/// How a start was refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: i32,
    /// What a person reads: standard error.
    pub(crate) text: String,
}

/// A folder to run in. Nothing of the caller's environment gets in.
pub(crate) struct Home {
    folder: TempDir,
    env: Vec<(String, String)>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            env: Vec::new(),
        }
    }

    /// Adds a variable to the environment of `turnbuckle up`.
    pub(crate) fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.path().join("stderr.log")
    }

    /// The platform admin's key, as the first start wrote it.
    pub(crate) fn admin_key(&self) -> String {
        fs::read_to_string(self.data_dir().join("admin.key"))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Everything that the processes here have logged so far, all starts.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// `turnbuckle` in this folder, with a clean environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .stdin(Stdio::null());
        for name in ["PATH", "LANG"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("HOME", self.path());
        command
    }

    /// `turnbuckle up` on free ports, but for what `args` say.
    fn up(&self, args: &[&str]) -> Command {
        let mut command = self.command(&["up"]);
        for (flag, value) in [
            ("--data-dir", "data"),
            ("--listen", "127.0.0.1:0"),
            ("--admin-listen", "127.0.0.1:0"),
            ("--grpc-listen", "127.0.0.1:0"),
            ("--ready-file", "ready.json"),
        ] {
            if !args.contains(&flag) {
                command.args([flag, value]);
            }
        }
        command
            .args(args)
            .env("TURNBUCKLE_LOG__FORMAT", "json")
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn start(self) -> Platform {
        let ready_file = self.path().join("ready.json");
        let _ = fs::remove_file(&ready_file);
        let log_start = self.log().len();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .unwrap();
        let mut child = self
            .up(&[])
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();

        let ready = eventually_blocking(START_LIMIT, "turnbuckle is ready", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!(
                    "turnbuckle ended at its start with {status}:\n{}",
                    self.log()
                );
            }
            serde_json::from_str::<Ready>(&fs::read_to_string(&ready_file).ok()?).ok()
        })
        .await;
        assert_eq!(
            ready.pid,
            child.id(),
            "the ready file is that of this start"
        );
        Platform::new(self, child, ready, log_start)
    }

    /// Starts it in the belief that it refuses, and returns how.
    pub(crate) fn refused(&self) -> Refusal {
        self.refused_with(&[])
    }

    /// The same with arguments of its own.
    pub(crate) fn refused_with(&self, args: &[&str]) -> Refusal {
        let child = self
            .up(args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (code, text) = finish(child, START_LIMIT);
        assert_ne!(code, 0, "it should have refused to start:\n{text}");
        Refusal { code, text }
    }
}

/// Waits for a process that ends by itself; kills it and panics when it does not.
fn finish(mut child: Child, limit: Duration) -> (i32, String) {
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("turnbuckle should have ended by itself within {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    (status.code().unwrap_or(-1), text)
}

/// The binary lies beside the folder of the test programs, where `TURNBUCKLE_BINARY` names no other.
pub(super) fn binary() -> PathBuf {
    if let Some(other) = std::env::var_os("TURNBUCKLE_BINARY") {
        return other.into();
    }
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("turnbuckle");
    assert!(
        path.is_file(),
        "{} is missing: run ./test, or `cargo build --workspace --bins` first",
        path.display()
    );
    path
}
