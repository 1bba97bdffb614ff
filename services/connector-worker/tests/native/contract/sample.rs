//! Values for arguments: of those that a caller may give, the first that the provider's
//! description allows where the argument lands.

use catalog::closed::ArgType;
use catalog::{Change, Encoding, Landing, Request, Step, Target, Tool};
use serde_json::{Map, Value, json};
use testkit::provider::{Api, Place, conforms};

/// Nesting that is filled in.
const DEPTH_MAX: usize = 6;
/// A slash, a space, a quote and a letter beyond ASCII must arrive whole.
const HARD: &str = "ä/b 'c";

/// Texts that descriptions ask for, the plainest first.
const TEXTS: [&str; 22] = [
    "text",
    "7",
    "2026-01-02T03:04:05Z",
    "2026-01-02",
    "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
    "anna@example.com",
    "https://example.com/x",
    "ff0000",
    "#ff0000",
    "1767323045.000100",
    "ab",
    "TE",
    "en",
    "PT30M",
    "12:30:00",
    "100644",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "abcdefghijklmnopqrstuvwxyz012345",
    "true",
    "1",
    "a.b",
    "/",
];
const NUMBERS: [i64; 12] = [3, 1, 7, 10, 2, 0, 60, 100, 1_440, 8_000, 1_767_323_045, 500];

pub(super) struct Sampler<'a> {
    pub(super) api: &'a Api,
    pub(super) tool: &'a Tool,
    /// Tool, argument, and the value that is to be taken.
    pub(super) values: &'a [(&'a str, &'a str, Value)],
}

/// What a value is held against: for each request that carries it, the schemas of which one must
/// hold.
type Groups = Vec<Vec<Value>>;

struct Wanted<'a> {
    tool: &'a Tool,
    groups: Groups,
    as_text: bool,
    hard: bool,
    /// Only the hook and the argument's own description know what it takes.
    of_hook: bool,
}

