//! `turnbuckle connector types`: what a connector can be, and what must be said of each.

use serde_json::Value;

use crate::cli::args::Format;
use crate::cli::output::Column;
use crate::cli::{Cli, Failure};

const TYPES: &[Column] = &[
    ("TYPE", "/type"),
    ("NAME", "/display_name"),
    ("TOOLS", "/tools"),
    ("NEEDS", "/needs"),
];

pub(super) async fn run(cli: &mut Cli<'_>) -> Result<(), Failure> {
    let mut types = cli.api()?.get(&["connector-types"]).await?;
    if cli.global.output == Format::Table
        && let Some(all) = types.get_mut("types").and_then(Value::as_array_mut)
    {
        for one in all {
            one["needs"] = needs(one).into();
        }
    }
    cli.show_list(&types, "types", TYPES)
}

/// The arguments of `turnbuckle connector add` without which there is no such connector.
fn needs(known: &Value) -> String {
    let settings = known.get("settings").and_then(Value::as_array);
    let all = settings.into_iter().flatten().filter_map(|setting| {
        let text = |name| setting.get(name).and_then(Value::as_str);
        let example = setting.pointer("/examples/0").and_then(Value::as_str);
        let argument = match text("name")? {
            "url" => "--mcp-url",
            "command" => "--command",
            _ => "--base-url",
        };
        let said = format!("{argument} {}", example.unwrap_or_default());
        match text("required")? {
            "always" => Some(said),
            "with_token" => Some(format!("{said} (with a token)")),
            _ => None,
        }
    });
    all.collect::<Vec<_>>().join(", ")
}
