//! Where a connector's secrets come from: the environment, a file or a prompt.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::failure::Failure;
use crate::cli::terminal::Terminal;

/// Bytes of a secret at most.
const SECRET_MAX_BYTES: u64 = 64 * 1024;

#[derive(Debug, Args)]
#[command(next_help_heading = "Secrets")]
pub(crate) struct SecretArgs {
    /// Take the service's token from this environment variable.
    #[arg(long, value_name = "VAR", group = "secret")]
    secret_from_env: Option<String>,
    /// Take the service's token from this file.
    #[arg(long, value_name = "PATH", group = "secret")]
    secret_from_file: Option<PathBuf>,
    /// Ask for the service's token.
    #[arg(long, group = "secret")]
    secret_prompt: bool,
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
        if let Some(token) = self.token(terminal)? {
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

    fn token(&self, terminal: &mut Terminal) -> Result<Option<String>, Failure> {
        if let Some(variable) = &self.secret_from_env {
            return terminal.variable(variable).map(Some);
        }
        if let Some(path) = &self.secret_from_file {
            return from_file(path).map(Some);
        }
        if !self.secret_prompt {
            return Ok(None);
        }
        let typed = (terminal.ask_secret)("Secret: ").map_err(|error| {
            Failure::Usage(format!(
                "cannot ask for the secret ({error}): use --secret-from-env"
            ))
        })?;
        if typed.is_empty() {
            return Err(Failure::Usage("no secret was typed".to_owned()));
        }
        Ok(Some(typed))
    }
}

fn from_file(path: &Path) -> Result<String, Failure> {
    let refuse = |why: &str| Failure::Usage(format!("cannot use {}: {why}", path.display()));
    let file = File::open(path).map_err(|error| refuse(&error.to_string()))?;
    let mut text = String::new();
    file.take(SECRET_MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| refuse(&error.to_string()))?;
    if text.len() as u64 > SECRET_MAX_BYTES {
        return Err(refuse("a secret has at most 64 KiB"));
    }
    // Editors end a file with a line break; no token does.
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(refuse("it is empty"));
    }
    Ok(secret.to_owned())
}
