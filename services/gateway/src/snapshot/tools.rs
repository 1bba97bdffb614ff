//! The tools of an endpoint.

use std::collections::HashMap;

use ::mcp::edge;
use ::mcp::rename::{Shape, rename};
use ::mcp::{HeaderParams, ProtocolVersion};
use bytes::Bytes;
use fabric::ConnectorConfig;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::upstream::Upstream;

/// The tools of an endpoint.
#[derive(Default)]
pub(super) struct Tools {
    /// By place: the same order for every caller and node.
    listed: Vec<Listed>,
    by_name: HashMap<String, ToolEntry>,
}

/// Where a tool stands in the list of its endpoint: the number of its upstream, which come by their
/// slugs, and its place in that upstream's own list.
pub(crate) type Place = (usize, usize);

/// A tool as `tools/list` gives it: the upstream's definition under its exposed name, in the
/// words of each era. Equal forms share their bytes.
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) modern: Bytes,
    pub(crate) legacy: Bytes,
}

/// A tool as `tools/call` needs it.
pub(crate) struct ToolEntry {
    /// Which of the endpoint's upstreams has it.
    pub(crate) upstream: usize,
    /// Where the tool is listed, or would be if it were enabled.
    pub(crate) place: Place,
    /// The upstream's own name.
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) header_params: HeaderParams,
    /// Whether legacy clients see its structured results wrapped in an object.
    pub(crate) wrapped: bool,
    /// It says that calling it twice does no harm (`readOnlyHint`, `idempotentHint`).
    pub(crate) repeatable: bool,
    pub(crate) reads: Reads,
}

/// Whether a request changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reads {
    /// It may change something, as far as is known.
    #[default]
    Unknown,
    /// Its server says so (`readOnlyHint`), which is a hint.
    Declared,
    /// We know what it does.
    Surely,
}

impl Tools {
    /// Adds the tools of a connector, which is the endpoint's upstream number `at`.
    pub(super) fn add(&mut self, at: usize, upstream: &Upstream, config: &ConnectorConfig) {
        for (number, tool) in config.tools.iter().enumerate() {
            if let Err(problem) = self.add_one((at, number), upstream, tool) {
                let (connector, name) = (upstream.connector, &tool.definition.name);
                tracing::warn!(connector.id = %connector, tool.name = name, "not offered: {problem}");
            }
        }
    }

    fn add_one(
        &mut self,
        place: Place,
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
            // What a server of the client's own era says is the client's to judge.
            let modern = match upstream.is_modern() {
                true => renamed.clone(),
                false => edge::tool_for_modern(raw),
            };
            self.listed.push(Listed {
                name: exposed.clone(),
                place,
                legacy: if legacy == modern {
                    modern.clone()
                } else {
                    legacy
                },
                modern,
            });
        }
        let hints = hints(&definition.json);
        let entry = ToolEntry {
            upstream: place.0,
            place,
            name: definition.name.clone(),
            enabled: tool.enabled,
            header_params,
            wrapped,
            repeatable: hints.read_only || hints.idempotent,
            reads: match (hints.read_only, upstream.is_native()) {
                (true, true) => Reads::Surely,
                (true, false) => Reads::Declared,
                (false, _) => Reads::Unknown,
            },
        };
        self.by_name.insert(exposed, entry);
        Ok(())
    }

    pub(super) fn get(&self, exposed: &str) -> Option<&ToolEntry> {
        self.by_name.get(exposed)
    }

    /// Those that are listed at `place` or behind it.
    pub(super) fn listed_from(&self, place: Place) -> &[Listed] {
        let start = self.listed.partition_point(|tool| tool.place < place);
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

/// What a tool says of itself; nothing where that is no boolean.
#[derive(Default)]
struct Hints {
    read_only: bool,
    idempotent: bool,
}

fn hints(definition: &RawValue) -> Hints {
    #[derive(Deserialize)]
    struct Tool {
        #[serde(default)]
        annotations: Annotations,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Annotations {
        read_only_hint: Option<bool>,
        idempotent_hint: Option<bool>,
    }
    // Many tools have none.
    if !definition.get().contains("Hint") {
        return Hints::default();
    }
    let tool = serde_json::from_str::<Tool>(definition.get());
    tool.map_or_else(
        |_| Hints::default(),
        |Tool { annotations }| Hints {
            read_only: annotations.read_only_hint == Some(true),
            idempotent: annotations.idempotent_hint == Some(true),
        },
    )
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