impl Sampler<'_> {
    /// A plain value of the argument.
    pub(super) fn plain(&self, at: usize) -> Value {
        self.sample(at, false)
    }

    /// One that is hard to carry, where any text will do.
    pub(super) fn hard(&self, at: usize) -> Value {
        self.sample(at, true)
    }

    fn sample(&self, at: usize, hard: bool) -> Value {
        let arg = &self.tool.args[at];
        let own = &self.tool.input_schema["properties"][&arg.name];
        let mut fixed = self.values.iter();
        let fixed = fixed.find(|(tool, name, _)| *tool == self.tool.name && *name == arg.name);
        if let Some((_, _, value)) = fixed {
            return value.clone();
        }
        let of_address = [
            Change::RawSlashes,
            Change::OdataQuote,
            Change::ZoomUuid,
            Change::JoinCsv,
            Change::ToArray,
        ];
        let changes = arg
            .change
            .is_some_and(|change| !of_address.contains(&change));
        let lands_as_it_is = !changes && arg.value_map.is_empty() && arg.spread.is_none();
        let groups = match lands_as_it_is {
            true => self.groups(at),
            false => Vec::new(),
        };
        let text = match arg.change {
            Some(Change::RawSlashes) if hard => Some("src/a b/main.rs"),
            Some(Change::BracedUuid | Change::UuidObjects) => Some(TEXTS[4]),
            Some(Change::Base64Decode) => Some("AAEC"),
            Some(Change::DateToEpochMs | Change::DateToRfc3339) => Some("2026-01-02"),
            _ => None,
        };
        match (text, own["type"].as_str()) {
            (Some(text), Some("array")) => return json!([text]),
            (Some(text), _) => return json!(text),
            _ => {}
        }
        let of_header = matches!(arg.target, Target::Header(_) | Target::Template);
        let wanted = Wanted {
            tool: self.tool,
            groups,
            as_text: matches!(arg.target, Target::Path(_) | Target::Query(_))
                || self.tool.call.request.encoding == Encoding::Form,
            hard: hard && !of_header,
            of_hook: arg.target == Target::Hook,
        };
        wanted.value(own, 0)
    }

    /// What the description says of the argument, in each request of the tool.
    fn groups(&self, at: usize) -> Groups {
        let arg = &self.tool.args[at];
        let call = &self.tool.call;
        let owned = |found: Vec<&Value>| found.into_iter().cloned().collect::<Vec<_>>();
        let described = |request: &Request, place, wire: &[&str]| {
            let method = request.method.as_str();
            owned(self.api.described(method, &request.path_text, place, wire))
        };
        let requests = std::iter::once(&call.request).chain(call.variants.iter().map(|(_, r)| r));
        let groups: Groups = match &arg.target {
            Target::Path(name) => {
                let own = requests.map(|request| (request.method, &request.path_text));
                let steps = call_steps(self.tool);
                own.chain(steps)
                    .map(|(method, path)| {
                        let method = method.as_str();
                        owned(self.api.described(method, path, Place::Path, &[name]))
                    })
                    .collect()
            }
            Target::Query(name) => requests
                .map(|request| {
                    let found = described(request, Place::Query, &[name]);
                    found
                        .into_iter()
                        .map(|schema| one_of_many(schema, arg.kind))
                        .collect()
                })
                .collect(),
            Target::Body(Landing { path, .. }) => match steps(&path.0) {
                Some(wire) => requests
                    .map(|request| described(request, Place::Body, &wire))
                    .map(|found| each(found, &path.0))
                    .map(|found| {
                        let one = |schema| match arg.change {
                            Some(Change::ToArray) => one_of_many(schema, arg.kind),
                            _ => schema,
                        };
                        found.into_iter().map(one).collect()
                    })
                    .collect(),
                None => Vec::new(),
            },
            Target::Variable(Landing { path, .. }) => {
                let document = call.graphql.as_deref().unwrap_or_default();
                let wire = steps(&path.0);
                let found = wire.and_then(|wire| self.api.described_variable(document, &wire));
                vec![each(found.into_iter().collect(), &path.0)]
            }
            _ => Vec::new(),
        };
        groups
            .into_iter()
            .filter(|group| !group.is_empty())
            .collect()
    }
}

/// Method and path of a hook's further calls, which carry the same values.
fn call_steps(tool: &Tool) -> impl Iterator<Item = (catalog::Method, &String)> {
    tool.steps.iter().map(|step| (step.method, &step.path_text))
}

/// The wire path as the description is asked; none where an argument names a member.
pub(super) fn steps(path: &[Step]) -> Option<Vec<&str>> {
    path.iter()
        .map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) | Step::IndexOf(_) | Step::Each => Some("[]"),
            Step::KeyOf(_) => None,
        })
        .collect()
}

/// Where the path has `[]`, what is found is said of one element of the argument.
fn each(found: Vec<Value>, path: &[Step]) -> Vec<Value> {
    if !path.contains(&Step::Each) {
        return found;
    }
    found
        .into_iter()
        .map(|schema| json!({ "type": "array", "items": schema }))
        .collect()
}

/// A parameter that may be repeated, given once; or one text that stands for a list.
fn one_of_many(schema: Value, kind: ArgType) -> Value {
    let listed = parts(&schema);
    let mut lists = listed.iter().filter(|part| part.get("items").is_some());
    match lists.next() {
        Some(list) if kind != ArgType::Array => list["items"].clone(),
        _ => schema,
    }
}

