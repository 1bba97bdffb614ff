//! `turnbuckle tool changes` and `turnbuckle tool approve`: definitions that upstreams changed.

use std::fmt::Write;

use clap::Args;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{LIST, Of};
use crate::cli::args::{Format, parse_name};
use crate::cli::output::{Column, visible};
use crate::cli::{Cli, Failure};

const WAITING: &[Column] = &[
    ("NAME", "/name"),
    ("STATE", "/state"),
    ("PENDING HASH", "/pending_hash"),
];

#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    of: Of,
    /// The tools' own names, without the connector's prefix.
    #[arg(required_unless_present = "all")]
    tools: Vec<String>,
    /// Every tool of the connector whose definition changed.
    #[arg(long, conflicts_with_all = ["tools", "hash"])]
    all: bool,
    /// Approve only if this is the pending definition; for one tool.
    #[arg(long)]
    hash: Option<String>,
}

/// The parts of the answer that are shown. Definitions stay as they came: a parsed one would lose
/// digits and repeated members, which is where a change could hide.
#[derive(Deserialize)]
struct Changes {
    state: String,
    hash: String,
    pending_hash: Option<String>,
    diff: Vec<Place>,
    diff_complete: bool,
}

#[derive(Deserialize)]
struct Place {
    path: String,
    #[serde(default, deserialize_with = "given")]
    before: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "given")]
    after: Option<Box<RawValue>>,
}

/// What is there, null too.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// The tools of a connector that wait for approval.
pub(super) async fn waiting(of: &Of, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let mut all = cli.api()?.list(&of.path(), &[], "tools").await?;
    if let Some(tools) = all.get_mut("tools").and_then(Value::as_array_mut) {
        tools.retain(|tool| !tool["pending_hash"].is_null());
    }
    cli.show_list(&all, "tools", WAITING)
}

/// How one tool's definition differs from the approved one.
pub(super) async fn of_one(of: &Of, tool: &str, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let path = of.then([tool, "changes"]);
    let answer: Box<RawValue> = cli.api()?.get_as(path.as_slice()).await?;
    if cli.global.output == Format::Json {
        return cli.terminal.line(answer.get());
    }
    let changes: Changes = serde_json::from_str(answer.get())
        .map_err(|_| Failure::strange("the answer holds no changes"))?;
    let text = written(&changes).map_err(|error| Failure::strange(&error.to_string()))?;
    cli.terminal.line(&text)
}

/// In full, whatever the width: what is decided on must be seen.
fn written(changes: &Changes) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    write!(text, "State:    {}", visible(&changes.state))?;
    write!(text, "\nApproved: {}", visible(&changes.hash))?;
    let pending = changes.pending_hash.as_deref().unwrap_or("-");
    write!(text, "\nPending:  {}", visible(pending))?;
    for place in &changes.diff {
        let path = if place.path.is_empty() {
            "/"
        } else {
            &place.path
        };
        write!(text, "\n\n{}", visible(path))?;
        for (sign, value) in [('-', &place.before), ('+', &place.after)] {
            if let Some(value) = value {
                write!(text, "\n{sign} {}", visible(value.get()))?;
            }
        }
    }
    if !changes.diff_complete {
        write!(
            text,
            "\n\nThere are more differences: `-o json` has both definitions."
        )?;
    }
    Ok(text)
}

pub(super) async fn approve(which: Approve, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let Approve {
        of,
        tools,
        all,
        hash,
    } = which;
    if hash.is_some() && tools.len() != 1 {
        let wish = "--hash is for one tool: name it, and no other";
        return Err(Failure::Usage(wish.to_owned()));
    }
    let api = cli.api()?;
    if all {
        let path = of.then(["approve-all"]);
        let approved = api.post(path.as_slice(), None).await?;
        return cli.show_list(&approved, "tools", LIST);
    }
    let body = hash.map(|hash| json!({"hash": hash}));
    let mut approved = Vec::with_capacity(tools.len());
    for tool in &tools {
        parse_name(tool).map_err(|rule| Failure::Usage(format!("{tool:?} {rule}")))?;
        let path = of.then([tool.as_str(), "approve"]);
        approved.push(api.post(path.as_slice(), body.as_ref()).await?);
    }
    cli.show_list(&json!({"tools": approved}), "tools", LIST)
}
