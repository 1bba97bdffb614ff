//! The command line as a person or a script uses it.

use std::process::Output;

use serde_json::Value;

use super::doors::settled;
use super::{Api, Home};

/// `turnbuckle` in the folder of a platform, with an environment to add to.
pub(crate) struct Cli<'a> {
    home: &'a Home,
    env: Vec<(String, String)>,
    /// Asked after each command whether all gateways have what it changed.
    settles: Option<Api>,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl<'a> Cli<'a> {
    pub(crate) fn new(home: &'a Home) -> Self {
        Self {
            home,
            env: Vec::new(),
            settles: None,
        }
    }

    /// Waits after each command until what it changed is in force everywhere.
    pub(super) fn settling(self, admin: Api) -> Self {
        Self {
            settles: Some(admin),
            ..self
        }
    }

    pub(crate) fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs a command without blocking the test's runtime.
    pub(crate) async fn run(&self, args: &[&str]) -> Said {
        let mut command = self.home.command(args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap();
        if let Some(admin) = &self.settles {
            settled(admin).await;
        }
        Said::new(output.unwrap())
    }

    /// Runs a command that must work; returns its table.
    pub(crate) async fn table(&self, args: &[&str]) -> String {
        self.run(args).await.expect(0).stdout
    }

    /// Runs a command with `-o json` that must work; returns its document.
    pub(crate) async fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.extend(["-o", "json"]);
        let said = self.run(&all).await.expect(0);
        serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("{args:?}: {error}: {:?}", said.stdout))
    }
}

impl Said {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts the exit code.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self
    }
}
