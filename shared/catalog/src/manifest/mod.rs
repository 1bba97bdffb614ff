//! The manifest as it is written: TOML, strict. Nothing here is meaningful yet; `compile` turns
//! it into what an engine runs and says everything that is wrong with it.

mod auth;
mod offer;
mod service;
mod tool;

pub use auth::{AfterConnect, Identity, OAuth2, Refresh, RevokeRequest, TokenResponse};
pub(crate) use auth::{AuthText, MethodText, RefusalsText};
pub(crate) use offer::{PromptText, ResourceListText, ResourceText, RoleText};
pub(crate) use service::{ErrorsText, OutputText, PaginationText, RateLimitText};
pub(crate) use tool::{ArgText, ResponseText, ToolText, WhenText};

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::closed::ConnectorEncoding;

/// The version of the format that this crate reads.
pub(crate) const FORMAT: i64 = 1;

/// A manifest without its tools and shared arguments, which are read one by one so that an error
/// can name them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectorText {
    pub(crate) format: i64,
    pub(crate) connector: String,
    pub(crate) display_name: String,
    pub(crate) category: String,
    pub(crate) summary: String,
    pub(crate) base_url: String,
    #[serde(default)]
    pub(crate) base_url_alternatives: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) base_url_variables: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: ConnectorEncoding,
    #[serde(default)]
    pub(crate) global_query: Vec<String>,
    pub(crate) auth: AuthText,
    pub(crate) rate_limit: RateLimitText,
    #[serde(default)]
    pub(crate) pagination: BTreeMap<String, PaginationText>,
    pub(crate) errors: ErrorsText,
    #[serde(default)]
    pub(crate) output: OutputText,
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}
