//! A tool and its arguments.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::closed::{
    ArgType, Compare, Effect, Hook, LinkFormat, Place, Poll, Redirect, ResponseKind, ToolEncoding,
    ToolToken, Transform, Truncate, Unlisted,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolText {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) effect: Effect,
    pub(crate) idempotent: bool,
    #[serde(default)]
    pub(crate) deprecated: bool,
    #[serde(default = "yes")]
    pub(crate) verified: bool,
    pub(crate) operation: Option<String>,
    pub(crate) docs: Option<String>,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) scopes_any: Vec<String>,
    #[serde(default)]
    pub(crate) scopes_app: Vec<String>,
    #[serde(default)]
    pub(crate) scopes_bot: Vec<String>,
    pub(crate) scopes_note: Option<String>,
    #[serde(default)]
    pub(crate) bot_permissions: Vec<String>,
    pub(crate) token_kind: Option<ToolToken>,
    pub(crate) request: String,
    pub(crate) base_url: Option<String>,
    pub(crate) body: Option<ToolEncoding>,
    pub(crate) content_type: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) graphql: Option<GraphQlText>,
    #[serde(default)]
    pub(crate) variants: Vec<VariantText>,
    #[serde(default)]
    pub(crate) const_path: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) const_query: Map<String, Value>,
    #[serde(default)]
    pub(crate) const_header: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) const_body: Map<String, Value>,
    #[serde(default)]
    pub(crate) const_when: Vec<ConstWhenText>,
    /// Strings (names of shared arguments) and tables; read one by one.
    #[serde(default)]
    pub(crate) args: Vec<toml::Value>,
    #[serde(default)]
    pub(crate) require_one_of: Vec<Vec<String>>,
    pub(crate) paginate: Option<String>,
    pub(crate) follow_pages: Option<u32>,
    #[serde(default)]
    pub(crate) response: ResponseText,
    pub(crate) code: Option<Hook>,
    #[serde(default)]
    pub(crate) code_params: Map<String, Value>,
    #[serde(default)]
    pub(crate) steps: Vec<StepText>,
    #[serde(default)]
    pub(crate) unlisted_const: Vec<String>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GraphQlText {
    pub(crate) operation: String,
    pub(crate) document: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VariantText {
    pub(crate) when: WhenText,
    pub(crate) request: String,
    pub(crate) operation: Option<String>,
    pub(crate) body: Option<ToolEncoding>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WhenText {
    pub(crate) given: Vec<String>,
    pub(crate) given_any: Vec<String>,
    pub(crate) absent: Vec<String>,
    pub(crate) equals: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConstWhenText {
    pub(crate) when: WhenText,
    #[serde(default)]
    pub(crate) query: Map<String, Value>,
    #[serde(default)]
    pub(crate) header: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: Map<String, Value>,
}

/// An argument, or with `use` the changes to a shared one.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ArgText {
    #[serde(rename = "use")]
    pub(crate) base: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) aliases: Option<Vec<String>>,
    #[serde(rename = "in")]
    pub(crate) place: Option<Place>,
    pub(crate) wire: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<ArgType>,
    /// JSON Schema of one element of an array.
    pub(crate) items: Option<Value>,
    /// JSON Schema members for what a type alone cannot say.
    pub(crate) schema: Option<Map<String, Value>>,
    pub(crate) required: Option<bool>,
    pub(crate) default: Option<Value>,
    #[serde(rename = "enum")]
    pub(crate) choices: Option<Vec<Value>>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) accepts_csv: Option<bool>,
    pub(crate) value_map: Option<BTreeMap<String, Value>>,
    pub(crate) transform: Option<Transform>,
    pub(crate) compare: Option<Compare>,
    pub(crate) when: Option<WhenText>,
    pub(crate) unlisted: Option<Unlisted>,
    pub(crate) description: Option<String>,
}

impl ArgText {
    /// This argument where it says something, `shared` elsewhere.
    pub(crate) fn over(self, shared: &Self) -> Self {
        let shared = shared.clone();
        Self {
            base: None,
            name: self.name.or(shared.name),
            aliases: self.aliases.or(shared.aliases),
            place: self.place.or(shared.place),
            wire: self.wire.or(shared.wire),
            kind: self.kind.or(shared.kind),
            items: self.items.or(shared.items),
            schema: self.schema.or(shared.schema),
            required: self.required.or(shared.required),
            default: self.default.or(shared.default),
            choices: self.choices.or(shared.choices),
            minimum: self.minimum.or(shared.minimum),
            maximum: self.maximum.or(shared.maximum),
            accepts_csv: self.accepts_csv.or(shared.accepts_csv),
            value_map: self.value_map.or(shared.value_map),
            transform: self.transform.or(shared.transform),
            compare: self.compare.or(shared.compare),
            when: self.when.or(shared.when),
            unlisted: self.unlisted.or(shared.unlisted),
            description: self.description.or(shared.description),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ResponseText {
    pub(crate) kind: Option<ResponseKind>,
    pub(crate) items: Option<String>,
    pub(crate) base64_fields: Vec<String>,
    pub(crate) base64url_fields: Vec<String>,
    pub(crate) capture: Vec<String>,
    pub(crate) truncate: Option<Truncate>,
    pub(crate) redirect: Option<Redirect>,
    pub(crate) links_path: Option<String>,
    pub(crate) link_format: Option<LinkFormat>,
    pub(crate) redact_fields: Vec<String>,
    pub(crate) whole: bool,
    pub(crate) filter: Option<FilterText>,
    #[serde(rename = "async")]
    pub(crate) later: Option<AsyncText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterText {
    pub(crate) path: String,
    pub(crate) suffix: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AsyncText {
    pub(crate) status: u16,
    pub(crate) poll: Poll,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepText {
    pub(crate) request: String,
    pub(crate) operation: Option<String>,
}
