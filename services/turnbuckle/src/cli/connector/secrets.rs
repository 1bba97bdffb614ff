//! Where a connector's secrets come from: the environment, a file or a prompt.

use std::str::FromStr;

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::failure::Failure;
use crate::cli::secret::SecretSource;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
#[command(next_help_heading = "Secrets")]
pub(crate) struct SecretArgs {
    #[command(flatten)]
    token: SecretSource,
    /// Send a header to a remote MCP server, its value taken from an environment variable.
    #[arg(long, value_name = "NAME=VAR")]
    header_from_env: Vec<FromEnv>,
    /// Set a variable of a hosted MCP server, taken from an environment variable (of the same
    /// name when only one is given).
    #[arg(long, value_name = "NAME[=VAR]")]
    env_from_env: Vec<FromEnv>,
}

/// A name, and the variable that holds its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FromEnv {
    name: String,
    variable: String,
}

impl FromStr for FromEnv {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, variable) = text.split_once('=').unwrap_or((text, text));
        if name.is_empty() || variable.is_empty() {
            return Err("must be NAME=VAR, where VAR is the environment variable that holds it");
        }
        Ok(Self {
            name: name.to_owned(),
            variable: variable.to_owned(),
        })
    }
}

impl SecretArgs {
    /// The REST member `secrets`; `None` when nothing was given.
    pub(super) fn read(&self, terminal: &mut Terminal) -> Result<Option<Value>, Failure> {
        let mut secrets = Map::new();
        if let Some(token) = self.token.read(terminal)? {
            secrets.insert("token".to_owned(), Value::String(token));
        }
        for (member, wanted) in [
            ("headers", &self.header_from_env),
            ("env", &self.env_from_env),
        ] {
            let mut values = Map::new();
            for FromEnv { name, variable } in wanted {
                values.insert(name.clone(), Value::String(terminal.variable(variable)?));
            }
            if !values.is_empty() {
                secrets.insert(member.to_owned(), Value::Object(values));
            }
        }
        Ok((!secrets.is_empty()).then_some(Value::Object(secrets)))
    }
}
