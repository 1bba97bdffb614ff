//! A GraphQL schema.

use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::response::JsonMap;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema, ast::Type};
use serde_json::{Map, Value, json};

use super::api::Api;

/// Nesting of input objects that is told.
const DEPTH_MAX: usize = 3;

/// The schema, and where it is served.
#[derive(Debug)]
pub(crate) struct GraphQl {
    pub(crate) path: &'static str,
    schema: Valid<Schema>,
}

/// A request that is allowed.
pub(crate) struct Asked {
    /// The field of the root that it asks for.
    pub(crate) operation: String,
    /// The least data that it asks for.
    pub(crate) answer: Value,
}

impl Api {
    /// Reads a GraphQL schema, which is served at `path`.
    ///
    /// # Panics
    /// When it is none: a test cannot go on without.
    pub fn graphql(text: &str, path: &'static str) -> Self {
        let schema = Schema::parse_and_validate(text, "schema.graphql");
        let schema = schema.expect("the description is a valid schema");
        Self {
            graphql: Some(GraphQl { path, schema }),
            ..Self::default()
        }
    }

    /// What the schema says of a variable of a document, as JSON Schema; `wire` leads into it.
    pub fn described_variable(&self, document: &str, wire: &[&str]) -> Option<Value> {
        let graphql = self.graphql.as_ref()?;
        let document =
            ExecutableDocument::parse_and_validate(&graphql.schema, document, "document.graphql")
                .ok()?;
        let operation = document.operations.get(None).ok()?;
        let (name, inner) = wire.split_first()?;
        let mut variables = operation.variables.iter();
        let variable = variables.find(|variable| variable.name == *name)?;
        let mut at: Type = (*variable.ty).clone();
        for step in inner {
            at = match *step {
                "[]" => at.item_type().clone(),
                name => match graphql.schema.types.get(at.inner_named_type())? {
                    ExtendedType::InputObject(object) => (*object.fields.get(name)?.ty).clone(),
                    _ => return None,
                },
            };
        }
        Some(graphql.json_schema(&at, 0))
    }
}

impl GraphQl {
    /// Queries and mutations.
    pub(crate) fn operations(&self) -> usize {
        let roots = [
            &self.schema.schema_definition.query,
            &self.schema.schema_definition.mutation,
        ];
        let fields = |root: &str| match self.schema.types.get(root) {
            Some(ExtendedType::Object(object)) => object.fields.len(),
            _ => 0,
        };
        roots.into_iter().flatten().map(|root| fields(root)).sum()
    }

