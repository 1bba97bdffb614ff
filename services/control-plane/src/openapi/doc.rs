//! The description of one operation.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Ref, RefOr, Required};
use utoipa::{PartialSchema, ToSchema};

use super::{BEARER, Named};
use crate::enforcement::WAIT;

/// Where a parameter is, what it is called, of which type it is, and what it says.
type Parameter = (ParameterIn, &'static str, Type, &'static str);

/// What one operation takes and gives.
pub(crate) struct Doc {
    tag: &'static str,
    id: &'static str,
    summary: &'static str,
    parameters: Vec<Parameter>,
    body: Option<RefOr<Schema>>,
    merge_patch: bool,
    body_optional: bool,
    answer: (u16, Option<RefOr<Schema>>),
    tagged: bool,
    changes: bool,
    problems: Vec<(u16, &'static str)>,
    schemas: Vec<Named>,
}

impl Doc {
    pub(crate) fn new(tag: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            tag,
            id,
            summary,
            parameters: Vec::new(),
            body: None,
            merge_patch: false,
            body_optional: false,
            answer: (204, None),
            tagged: false,
            changes: false,
            problems: vec![
                (401, "unauthenticated"),
                (403, "forbidden"),
                (500, "internal"),
                (503, "unavailable"),
            ],
            schemas: Vec::new(),
        }
    }

    /// Takes a JSON body.
    pub(crate) fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some(self.refer::<T>());
        self.problem(400, "invalid-json")
            .problem(400, "incomplete-body")
            .problem(400, "invalid-request")
            .problem(408, "request-timeout")
            .problem(413, "body-too-large")
            .problem(415, "unsupported-media-type")
    }

    /// Takes a JSON body, or none.
    pub(crate) fn may_take<T: ToSchema>(mut self) -> Self {
        self.body_optional = true;
        self.takes::<T>()
    }

    /// Takes a JSON merge patch of what it answers with.
    pub(crate) fn merges<T: ToSchema>(mut self) -> Self {
        self.merge_patch = true;
        self.takes::<T>()
    }

    /// The same, of a resource that has versions.
    pub(crate) fn patches<T: ToSchema>(self) -> Self {
        self.merges::<T>().if_match()
    }

    pub(crate) fn answers<T: ToSchema>(mut self, status: u16) -> Self {
        self.answer = (status, Some(self.refer::<T>()));
        self
    }

    /// Answers with one resource and its version as `ETag`.
    pub(crate) fn answers_tagged<T: ToSchema>(mut self, status: u16) -> Self {
        self.tagged = true;
        self.answers::<T>(status)
    }

    pub(crate) fn problem(mut self, status: u16, name: &'static str) -> Self {
        self.problems.push((status, name));
        self
    }

    pub(crate) fn query(mut self, name: &'static str, r#type: Type, says: &'static str) -> Self {
        self.parameters
            .push((ParameterIn::Query, name, r#type, says));
        self
    }

    /// A list with pages.
    pub(crate) fn paged(self) -> Self {
        self.query(
            "page_size",
            Type::Integer,
            "Items at most: 1 to 500, 50 by default.",
        )
        .query(
            "page_token",
            Type::String,
            "`next_page_token` of the page before.",
        )
        .problem(400, "invalid-request")
        .problem(400, "invalid-page-token")
    }

    /// Happens only to the version that the caller has seen.
    pub(crate) fn if_match(mut self) -> Self {
        let says = "Makes the change only if the resource's `ETag` is this one.";
        self.parameters
            .push((ParameterIn::Header, "If-Match", Type::String, says));
        self.problem(412, "version-mismatch")
            .problem(409, "concurrent-change")
    }

    /// Creates something, once for an idempotency key.
    pub(crate) fn creates(mut self) -> Self {
        let says = "1 to 255 visible ASCII characters. The same request with the same key within \
            24 hours creates nothing more and gets the first answer again, with \
            `Idempotent-Replayed: true`.";
        self.parameters
            .push((ParameterIn::Header, "Idempotency-Key", Type::String, says));
        self.problem(422, "idempotency-key-reused")
            .problem(409, "concurrent-change")
    }

    /// Changes the configuration, so that one can wait until gateways enforce it.
    pub(super) fn changes(mut self) -> Self {
        let says = "Seconds, 0 to 30 (`true` for 10): answer only once every gateway that is there \
            enforces the change, and a new connector's tools were read, either way. When not all \
            do in time the change stands, and `Turnbuckle-Enforced` is `false`.";
        self.changes = true;
        self.problems.push((503, "in-doubt"));
        self.query(WAIT, Type::String, says)
            .problem(400, "invalid-request")
    }

    fn refer<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let mut schemas = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut schemas);
        self.schemas.extend(schemas);
        Ref::from_schema_name(T::name()).into()
    }

    /// The operation at `path`, whose placeholders say which other parameters and problems there
    /// are; and the schemas it needs.
    pub(super) fn operation(mut self, path: &str) -> (Operation, Vec<Named>) {
        let mut parameters = Vec::new();
        for (name, says, problem) in [
            ("tenant", "The tenant's slug.", "tenant-not-found"),
            ("connector", "The connector's slug.", "connector-not-found"),
            (
                "tool",
                "The tool's own name, without a prefix.",
                "tool-not-found",
            ),
            ("id", "The key's id.", "key-not-found"),
            (
                "provider",
                "The type of a connector, e.g. `github`.",
                "oauth-provider-not-found",
            ),
            ("connection", "The connection's id.", "connection-not-found"),
            ("account", "The account's id.", "account-not-found"),
        ] {
            if path.contains(&format!("{{{name}}}")) {
                parameters.push((ParameterIn::Path, name, Type::String, says));
                self.problems.push((404, problem));
            }
        }
        parameters.append(&mut self.parameters);

        let mut operation = OperationBuilder::new()
            .tag(self.tag)
            .operation_id(Some(self.id))
            .summary(Some(self.summary))
            .security(SecurityRequirement::new(BEARER, Vec::<String>::new()));
        for parameter in parameters {
            operation = operation.parameter(written(parameter));
        }
        if let Some(schema) = self.body {
            let required = !self.body_optional;
            operation = operation.request_body(Some(body(schema, self.merge_patch, required)));
        }
        let (status, schema) = self.answer;
        operation = operation.response(
            status.to_string(),
            answer(schema, self.tagged, self.changes),
        );
        for (status, response) in problems(&self.problems) {
            operation = operation.response(status.to_string(), response);
        }
        (operation.build(), self.schemas)
    }
}

