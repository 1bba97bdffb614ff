//! Resources and prompts.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::{no_args, parse, tables};
use crate::closed::Effect;
use crate::error::Faults;
use crate::manifest::{PromptText, ResourceListText, ResourceText, RoleText};
use crate::model::Tool;
use crate::offer::{Prompt, PromptArg, PromptMessage, Resource, ResourceArg, ResourceList};
use crate::path::ResultPath;
use crate::template::Template;
use crate::uri::UriTemplate;

/// Reads an array of tables one by one, with the key of each.
fn each<T: DeserializeOwned>(
    name: &str,
    value: Option<toml::Value>,
    faults: &mut Faults,
) -> Vec<(String, T)> {
    let all = tables(name, value, faults).into_iter().enumerate();
    all.filter_map(|(i, value)| {
        let key = format!("{name}[{i}]");
        let text = parse(&key, value, faults)?;
        Some((key, text))
    })
    .collect()
}

pub(super) fn resources(
    value: Option<toml::Value>,
    tools: &[Tool],
    faults: &mut Faults,
) -> Vec<Resource> {
    let texts: Vec<(String, ResourceText)> = each("resources", value, faults);
    let mut names = BTreeSet::new();
    texts
        .into_iter()
        .filter_map(|(key, text)| {
            if !names.insert(text.name.clone()) {
                faults.add(format!("{key}.name"), "is used by two resources");
            }
            said(
                &key,
                &[("title", &text.title), ("description", &text.description)],
                faults,
            );
            resource(&key, text, tools, faults)
        })
        .collect()
}

fn said(key: &str, texts: &[(&str, &String)], faults: &mut Faults) {
    for (member, text) in texts {
        if text.trim().is_empty() {
            faults.add(format!("{key}.{member}"), "is empty");
        }
    }
}

fn reads<'t>(key: &str, name: &str, tools: &'t [Tool], faults: &mut Faults) -> Option<&'t Tool> {
    let tool = tools.iter().find(|tool| tool.name == name);
    match tool {
        None => faults.add(key, format!("there is no tool {name:?}")),
        Some(tool) if tool.effect != Effect::Read => {
            faults.add(key, format!("{name} does more than read"));
        }
        Some(_) => {}
    }
    tool
}

fn resource(
    key: &str,
    text: ResourceText,
    tools: &[Tool],
    faults: &mut Faults,
) -> Option<Resource> {
    let uri = faults.take(&format!("{key}.uri"), UriTemplate::parse(&text.uri))?;
    let tool = reads(&format!("{key}.tool"), &text.tool, tools, faults)?;
    let variables = uri.variables();
    let (mut args, mut used) = (Vec::new(), BTreeSet::new());
    for (name, value) in text.args {
        let key = format!("{key}.args.{name}");
        let variable = value.as_str().and_then(|text| {
            let name = text.strip_prefix("{{")?.strip_suffix("}}")?;
            Some(name.to_owned())
        });
        let arg = match variable {
            None => ResourceArg::Fixed(value),
            Some(variable) => {
                let Some(at) = variables.iter().position(|known| *known == variable) else {
                    faults.add(
                        key,
                        format!("names {variable:?}, which is no variable of uri"),
                    );
                    continue;
                };
                used.insert(at);
                ResourceArg::Variable(at)
            }
        };
        args.push((name, arg));
    }
    for (at, name) in variables.iter().enumerate() {
        if used.contains(&at) {
            continue;
        }
        if tool.args.iter().any(|arg| arg.name == *name) {
            args.push((name.clone(), ResourceArg::Variable(at)));
        } else {
            let rule = format!("{{{name}}} is no argument of {}", tool.name);
            faults.add(format!("{key}.uri"), rule);
        }
    }
    check_args(
        &format!("{key}.args"),
        tool,
        args.iter().map(|(name, _)| name),
        faults,
    );
    let content = text
        .content
        .as_ref()
        .and_then(|text| faults.take(&format!("{key}.content"), ResultPath::parse(text, &no_args)));
    let list = text
        .list
        .and_then(|list| resource_list(&format!("{key}.list"), list, &uri, tools, faults));
    Some(Resource {
        uri,
        name: text.name,
        title: text.title,
        description: text.description,
        mime_type: text.mime_type,
        tool: text.tool,
        args,
        content,
        list,
    })
}

/// The tool knows all these arguments and needs no others.
fn check_args<'a>(
    key: &str,
    tool: &Tool,
    given: impl Iterator<Item = &'a String>,
    faults: &mut Faults,
) {
    let given: BTreeSet<&str> = given.map(String::as_str).collect();
    for name in &given {
        if !tool.args.iter().any(|arg| arg.name == **name) {
            faults.add(key, format!("{} has no argument {name:?}", tool.name));
        }
    }
    let needed = tool.args.iter().filter(|arg| arg.required);
    for arg in needed.filter(|arg| !given.contains(arg.name.as_str())) {
        faults.add(
            key,
            format!("{} needs the argument {:?}", tool.name, arg.name),
        );
    }
}

