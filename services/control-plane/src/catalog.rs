//! What the control-plane needs of the catalog of native connectors.

use std::sync::Arc;

use domain::{ConnectorKind, ToolDefinition, UpstreamInfo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A native connector type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeType {
    /// E.g. `github`.
    pub name: String,
    /// E.g. `GitHub`.
    pub display_name: String,
    /// Number of its tools.
    pub tools: u32,
}

/// The native connectors that this build knows.
pub trait CatalogView: Send + Sync {
    /// All of them, in a stable order.
    fn types(&self) -> Vec<NativeType>;

    /// What the base URL of a connector looks like where the provider has none for all, and each
    /// connector must say its own.
    fn own_base_url(&self, name: &str) -> Option<String>;

    /// The tools of one; `None` when there is no such type.
    fn tools(&self, name: &str) -> Option<Vec<ToolDefinition>>;

    /// What one offers besides tools; `None` when that is nothing.
    fn server(&self, _name: &str) -> Option<UpstreamInfo> {
        None
    }

    /// All that the manifest of one says; `None` when there is no such type.
    fn manifest(&self, _name: &str) -> Option<Arc<::catalog::Connector>> {
        None
    }
}

/// One way to connect something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectorType {
    /// What a connector is created with as its `type`.
    pub r#type: String,
    pub display_name: String,
    /// Number of tools; null where the server behind the connector decides.
    pub tools: Option<u32>,
    /// `native` for a built-in connector, `mcp` for an MCP server.
    #[schema(schema_with = kinds)]
    pub kind: String,
    /// What its `config` may hold.
    pub settings: Vec<ConnectorSetting>,
    /// Where calls of an account can go whose connector has no `base_url`: an account of a token
    /// that somebody pasted must say the variables of one of these. Empty where all go to one
    /// address.
    pub account_addresses: Vec<AccountAddress>,
}

/// A setting of a connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectorSetting {
    /// In `config`, e.g. `base_url`.
    pub name: String,
    /// `always`; `with_token`: for a connector with a token of its own, because accounts say for
    /// themselves where their calls go; `never`.
    #[schema(schema_with = needs)]
    pub required: String,
    pub description: String,
    /// What holds without it; null: nothing.
    pub default: Option<String>,
    /// What it can look like, with what is yours to say in braces.
    pub examples: Vec<String>,
}

/// An address that is made of what an account says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountAddress {
    /// With the variables in braces, e.g. `https://{site}.example.com`.
    pub url: String,
    /// Their names: members of the account's `variables`.
    pub variables: Vec<String>,
}

fn kinds() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&["native", "mcp"])
}

fn needs() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&[Needed::Always, Needed::WithToken, Needed::Never].map(Needed::as_str))
}

/// When a native connector must say its own base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needed {
    Always,
    /// Accounts say for themselves where their calls go; a token of the connector's does not.
    WithToken,
    Never,
}

impl Needed {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::WithToken => "with_token",
            Self::Never => "never",
        }
    }

    /// For connectors of the type `name`.
    pub(crate) fn of(catalog: &dyn CatalogView, name: &str) -> Self {
        if catalog.own_base_url(name).is_none() {
            return Self::Never;
        }
        let manifest = catalog.manifest(name);
        let oauth2 = manifest
            .as_ref()
            .and_then(|known| known.auth.oauth2.as_ref());
        match oauth2.and_then(|oauth2| oauth2.after_connect.as_ref()) {
            Some(_) => Self::WithToken,
            None => Self::Always,
        }
    }
}

impl ConnectorType {
    /// One of the catalog.
    pub(crate) fn native(catalog: &dyn CatalogView, known: NativeType) -> Self {
        let needed = Needed::of(catalog, &known.name);
        let manifest = catalog.manifest(&known.name);
        let manifest = manifest.as_deref();
        let default = manifest.filter(|_| needed == Needed::Never);
        let others = manifest.into_iter().flat_map(|manifest| {
            let all = manifest.base_url_alternatives.values();
            all.cloned().collect::<Vec<_>>()
        });
        let mut examples: Vec<String> = others.collect();
        if examples.is_empty() {
            examples.extend(catalog.own_base_url(&known.name));
        }
        let description = match needed {
            Needed::Never => "Instead of the service's own address, e.g. of a server of your own.",
            Needed::WithToken => {
                "The address of your own site, for a connector with a token of its own; accounts \
                 that people connect say theirs."
            }
            Needed::Always => "The address of your own site.",
        };
        let addresses = manifest.into_iter().flat_map(|manifest| {
            let all = manifest.templates().map(AccountAddress::of);
            all.collect::<Vec<_>>()
        });
        Self {
            r#type: known.name,
            display_name: known.display_name,
            tools: Some(known.tools),
            kind: "native".to_owned(),
            settings: vec![ConnectorSetting {
                name: "base_url".to_owned(),
                required: needed.as_str().to_owned(),
                description: description.to_owned(),
                default: default.map(|manifest| manifest.base_url.clone()),
                examples,
            }],
            account_addresses: addresses.collect(),
        }
    }

