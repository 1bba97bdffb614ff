//! The reference page of a connector, made from its manifest.

mod sign_in;

use std::fmt::Write as _;

use serde_json::Value;

use crate::closed::Effect;
use crate::model::{Arg, Connector, Target, Tool};

/// The page as Markdown: how to sign in, then each tool with what it needs.
pub fn page(connector: &Connector) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    line(&format!("# {}\n", connector.display_name));
    line(
        "<!-- Made from the manifest; `UPDATE=1 cargo nextest run -p catalog` writes it anew. -->\n",
    );
    line(&format!("{}\n", connector.summary));
    line(&format!("- type: `{}`", connector.name));
    line(&format!("- base URL: `{}`", connector.base_url));
    for (what, url) in &connector.base_url_alternatives {
        line(&format!(
            "- base URL for {}: `{url}`",
            what.replace('_', " ")
        ));
    }
    let sign_in = connector.auth.methods.iter().map(|method| {
        method
            .label
            .clone()
            .unwrap_or_else(|| method.kind.as_str().replace('_', " "))
    });
    line(&format!(
        "- credential: {}",
        sign_in.collect::<Vec<_>>().join(", ")
    ));
    for note in &connector.notes {
        line(&format!("- {note}"));
    }
    for text in sign_in::lines(connector) {
        line(&text);
    }
    line("\n## Tools");
    let count = |effect| {
        connector
            .tools
            .iter()
            .filter(|tool| tool.effect == effect)
            .count()
    };
    line(&format!(
        "\n{} tools: {} read, {} write, {} destructive.\n",
        connector.tools.len(),
        count(Effect::Read),
        count(Effect::Write),
        count(Effect::Destructive)
    ));
    line(
        "Tools whose result is JSON also take `fields` (the members to show, by their paths) and `full` (true \
         shows all that the provider says): what is null, empty, or of no use to a model is left out otherwise.\n",
    );
    line("| tool | effect | may be repeated | scopes |");
    line("|---|---|---|---|");
    for tool in &connector.tools {
        line(&format!(
            "| [`{0}`](#{0}) | {1} | {2} | {3} |",
            tool.name,
            tool.effect.as_str(),
            if tool.idempotent { "yes" } else { "no" },
            scopes(tool)
        ));
    }
    for tool in &connector.tools {
        line(&format!("\n## {}\n", tool.name));
        line(&format!(
            "**{}.** {}\n",
            tool.title,
            tool.description.trim()
        ));
        line(&format!(
            "`{} {}`",
            tool.call.request.method.as_str(),
            tool.call.request.path_text
        ));
        let own = |arg: &&Arg| !matches!(arg.target, Target::Fields | Target::Full);
        if tool.args.iter().any(|arg| own(&arg)) {
            line("\n| argument | type | | meaning |\n|---|---|---|---|");
        }
        for arg in tool.args.iter().filter(own) {
            line(&argument(arg, &tool.input_schema["properties"][&arg.name]));
        }
    }
    offers(connector, &mut line);
    out
}

/// Resources and prompts.
fn offers(connector: &Connector, line: &mut impl FnMut(&str)) {
    if !connector.resources.is_empty() {
        line("\n## Resources\n");
        line("| address | what | listed |\n|---|---|---|");
    }
    for resource in &connector.resources {
        let listed = match &resource.list {
            Some(list) => format!("by `{}`", list.tool),
            None if resource.uri.variables().is_empty() => "yes".to_owned(),
            None => "no".to_owned(),
        };
        let (uri, what) = (resource.uri.text(), &resource.description);
        line(&format!("| `{uri}` | {what} | {listed} |"));
    }
    if !connector.prompts.is_empty() {
        line("\n## Prompts\n");
        line("| prompt | what | arguments |\n|---|---|---|");
    }
    for prompt in &connector.prompts {
        let arguments = prompt.arguments.iter().map(|arg| match &arg.default {
            Some(default) => format!("`{}` (default `{default}`)", arg.name),
            None => format!("`{}`", arg.name),
        });
        let arguments: Vec<String> = arguments.collect();
        let (name, what) = (&prompt.name, &prompt.description);
        line(&format!("| `{name}` | {what} | {} |", arguments.join(", ")));
    }
}

fn scopes(tool: &Tool) -> String {
    let mut parts: Vec<String> = tool
        .scopes
        .all
        .iter()
        .map(|scope| format!("`{scope}`"))
        .collect();
    if !tool.scopes.any.is_empty() {
        parts.push(format!("any of `{}`", tool.scopes.any.join("`, `")));
    }
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(" ")
    }
}

fn argument(arg: &Arg, schema: &Value) -> String {
    let mut rules = Vec::new();
    if arg.required {
        rules.push("required".to_owned());
    }
    if let Some(default) = &arg.default {
        rules.push(format!("default `{}`", bare(default)));
    }
    for key in ["minimum", "maximum"] {
        if let Some(bound) = schema.get(key) {
            rules.push(format!("{key} {bound}"));
        }
    }
    if let Some(Value::Array(choices)) = schema.get("enum") {
        let choices: Vec<String> = choices
            .iter()
            .map(|choice| format!("`{}`", bare(choice)))
            .collect();
        rules.push(format!("one of {}", choices.join(" ")));
    }
    let mut row = String::new();
    let description = arg.description.replace('|', "\\|");
    let _ = write!(
        row,
        "| `{}` | {} | {} | {description} |",
        arg.name,
        arg.kind.as_str(),
        rules.join(", ")
    );
    row
}

fn bare(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
