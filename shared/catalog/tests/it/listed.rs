//! The built-in manifests beside the catalog of providers, which names what each provider's tools
//! and arguments are called. It lies beside the project, not in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

/// `tool.argument key`, and why it is another here.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "discord_list_guild_members.after type",
        "a snowflake is beyond what numbers in JSON carry",
    ),
    (
        "gmail_create_draft.body required",
        "raw is a whole mail and stands for it",
    ),
    ("gmail_create_draft.subject required", "as above"),
    ("gmail_create_draft.to required", "as above"),
    ("gmail_forward_message.to required", "as above"),
    ("gmail_reply_to_message.body required", "as above"),
    ("gmail_send_message.body required", "as above"),
    ("gmail_send_message.subject required", "as above"),
    ("gmail_send_message.to required", "as above"),
    ("gmail_update_draft.body required", "as above"),
    ("gmail_update_draft.subject required", "as above"),
    ("gmail_update_draft.to required", "as above"),
    (
        "google_slides_create_text_box.object_id required",
        "the text of the box is put in by this id, and Google makes none in time",
    ),
    (
        "outlook_get_message.body_type in",
        "one field holds both preferences, so the manifest writes it",
    ),
    ("outlook_get_message.body_type wire", "as above"),
    ("outlook_get_event.time_zone in", "as above"),
    ("outlook_get_event.time_zone wire", "as above"),
    ("outlook_list_calendar_view.time_zone in", "as above"),
    ("outlook_list_calendar_view.time_zone wire", "as above"),
    ("outlook_list_events.time_zone in", "as above"),
    ("outlook_list_events.time_zone wire", "as above"),
];

#[test]
fn every_tool_and_argument_of_the_providers_catalog_is_here_as_it_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../../../shared/providers/catalog");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("SKIPPED: the catalog of providers is not beside the project");
        return;
    };
    let (mut tools, mut found) = (0, BTreeSet::new());
    for file in files {
        let text = std::fs::read(file.unwrap().path()).unwrap();
        let listed: Value = serde_json::from_slice(&text).unwrap();
        let name = listed["connector"].as_str().unwrap();
        let own = root.join(format!("manifests/{name}.toml"));
        let own: toml::Table = std::fs::read_to_string(own).unwrap().parse().unwrap();
        let own: Value = serde_json::to_value(own).unwrap();
        let by_name: BTreeMap<&str, &Value> = own["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| (tool["name"].as_str().unwrap(), tool))
            .collect();
        for tool in listed["tools"].as_array().unwrap() {
            tools += 1;
            let name = tool["name"].as_str().unwrap();
            let Some(here) = by_name.get(name) else {
                found.insert(format!("{name} is missing"));
                continue;
            };
            let request = format!(
                "{} {}",
                text_of(&tool["http"]["method"]),
                text_of(&tool["http"]["path"])
            );
            if here["request"] != request.as_str() {
                found.insert(format!("{name} request"));
            }
            if here["effect"] != tool["effect"] {
                found.insert(format!("{name} effect"));
            }
            arguments(name, tool, here, &own["args"], &mut found);
        }
    }
    assert_eq!(tools, 837);
    let known: BTreeSet<String> = DIFFERENT
        .iter()
        .map(|(what, _)| (*what).to_owned())
        .collect();
    for (what, why) in DIFFERENT {
        eprintln!("differs: {what}: {why}");
    }
    assert_eq!(found, known);
}

fn arguments(
    tool: &str,
    listed: &Value,
    here: &Value,
    shared: &Value,
    found: &mut BTreeSet<String>,
) {
    let own: BTreeMap<String, Value> = here["args"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|arg| resolved(arg, shared))
        .collect();
    let listed = listed["args"].as_array().into_iter().flatten();
    for arg in listed {
        let name = arg["name"].as_str().unwrap();
        let Some(known) = own.get(name) else {
            found.insert(format!("{tool}.{name} is missing"));
            continue;
        };
        let or = |value: &Value, key: &str, absent: Value| match value.get(key) {
            None => absent,
            Some(value) => value.clone(),
        };
        for (key, absent) in [
            ("in", Value::Null),
            ("wire", Value::from(name)),
            ("required", Value::from(false)),
            ("type", Value::from("string")),
        ] {
            if or(known, key, absent.clone()) != or(arg, key, absent) {
                found.insert(format!("{tool}.{name} {key}"));
            }
        }
        let aliases = arg["aliases"].as_array().into_iter().flatten();
        let mut ours = known["aliases"].as_array().into_iter().flatten();
        if aliases
            .into_iter()
            .any(|alias| !ours.any(|known| known == alias))
        {
            found.insert(format!("{tool}.{name} aliases"));
        }
    }
}

/// An argument with what it takes over from a shared one.
fn resolved(arg: &Value, shared: &Value) -> (String, Value) {
    let base = arg.as_str().or_else(|| arg["use"].as_str());
    let mut whole = base.map_or_else(|| arg.clone(), |base| shared[base].clone());
    if let (Some(whole), Some(own)) = (whole.as_object_mut(), arg.as_object()) {
        whole.extend(own.clone());
    }
    let name = whole["name"].as_str().or(base).unwrap().to_owned();
    (name, whole)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
