//! The question before something that cannot be undone.

use super::{Cli, Failure};

impl Cli<'_> {
    /// Goes on only when `name` is typed again, or `--yes` was given.
    pub(super) fn confirm(&mut self, yes: bool, what: &str, name: &str) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        let question = format!("This deletes {what} for good. Type {name} to go on: ");
        match (self.terminal.ask)(&question)? {
            Some(answer) if answer == name => Ok(()),
            Some(_) => Err(Failure::failed("not-confirmed", "nothing was deleted")),
            None => Err(Failure::Usage(format!(
                "this deletes {what} for good: confirm with --yes"
            ))),
        }
    }
}
