//! The built-in catalog, as the control-plane looks at it.

use std::sync::Arc;

use catalog::Catalog;
use control_plane::{CatalogView, NativeType};
use domain::ToolDefinition;

/// The manifests that are compiled into this binary.
pub(super) struct BuiltinCatalog(Arc<Catalog>);

impl Default for BuiltinCatalog {
    fn default() -> Self {
        Self(Catalog::builtin())
    }
}

impl CatalogView for BuiltinCatalog {
    fn types(&self) -> Vec<NativeType> {
        let view = |connector: &catalog::Connector| NativeType {
            name: connector.name.clone(),
            display_name: connector.display_name.clone(),
            tools: connector.tools.len() as u32,
        };
        self.0.connectors().map(view).collect()
    }

    fn tools(&self, name: &str) -> Option<Vec<ToolDefinition>> {
        let connector = self.0.connector(name)?;
        Some(
            connector
                .tools
                .iter()
                .map(|tool| tool.definition().clone())
                .collect(),
        )
    }
}