impl Wanted<'_> {
    fn allows(&self, value: &Value) -> bool {
        let fits = |schema: &Value| conforms(schema, value, self.as_text);
        self.groups.iter().all(|group| group.iter().any(fits))
    }

    /// The same for a part of the value.
    fn part(&self, step: &str) -> Self {
        let groups = self.groups.iter().map(|group| {
            let below = group.iter().flat_map(|schema| below(schema, step));
            below.cloned().collect::<Vec<_>>()
        });
        Self {
            tool: self.tool,
            groups: groups.filter(|group| !group.is_empty()).collect(),
            as_text: self.as_text,
            hard: self.hard,
            of_hook: self.of_hook,
        }
    }

    fn value(&self, own: &Value, depth: usize) -> Value {
        if let Some(choices) = own["enum"].as_array() {
            let mut allowed = choices.iter().filter(|choice| self.allows(choice));
            return allowed.next().unwrap_or(&choices[0]).clone();
        }
        match own["type"].as_str() {
            Some("integer" | "number") => self.number(own),
            Some("boolean") => json!(true),
            Some("array") if depth < DEPTH_MAX => {
                let mut items = own["items"].clone();
                if items.get("description").is_none() && own["description"].is_string() {
                    items["description"] = own["description"].clone();
                }
                let part = self.part("[]");
                let first = part.value(&items, depth + 1);
                // No two are the same.
                let more = (8..).map(|number: u64| json!(number.to_string()));
                let count = own["minItems"].as_u64().unwrap_or(1).max(1);
                let all = std::iter::once(first).chain(more.filter(|item| part.allows(item)));
                all.take(usize::try_from(count).unwrap_or(1)).collect()
            }
            Some("array") => json!([]),
            Some("object") => self.object(own, depth),
            _ => self.text(own),
        }
    }

    fn text(&self, own: &Value) -> Value {
        let description = own["description"].as_str().unwrap_or_default();
        let is_free = self.groups.is_empty();
        let told = [
            ("RFC 3339", "2026-01-02T03:04:05Z"),
            ("YYYY-MM-DD", "2026-01-02"),
            ("Unix time in milliseconds", "1767323045000"),
            ("Unix time in seconds", "1767323045"),
            ("Base64", "AAEC"),
        ];
        let told = told.iter().filter(|(words, _)| description.contains(words));
        let told = told.map(|(_, text)| *text);
        let told: Vec<&str> = told.collect();
        let example = example(description).filter(|_| is_free && self.of_hook);
        let told: Vec<&str> = told.into_iter().chain(example).collect();
        let hard = (self.hard && told.is_empty()).then_some(HARD);
        let choices: Vec<String> = self.described_choices();
        let choices = choices.iter().map(String::as_str);
        let mut all = told.into_iter().chain(choices).chain(hard).chain(TEXTS);
        if is_free {
            return json!(all.next());
        }
        let all: Vec<Value> = all.map(|text| json!(text)).collect();
        let found = all.iter().find(|value| self.allows(value));
        found.unwrap_or(&all[0]).clone()
    }

    /// The texts that the description lists.
    fn described_choices(&self) -> Vec<String> {
        let schemas = self.groups.iter().flatten();
        let lists = schemas.flat_map(|schema| parts(schema));
        let words = lists.flat_map(|schema| {
            let listed = schema["enum"].as_array().into_iter().flatten();
            listed.chain(schema.get("const"))
        });
        words
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect()
    }

    fn number(&self, own: &Value) -> Value {
        let bound = |key: &str| own[key].as_i64();
        let within = |number: &i64| {
            bound("minimum").is_none_or(|least| *number >= least)
                && bound("maximum").is_none_or(|most| *number <= most)
        };
        let lists = self
            .groups
            .iter()
            .flatten()
            .flat_map(|schema| parts(schema));
        let listed = lists.flat_map(|schema| {
            let listed = schema["enum"].as_array().into_iter().flatten();
            listed
                .chain(schema.get("minimum"))
                .filter_map(Value::as_i64)
        });
        let all = listed.chain(bound("minimum")).chain(NUMBERS);
        let all: Vec<i64> = all.filter(within).collect();
        let found = all.iter().find(|number| self.allows(&json!(number)));
        json!(found.or(all.first()))
    }

    fn object(&self, own: &Value, depth: usize) -> Value {
        let fixed = own["properties"].as_object().into_iter().flatten();
        let members: Map<String, Value> = fixed
            .map(|(name, schema)| (name.clone(), self.part(name).value(schema, depth + 1)))
            .collect();
        if !members.is_empty() {
            return Value::Object(members);
        }
        let description = own["description"].as_str().unwrap_or_default();
        let told = example(description).and_then(|text| serde_json::from_str(text).ok());
        if let Some(told @ Value::Object(_)) = told
            && self.allows(&told)
        {
            return told;
        }
        if let Some(made) = self.groups.first().and_then(|group| made(group, depth)) {
            return made;
        }
        let more = &own["additionalProperties"];
        let free = match more.is_object() {
            true => self.part("name").value(more, depth + 1),
            false => json!("text"),
        };
        json!({ "name": free })
    }
}

