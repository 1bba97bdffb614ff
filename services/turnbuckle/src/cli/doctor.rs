//! `turnbuckle doctor`: what an operator gets wrong. Looks, and changes nothing.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fabric::Role;
use serde_json::{Value, json};

use super::args::Format;
use super::output::{Column, table};
use super::{Cli, Failure};
use crate::roles::doctor::{Finding, Level, examine};

const LIST: &[Column] = &[("", "/level"), ("CHECK", "/what"), ("", "/says")];

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Look at all that this role needs, before it is started; the running platform when absent.
    #[arg(long, value_enum)]
    role: Option<RoleName>,
    /// The role's configuration, as it is started with.
    #[arg(
        long,
        value_name = "PATH",
        env = "TURNBUCKLE_CONFIG",
        requires = "role"
    )]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleName {
    ControlPlane,
    Gateway,
    Worker,
}

pub(super) async fn run(args: DoctorArgs, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let found = match args.role {
        Some(role) => {
            let role = match role {
                RoleName::ControlPlane => Role::ControlPlane,
                RoleName::Gateway => Role::Gateway,
                RoleName::Worker => Role::Worker,
            };
            examine(role, args.config.as_deref()).await
        }
        None => of_platform(&cli.api()?.list(&["nodes"], &[], "nodes").await?),
    };
    show(&found, cli)?;
    match found
        .iter()
        .filter(|found| found.level == Level::Fail)
        .count()
    {
        0 => Ok(()),
        1 => Err(Failure::failed("unhealthy", "1 check failed, shown above")),
        count => {
            let sentence = format!("{count} checks failed, shown above");
            Err(Failure::failed("unhealthy", sentence))
        }
    }
}

fn show(found: &[Finding], cli: &mut Cli<'_>) -> Result<(), Failure> {
    let rows: Vec<Value> = found
        .iter()
        .map(|found| {
            let level = found.level.as_str();
            json!({"level": level, "what": found.what, "says": found.says})
        })
        .collect();
    match cli.global.output {
        Format::Json => cli.terminal.json(&json!({"checks": rows})),
        Format::Table => {
            // Sentences are not cut: they say how to mend.
            let short = table(&LIST[..2], &rows);
            let lines = short.lines().skip(1).zip(found);
            let width = short.lines().map(|line| line.chars().count()).max();
            let width = width.unwrap_or_default();
            for (line, found) in lines {
                let text = super::output::plain(&found.says);
                cli.terminal.line(&format!("{line:width$}  {text}"))?;
            }
            Ok(())
        }
    }
}

/// What the list of nodes tells of the platform.
fn of_platform(list: &Value) -> Vec<Finding> {
    let mut found = vec![Finding {
        level: Level::Ok,
        what: "platform",
        says: "answers".to_owned(),
    }];
    let nodes = list["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |node: &Value, name: &str| node[name].as_str().unwrap_or_default().to_owned();
    let there = |role: &str| {
        let is_there = |node: &&Value| text(node, "state") == "ready";
        let plays =
            |node: &&Value| matches!(text(node, "role"), r if r == role || r == "all-in-one");
        nodes.iter().filter(plays).filter(is_there).count()
    };
    for (role, what) in [
        ("control-plane", "control-planes"),
        ("gateway", "gateways"),
        ("worker", "workers"),
    ] {
        let (level, says) = match there(role) {
            0 => (
                Level::Fail,
                format!("none is ready: start `turnbuckle {role}`"),
            ),
            1 => (Level::Ok, "1 is ready".to_owned()),
            count => (Level::Ok, format!("{count} are ready")),
        };
        found.push(Finding { level, what, says });
    }
    for node in nodes {
        let (id, role) = (text(node, "id"), text(node, "role"));
        if text(node, "state") == "silent" {
            let seen = text(node, "last_seen_at");
            found.push(Finding {
                level: Level::Warn,
                what: "silent node",
                says: format!("{role} {id} was last heard of at {seen}: look at its log"),
            });
        } else if role == "gateway"
            && node["enforced_revision"].as_i64() < list["newest_revision"].as_i64()
        {
            found.push(Finding {
                level: Level::Warn,
                what: "revision",
                says: format!(
                    "gateway {id} enforces {} of {}: ask again, and look at its log if it stays",
                    node["enforced_revision"], list["newest_revision"]
                ),
            });
        }
    }
    let mut versions: Vec<String> = nodes.iter().map(|node| text(node, "version")).collect();
    versions.sort_unstable();
    versions.dedup();
    if versions.len() > 1 {
        found.push(Finding {
            level: Level::Warn,
            what: "versions",
            says: format!("several run: {}: end the upgrade", versions.join(", ")),
        });
    }
    found
}