fn written((place, name, r#type, says): Parameter) -> utoipa::openapi::path::Parameter {
    let required = if place == ParameterIn::Path {
        Required::True
    } else {
        Required::False
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(says))
        .schema(Some(ObjectBuilder::new().schema_type(r#type).build()))
        .build()
}

fn body(
    schema: RefOr<Schema>,
    merge_patch: bool,
    required: bool,
) -> utoipa::openapi::request_body::RequestBody {
    let content = || ContentBuilder::new().schema(Some(schema.clone())).build();
    let mut body = RequestBodyBuilder::new()
        .required(Some(if required {
            Required::True
        } else {
            Required::False
        }))
        .content("application/json", content());
    if merge_patch {
        body = body.content("application/merge-patch+json", content());
    }
    body.build()
}

fn answer(schema: Option<RefOr<Schema>>, tagged: bool, changes: bool) -> Response {
    let mut answer = match schema {
        None => ResponseBuilder::new().description("Done; there is nothing to say."),
        Some(schema) => {
            let content = ContentBuilder::new().schema(Some(schema)).build();
            ResponseBuilder::new()
                .description("Done.")
                .content("application/json", content)
        }
    };
    let header = |r#type: Type, says: &str| {
        HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(r#type).build()))
            .description(Some(says))
            .build()
    };
    if tagged {
        let says = "The resource's version, in quotes.";
        answer = answer.header("ETag", header(Type::String, says));
    }
    if changes {
        for (name, r#type, says) in [
            (
                "Turnbuckle-Revision",
                Type::Integer,
                "The revision of the change; absent when nothing changed.",
            ),
            (
                "Turnbuckle-Enforced",
                Type::Boolean,
                "With `wait`: whether every gateway that is there enforces the change.",
            ),
            (
                "Turnbuckle-Behind",
                Type::String,
                "The nodes that do not, 20 at most.",
            ),
            (
                "Turnbuckle-Silent",
                Type::String,
                "Those among them that have said nothing for a while, and may be gone.",
            ),
        ] {
            answer = answer.header(name, header(r#type, says));
        }
    }
    answer.build()
}

/// One response for each status, which names all problems that come with it.
fn problems(problems: &[(u16, &'static str)]) -> BTreeMap<u16, Response> {
    let mut names: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for (status, name) in problems {
        let known = names.entry(*status).or_default();
        if !known.contains(name) {
            known.push(name);
        }
    }
    let response = |names: Vec<&str>| {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(ProblemDocument::name())))
            .build();
        ResponseBuilder::new()
            .description(format!("Problem: {}.", quoted.join(", ")))
            .content("application/problem+json", content)
            .build()
    };
    names
        .into_iter()
        .map(|(status, names)| (status, response(names)))
        .collect()
}

/// What every error looks like.
pub(super) fn problem_schemas() -> Vec<Named> {
    let mut schemas = vec![(
        ProblemDocument::name().into_owned(),
        ProblemDocument::schema(),
    )];
    ProblemDocument::schemas(&mut schemas);
    schemas
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
struct ProblemDocument {
    /// `urn:turnbuckle:problem:<name>`; stable.
    r#type: String,
    title: String,
    status: u16,
    /// What happened and how to mend it.
    detail: String,
    /// The path that was asked for.
    instance: Option<String>,
    /// Finds the request in the log.
    request_id: Option<String>,
    /// The fields that break a rule.
    errors: Option<Vec<ProblemField>>,
}

/// A field and the rule it breaks.
#[derive(Serialize, ToSchema)]
struct ProblemField {
    /// Path of the field in the body, or name of the parameter.
    field: String,
    /// What it must be.
    rule: String,
}
