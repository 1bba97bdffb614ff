//! What a connector's tools are called in the tenant's aggregate endpoint.

use std::collections::HashSet;

use domain::{Connector, ConnectorKind, Slug, Tenant};

use crate::error::Error;
use crate::fields::Violations;
use crate::operations::Operations;

/// Characters of a prefix.
const PREFIX_MAX_LENGTH: usize = 32;

/// The prefix of a connector whose administrator says nothing: native tools carry their
/// provider's name already.
pub(crate) fn default_prefix(kind: &ConnectorKind, slug: &Slug) -> String {
    match kind {
        ConnectorKind::Native { .. } => String::new(),
        _ => {
            let length = slug.as_str().len().min(PREFIX_MAX_LENGTH);
            slug.as_str()[..length].trim_end_matches('-').to_owned()
        }
    }
}

pub(crate) fn check_prefix(prefix: &str, violations: &mut Violations) {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    if prefix.len() > PREFIX_MAX_LENGTH || !prefix.bytes().all(allowed) {
        let rule =
            format!("may hold {PREFIX_MAX_LENGTH} of a-z, 0-9, underscore and hyphen at most");
        violations.add("prefix", rule);
    }
}

/// A tool's name in the aggregate endpoint.
pub(crate) fn exposed_name(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}_{name}")
    }
}

impl Operations {
    /// Refuses `candidate`, about to be enabled with `tools`, when one of those would have the
    /// same name as a tool of another enabled connector, as far as tools are known now. Where a
    /// later reading brings two together, gateways keep the connector whose slug comes first.
    pub(crate) async fn check_collisions(
        &self,
        tenant: &Tenant,
        candidate: &Connector,
        tools: &[String],
    ) -> Result<(), Error> {
        let ours: HashSet<String> = tools
            .iter()
            .map(|name| exposed_name(&candidate.prefix, name))
            .collect();
        if ours.is_empty() {
            return Ok(());
        }
        let config = self.storage().tenant_config(tenant.slug.as_str()).await;
        let config = config.map_err(Error::storage("read a tenant's tools"))?;
        let others = config.map(|config| config.connectors).unwrap_or_default();
        for other in others {
            if !other.connector.enabled || other.connector.id == candidate.id {
                continue;
            }
            let prefix = &other.connector.prefix;
            let theirs = other
                .tools
                .iter()
                .map(|t| exposed_name(prefix, &t.definition.name));
            if let Some(name) = theirs.into_iter().find(|name| ours.contains(name)) {
                return Err(Error::ToolNameCollision(format!(
                    "connectors {:?} and {:?} would both have a tool called {name:?}: \
                     give one of them another prefix",
                    other.connector.slug.as_str(),
                    candidate.slug.as_str(),
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_prefix_is_the_slug_cut_to_length_for_mcp_servers_only() {
        let mcp = ConnectorKind::RemoteMcp {
            url: "http://a/".parse().unwrap(),
        };
        let native = ConnectorKind::Native {
            catalog: "github".to_owned(),
            base_url: None,
        };
        let long: Slug = format!("{}-b", "a".repeat(31)).parse().unwrap();

        assert_eq!(
            default_prefix(&mcp, &"my-server".parse().unwrap()),
            "my-server"
        );
        assert_eq!(default_prefix(&mcp, &long), "a".repeat(31));
        assert_eq!(default_prefix(&native, &"gh".parse().unwrap()), "");
    }
}
