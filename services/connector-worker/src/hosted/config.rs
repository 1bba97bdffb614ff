//! How hosted servers are run.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How hosted servers are run. Durations are written as seconds, fractions allowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where each connector has its private folders: `<here>/<tenant id>/<connector id>/` with
    /// `home` (kept: package caches), `work` and `tmp`; a connector that runs as several processes
    /// has the latter two of the further ones in `lanes/<number>/`.
    pub state_dir: PathBuf,
    /// The executable that runs [`guard::main`](super::guard::main), and what leads it there. An
    /// absolute path: it is looked up in no `PATH`.
    pub guard: GuardCommand,
    /// Names of variables of the worker's own environment that hosted servers get besides the
    /// built-in list; a `*` at the end stands for any rest. Values are passed as they are: name
    /// none that holds a secret. Names that begin with `TURNBUCKLE_` are never passed.
    pub inherit: Vec<String>,
    /// From the start of a process to its first message.
    #[serde(with = "runtime::seconds")]
    pub start_timeout: Duration,
    /// The same for commands that may have to download a package first (`npx`, `uvx` …).
    #[serde(with = "runtime::seconds")]
    pub package_start_timeout: Duration,
    /// A process that nobody called for so long is stopped; the next call starts it. 0: never.
    #[serde(with = "runtime::seconds")]
    pub idle_timeout: Duration,
    /// How long one message may wait for the process to read it; then the process is ended.
    #[serde(with = "runtime::seconds")]
    pub write_timeout: Duration,
    /// From a stopping process' end of input to its SIGTERM.
    #[serde(with = "runtime::seconds")]
    pub close_grace: Duration,
    /// From SIGTERM to SIGKILL.
    #[serde(with = "runtime::seconds")]
    pub term_grace: Duration,
    /// Between a process' end and the next start; doubled with each further end.
    #[serde(with = "runtime::seconds")]
    pub backoff_min: Duration,
    #[serde(with = "runtime::seconds")]
    pub backoff_max: Duration,
    /// A process that ran for so long is started again at once, and the back-off begins anew.
    #[serde(with = "runtime::seconds")]
    pub stable_after: Duration,
    /// Processes at once, over all tenants. A call that would start one more ends one that nobody
    /// called for `evict_after`; where there is none, it is refused.
    pub max_processes: usize,
    #[serde(with = "runtime::seconds")]
    pub evict_after: Duration,
    /// Bytes of one message of a hosted server. A longer answer fails its call.
    pub max_message_bytes: usize,
}

/// A program and its first arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardCommand {
    pub program: PathBuf,
    pub args: Vec<String>,
}

impl Default for GuardCommand {
    /// This executable again, whatever became of its file since it was started.
    fn default() -> Self {
        Self {
            program: "/proc/self/exe".into(),
            args: vec![super::guard::SUBCOMMAND.to_owned()],
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: "data/hosted".into(),
            guard: GuardCommand::default(),
            inherit: Vec::new(),
            start_timeout: Duration::from_secs(30),
            package_start_timeout: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(600),
            write_timeout: Duration::from_secs(30),
            close_grace: Duration::from_millis(500),
            term_grace: Duration::from_secs(2),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            stable_after: Duration::from_secs(60),
            max_processes: 64,
            evict_after: Duration::from_secs(30),
            max_message_bytes: domain::limits::RESULT_MAX_BYTES + 64 * 1024,
        }
    }
}

impl Config {
    /// # Errors
    /// One sentence that names the setting and its rule.
    pub fn validate(&self) -> Result<(), String> {
        if self.close_grace + self.term_grace > Duration::from_secs(4) {
            return Err("close_grace and term_grace together may not exceed 4 s: \
                        a process tree is to be gone 5 s after its owner"
                .to_owned());
        }
        if self.max_processes == 0 {
            return Err("max_processes must be at least 1".to_owned());
        }
        if self.max_message_bytes < 1024 {
            return Err("max_message_bytes must be at least 1024".to_owned());
        }
        if self.backoff_min > self.backoff_max {
            return Err("backoff_min may not exceed backoff_max".to_owned());
        }
        if !self.guard.program.is_absolute() {
            return Err("guard.program must be an absolute path".to_owned());
        }
        Ok(())
    }

    /// How long `program` may take to its first message.
    pub(super) fn start_timeout_of(&self, program: &str) -> Duration {
        let name = program.rsplit('/').next().unwrap_or(program);
        match name {
            "npx" | "npm" | "pnpm" | "pnpx" | "yarn" | "bunx" | "uvx" | "uv" | "pipx" | "deno"
            | "docker" | "podman" => self.package_start_timeout,
            _ => self.start_timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_break_a_promise_are_refused() {
        let refused = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.validate().unwrap_err()
        };

        assert_eq!(Config::default().validate(), Ok(()));
        assert!(refused(|c| c.term_grace = Duration::from_secs(10)).contains("term_grace"));
        assert!(refused(|c| c.max_processes = 0).contains("max_processes"));
        assert!(refused(|c| c.guard.program = "guard".into()).contains("guard.program"));
        assert!(refused(|c| c.backoff_max = Duration::ZERO).contains("backoff_min"));
    }

    #[test]
    fn package_runners_get_time_to_download() {
        let config = Config::default();

        assert_eq!(config.start_timeout_of("npx"), Duration::from_secs(120));
        assert_eq!(
            config.start_timeout_of("/usr/local/bin/uvx"),
            Duration::from_secs(120)
        );
        assert_eq!(config.start_timeout_of("./server"), Duration::from_secs(30));
    }
}