fn resource_list(
    key: &str,
    text: ResourceListText,
    uri: &UriTemplate,
    tools: &[Tool],
    faults: &mut Faults,
) -> Option<ResourceList> {
    let tool = reads(&format!("{key}.tool"), &text.tool, tools, faults)?;
    check_args(&format!("{key}.args"), tool, text.args.keys(), faults);
    // Pages that are joined, and an answer that is a list itself, are shown as `items`.
    let is_joined = tool
        .pages
        .as_ref()
        .is_some_and(|pages| pages.follow.is_some());
    let is_bare = tool.response.items.as_ref();
    let is_bare = is_bare.is_some_and(|items| items.0.is_empty());
    if (is_joined || is_bare) && text.items != "$.items" {
        let rule = format!("the list of {} stands at $.items", tool.name);
        faults.add(format!("{key}.items"), rule);
    }
    let mut path = |member: &str, text: &str| {
        faults.take(
            &format!("{key}.{member}"),
            ResultPath::parse(text, &no_args),
        )
    };
    let items = path("items", &text.items)?;
    let title = text.title.as_ref().and_then(|text| path("title", text));
    let description = text
        .description
        .as_ref()
        .and_then(|text| path("description", text));
    let variables: Vec<ResultPath> = uri
        .variables()
        .iter()
        .filter_map(|name| path("variables", text.variables.get(name)?))
        .collect();
    if variables.is_empty()
        || variables.len() != text.variables.len()
        || variables.len() != uri.variables().len()
    {
        let rule = "must say where each variable of uri stands in an item, and no other";
        faults.add(format!("{key}.variables"), rule);
        return None;
    }
    Some(ResourceList {
        tool: text.tool,
        args: text.args,
        items,
        variables,
        title,
        description,
    })
}

pub(super) fn prompts(
    value: Option<toml::Value>,
    connector: &str,
    faults: &mut Faults,
) -> Vec<Prompt> {
    let texts: Vec<(String, PromptText)> = each("prompts", value, faults);
    let mut names = BTreeSet::new();
    texts
        .into_iter()
        .map(|(key, text)| {
            let prefix = format!("{connector}_");
            if text.name.strip_prefix(&prefix).is_none_or(str::is_empty) {
                faults.add(format!("{key}.name"), format!("must begin with {prefix}"));
            }
            if !names.insert(text.name.clone()) {
                faults.add(format!("{key}.name"), "is used by two prompts");
            }
            said(
                &key,
                &[("title", &text.title), ("description", &text.description)],
                faults,
            );
            prompt(&key, text, faults)
        })
        .collect()
}

fn prompt(key: &str, text: PromptText, faults: &mut Faults) -> Prompt {
    let mut used = BTreeSet::new();
    let names: Vec<String> = text.arguments.iter().map(|arg| arg.name.clone()).collect();
    let find = |name: &str| names.iter().position(|known| known == name);
    if text.messages.is_empty() {
        faults.add(format!("{key}.messages"), "there must be at least one");
    }
    let messages = text.messages.into_iter().enumerate();
    let messages = messages
        .filter_map(|(i, message)| {
            let key = format!("{key}.messages[{i}].text");
            let template = faults.take(&key, Template::parse(&message.text, &find))?;
            used.extend(template.args());
            Some(PromptMessage {
                role: match message.role {
                    RoleText::User => "user",
                    RoleText::Assistant => "assistant",
                },
                text: template,
            })
        })
        .collect();
    for (at, arg) in text.arguments.iter().enumerate() {
        let key = format!("{key}.arguments[{at}]");
        if !used.contains(&at) {
            faults.add(&*key, format!("{:?} is in no message", arg.name));
        }
        if arg.required == arg.default.is_some() {
            faults.add(&*key, "is either required or has a default");
        }
        let is_choice = |value: &String| arg.choices.is_empty() || arg.choices.contains(value);
        if !arg.default.as_ref().is_none_or(is_choice) {
            faults.add(&*key, "has a default that is not in the enum");
        }
    }
    let arguments = text.arguments.into_iter().map(|arg| PromptArg {
        name: arg.name,
        description: arg.description,
        required: arg.required,
        default: arg.default,
        choices: arg.choices,
    });
    Prompt {
        name: text.name,
        title: text.title,
        description: text.description,
        arguments: arguments.collect(),
        messages,
    }
}