    /// # Errors
    /// What is not allowed in the body of the request, in words.
    pub(crate) fn request(&self, body: &[u8]) -> Result<Asked, Vec<String>> {
        let one = |rule: &dyn std::fmt::Display| vec![rule.to_string()];
        let body: Value = serde_json::from_slice(body).map_err(|error| one(&error))?;
        let members = body
            .as_object()
            .ok_or_else(|| one(&"the body is no object"))?;
        let known = ["query", "variables", "operationName"];
        if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(vec![format!("the body has the member {name}")]);
        }
        let text = body["query"]
            .as_str()
            .ok_or_else(|| one(&"there is no query"))?;
        let document =
            ExecutableDocument::parse_and_validate(&self.schema, text, "document.graphql")
                .map_err(|errors| one(&errors))?;
        let operation = document
            .operations
            .get(body["operationName"].as_str())
            .map_err(|error| one(&error.message()))?;
        let variables = match &body["variables"] {
            Value::Null => Map::new(),
            Value::Object(variables) => variables.clone(),
            _ => return Err(one(&"the variables are no object")),
        };
        for name in variables.keys() {
            if !operation
                .variables
                .iter()
                .any(|known| known.name.as_str() == name)
            {
                return Err(vec![format!("the document declares no variable {name}")]);
            }
        }
        let values: JsonMap = serde_json::from_value(Value::Object(variables.clone()))
            .map_err(|error| one(&error))?;
        coerce_variable_values(&self.schema, operation, &values)
            .map_err(|error| one(&error.message()))?;
        for variable in &operation.variables {
            let Some(value) = variables.get(variable.name.as_str()) else {
                continue;
            };
            let schema = super::schema::Schema::new(self.json_schema(&variable.ty, 0));
            let errors = schema.errors(value);
            if !errors.is_empty() {
                let told = errors
                    .iter()
                    .map(|why| format!("variable {}: {why}", variable.name));
                return Err(told.collect());
            }
        }
        let mut roots = operation.selection_set.fields();
        let root = roots.next().map(|field| field.name.to_string());
        Ok(Asked {
            operation: root.unwrap_or_default(),
            answer: json!({ "data": self.answer(&document, &operation.selection_set) }),
        })
    }

    fn answer(&self, document: &ExecutableDocument, asked: &SelectionSet) -> Value {
        let mut members = Map::new();
        for selection in &asked.selections {
            match selection {
                Selection::Field(field) => {
                    let value = match field.selection_set.selections.is_empty() {
                        true => self.leaf(field.ty()),
                        false => self.answer(document, &field.selection_set),
                    };
                    let value = match field.ty().is_list() {
                        true => json!([value]),
                        false => value,
                    };
                    members.insert(field.response_key().to_string(), value);
                }
                Selection::InlineFragment(inline) => {
                    let inner = self.answer(document, &inline.selection_set);
                    members.extend(inner.as_object().cloned().unwrap_or_default());
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = document.fragments.get(&spread.fragment_name);
                    let inner = fragment.map(|known| self.answer(document, &known.selection_set));
                    let inner = inner.as_ref().and_then(Value::as_object).cloned();
                    members.extend(inner.unwrap_or_default());
                }
            }
        }
        Value::Object(members)
    }

    fn leaf(&self, kind: &Type) -> Value {
        match (
            kind.inner_named_type().as_str(),
            self.schema.types.get(kind.inner_named_type()),
        ) {
            ("Boolean", _) => json!(false),
            ("Int" | "Float", _) => json!(1),
            (_, Some(ExtendedType::Enum(choices))) => {
                json!(choices.values.keys().next().map(ToString::to_string))
            }
            _ => json!("text"),
        }
    }

    /// A type of the schema in JSON Schema.
    fn json_schema(&self, kind: &Type, depth: usize) -> Value {
        let one = match kind {
            Type::List(item) | Type::NonNullList(item) => {
                json!({ "type": "array", "items": self.json_schema(item, depth) })
            }
            Type::Named(name) | Type::NonNullNamed(name) => {
                match (name.as_str(), self.schema.types.get(name)) {
                    ("String" | "ID", _) => json!({ "type": "string" }),
                    ("Int", _) => json!({ "type": "integer" }),
                    ("Float", _) => json!({ "type": "number" }),
                    ("Boolean", _) => json!({ "type": "boolean" }),
                    ("DateTime", _) => json!({ "type": "string", "format": "date-time" }),
                    ("TimelessDate", _) => json!({ "type": "string", "format": "date" }),
                    (_, Some(ExtendedType::Enum(choices))) => {
                        let names = choices.values.keys().map(ToString::to_string);
                        json!({ "enum": names.collect::<Vec<_>>() })
                    }
                    (_, Some(ExtendedType::InputObject(object))) if depth < DEPTH_MAX => {
                        let fields = object.fields.iter();
                        let fields: Map<String, Value> = fields
                            .map(|(name, field)| {
                                (name.to_string(), self.json_schema(&field.ty, depth + 1))
                            })
                            .collect();
                        json!({ "type": "object", "properties": fields, "additionalProperties": false })
                    }
                    _ => json!({}),
                }
            }
        };
        let is_free = one.as_object().is_none_or(Map::is_empty);
        match kind.is_non_null() || is_free {
            true => one,
            false => json!({ "anyOf": [one, { "type": "null" }] }),
        }
    }
}
