//! The operations of a provider, from whatever kind of description.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::graphql::GraphQl;
use super::schema::Schema;

/// The operations of a provider.
#[derive(Debug, Default)]
pub struct Api {
    pub(crate) operations: Vec<Operation>,
    pub(crate) graphql: Option<GraphQl>,
    pub(crate) allows_anything: bool,
}

/// How much a description says of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// That it is there.
    Path,
    /// The names of its parameters too.
    Names,
    /// Also what their values may be.
    Schemas,
}

#[derive(Debug)]
pub(crate) struct Operation {
    /// The provider's own name for it, or its method and path.
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) segments: Vec<Segment>,
    /// As the description writes it.
    pub(crate) path: String,
    pub(crate) detail: Detail,
    pub(crate) path_parameters: BTreeMap<String, Parameter>,
    pub(crate) query: BTreeMap<String, Parameter>,
    /// Header fields that each request must have.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Option<RequestBody>,
    /// The successful answer: status, and the schema of its JSON.
    pub(crate) success: (u16, Option<Value>),
}

impl Operation {
    /// One without parameters beyond those of its path.
    pub(crate) fn new(id: &str, method: &str, path: &str, detail: Detail) -> Self {
        let segments: Vec<Segment> = path.split('/').skip(1).map(Segment::read).collect();
        let names = segments.iter().flat_map(Segment::parameters);
        let free = |name: &String| (name.clone(), Parameter::any());
        Self {
            id: id.to_owned(),
            method: method.to_uppercase(),
            path_parameters: names.map(free).collect(),
            segments,
            path: path.to_owned(),
            detail,
            query: BTreeMap::new(),
            headers: Vec::new(),
            body: None,
            success: (200, None),
        }
    }

    /// Takes over the names that only `newer` has.
    fn learn(&mut self, newer: &Self) {
        if newer.detail < Detail::Names {
            return;
        }
        for name in newer.query.keys() {
            let known = self.query.entry(name.clone());
            known.or_insert_with(Parameter::any);
        }
        let names = newer.body.iter().flat_map(RequestBody::members);
        let names: BTreeSet<String> = names.collect();
        let Some(body) = &mut self.body else {
            self.body = (!names.is_empty()).then(|| RequestBody::names(&names));
            return;
        };
        for schema in body.content.values_mut() {
            let mut value = schema.value.clone();
            if let Some(properties) = value["properties"].as_object_mut() {
                for name in &names {
                    let known = properties.entry(name.clone());
                    known.or_insert(serde_json::json!({}));
                }
                *schema = Schema::new(value);
            }
        }
    }

    /// Method and path as the description writes them.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What stands between two slashes: text and parameters, e.g. `range(address='{address}')`.
#[derive(Debug)]
pub(crate) struct Segment(pub(crate) Vec<Piece>);

#[derive(Debug)]
pub(crate) enum Piece {
    Text(String),
    Parameter(String),
}

impl Segment {
    fn read(text: &str) -> Self {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                break;
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Parameter(name.trim_start_matches('+').to_owned()));
            rest = after;
        }
        if !rest.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Self(pieces)
    }

    fn parameters(&self) -> impl Iterator<Item = &String> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Parameter(name) => Some(name),
            Piece::Text(_) => None,
        })
    }

    /// The raw values of its parameters; none when the text is another.
    fn read_values<'t>(&self, text: &'t str) -> Option<Vec<(&String, &'t str)>> {
        let (mut values, mut rest) = (Vec::new(), text);
        let mut pieces = self.0.iter().peekable();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Text(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Piece::Parameter(name) => {
                    let end = match pieces.peek() {
                        Some(Piece::Text(literal)) => rest.find(literal.as_str())?,
                        _ => rest.len(),
                    };
                    let (value, after) = rest.split_at(end);
                    if value.is_empty() {
                        return None;
                    }
                    values.push((name, value));
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(values)
    }
}

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) required: bool,
    /// Several values stand in one text, between commas.
    pub(crate) joined: bool,
    pub(crate) schema: Schema,
}

impl Parameter {
    /// An optional one with any value.
    pub(crate) fn any() -> Self {
        Self {
            required: false,
            joined: false,
            schema: Schema::any(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct RequestBody {
    pub(crate) required: bool,
    /// Schema by media type; `*/*` and `type/*` stand for several.
    pub(crate) content: BTreeMap<String, Schema>,
    /// The media types of the part of a multipart body that is no JSON.
    pub(crate) media: Vec<String>,
}

impl RequestBody {
    /// The names of its members.
    fn members(&self) -> BTreeSet<String> {
        let schemas = self
            .content
            .values()
            .flat_map(|schema| below(&schema.value, None));
        let named = schemas.filter_map(|schema| schema["properties"].as_object());
        named.flat_map(|members| members.keys().cloned()).collect()
    }

    /// JSON or a form of these members, all optional.
    pub(crate) fn names(names: &BTreeSet<String>) -> Self {
        let members: serde_json::Map<String, Value> = names
            .iter()
            .map(|name| (name.clone(), serde_json::json!({})))
            .collect();
        let schema = serde_json::json!({
            "type": "object", "properties": members, "additionalProperties": false,
        });
        let kinds = ["application/json", "application/x-www-form-urlencoded"];
        Self {
            required: false,
            content: kinds
                .into_iter()
                .map(|kind| (kind.to_owned(), Schema::new(schema.clone())))
                .collect(),
            media: Vec::new(),
        }
    }
}

/// An operation and the values that the request's path has for its parameters, decoded.
pub(crate) struct Found<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) path: BTreeMap<String, String>,
}

/// Where a request carries a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Path,
    Query,
    Body,
}

impl Api {
    pub(crate) fn of(operations: Vec<Operation>) -> Self {
        let mut api = Self {
            operations,
            ..Self::default()
        };
        // Text beats parameters, as routers have it.
        api.operations.sort_by_key(|operation| {
            let parameters = operation.segments.iter().flat_map(Segment::parameters);
            parameters.count()
        });
        api
    }

