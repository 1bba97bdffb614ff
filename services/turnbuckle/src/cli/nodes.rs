//! `turnbuckle nodes`

use serde_json::Value;

use super::args::Format;
use super::output::Column;
use super::{Cli, Failure};

const LIST: &[Column] = &[
    ("ROLE", "/role"),
    ("NODE", "/id"),
    ("STATE", "/state"),
    ("VERSION", "/version"),
    ("ADDRESS", "/address"),
    ("REVISION", "/revision"),
    ("LOAD", "/load"),
    ("LAST SEEN", "/last_seen_at"),
];

pub(super) async fn run(cli: &mut Cli<'_>) -> Result<(), Failure> {
    let mut all = cli.api()?.list(&["nodes"], &[], "nodes").await?;
    if cli.global.output == Format::Table {
        let newest = all["newest_revision"].clone();
        let nodes = all.get_mut("nodes").and_then(Value::as_array_mut);
        for node in nodes.into_iter().flatten() {
            for_people(node, &newest);
        }
    }
    cli.show_list(&all, "nodes", LIST)
}

/// What belongs together, in one cell: `11/12` are in force, `3/256` calls are under way.
fn for_people(node: &mut Value, newest: &Value) {
    node["revision"] = format!("{}/{newest}", node["enforced_revision"]).into();
    if !node["load"].is_null() && !node["capacity"].is_null() {
        node["load"] = format!("{}/{}", node["load"], node["capacity"]).into();
    }
    // Whole seconds.
    let time = node["last_seen_at"].as_str().unwrap_or_default();
    let whole = time.split_once('.').map(|(whole, _)| format!("{whole}Z"));
    if let Some(whole) = whole {
        node["last_seen_at"] = whole.into();
    }
}
