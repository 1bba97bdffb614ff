//! What the control-plane needs of the catalog of native connectors.

use std::sync::Arc;

use domain::{ToolDefinition, UpstreamInfo};
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
}

fn kinds() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&["native", "mcp"])
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