    /// The two kinds of MCP server.
    pub(crate) fn mcp() -> [Self; 2] {
        let setting =
            |name: &str, needed: Needed, description: &str, example: &str| ConnectorSetting {
                name: name.to_owned(),
                required: needed.as_str().to_owned(),
                description: description.to_owned(),
                default: None,
                examples: vec![example.to_owned()],
            };
        let server = |name: &str, display_name: &str, settings| Self {
            r#type: name.to_owned(),
            display_name: display_name.to_owned(),
            tools: None,
            kind: "mcp".to_owned(),
            settings,
            account_addresses: Vec::new(),
        };
        let url = setting(
            "url",
            Needed::Always,
            "Where the MCP server is.",
            "https://mcp.example.com/mcp",
        );
        let command = setting(
            "command",
            Needed::Always,
            "Program and arguments; run as they are, by no shell.",
            "npx -y @modelcontextprotocol/server-everything",
        );
        let folder = setting(
            "working_directory",
            Needed::Never,
            "Where the command runs; by default a private, empty folder.",
            "/srv/mcp",
        );
        [
            server(ConnectorKind::REMOTE_MCP, "Remote MCP server", vec![url]),
            server(
                ConnectorKind::HOSTED_MCP,
                "Hosted MCP server",
                vec![command, folder],
            ),
        ]
    }
}

impl AccountAddress {
    fn of(template: &str) -> Self {
        let variables = ::catalog::address::variables(template);
        Self {
            url: template.to_owned(),
            variables: variables.into_iter().map(str::to_owned).collect(),
        }
    }
}

impl CatalogView for ::catalog::Catalog {
    fn types(&self) -> Vec<NativeType> {
        let types = self.summaries().into_iter().map(|known| NativeType {
            name: known.name,
            display_name: known.display_name,
            tools: u32::try_from(known.tools).unwrap_or(u32::MAX),
        });
        types.collect()
    }

    fn own_base_url(&self, name: &str) -> Option<String> {
        let connector = self.connector(name)?;
        connector.own_base_url().map(str::to_owned)
    }

    fn tools(&self, name: &str) -> Option<Vec<ToolDefinition>> {
        let connector = self.connector(name)?;
        Some(
            connector
                .tools
                .iter()
                .map(::catalog::Tool::definition)
                .collect(),
        )
    }

    fn server(&self, name: &str) -> Option<UpstreamInfo> {
        self.connector(name)?.server_info()
    }

    fn manifest(&self, name: &str) -> Option<Arc<::catalog::Connector>> {
        self.connector(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_says_what_must_be_known_of_where_its_calls_go() {
        let catalog = ::catalog::Catalog::builtin();
        let all = CatalogView::types(&*catalog).into_iter();
        let all: Vec<_> = all
            .map(|known| ConnectorType::native(&*catalog, known))
            .collect();
        let of = |name: &str| all.iter().find(|known| known.r#type == name).unwrap();

        let jira = of("jira");
        assert_eq!(jira.settings[0].name, "base_url");
        assert_eq!(jira.settings[0].required, "with_token");
        assert_eq!(jira.settings[0].default, None);
        assert_eq!(jira.settings[0].examples, ["https://{site}.atlassian.net"]);
        let names: Vec<_> = jira
            .account_addresses
            .iter()
            .map(|a| &a.variables)
            .collect();
        assert_eq!(names, [&["cloudId"], &["site"]]);
        let github = of("github");
        assert_eq!(github.settings[0].required, "never");
        let default = github.settings[0].default.as_deref();
        assert_eq!(default, Some("https://api.github.com"));
        assert!(github.account_addresses.is_empty());
        let [remote, _] = ConnectorType::mcp();
        assert_eq!(remote.settings[0].required, "always");
    }

    #[test]
    fn the_built_in_catalog_says_what_it_has() {
        let catalog = ::catalog::Catalog::builtin();
        let types = catalog.types();
        assert!(
            types.iter().any(|known| known.name == "github"),
            "{types:?}"
        );
        for known in types {
            let tools = CatalogView::tools(&*catalog, &known.name).unwrap();
            assert_eq!(tools.len(), known.tools as usize);
        }
        assert!(CatalogView::tools(&*catalog, "nope").is_none());
    }
}
