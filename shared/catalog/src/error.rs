//! What is wrong with a manifest.

use std::fmt;

use crate::{advice, place};

/// One fault, with where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line of the file, counted from 1, as far as it is known.
    pub line: Option<usize>,
    /// The tool it is in; none when it is in what all tools share.
    pub tool: Option<String>,
    /// Path of the key, e.g. `args.per_page.transform`.
    pub key: String,
    /// The rule that is broken.
    pub rule: String,
}

impl Fault {
    /// A fault in what all tools share.
    pub fn of_connector(key: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            line: None,
            tool: None,
            key: key.into(),
            rule: rule.into(),
        }
    }

    /// A fault in one tool.
    pub fn of_tool(tool: &str, key: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            tool: Some(tool.to_owned()),
            ..Self::of_connector(key, rule)
        }
    }

    /// How to mend it, in one sentence.
    pub fn advice(&self) -> String {
        advice::of(self)
    }
}

/// Everything that is wrong with one manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ManifestError {
    pub file: String,
    pub faults: Vec<Fault>,
}

impl ManifestError {
    /// Faults of `text`, each with its line where that can be found.
    pub fn locate(file: &str, text: &str, mut faults: Vec<Fault>) -> Self {
        place::locate(text, &mut faults);
        Self {
            file: file.to_owned(),
            faults,
        }
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            if let Some(line) = fault.line {
                write!(f, ":{line}")?;
            }
            write!(f, ": {fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tool) = &self.tool {
            write!(f, "tool {tool}: ")?;
        }
        write!(f, "{}: {}", self.key, self.rule)
    }
}

/// Gathers faults while a manifest is compiled, so that one run names them all.
#[derive(Default)]
pub(crate) struct Faults {
    tool: Option<String>,
    pub(crate) found: Vec<Fault>,
}

impl Faults {
    /// From now on faults belong to this tool.
    pub(crate) fn enter(&mut self, tool: Option<&str>) {
        self.tool = tool.map(str::to_owned);
    }

    pub(crate) fn add(&mut self, key: impl Into<String>, rule: impl Into<String>) {
        self.found.push(Fault {
            tool: self.tool.clone(),
            ..Fault::of_connector(key, rule)
        });
    }

    /// The value, or `None` and a fault.
    pub(crate) fn take<T>(&mut self, key: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|rule| self.add(key, rule)).ok()
    }
}
