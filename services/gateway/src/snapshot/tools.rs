//! The tools of an endpoint.

use std::collections::HashMap;

use ::mcp::edge;
use ::mcp::rename::{Shape, rename};
use ::mcp::{HeaderParams, ProtocolVersion};
use bytes::Bytes;
use fabric::ConnectorConfig;
use serde_json::value::RawValue;

use super::upstream::Upstream;

/// The tools of an endpoint.
#[derive(Default)]
pub(super) struct Tools {
    /// Ordered by exposed name, bytewise: the same order for every caller and node.
    listed: Vec<Listed>,
    by_name: HashMap<String, ToolEntry>,
}

/// A tool as `tools/list` gives it: the upstream's definition under its exposed name, in the
/// words of each era. Equal forms share their bytes.
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) modern: Bytes,
    pub(crate) legacy: Bytes,
}

/// A tool as `tools/call` needs it.
pub(crate) struct ToolEntry {
    /// Which of the endpoint's upstreams has it.
    pub(crate) upstream: usize,
    /// The upstream's own name.
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) header_params: HeaderParams,
    /// Whether legacy clients see its structured results wrapped in an object.
    pub(crate) wrapped: bool,
}

impl Tools {
    /// Adds the tools of a connector, which is the endpoint's upstream number `at`.
    pub(super) fn add(&mut self, at: usize, upstream: &Upstream, config: &ConnectorConfig) {
        for tool in &config.tools {
            if let Err(problem) = self.add_one(at, upstream, tool) {
                let (connector, name) = (upstream.connector, &tool.definition.name);
                tracing::warn!(connector.id = %connector, tool.name = name, "not offered: {problem}");
            }
        }
    }

    fn add_one(
        &mut self,
        at: usize,
        upstream: &Upstream,
        tool: &domain::Tool,
    ) -> Result<(), String> {
        let definition = &tool.definition;
        let exposed = upstream.rename().name(&definition.name).into_owned();
        // Two connectors cannot be saved with colliding names, but a later sync can bring a
        // collision in: the first connector by slug keeps the name, on every node alike.
        if self.by_name.contains_key(&exposed) {
            return Err(format!("the name {exposed:?} is taken"));
        }
        // 2026-07-28: a tool with broken annotations must not be offered over HTTP.
        let header_params = header_params(&definition.json)?;
        let text = Bytes::copy_from_slice(definition.json.get().as_bytes());
        let renamed = match upstream.is_bare() {
            true => text,
            false => rename(Shape::ToolDefinition, &text, upstream.rename())
                .map_err(|error| error.to_string())?,
        };
        let raw: &RawValue = serde_json::from_slice(&renamed).map_err(|error| error.to_string())?;
        // All of them know the same parts of a definition.
        let (legacy, wrapped) = edge::tool_for_legacy(raw, ProtocolVersion::LATEST_LEGACY);
        if tool.enabled {
            let modern = edge::tool_for_modern(raw);
            self.listed.push(Listed {
                name: exposed.clone(),
                legacy: if legacy == modern {
                    modern.clone()
                } else {
                    legacy
                },
                modern,
            });
        }
        let entry = ToolEntry {
            upstream: at,
            name: definition.name.clone(),
            enabled: tool.enabled,
            header_params,
            wrapped,
        };
        self.by_name.insert(exposed, entry);
        Ok(())
    }

    pub(super) fn sort(&mut self) {
        self.listed.sort_by(|a, b| a.name.cmp(&b.name));
    }

    pub(super) fn get(&self, exposed: &str) -> Option<&ToolEntry> {
        self.by_name.get(exposed)
    }

    pub(super) fn listed_after(&self, name: Option<&str>) -> &[Listed] {
        let start = match name {
            Some(name) => self.listed.partition_point(|tool| *tool.name <= *name),
            None => 0,
        };
        &self.listed[start..]
    }
}

impl Listed {
    pub(crate) fn json(&self, version: ProtocolVersion) -> &Bytes {
        match version.is_modern() {
            true => &self.modern,
            false => &self.legacy,
        }
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