    /// No description: everything is allowed, and only the script answers. For what is tested
    /// apart from any provider.
    pub fn anything() -> Self {
        Self {
            allows_anything: true,
            ..Self::default()
        }
    }

    /// The same, and of `other` the operations that this has not. Of those that it has, names that
    /// only `other` knows are allowed too: it is the newer list.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        let shape = |operation: &Operation| {
            let path = operation.path.split(['{', '}']).step_by(2);
            format!(
                "{} {}",
                operation.method,
                path.collect::<Vec<_>>().join("{}")
            )
        };
        let own = self.operations.iter().enumerate();
        let known: BTreeMap<String, usize> = own.map(|(at, own)| (shape(own), at)).collect();
        for operation in other.operations {
            match known.get(&shape(&operation)) {
                Some(at) => self.operations[*at].learn(&operation),
                None => self.operations.push(operation),
            }
        }
        Self {
            graphql: self.graphql.or(other.graphql),
            ..Self::of(self.operations)
        }
    }

    /// Only the names of what is sent are trusted, not what is said of their values.
    #[must_use]
    pub fn names_only(mut self) -> Self {
        for operation in &mut self.operations {
            operation.detail = operation.detail.min(Detail::Names);
            let parameters = operation.query.values_mut();
            for parameter in parameters.chain(operation.path_parameters.values_mut()) {
                parameter.schema = Schema::any();
            }
            if let Some(body) = &mut operation.body {
                *body = RequestBody {
                    required: body.required,
                    ..RequestBody::names(&body.members())
                };
            }
        }
        self
    }

    /// How many operations are described.
    pub fn operations(&self) -> usize {
        let graphql = self.graphql.as_ref().map_or(0, GraphQl::operations);
        self.operations.len() + graphql
    }

    /// What is said of the value that a request of `method` and `path`, as the description writes
    /// it, has at a place: the schemas of which one must hold; none when nothing is said. `wire`
    /// leads into a body: member names, and `[]` for elements.
    pub fn described(&self, method: &str, path: &str, place: Place, wire: &[&str]) -> Vec<&Value> {
        let mut operations = self.operations.iter();
        let named = |operation: &&Operation| operation.method == method && operation.path == path;
        let Some(operation) = operations.find(named) else {
            return Vec::new();
        };
        let of = match place {
            Place::Path => &operation.path_parameters,
            Place::Query => &operation.query,
            Place::Body => {
                let json = operation.body.as_ref().and_then(|body| {
                    body.content
                        .get("application/json")
                        .or_else(|| body.content.values().next())
                });
                let mut at: Vec<&Value> = json.map(|schema| &schema.value).into_iter().collect();
                for step in wire {
                    at = at
                        .into_iter()
                        .flat_map(|schema| below(schema, Some(step)))
                        .collect();
                }
                return at;
            }
        };
        let parameter = wire.first().and_then(|name| of.get(*name));
        parameter
            .map(|known| &known.schema.value)
            .into_iter()
            .collect()
    }

    pub(crate) fn find(&self, method: &str, path: &str, spanning: &[&str]) -> Option<Found<'_>> {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let of_method = || {
            self.operations
                .iter()
                .filter(|operation| operation.method == method)
        };
        of_method()
            .find_map(|operation| matched(operation, &parts))
            .or_else(|| {
                let spans = |operation: &&Operation| spanning.contains(&operation.path.as_str());
                of_method().filter(spans).find_map(|operation| {
                    let head = operation.segments.len() - 1;
                    let (first, last) = parts.split_at_checked(head)?;
                    let joined = last.join("/");
                    let parts: Vec<&str> = first.iter().copied().chain([joined.as_str()]).collect();
                    matched(operation, &parts)
                })
            })
    }
}

/// The schemas one step further down, through all that a schema is made of; with no step, those
/// parts themselves.
pub(crate) fn below<'s>(schema: &'s Value, step: Option<&str>) -> Vec<&'s Value> {
    let own = match step {
        None => Some(schema),
        Some("[]") => schema.get("items"),
        Some(name) => schema["properties"].get(name).or_else(|| {
            schema
                .get("additionalProperties")
                .filter(|more| more.is_object())
        }),
    };
    let parts = ["anyOf", "allOf"]
        .into_iter()
        .flat_map(|key| schema[key].as_array().into_iter().flatten());
    own.into_iter()
        .chain(parts.flat_map(|part| below(part, step)))
        .collect()
}

fn matched<'a>(operation: &'a Operation, parts: &[&str]) -> Option<Found<'a>> {
    if parts.len() != operation.segments.len() {
        return None;
    }
    let mut path = BTreeMap::new();
    for (segment, part) in operation.segments.iter().zip(parts) {
        for (name, value) in segment.read_values(part)? {
            let value = percent_decode_str(value).decode_utf8().ok()?;
            path.insert(name.clone(), value.into_owned());
        }
    }
    Some(Found { operation, path })
}