/// What a description gives between backticks.
fn example(description: &str) -> Option<&str> {
    description.split('`').nth(1)
}

/// A value that conforms to one of the schemas, made from them alone.
fn made(schemas: &[Value], depth: usize) -> Option<Value> {
    let mut all = schemas.iter().map(|schema| generated(schema, depth));
    let fits = |value: &Value| schemas.iter().any(|schema| conforms(schema, value, false));
    all.find(|value| value.as_object().is_some_and(|made| !made.is_empty()) && fits(value))
}

fn generated(schema: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = schema["enum"]
        .as_array()
        .and_then(|choices| choices.first())
    {
        return first.clone();
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let mut all = choices.iter().map(|choice| generated(choice, depth + 1));
        return all
            .find(|value| conforms(schema, value, false))
            .unwrap_or(Value::Null);
    }
    let kind = schema["type"]
        .as_str()
        .or_else(|| schema["type"][0].as_str());
    match kind {
        Some("string") => {
            let mut texts = TEXTS.iter().map(|text| json!(text));
            texts
                .find(|text| conforms(schema, text, false))
                .unwrap_or(Value::Null)
        }
        Some("integer" | "number") => {
            let mut numbers = NUMBERS.iter().map(|number| json!(number));
            numbers
                .find(|number| conforms(schema, number, false))
                .unwrap_or(Value::Null)
        }
        Some("boolean") => json!(true),
        Some("array") => json!([generated(&schema["items"], depth + 1)]),
        _ => {
            let mut members = Map::new();
            for part in schema["allOf"].as_array().into_iter().flatten() {
                if let Value::Object(more) = generated(part, depth + 1) {
                    members.extend(more);
                }
            }
            let properties = schema["properties"].as_object();
            let required = schema["required"].as_array().into_iter().flatten();
            let required = required.filter_map(Value::as_str);
            let first = properties
                .and_then(|all| all.keys().next())
                .map(String::as_str);
            let names: Vec<&str> = required.collect();
            let names = if names.is_empty() {
                first.into_iter().collect()
            } else {
                names
            };
            for name in names {
                members.insert(
                    name.to_owned(),
                    generated(&schema["properties"][name], depth + 1),
                );
            }
            Value::Object(members)
        }
    }
}

/// A schema and all that it is made of.
fn parts(schema: &Value) -> Vec<&Value> {
    let inner = ["anyOf", "allOf"]
        .into_iter()
        .flat_map(|key| schema[key].as_array().into_iter().flatten());
    std::iter::once(schema)
        .chain(inner.flat_map(parts))
        .collect()
}

fn below<'s>(schema: &'s Value, step: &str) -> Vec<&'s Value> {
    let one = |schema: &'s Value| match step {
        "[]" => schema.get("items"),
        name => schema["properties"].get(name).or_else(|| {
            schema
                .get("additionalProperties")
                .filter(|more| more.is_object())
        }),
    };
    parts(schema).into_iter().filter_map(one).collect()
}
