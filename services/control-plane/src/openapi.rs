//! The route table: each line of it is at once a route of the server and an operation of the
//! OpenAPI document, so that neither can be without the other.

mod doc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use utoipa::openapi::path::{HttpMethod, Operation, PathItem};
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ComponentsBuilder, ContactBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Paths,
    RefOr, Tag,
};

pub(crate) use doc::Doc;

use crate::operations::Operations;

/// Where the administration's routes are.
pub(crate) const PREFIX: &str = "/api/v1/admin";
/// The name of the one security scheme.
pub(crate) const BEARER: &str = "api_key";

/// Routes and their description.
pub(crate) struct Table {
    router: Router<Operations>,
    paths: Paths,
    components: Components,
}

impl Table {
    pub(crate) fn new() -> Self {
        let mut components = ComponentsBuilder::new()
            .security_scheme(
                BEARER,
                SecurityScheme::Http(
                    HttpBuilder::new()
                        .scheme(HttpAuthScheme::Bearer)
                        .description(Some("An API key, `tb_…`."))
                        .build(),
                ),
            )
            .build();
        for (name, schema) in doc::problem_schemas() {
            components.schemas.insert(name, schema);
        }
        Self {
            router: Router::new(),
            paths: Paths::new(),
            components,
        }
    }

    pub(crate) fn get<H, T>(self, path: &str, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, Operations>,
        T: 'static,
    {
        self.add(HttpMethod::Get, path, routing::get(handler), doc)
    }

    pub(crate) fn post<H, T>(self, path: &str, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, Operations>,
        T: 'static,
    {
        self.add(HttpMethod::Post, path, routing::post(handler), doc)
    }

    pub(crate) fn put<H, T>(self, path: &str, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, Operations>,
        T: 'static,
    {
        self.add(HttpMethod::Put, path, routing::put(handler), doc)
    }

    pub(crate) fn patch<H, T>(self, path: &str, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, Operations>,
        T: 'static,
    {
        self.add(HttpMethod::Patch, path, routing::patch(handler), doc)
    }

    pub(crate) fn delete<H, T>(self, path: &str, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, Operations>,
        T: 'static,
    {
        self.add(HttpMethod::Delete, path, routing::delete(handler), doc)
    }

    fn add(
        mut self,
        method: HttpMethod,
        path: &str,
        route: MethodRouter<Operations>,
        doc: Doc,
    ) -> Self {
        let path = format!("{PREFIX}{path}");
        self.router = self.router.route(&path, route);
        let doc = if matches!(method, HttpMethod::Get) {
            doc
        } else {
            doc.changes()
        };
        let (operation, schemas) = doc.operation(&path);
        self.describe(method, path, operation);
        self.components.schemas.extend(schemas);
        self
    }

    fn describe(&mut self, method: HttpMethod, path: String, operation: Operation) {
        let item = PathItem::new(method, operation);
        match self.paths.paths.get_mut(&path) {
            Some(known) => known.merge_operations(item),
            None => drop(self.paths.paths.insert(path, item)),
        }
    }

    pub(crate) fn into_router(self) -> Router<Operations> {
        self.router
    }

    pub(crate) fn into_document(self) -> OpenApi {
        let tag = |name: &str, description: &str| {
            let mut tag = Tag::new(name);
            tag.description = Some(description.to_owned());
            tag
        };
        OpenApiBuilder::new()
            .info(
                InfoBuilder::new()
                    .title("Turnbuckle administration")
                    .version(env!("CARGO_PKG_VERSION"))
                    .description(Some(DESCRIPTION))
                    .contact(None::<ContactBuilder>.map(ContactBuilder::build))
                    .build(),
            )
            .paths(self.paths)
            .components(Some(self.components))
            .tags(Some([
                tag("tenants", "Customers of the operator."),
                tag("connectors", "What a tenant has connected."),
                tag("tools", "What a connector offers."),
                tag(
                    "accounts",
                    "Sign-ins at providers that calls are made with, how they are connected, and \
                     what is registered at providers for that.",
                ),
                tag("nodes", "The processes of the installation."),
                tag("keys", "API keys: what opens the platform, and how far."),
                tag("auth", "Who is asking."),
            ]))
            .build()
    }
}

const DESCRIPTION: &str = "Tenants, their connectors and tools, and API keys. \
    Every operation needs an API key as `Authorization: Bearer …`. Errors are problem documents \
    (RFC 9457) whose `type` is stable. Single resources carry an `ETag`, which `If-Match` takes on \
    changes; creations take an `Idempotency-Key`. Changes say in \
    `Turnbuckle-Revision` which revision they are, and with `wait` in `Turnbuckle-Enforced` whether \
    every gateway enforces it. Every answer carries `x-request-id`.";

/// The document, as JSON text.
pub fn document() -> String {
    let document = crate::api::table().into_document();
    let mut text = document
        .to_pretty_json()
        .expect("a document of strings always serialises");
    text.push('\n');
    text
}

/// The schema of a string that is one of a few.
pub(crate) fn one_of(values: &[&str]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(values.iter().copied()))
        .build()
}

/// One of these words, or null.
pub(crate) fn one_of_or_null(values: &[&str]) -> Object {
    let words = values.iter().map(|word| serde_json::Value::from(*word));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(words.chain([serde_json::Value::Null])))
        .build()
}

/// A schema and its name.
type Named = (String, RefOr<Schema>);
