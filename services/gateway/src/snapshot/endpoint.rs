//! What one MCP URL offers.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use ::mcp::{ProtocolVersion, ServerCapabilities, edge};
use bytes::Bytes;
use domain::ConnectorId;
use fabric::ConnectorConfig;

use super::server_info::{Offer, ServerInfo, instructions_of, joined};
use super::tools::{Listed, Place, ToolEntry, Tools};
use super::upstream::{Upstream, slug_of};

/// What one MCP URL offers.
pub(crate) struct Endpoint {
    /// The connector, when the endpoint is of one alone.
    pub(crate) connector: Option<ConnectorId>,
    pub(crate) server: ServerInfo,
    offer: Offer,
    tools: Tools,
    /// What the upstream's own list says around its tools, of an endpoint of one connector.
    tool_list: Option<Bytes>,
    /// In the order of their slugs.
    upstreams: Vec<Upstream>,
    tools_digest: u64,
}

impl Endpoint {
    /// One connector alone, everything under its own names.
    pub(super) fn single(server: ServerInfo, config: &ConnectorConfig) -> Self {
        let upstream = Upstream::alone(config);
        let instructions = config.server.as_ref();
        let instructions = instructions.and_then(|server| server.instructions.as_deref());
        let offer = Offer::new(
            offered(std::slice::from_ref(&upstream)),
            instructions.map(instructions_of),
        );
        let mut tools = Tools::default();
        tools.add(0, &upstream, config);
        let connector = Some(config.connector.id);
        let frame = config.server.as_ref();
        let frame = frame.and_then(|server| server.tool_list.as_deref());
        let tool_list = frame
            .map(|frame| Bytes::copy_from_slice(frame.get().as_bytes()))
            .filter(|frame| edge::with_tools(frame, b"", None).is_ok());
        let endpoint = Self::finish(connector, server, offer, tools, vec![upstream]);
        Self {
            tool_list,
            ..endpoint
        }
    }

    /// All connectors in one server; they come in the order of their slugs.
    pub(super) fn aggregate<'c>(
        server: ServerInfo,
        configs: impl Iterator<Item = &'c ConnectorConfig> + Clone,
    ) -> Self {
        let (mut tools, mut upstreams) = (Tools::default(), Vec::<Upstream>::new());
        for config in configs.clone() {
            let mut upstream = Upstream::among_others(config);
            let taken = |other: &Upstream| other.shares_prompts(&upstream);
            if upstream.prompts && upstreams.iter().any(taken) {
                // Which of two has a prompt could not be told: the first by slug keeps them.
                let slug = &*upstream.slug;
                tracing::warn!(
                    connector = slug,
                    "prompts are not offered: the prefix is taken"
                );
                upstream.prompts = false;
            }
            tools.add(upstreams.len(), &upstream, config);
            upstreams.push(upstream);
        }
        let instructions = configs.filter_map(|config| {
            let text = config.server.as_ref()?.instructions.as_deref()?;
            Some((config.connector.display_name.as_str(), text))
        });
        let offer = Offer::new(offered(&upstreams), joined(instructions).as_deref());
        Self::finish(None, server, offer, tools, upstreams)
    }

    fn finish(
        connector: Option<ConnectorId>,
        server: ServerInfo,
        offer: Offer,
        tools: Tools,
        upstreams: Vec<Upstream>,
    ) -> Self {
        let mut digest = std::hash::DefaultHasher::new();
        for tool in tools.listed_from((0, 0)) {
            tool.modern.hash(&mut digest);
        }
        Self {
            connector,
            server,
            offer,
            tools,
            tool_list: None,
            upstreams,
            tools_digest: digest.finish(),
        }
    }

    /// What a legacy client learns by `initialize`.
    pub(crate) fn initialize_result(&self, version: ProtocolVersion) -> String {
        self.offer.initialize_result(&self.server, version)
    }

    /// What a modern client learns by `server/discover`.
    pub(crate) fn discover_result(&self, ttl_ms: u64) -> String {
        self.offer.discover_result(&self.server, ttl_ms)
    }

    /// What all upstreams together can do.
    pub(crate) fn capabilities(&self) -> &ServerCapabilities {
        &self.offer.capabilities
    }

    /// In the order of their slugs.
    pub(crate) fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    /// Equal for equal lists of tools.
    pub(crate) fn tools_digest(&self) -> u64 {
        self.tools_digest
    }

    pub(crate) fn tool(&self, exposed: &str) -> Option<&ToolEntry> {
        self.tools.get(exposed)
    }

    /// The tools that are listed at `place` or behind it.
    pub(crate) fn listed_from(&self, place: Place) -> &[Listed] {
        self.tools.listed_from(place)
    }

    /// What a list of tools is to say around them, with none in it; only where that is more than
    /// the protocol asks for.
    pub(crate) fn tool_list(&self) -> Option<&Bytes> {
        self.tool_list.as_ref()
    }

    /// Where a prompt is, and its own name there. Of several prefixes that fit the longest does.
    pub(crate) fn prompt<'n>(&self, exposed: &'n str) -> Option<(usize, &'n str)> {
        let all = self.upstreams.iter().enumerate();
        let fitting = all.filter(|(_, upstream)| upstream.prompts);
        let fitting = fitting.filter_map(|(at, upstream)| Some((at, upstream.own_name(exposed)?)));
        fitting.min_by_key(|(_, own)| own.len())
    }

    /// Where a resource is, or those of a template, and its own URI there.
    pub(crate) fn resource_at<'n>(&self, exposed: &'n str) -> Option<(usize, Cow<'n, str>)> {
        let at = match self.connector {
            Some(_) => 0,
            None => {
                let slug = slug_of(exposed)?;
                self.upstreams.iter().position(|up| &*up.slug == slug)?
            }
        };
        let upstream = self.upstreams.get(at)?;
        Some((at, upstream.restore().uri(exposed)))
    }

    /// The same with the upstream itself.
    pub(crate) fn resource<'n>(&self, exposed: &'n str) -> Option<(&Upstream, Cow<'n, str>)> {
        let (at, own) = self.resource_at(exposed)?;
        Some((&self.upstreams[at], own))
    }

    /// Where a connector is.
    pub(crate) fn position(&self, connector: ConnectorId) -> Option<usize> {
        let mut all = self.upstreams.iter();
        all.position(|upstream| upstream.connector == connector)
    }
}

/// What upstreams can do together, as we carry it: changes of tools are told by the
/// configuration, whatever the upstreams say.
fn offered(upstreams: &[Upstream]) -> ServerCapabilities {
    let mut all = ServerCapabilities::default();
    for upstream in upstreams {
        all.merge(&upstream.capabilities);
    }
    all.tools_list_changed = true;
    // A worker translates tasks of 2025-11-25 for modern clients.
    all.tasks |= all.legacy_tasks;
    all
}
