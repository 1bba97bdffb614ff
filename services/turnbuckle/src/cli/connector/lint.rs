//! `turnbuckle connector lint FILE…`: manifests, held against all the rules of the catalog.

use std::fs;
use std::path::{Path, PathBuf};

use catalog::{Catalog, Connector, Fault, ManifestError};
use clap::Args;
use connector_worker::native;
use serde_json::{Value, json};

use super::super::args::Format;
use super::super::output::plain;
use super::super::{Cli, Failure};

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Manifests: each is called `<connector>.toml`.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What became of one file.
struct Linted<'a> {
    path: &'a Path,
    found: Result<Connector, Vec<Fault>>,
}

/// Needs no platform: the rules are in this program.
pub(super) fn run(args: &LintArgs, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let files = args.files.iter().map(|path| lint(path));
    let files: Vec<Linted<'_>> = files.collect::<Result<_, _>>()?;
    match cli.global.output {
        Format::Json => {
            let files: Vec<Value> = files.iter().map(Linted::document).collect();
            cli.terminal.json(&json!({ "files": files }))?;
        }
        Format::Table => {
            for file in &files {
                file.show(cli)?;
            }
        }
    }
    let faulty = files.iter().filter(|file| file.found.is_err());
    let names = faulty.map(|file| file.path.display().to_string());
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "{} cannot be used: mend what is said above and lint again",
        names.join(", ")
    );
    Err(Failure::failed("manifest-faults", detail))
}

/// Reads and compiles a manifest as a role does.
fn lint(path: &Path) -> Result<Linted<'_>, Failure> {
    let unusable = |what: &str| {
        let detail = format!("{}: {what}", path.display());
        Failure::failed("manifest-unreadable", detail)
    };
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| unusable("is no file name: give <connector>.toml"))?;
    let text = fs::read_to_string(path)
        .map_err(|error| unusable(&format!("cannot be read: {error}; give a file of text")))?;
    let compiled = catalog::compile(name, &text).map_err(|error| error.faults);
    let found = compiled.and_then(|connector| match native::check(&connector) {
        faults if faults.is_empty() => Ok(connector),
        faults => Err(ManifestError::locate(name, &text, faults).faults),
    });
    Ok(Linted { path, found })
}

/// Whether the program has a connector of that name itself.
fn is_builtin(connector: &Connector) -> bool {
    let all = Catalog::builtin().summaries();
    all.iter().any(|known| known.name == connector.name)
}

impl Linted<'_> {
    fn show(&self, cli: &mut Cli<'_>) -> Result<(), Failure> {
        let path = self.path.display();
        match &self.found {
            Ok(connector) => {
                let (name, tools) = (&connector.name, connector.tools.len());
                cli.terminal
                    .line(&format!("{path}: connector {name}, {tools} tools: fine"))?;
                if is_builtin(connector) {
                    cli.terminal.remark(&format!(
                        "{path}: there is a built-in connector {name}: a folder of manifests may \
                         hold this file only where manifests.may_replace names it"
                    ))?;
                }
            }
            Err(faults) => {
                for fault in faults {
                    let line = fault.line.map_or(String::new(), |line| format!(":{line}"));
                    cli.terminal
                        .line(&plain(&format!("{path}{line}: {fault}")))?;
                    cli.terminal
                        .line(&plain(&format!("    mend: {}", fault.advice())))?;
                }
            }
        }
        Ok(())
    }

    fn document(&self) -> Value {
        let file = self.path.display().to_string();
        match &self.found {
            Ok(connector) => json!({
                "file": file,
                "connector": connector.name,
                "tools": connector.tools.len(),
                "built_in": is_builtin(connector),
                "faults": [],
            }),
            Err(faults) => {
                let faults: Vec<Value> = faults
                    .iter()
                    .map(|fault| {
                        json!({
                            "line": fault.line,
                            "tool": fault.tool,
                            "key": fault.key,
                            "rule": fault.rule,
                            "advice": fault.advice(),
                        })
                    })
                    .collect();
                json!({ "file": file, "faults": faults })
            }
        }
    }
}
