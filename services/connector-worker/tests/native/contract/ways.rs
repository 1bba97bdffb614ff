//! The ways to call a tool that its schema names.

use catalog::{Tool, When};
use serde_json::{Map, Value};

use super::sample::Sampler;

/// Argument sets of one tool: the least, all of them, each word of each list, and what each
/// condition of the manifest asks for.
pub(super) fn ways(tool: &Tool, sampler: &Sampler<'_>) -> Vec<Value> {
    let mut least = Map::new();
    let grouped = tool.require_one_of.iter().map(|group| group[0]);
    let required = tool.args.iter().enumerate();
    let required = required.filter(|(_, arg)| arg.required).map(|(at, _)| at);
    for at in required.chain(grouped) {
        least.insert(tool.args[at].name.clone(), sampler.plain(at));
    }
    let every = tool.args.iter().enumerate();
    let all = every.map(|(at, arg)| (arg.name.clone(), sampler.hard(at)));
    let mut ways = vec![Value::Object(least.clone()), Value::Object(all.collect())];
    for arg in &tool.args {
        let property = &tool.input_schema["properties"][&arg.name];
        for choice in property["enum"].as_array().into_iter().flatten() {
            let mut way = least.clone();
            way.insert(arg.name.clone(), choice.clone());
            ways.push(Value::Object(way));
        }
    }
    let conditions = tool.call.variants.iter().map(|(when, _)| when);
    let conditions = conditions
        .chain(tool.call.const_when.iter().map(|extra| &extra.when))
        .chain(tool.args.iter().filter_map(|arg| arg.when.as_ref()));
    for when in conditions {
        ways.push(Value::Object(fulfilled(tool, sampler, &least, when)));
    }
    ways
}

/// The least that fulfils a condition.
fn fulfilled(
    tool: &Tool,
    sampler: &Sampler<'_>,
    least: &Map<String, Value>,
    when: &When,
) -> Map<String, Value> {
    let name = |at: &usize| tool.args[*at].name.clone();
    let mut way = least.clone();
    for at in when.given.iter().chain(when.given_any.first()) {
        way.insert(name(at), sampler.plain(*at));
    }
    let equal = when.equals.iter();
    way.extend(equal.map(|(at, value)| (name(at), value.clone())));
    for at in &when.absent {
        way.remove(&name(at));
    }
    way
}
