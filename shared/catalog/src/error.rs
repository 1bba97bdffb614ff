//! What is wrong with a manifest.

use std::fmt;

/// One fault, with where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The tool it is in; none when it is in what all tools share.
    pub tool: Option<String>,
    /// Path of the key, e.g. `args.per_page.transform`.
    pub key: String,
    /// The rule that is broken.
    pub rule: String,
}

/// Everything that is wrong with one manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ManifestError {
    pub file: String,
    pub faults: Vec<Fault>,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: ", self.file)?;
            if let Some(tool) = &fault.tool {
                write!(f, "tool {tool}: ")?;
            }
            write!(f, "{}: {}", fault.key, fault.rule)?;
        }
        Ok(())
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
        let fault = Fault {
            tool: self.tool.clone(),
            key: key.into(),
            rule: rule.into(),
        };
        self.found.push(fault);
    }

    /// The value, or `None` and a fault.
    pub(crate) fn take<T>(&mut self, key: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|rule| self.add(key, rule)).ok()
    }
}
