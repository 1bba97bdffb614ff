//! One tenant, compiled: everything a request needs, ready to be read without a lock or an
//! allocation. Made anew whenever the tenant's configuration changes, never changed.

use std::collections::HashMap;

use ::mcp::{HeaderParams, members};
use bytes::Bytes;
use domain::{ConnectorId, TenantId, TenantState};
use fabric::{ConnectorConfig, TenantConfig};
use serde_json::value::RawValue;

use crate::access::Keys;
use crate::mcp::ServerInfo;

/// One tenant as its endpoints serve it.
pub(crate) struct Snapshot {
    pub(crate) tenant: TenantId,
    pub(crate) active: bool,
    pub(crate) keys: Keys,
    /// All enabled connectors in one server.
    pub(crate) aggregate: Endpoint,
    /// Each enabled connector alone, by slug.
    pub(crate) single: HashMap<String, Endpoint>,
}

/// What one MCP URL offers.
pub(crate) struct Endpoint {
    /// The connector, when the endpoint is of one alone.
    pub(crate) connector: Option<ConnectorId>,
    pub(crate) server: ServerInfo,
    /// Ordered by exposed name, bytewise: the same order for every caller and node.
    listed: Vec<Listed>,
    tools: HashMap<String, ToolEntry>,
}

/// A tool as `tools/list` gives it.
pub(crate) struct Listed {
    pub(crate) name: String,
    /// The upstream's definition under its exposed name.
    pub(crate) json: Bytes,
}

/// A tool as `tools/call` needs it.
pub(crate) struct ToolEntry {
    pub(crate) connector: ConnectorId,
    pub(crate) version: i64,
    /// The upstream's own name.
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) header_params: HeaderParams,
}

impl Snapshot {
    pub(crate) fn compile(config: TenantConfig) -> Self {
        let slug = config.tenant.slug.as_str();
        let enabled: Vec<&ConnectorConfig> = config
            .connectors
            .iter()
            .filter(|c| c.connector.enabled)
            .collect();

        let server = ServerInfo::new(slug, &config.tenant.name);
        let mut aggregate = Endpoint::new(None, server);
        let mut single = HashMap::with_capacity(enabled.len());
        for ConnectorConfig { connector, tools } in enabled {
            let name = format!("{slug}/{}", connector.slug);
            let server = ServerInfo::new(&name, &connector.display_name);
            let mut alone = Endpoint::new(Some(connector.id), server);
            for tool in tools {
                let add = |endpoint: &mut Endpoint, prefix: &str| {
                    endpoint.add(prefix, connector.id, connector.version, tool);
                };
                add(&mut alone, "");
                add(&mut aggregate, &connector.prefix);
            }
            alone.sort();
            single.insert(connector.slug.as_str().to_owned(), alone);
        }
        aggregate.sort();

        Self {
            tenant: config.tenant.id,
            active: config.tenant.state == TenantState::Active,
            keys: Keys::compile(config.keys),
            aggregate,
            single,
        }
    }

    /// The endpoint of a URL: the aggregate, or one connector's.
    pub(crate) fn endpoint(&self, connector: Option<&str>) -> Option<&Endpoint> {
        match connector {
            None => Some(&self.aggregate),
            Some(slug) => self.single.get(slug),
        }
    }
}

impl Endpoint {
    fn new(connector: Option<ConnectorId>, server: ServerInfo) -> Self {
        Self {
            connector,
            server,
            listed: Vec::new(),
            tools: HashMap::new(),
        }
    }

    fn add(&mut self, prefix: &str, connector: ConnectorId, version: i64, tool: &domain::Tool) {
        let definition = &tool.definition;
        let exposed = match prefix {
            "" => definition.name.clone(),
            _ => format!("{prefix}_{}", definition.name),
        };
        // Two connectors cannot be saved with colliding names, but a later sync can bring a
        // collision in: the first connector by slug keeps the name, on every node alike.
        if self.tools.contains_key(&exposed) {
            tracing::warn!(connector.id = %connector, tool.name = exposed, "tool name is taken");
            return;
        }
        let header_params = match header_params(&definition.json) {
            Ok(params) => params,
            // 2026-07-28: a tool with broken annotations must not be offered over HTTP.
            Err(problem) => {
                tracing::warn!(connector.id = %connector, tool.name = exposed, "not offered: {problem}");
                return;
            }
        };
        if tool.enabled {
            let json = under_name(&definition.json, &exposed);
            self.listed.push(Listed {
                name: exposed.clone(),
                json,
            });
        }
        let name = definition.name.clone();
        let entry = ToolEntry {
            connector,
            version,
            name,
            enabled: tool.enabled,
            header_params,
        };
        self.tools.insert(exposed, entry);
    }

    fn sort(&mut self) {
        self.listed.sort_by(|a, b| a.name.cmp(&b.name));
    }

    pub(crate) fn tool(&self, exposed: &str) -> Option<&ToolEntry> {
        self.tools.get(exposed)
    }

    /// The tools behind `name`, all of them when `None`.
    pub(crate) fn listed_after(&self, name: Option<&str>) -> &[Listed] {
        let start = match name {
            Some(name) => self
                .listed
                .partition_point(|tool| tool.name.as_str() <= name),
            None => 0,
        };
        &self.listed[start..]
    }
}

fn header_params(definition: &RawValue) -> Result<HeaderParams, String> {
    // Almost no tool has annotations; do not build a tree to find that out.
    if !definition.get().contains("x-mcp-header") {
        return Ok(HeaderParams::default());
    }
    let tree: serde_json::Value =
        serde_json::from_str(definition.get()).map_err(|error| error.to_string())?;
    HeaderParams::from_schema(&tree["inputSchema"]).map_err(|error| error.to_string())
}

/// The definition with its name replaced; everything else keeps its text.
fn under_name(definition: &RawValue, exposed: &str) -> Bytes {
    let text = definition.get();
    let Ok(all) = members(text) else {
        return Bytes::copy_from_slice(text.as_bytes());
    };
    let Some((_, name)) = all.iter().find(|(key, _)| key == "name") else {
        return Bytes::copy_from_slice(text.as_bytes());
    };
    let start = name.get().as_ptr() as usize - text.as_ptr() as usize;
    let quoted = serde_json::to_string(exposed).expect("a string is JSON");
    let mut out = Vec::with_capacity(text.len() + quoted.len());
    out.extend_from_slice(&text.as_bytes()[..start]);
    out.extend_from_slice(quoted.as_bytes());
    out.extend_from_slice(&text.as_bytes()[start + name.get().len()..]);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_under_another_name_is_otherwise_the_same_text() {
        let text = r#"{ "x":1.0,"name" : "a","inputSchema":{"name":"b"} }"#;
        let raw = RawValue::from_string(text.to_owned()).unwrap();

        let renamed = under_name(&raw, "p_a");

        assert_eq!(
            &renamed[..],
            text.replacen(r#""a""#, r#""p_a""#, 1).as_bytes()
        );
    }
}
