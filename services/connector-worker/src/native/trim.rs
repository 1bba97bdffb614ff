//! How much of a provider's JSON a result shows: what a model mostly needs, the members that the
//! caller names, or all of it.

use catalog::closed::{Hook, HookAnswer};
use catalog::{Output, ResultPath, Step, Target};
use serde_json::{Map, Value};

use super::answer::Made;
use super::arguments::Arguments;
use super::call::Call;

/// What is to be shown of an answer.
enum Shown {
    /// All that the provider says.
    All,
    /// What the connector's rules leave.
    Useful,
    /// The members at these paths.
    Named(Vec<Vec<String>>),
}

impl Call<'_> {
    fn wanted_members(&self, arguments: &Arguments) -> Shown {
        let own = |target: Target| {
            let at = self.tool.args.iter().position(|arg| arg.target == target);
            at.and_then(|at| arguments.value(at))
        };
        let named = own(Target::Fields).and_then(Value::as_array);
        let named: Vec<Vec<String>> = named
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(steps)
            .filter(|steps| !steps.is_empty())
            .collect();
        let is_whole = self.tool.response.whole || own(Target::Full) == Some(&Value::Bool(true));
        match (named.is_empty(), is_whole) {
            (false, _) => Shown::Named(named),
            (true, true) => Shown::All,
            (true, false) => Shown::Useful,
        }
    }

    /// Whether the caller wants all that the provider says.
    pub(super) fn wants_all(&self, arguments: &Arguments) -> bool {
        let full = self.tool.args.iter();
        let full = full.into_iter().position(|arg| arg.target == Target::Full);
        full.and_then(|at| arguments.value(at)) == Some(&Value::Bool(true))
    }

    /// Keeps of a hook's own JSON what the caller names. The hook has left out the rest already.
    pub(super) fn select(&self, made: &mut Made, arguments: &Arguments) {
        let answer = self.tool.hook.map(Hook::answer);
        let is_own = matches!(answer, Some(HookAnswer::Figures | HookAnswer::Digest));
        let Shown::Named(named) = self.wanted_members(arguments) else {
            return;
        };
        if !is_own || made.text.is_some() {
            return;
        }
        let paths: Vec<&[String]> = named.iter().map(Vec::as_slice).collect();
        let items = self.tool.response.items.as_ref();
        // The provider's list need not be the hook's.
        let items = items.filter(|items| items.get(&made.structured).is_some());
        if let Some(subject) = place(items, &mut made.structured) {
            select(subject, &paths);
        }
        let note = self.names_nothing(&made.structured, arguments);
        made.notes.extend(note);
    }

    /// Leaves out in place what is not to be shown. What the tool is about, an object or each item
    /// of a list, is what the caller's names concern; what stands around it is only relieved of
    /// what is of no use.
    pub(super) fn trim(&self, value: &mut Value, arguments: &Arguments) {
        let (shown, output) = (self.wanted_members(arguments), &self.connector.output);
        if matches!(shown, Shown::All) {
            return;
        }
        let path = self.tool.response.items.as_ref();
        let Some(found) = place(path, value) else {
            return one(value, &shown, output, true);
        };
        // Set aside, so that a list with nothing in it stays one.
        let mut subject = std::mem::replace(found, Value::Bool(true));
        match &mut subject {
            Value::Array(items) => {
                for item in items {
                    one(item, &shown, output, false);
                }
            }
            // A list by name; under each name is an item, or a list of them.
            Value::Object(members) if self.tool.pages.is_some() => {
                let items = members.values_mut().flat_map(|member| match member {
                    Value::Array(items) => items.iter_mut().collect(),
                    item => vec![item],
                });
                for item in items {
                    one(item, &shown, output, false);
                }
            }
            other => one(other, &shown, output, true),
        }
        let way = path.map(|path| path.0.as_slice()).unwrap_or_default();
        let way: Vec<&str> = way.iter().filter_map(key).collect();
        useful(value, output, &way);
        if let Some(found) = place(path, value) {
            *found = subject;
        }
    }

    /// What to say to a caller who named members of which there are none. `value` is trimmed.
    pub(super) fn names_nothing(&self, value: &Value, arguments: &Arguments) -> Option<String> {
        let Shown::Named(named) = self.wanted_members(arguments) else {
            return None;
        };
        let is_bare = |value: &Value| value.as_object().is_some_and(Map::is_empty);
        let path = self.tool.response.items.as_ref();
        let subject = path.and_then(|path| path.get(value)).unwrap_or(value);
        let all_bare = |items: &[Value]| !items.is_empty() && items.iter().all(is_bare);
        let nothing = match subject {
            Value::Array(items) => all_bare(items),
            Value::Object(members) if path.is_some() && self.tool.pages.is_some() => {
                let mut members = members.values();
                let bare = |member: &Value| match member {
                    Value::Array(items) => all_bare(items),
                    item => is_bare(item),
                };
                members.len() > 0 && members.all(bare)
            }
            subject => is_bare(subject),
        };
        let names: Vec<String> = named.iter().map(|steps| steps.join(".")).collect();
        nothing.then(|| {
            format!(
                "No member has the name {}: call without fields to see which there are.",
                names.join(" or ")
            )
        })
    }
}

