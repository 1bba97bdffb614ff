use std::collections::BTreeSet;
use std::path::PathBuf;

use catalog::closed::Effect;
use catalog::{Catalog, markdown};
use serde_json::{Value, json};

#[test]
fn every_builtin_manifest_loads() {
    let catalog = Catalog::builtin();

    let told = catalog.summaries();
    let told: Vec<(&str, &str, usize)> = told
        .iter()
        .map(|known| {
            (
                known.name.as_str(),
                known.display_name.as_str(),
                known.tools,
            )
        })
        .collect();
    let connectors = catalog.connectors();
    let types: Vec<(&str, &str, usize)> = connectors
        .iter()
        .map(|connector| {
            (
                connector.name.as_str(),
                connector.display_name.as_str(),
                connector.tools.len(),
            )
        })
        .collect();

    assert_eq!(told, types);

    let tools: usize = types.iter().map(|(_, _, tools)| tools).sum();
    assert_eq!(tools, 837);
    assert_eq!(
        types,
        [
            ("bitbucket", "Bitbucket Cloud", 40),
            ("claude_code", "Claude Code / Anthropic Admin", 28),
            ("codex", "OpenAI Codex / organization admin", 26),
            ("confluence", "Confluence Cloud", 32),
            ("copilot", "GitHub Copilot", 28),
            ("cursor", "Cursor", 32),
            ("discord", "Discord", 41),
            ("excel", "Microsoft Excel", 31),
            ("github", "GitHub", 84),
            ("gitlab", "GitLab", 55),
            ("gmail", "Gmail", 36),
            ("google_calendar", "Google Calendar", 29),
            ("google_docs", "Google Docs", 25),
            ("google_sheets", "Google Sheets", 28),
            ("google_slides", "Google Slides", 27),
            ("jira", "Jira Cloud", 47),
            ("linear", "Linear", 36),
            ("notion", "Notion", 30),
            ("outlook", "Outlook", 35),
            ("powerpoint", "Microsoft PowerPoint", 19),
            ("slack", "Slack", 48),
            ("teams", "Microsoft Teams", 31),
            ("windsurf", "Windsurf (Devin Desktop)", 16),
            ("zoom", "Zoom", 33),
        ]
    );
}

#[test]
fn every_tool_tells_a_model_what_it_needs() {
    for connector in Catalog::builtin().connectors() {
        let mut descriptions = BTreeSet::new();
        for tool in &connector.tools {
            let definition: Value = serde_json::from_str(tool.definition().json.get()).unwrap();
            let name = &tool.name;
            assert_eq!(definition["name"], json!(name));
            assert_eq!(
                definition["inputSchema"]["additionalProperties"],
                json!(false),
                "{name}"
            );
            // Model providers refuse every tool of a list that holds one such schema.
            for key in ["anyOf", "oneOf", "allOf"] {
                assert!(
                    definition["inputSchema"].get(key).is_none(),
                    "{name} has {key} at its root"
                );
            }
            assert_eq!(
                definition["annotations"]["readOnlyHint"],
                json!(tool.effect == Effect::Read),
                "{name}"
            );
            assert!(
                tool.description.len() >= 60,
                "{name} says too little of itself"
            );
            assert!(
                tool.description.len() <= 1_000,
                "{name} says too much of itself"
            );
            assert!(
                descriptions.insert(&tool.description),
                "{name} is described like another"
            );
            for word in tool
                .description
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            {
                if word.starts_with(&format!("{}_", connector.name)) {
                    assert!(
                        connector.tool(word).is_some(),
                        "{name} names {word}, which is no tool"
                    );
                }
            }
            for arg in &tool.args {
                let schema = &definition["inputSchema"]["properties"][&arg.name];
                assert_eq!(
                    schema["description"],
                    json!(arg.description),
                    "{name}.{}",
                    arg.name
                );
                assert!(arg.description.ends_with('.'), "{name}.{}", arg.name);
            }
        }
    }
}

#[test]
fn a_definition_is_ready_for_tools_list() {
    let catalog = Catalog::builtin();
    let github = catalog.connector("github").unwrap();
    let tool = github.tool("github_list_branches").unwrap();

    let definition: Value = serde_json::from_str(tool.definition().json.get()).unwrap();

    assert_eq!(definition["title"], "List branches");
    assert_eq!(
        definition["annotations"],
        json!({
            "title": "List branches", "readOnlyHint": true, "destructiveHint": false,
            "idempotentHint": true, "openWorldHint": true,
        })
    );
    let schema = &definition["inputSchema"];
    assert_eq!(schema["required"], json!(["owner", "repo"]));
    assert_eq!(schema["properties"]["protected"]["type"], "boolean");
    let per_page = &schema["properties"]["per_page"];
    assert_eq!(
        (
            &per_page["type"],
            &per_page["minimum"],
            &per_page["maximum"],
            &per_page["default"]
        ),
        (&json!("integer"), &json!(1), &json!(100), &json!(30))
    );
}

/// The page of each connector is what its manifest says; `UPDATE=1` writes it.
#[test]
fn the_reference_pages_are_current() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/connectors");
    for connector in Catalog::builtin().connectors() {
        let path = folder.join(format!("{}.md", connector.name));
        let page = markdown::page(&connector);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == page,
            "docs/connectors/{}.md is old: run UPDATE=1 cargo nextest run -p catalog",
            connector.name
        );
    }
}
