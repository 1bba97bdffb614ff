//! Every GitHub tool, in every way that its schema names, against GitHub's own description.

use catalog::{Catalog, Tool};
use serde_json::{Map, Value, json};
use testkit::provider::{Api, Provider};

use crate::support::{End, call_with, engine, github_description, github_rules, lease};

/// Argument sets of one tool: the least, all of them, each word of each list, each variant.
fn ways(tool: &Tool) -> Vec<Value> {
    let schema = &tool.input_schema;
    let properties = schema["properties"].as_object().unwrap();
    let mut least: Map<String, Value> = tool
        .args
        .iter()
        .filter(|arg| arg.required)
        .map(|arg| (arg.name.clone(), sample(&arg.name, &properties[&arg.name])))
        .collect();
    for group in &tool.require_one_of {
        let name = &tool.args[group[0]].name;
        least.insert(name.clone(), sample(name, &properties[name]));
    }
    let all: Map<String, Value> = properties
        .iter()
        .map(|(name, schema)| (name.clone(), sample(name, schema)))
        .collect();
    let mut ways = vec![Value::Object(least.clone()), Value::Object(all)];
    for (name, property) in properties {
        for choice in property["enum"].as_array().into_iter().flatten() {
            let mut way = least.clone();
            way.insert(name.clone(), choice.clone());
            ways.push(Value::Object(way));
        }
    }
    for (when, _) in &tool.call.variants {
        let mut way = least.clone();
        way.extend(
            when.equals
                .iter()
                .map(|(at, value)| (tool.args[*at].name.clone(), value.clone())),
        );
        ways.push(Value::Object(way));
    }
    ways
}

fn sample(name: &str, schema: &Value) -> Value {
    if let Some(first) = schema["enum"]
        .as_array()
        .and_then(|choices| choices.first())
    {
        return first.clone();
    }
    let description = schema["description"].as_str().unwrap_or_default();
    match schema["type"].as_str().unwrap() {
        "string" if description.contains("RFC 3339") => json!("2026-01-02T03:04:05Z"),
        // Described as a time, though ranges are documented too.
        "string" if name == "created" => json!("2026-01-02T03:04:05Z"),
        "string" if name == "path" => json!("src/a b/main.rs"),
        "string" if matches!(name, "release_id") => json!("7"),
        "string" if name == "color" => json!("ff0000"),
        // A slash, a space and a letter beyond ASCII must arrive whole.
        "string" if matches!(name, "branch" | "ref" | "base" | "head") => json!("feature/ä b"),
        "string" => json!("text"),
        "integer" => schema.get("minimum").cloned().unwrap_or(json!(3)),
        "boolean" => json!(true),
        "array" => json!([sample("item", &schema["items"])]),
        "object" => {
            let fixed = schema["properties"].as_object().into_iter().flatten();
            let mut members: Map<String, Value> = fixed
                .map(|(name, schema)| (name.clone(), sample(name, schema)))
                .collect();
            if members.is_empty() {
                let free = match schema["additionalProperties"].is_object() {
                    true => sample("item", &schema["additionalProperties"]),
                    false => json!("text"),
                };
                members.insert("name".to_owned(), free);
            }
            Value::Object(members)
        }
        other => panic!("no sample for {other}"),
    }
}

#[tokio::test]
async fn every_github_tool_sends_what_githubs_own_description_allows() {
    let Some(path) = github_description() else {
        eprintln!(
            "SKIPPED: GitHub's description is neither beside the project nor installed; \
             run `npm ci` in tests/providers"
        );
        return;
    };
    let api = Api::parse(&std::fs::read(&path).unwrap());
    let operations = api.operations();
    let provider = Provider::start(api, github_rules()).await;
    let (catalog, engine, lease) = (Catalog::builtin(), engine(), lease(&provider));
    let connector = catalog.connector("github").unwrap();

    let (mut calls, mut failures) = (0, Vec::new());
    for tool in &connector.tools {
        let before = provider.seen().len();
        for arguments in ways(tool) {
            calls += 1;
            match call_with(&engine, &lease, &tool.name, &arguments).await {
                End::Result(result) if result["isError"] == false => {}
                other => failures.push(format!("{} {arguments}: {other:?}", tool.name)),
            }
        }
        let seen = provider.seen();
        let mut wanted: Vec<&String> = tool.operation.iter().collect();
        wanted.extend(
            tool.call
                .variants
                .iter()
                .filter_map(|(_, request)| request.operation.as_ref()),
        );
        wanted.extend(tool.steps.iter().filter_map(|step| step.operation.as_ref()));
        for operation in wanted {
            let reached = seen[before..]
                .iter()
                .any(|seen| seen.operation.as_ref() == Some(operation));
            if !reached {
                failures.push(format!("{} never calls {operation}", tool.name));
            }
        }
    }

    eprintln!(
        "github: {} tools, {calls} calls, {} requests held against {operations} operations of {}",
        connector.tools.len(),
        provider.seen().len(),
        path.file_name().unwrap().to_string_lossy(),
    );
    assert_eq!(provider.violations(), Vec::<String>::new());
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(connector.tools.len(), 84);
}
