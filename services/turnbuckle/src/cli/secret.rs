//! Where a secret comes from: the environment, a file or a prompt.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::terminal::Terminal;

/// Bytes of a secret at most.
const SECRET_MAX_BYTES: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(super) struct SecretSource {
    /// Take the secret (a service's token) from this environment variable.
    #[arg(long, value_name = "VAR", group = "secret", help_heading = "Secrets")]
    secret_from_env: Option<String>,
    /// Take the secret from this file; `-` is standard input.
    #[arg(long, value_name = "PATH", group = "secret", help_heading = "Secrets")]
    secret_from_file: Option<PathBuf>,
    /// Ask for the secret.
    #[arg(long, group = "secret", help_heading = "Secrets")]
    secret_prompt: bool,
}

impl SecretSource {
    /// `None` when none was given.
    pub(super) fn read(&self, terminal: &mut Terminal) -> Result<Option<String>, Failure> {
        if let Some(variable) = &self.secret_from_env {
            return terminal.variable(variable).map(Some);
        }
        if let Some(path) = &self.secret_from_file {
            return from_file(path, terminal).map(Some);
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

/// The secret in a file, or on standard input where the path is `-`.
pub(super) fn from_file(path: &Path, terminal: &mut Terminal) -> Result<String, Failure> {
    let refuse = |why: &str| Failure::Usage(format!("cannot use {}: {why}", path.display()));
    let mut file;
    let source: &mut dyn Read = if path == Path::new("-") {
        &mut *terminal.input
    } else {
        file = File::open(path).map_err(|error| refuse(&error.to_string()))?;
        &mut file
    };
    let mut text = String::new();
    source
        .take(SECRET_MAX_BYTES + 1)
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
