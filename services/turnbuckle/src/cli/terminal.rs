//! Where a command reads and writes, as an argument, so that tests can be at the other end.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};

use serde_json::Value;

use super::args::Format;
use super::failure::Failure;

/// Looks up an environment variable.
pub(super) type Environment = dyn Fn(&str) -> Option<OsString> + Send;
/// Shows a question and reads the answer.
pub(super) type Question<T> = dyn FnMut(&str) -> io::Result<T> + Send;

/// The outside of a command.
pub(super) struct Terminal {
    pub(super) out: Box<dyn Write + Send>,
    pub(super) err: Box<dyn Write + Send>,
    pub(super) input: Box<dyn Read + Send>,
    /// Whether a person watches standard error.
    pub(super) watched: bool,
    pub(super) environment: Box<Environment>,
    /// Asks a person for a text that is not shown while it is typed.
    pub(super) ask_secret: Box<Question<String>>,
    /// Asks a person for a line; `None` when there is nobody to ask.
    pub(super) ask: Box<Question<Option<String>>>,
}

impl Terminal {
    pub(super) fn of_process() -> Self {
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            input: Box::new(io::stdin()),
            watched: io::stderr().is_terminal(),
            // The variables that a user names, not configuration of ours.
            environment: Box::new(|name| std::env::var_os(name)),
            ask_secret: Box::new(|question| rpassword::prompt_password(question)),
            ask: Box::new(ask_line),
        }
    }

    /// A line of the result.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// The result as a document.
    pub(super) fn json(&mut self, value: &Value) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).expect("a Value always serialises");
        self.line(&text)
    }

    /// A remark that is no part of the result.
    pub(super) fn remark(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.err, "{text}")?)
    }

    pub(super) fn fail(&mut self, failure: &Failure, format: Format) -> io::Result<()> {
        if failure.exit_code() == 0 {
            return Ok(());
        }
        match format {
            Format::Table => {
                writeln!(
                    self.err,
                    "error: {}",
                    super::output::plain(&failure.sentence())
                )
            }
            Format::Json => writeln!(self.err, "{}", failure.document()),
        }
    }

    /// The value of a variable that the user named.
    pub(super) fn variable(&self, name: &str) -> Result<String, Failure> {
        let value = (self.environment)(name).ok_or_else(|| {
            Failure::Usage(format!(
                "the environment variable {name} is not set: export it first"
            ))
        })?;
        value
            .into_string()
            .ok()
            .filter(|text| !text.is_empty())
            .ok_or_else(|| {
                Failure::Usage(format!(
                    "the environment variable {name} is empty or no text"
                ))
            })
    }
}

fn ask_line(question: &str) -> io::Result<Option<String>> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    write!(io::stderr(), "{question}")?;
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(Some(answer.trim().to_owned()))
}