/// What the tool is about.
fn place<'v>(path: Option<&ResultPath>, value: &'v mut Value) -> Option<&'v mut Value> {
    match path {
        Some(path) => path.get_mut(value),
        None => Some(value),
    }
}

fn key(step: &Step) -> Option<&str> {
    match step {
        Step::Key(key) => Some(key),
        _ => None,
    }
}

/// `a.b`, also where it was written as `$.a[].b` or `items.a`.
fn steps(path: &str) -> Vec<String> {
    let plain = path.trim().trim_start_matches('$').replace("[]", "");
    let steps = plain
        .split('.')
        .map(str::trim)
        .filter(|step| !step.is_empty());
    let mut steps: Vec<String> = steps.map(str::to_owned).collect();
    if steps.len() > 1 && steps[0] == "items" {
        steps.remove(0);
    }
    steps
}

/// One object that a result is about. Of one that is all of it, an empty list says something.
fn one(value: &mut Value, shown: &Shown, output: &Output, is_all: bool) {
    match shown {
        Shown::All => {}
        Shown::Useful => {
            let members = value.as_object().filter(|_| is_all);
            let empty = members.into_iter().flatten().filter(|(name, member)| {
                let is_empty = member.as_array().is_some_and(Vec::is_empty);
                is_empty && !output.drops(name)
            });
            let empty: Vec<String> = empty.map(|(name, _)| name.clone()).collect();
            let empty: Vec<&str> = empty.iter().map(String::as_str).collect();
            useful(value, output, &empty);
        }
        Shown::Named(paths) => {
            let paths: Vec<&[String]> = paths.iter().map(Vec::as_slice).collect();
            let asked: Vec<&str> = paths
                .iter()
                .filter_map(|path| path.last())
                .map(String::as_str)
                .collect();
            select(value, &paths);
            useful(value, output, &asked);
        }
    }
}

/// Keeps what the paths lead to; elements of arrays are looked at one by one.
fn select(value: &mut Value, paths: &[&[String]]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| select(item, paths)),
        Value::Object(members) => members.retain(|name, inner| {
            let below = paths.iter().filter(|path| path.first() == Some(name));
            let below: Vec<&[String]> = below.map(|path| &path[1..]).collect();
            let whole = below.iter().any(|rest| rest.is_empty());
            if !whole && !below.is_empty() {
                select(inner, &below);
            }
            !below.is_empty()
        }),
        _ => {}
    }
}

/// Leaves out what is null or empty, what the rules drop, and of nested objects all that does not
/// tell which they are. `asked` is named by the caller and stays whole.
fn useful(value: &mut Value, output: &Output, asked: &[&str]) {
    match value {
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| useful(item, output, asked)),
        Value::Object(members) => members.retain(|name, inner| {
            let is_asked = asked.contains(&name.as_str());
            if !is_asked {
                if output.drops(name) {
                    return false;
                }
                if let Some(brief) = output.brief.get(name) {
                    reduce(inner, brief);
                }
            }
            useful(inner, output, asked);
            is_asked || !is_nothing(inner)
        }),
        _ => {}
    }
}

fn reduce(value: &mut Value, brief: &[String]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| reduce(item, brief)),
        // One that has none of these is something else of that name.
        Value::Object(members) if brief.iter().any(|name| members.contains_key(name)) => {
            members.retain(|name, _| brief.contains(name));
        }
        _ => {}
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}
