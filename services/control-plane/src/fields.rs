//! The rules of single fields, collected so that a caller hears of all of them at once.

use domain::limits::{DESCRIPTION_MAX_LENGTH, NAME_MAX_LENGTH};

use crate::error::{Error, Violation};

/// Longest e-mail address (RFC 5321 §4.5.3.1.3).
const EMAIL_MAX_LENGTH: usize = 254;

/// What is wrong with an input.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Violation>);

impl Violations {
    pub(crate) fn add(&mut self, field: impl Into<String>, rule: impl Into<String>) {
        self.0.push(Violation::new(field, rule));
    }

    /// Keeps the value of a parsed field, or notes why there is none.
    pub(crate) fn keep<T, E: ToString>(&mut self, field: &str, parsed: Result<T, E>) -> Option<T> {
        parsed
            .map_err(|error| self.add(field, error.to_string()))
            .ok()
    }

    /// 1 to 100 characters on one line, not only blanks.
    pub(crate) fn name(&mut self, field: &str, text: &str) {
        let length = text.chars().count();
        if text.trim().is_empty() || length > NAME_MAX_LENGTH {
            self.add(
                field,
                format!("must have 1 to {NAME_MAX_LENGTH} characters"),
            );
        } else if text.chars().any(char::is_control) {
            self.add(field, "may not hold control characters");
        }
    }

    /// At most 1000 characters; line ends and tabs are the only control characters.
    pub(crate) fn description(&mut self, field: &str, text: &str) {
        if text.chars().count() > DESCRIPTION_MAX_LENGTH {
            self.add(
                field,
                format!("may have {DESCRIPTION_MAX_LENGTH} characters at most"),
            );
        } else if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        {
            self.add(field, "may not hold control characters");
        }
    }

    /// Empty, or something at something. Whether mail arrives there, only mail can tell.
    pub(crate) fn email(&mut self, field: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let parts = text.rsplit_once('@');
        let whole = parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if !whole || text.len() > EMAIL_MAX_LENGTH || text.contains(odd) {
            self.add(field, "must be an e-mail address");
        }
    }

    /// # Errors
    /// All that was noted, if anything was.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self.0))
        }
    }
}
