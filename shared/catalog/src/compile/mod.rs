//! From text to what an engine runs. One run names every fault it finds.

mod args;
mod call;
mod offer;
mod programs;
mod service;
mod tool;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::error::{Faults, ManifestError};
use crate::manifest::{ArgText, ConnectorText, FORMAT, ToolText};
use crate::model::{Connector, Pagination, Target, Tool};
use crate::place;

/// Reads one manifest. `file` names it in faults and must be `<connector>.toml`.
///
/// # Errors
/// Everything that is wrong with it, each with its line.
pub fn connector(file: &str, text: &str) -> Result<Connector, ManifestError> {
    let mut faults = Faults::default();
    let connector = read(file, text, &mut faults);
    match connector {
        Some(connector) if faults.found.is_empty() => Ok(connector),
        _ => Err(ManifestError::locate(file, text, faults.found)),
    }
}

fn read(file: &str, text: &str, faults: &mut Faults) -> Option<Connector> {
    let mut table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            faults.add("(syntax)", one_line(error.message()));
            if let (Some(fault), Some(span)) = (faults.found.last_mut(), error.span()) {
                fault.line = Some(place::line(text, span.start));
            }
            return None;
        }
    };
    let shared = shared_args(table.remove("args"), faults);
    let tools = tables("tools", table.remove("tools"), faults);
    let (resources, prompts) = (table.remove("resources"), table.remove("prompts"));
    let head: Option<ConnectorText> = parse("(connector)", toml::Value::Table(table), faults);

    let head = head?;
    check_head(file, &head, faults);
    if tools.is_empty() {
        faults.add("tools", "there must be at least one");
    }
    let pagination = profiles(&head, faults);
    let written = tools.len();
    let tools = tools
        .into_iter()
        .filter_map(|value| {
            let name = value
                .get("name")
                .and_then(toml::Value::as_str)
                .unwrap_or("(unnamed)");
            faults.enter(Some(name));
            let text: ToolText = parse("(tool)", value.clone(), faults)?;
            tool::compile(text, &head, &shared, &pagination, faults)
        })
        .collect::<Vec<_>>();
    faults.enter(None);

    let mut by_name = HashMap::new();
    for (at, tool) in tools.iter().enumerate() {
        if by_name.insert(tool.name.clone(), at).is_some() {
            faults.enter(Some(&tool.name));
            faults.add("name", "is used by two tools");
        }
    }
    faults.enter(None);
    let whole = tools.len() == written;
    if whole {
        check_serial(&head.rate_limit.serial_path_params, &tools, faults);
    }
    // Of a tool with faults a resource could only say that it is not there.
    let resources = match whole {
        true => offer::resources(resources, &tools, faults),
        false => Vec::new(),
    };
    let prompts = offer::prompts(prompts, &head.connector, faults);
    Some(Connector {
        auth: service::auth(head.auth, faults)?,
        rate_limit: service::rate_limit(head.rate_limit, faults),
        errors: service::errors(head.errors, faults),
        output: service::output(head.output, faults),
        name: head.connector,
        display_name: head.display_name,
        category: head.category,
        summary: head.summary,
        base_url: head.base_url.trim_end_matches('/').to_owned(),
        base_url_variables: head.base_url_variables,
        base_url_alternatives: head.base_url_alternatives,
        headers: head.headers,
        notes: head.notes,
        tools,
        by_name,
        resources,
        prompts,
    })
}

fn check_head(file: &str, head: &ConnectorText, faults: &mut Faults) {
    if head.format != FORMAT {
        faults.add(
            "format",
            format!("is {}, this version reads {FORMAT}", head.format),
        );
    }
    let name_ok = head.connector.starts_with(|c: char| c.is_ascii_lowercase())
        && head
            .connector
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'_'));
    if !name_ok {
        faults.add("connector", "must be a-z and _, beginning with a letter");
    }
    if file.strip_suffix(".toml") != Some(&head.connector) {
        faults.add(
            "connector",
            format!("is {:?}, but the file is {file}", head.connector),
        );
    }
    if !head.base_url.starts_with("https://") {
        faults.add("base_url", "must begin with https://");
    }
    let named = variables(&head.base_url);
    if !named.iter().eq(head.base_url_variables.keys()) {
        faults.add(
            "base_url_variables",
            "must say what each {…} of base_url is, and no other",
        );
    }
    for (key, text) in [
        ("display_name", &head.display_name),
        ("summary", &head.summary),
        ("category", &head.category),
    ] {
        if text.trim().is_empty() {
            faults.add(key, "is empty");
        }
    }
    for (name, value) in &head.headers {
        service::check_header(&format!("headers.{name}"), name, value, faults);
    }
}

/// A placeholder that no path has would let all calls run at once, and say nothing of it.
fn check_serial(names: &[String], tools: &[Tool], faults: &mut Faults) {
    let is_used = |name: &String| {
        let mut args = tools.iter().flat_map(|tool| &tool.args);
        args.any(|arg| matches!(&arg.target, Target::Path(known) if known == name))
    };
    for name in names.iter().filter(|name| !is_used(name)) {
        let rule = format!("names {name:?}, which is in no tool's path");
        faults.add("rate_limit.serial_path_params", rule);
    }
}

/// The names between braces, in order of the alphabet.
fn variables(url: &str) -> BTreeSet<String> {
    let opened = url.split('{').skip(1);
    opened
        .filter_map(|rest| Some(rest.split_once('}')?.0.to_owned()))
        .collect()
}

fn profiles(head: &ConnectorText, faults: &mut Faults) -> BTreeMap<String, Arc<Pagination>> {
    head.pagination
        .iter()
        .filter_map(|(name, text)| {
            let profile = service::pagination(&format!("pagination.{name}"), text, faults)?;
            Some((name.clone(), Arc::new(profile)))
        })
        .collect()
}

fn shared_args(value: Option<toml::Value>, faults: &mut Faults) -> BTreeMap<String, ArgText> {
    let Some(value) = value else {
        return BTreeMap::new();
    };
    let toml::Value::Table(table) = value else {
        faults.add("args", "must be a table of arguments by name");
        return BTreeMap::new();
    };
    table
        .into_iter()
        .filter_map(|(name, value)| {
            let mut arg: ArgText = parse(&format!("args.{name}"), value, faults)?;
            if arg.base.is_some() {
                faults.add(
                    format!("args.{name}.use"),
                    "a shared argument cannot use another",
                );
            }
            arg.name.get_or_insert_with(|| name.clone());
            Some((name, arg))
        })
        .collect()
}

fn tables(key: &str, value: Option<toml::Value>, faults: &mut Faults) -> Vec<toml::Value> {
    match value {
        None => Vec::new(),
        Some(toml::Value::Array(items)) => items,
        Some(_) => {
            faults.add(key, "must be an array of tables");
            Vec::new()
        }
    }
}

/// Reads one part; a key that is unknown, missing or of another type becomes a fault.
fn parse<T: DeserializeOwned>(key: &str, value: toml::Value, faults: &mut Faults) -> Option<T> {
    value
        .try_into()
        .map_err(|error| faults.add(key, one_line(&error.to_string())))
        .ok()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A path or template that names no argument.
fn no_args(_: &str) -> Option<usize> {
    None
}
