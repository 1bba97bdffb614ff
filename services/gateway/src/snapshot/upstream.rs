//! One connector as an endpoint exposes it.

use std::borrow::Cow;
use std::sync::Arc;

use ::mcp::rename::Rename;
use ::mcp::{ProtocolVersion, ServerCapabilities};
use domain::{ConnectorId, ConnectorKind};
use fabric::{Affinity, ConnectorConfig};

/// A connector behind an endpoint.
pub(crate) struct Upstream {
    pub(crate) connector: ConnectorId,
    pub(crate) version: i64,
    /// See [`ConnectorConfig::accounts`].
    pub(crate) accounts: i64,
    /// Which worker its calls go to.
    pub(crate) affinity: Affinity,
    pub(crate) slug: Arc<str>,
    /// None of a connector that has nothing but tools.
    pub(crate) capabilities: ServerCapabilities,
    /// Whether its prompts are reachable: in the aggregate not where another's would have the
    /// same names.
    pub(crate) prompts: bool,
    server: bool,
    /// What the names of a native connector's prompts begin with.
    namespace: Option<Arc<str>>,
    /// What was agreed on with it, as far as is known.
    revision: Option<ProtocolVersion>,
    exposing: Exposing,
    restoring: Restoring,
}

/// From the upstream's own names and URIs to those of the endpoint.
struct Exposing(Dress);

/// The way back.
struct Restoring(Dress);

/// How names and URIs are exposed; an endpoint of one connector changes nothing.
#[derive(Clone)]
enum Dress {
    Bare,
    Aggregate { slug: Arc<str>, prefix: Arc<str> },
}

const UI: &str = "ui://";

impl Upstream {
    pub(super) fn alone(config: &ConnectorConfig) -> Self {
        Self::new(config, Dress::Bare)
    }

    pub(super) fn among_others(config: &ConnectorConfig) -> Self {
        let slug = config.connector.slug.as_str().into();
        let prefix = config.connector.prefix.as_str().into();
        Self::new(config, Dress::Aggregate { slug, prefix })
    }

    fn new(config: &ConnectorConfig, dress: Dress) -> Self {
        let native = match &config.connector.kind {
            ConnectorKind::Native { catalog, .. } => Some(format!("{catalog}_").into()),
            _ => None,
        };
        // What a manifest says besides its tools does not make a server of it.
        let server = config.server.as_ref().filter(|_| native.is_none());
        let version = server.map(|server| server.version.parse());
        let revision = version.and_then(Result::ok);
        let capabilities = config.server.as_ref().map(|server| {
            let mut found = ServerCapabilities::parse(&server.capabilities);
            // There was no flag for it then (2024-11-05): who has what could be completed may
            // complete it, and says itself if it does not.
            let oldest = server.version == ProtocolVersion::V2024_11_05.as_str();
            found.completions |= oldest && (found.prompts || found.resources);
            found
        });
        let capabilities = capabilities.unwrap_or_default();
        Self {
            connector: config.connector.id,
            version: config.connector.version,
            accounts: config.accounts,
            affinity: match config.connector.kind {
                ConnectorKind::Native { .. } => Affinity::None,
                ConnectorKind::RemoteMcp { .. } => Affinity::Principal,
                ConnectorKind::HostedMcp { .. } => Affinity::Connector,
            },
            slug: config.connector.slug.as_str().into(),
            prompts: capabilities.prompts,
            server: server.is_some(),
            namespace: native,
            revision,
            capabilities,
            exposing: Exposing(dress.clone()),
            restoring: Restoring(dress),
        }
    }

    /// From the upstream's own names and URIs to those that clients know.
    pub(crate) fn rename(&self) -> &dyn Rename {
        &self.exposing
    }

    /// From the names and URIs that clients know to the upstream's own.
    pub(crate) fn restore(&self) -> &dyn Rename {
        &self.restoring
    }

    /// Whether it is an MCP server, as far as is known.
    pub(crate) fn is_server(&self) -> bool {
        self.server
    }

    /// Whether its calls are ours, by a manifest.
    pub(crate) fn is_native(&self) -> bool {
        self.namespace.is_some()
    }

    /// Whether it speaks 2026-07-28.
    pub(crate) fn is_modern(&self) -> bool {
        self.revision.is_some_and(ProtocolVersion::is_modern)
    }

    /// Whether its results are in the words of a client of `version`: it speaks that revision
    /// itself, or an older one of the same era.
    pub(crate) fn speaks_for(&self, version: ProtocolVersion) -> bool {
        let knows = |own: ProtocolVersion| own <= version && own.is_modern() == version.is_modern();
        self.revision.is_some_and(knows)
    }

    /// Whether nothing is renamed at all.
    pub(crate) fn is_bare(&self) -> bool {
        matches!(self.exposing.0, Dress::Bare)
    }

    pub(crate) fn can_subscribe(&self) -> bool {
        self.capabilities.resources_subscribe
    }

    /// The prefix of its names, empty for none.
    pub(super) fn prefix(&self) -> &str {
        match &self.exposing.0 {
            Dress::Bare => "",
            Dress::Aggregate { prefix, .. } => prefix,
        }
    }

    /// The upstream's own name of a prompt, where this can be one of its.
    pub(super) fn own_name<'n>(&self, exposed: &'n str) -> Option<&'n str> {
        let own = match self.prefix() {
            "" => Some(exposed),
            prefix => exposed.strip_prefix(prefix)?.strip_prefix('_'),
        };
        let namespace = self.namespace.as_deref().unwrap_or_default();
        own.filter(|own| own.starts_with(namespace))
    }

    /// Whether a name could be a prompt of either.
    pub(super) fn shares_prompts(&self, other: &Self) -> bool {
        let both = self.prompts && other.prompts;
        both && self.prefix() == other.prefix() && self.namespace == other.namespace
    }
}

impl Rename for Exposing {
    fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &self.0 {
            Dress::Aggregate { prefix, .. } if !prefix.is_empty() => {
                Cow::Owned(format!("{prefix}_{name}"))
            }
            _ => Cow::Borrowed(name),
        }
    }

    fn uri<'a>(&self, uri: &'a str) -> Cow<'a, str> {
        let Dress::Aggregate { slug, .. } = &self.0 else {
            return Cow::Borrowed(uri);
        };
        // Hosts look for the scheme of views (MCP Apps).
        Cow::Owned(match uri.strip_prefix(UI) {
            Some(path) => format!("{UI}{slug}/{path}"),
            None => format!("{slug}+{uri}"),
        })
    }
}

impl Rename for Restoring {
    fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let own = match &self.0 {
            Dress::Aggregate { prefix, .. } if !prefix.is_empty() => {
                let rest = name.strip_prefix(prefix.as_ref());
                rest.and_then(|rest| rest.strip_prefix('_'))
            }
            _ => None,
        };
        Cow::Borrowed(own.unwrap_or(name))
    }

    fn uri<'a>(&self, uri: &'a str) -> Cow<'a, str> {
        let Dress::Aggregate { slug, .. } = &self.0 else {
            return Cow::Borrowed(uri);
        };
        if let Some(path) = uri.strip_prefix(UI) {
            let own = path.strip_prefix(slug.as_ref());
            let own = own.and_then(|path| path.strip_prefix('/'));
            return match own {
                Some(own) => Cow::Owned(format!("{UI}{own}")),
                None => Cow::Borrowed(uri),
            };
        }
        let own = uri.strip_prefix(slug.as_ref());
        Cow::Borrowed(own.and_then(|uri| uri.strip_prefix('+')).unwrap_or(uri))
    }
}

/// The slug that an exposed URI of an aggregate begins with.
pub(super) fn slug_of(exposed: &str) -> Option<&str> {
    let (slug, _) = match exposed.strip_prefix(UI) {
        Some(path) => path.split_once('/')?,
        None => exposed.split_once('+')?,
    };
    Some(slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exposed_is_restored_and_names_its_connector() {
        let dress = |prefix: &str| Dress::Aggregate {
            slug: "one".into(),
            prefix: prefix.into(),
        };
        for (prefix, name, exposed) in [("p", "a_b", "p_a_b"), ("", "a", "a")] {
            assert_eq!(Exposing(dress(prefix)).name(name), exposed);
            assert_eq!(Restoring(dress(prefix)).name(exposed), name);
        }
        for (uri, exposed) in [
            ("file:///a+b/{path}", "one+file:///a+b/{path}"),
            ("ui://view/x", "ui://one/view/x"),
            ("", "one+"),
        ] {
            assert_eq!(Exposing(dress("")).uri(uri), exposed);
            assert_eq!(Restoring(dress("")).uri(exposed), uri);
            assert_eq!(slug_of(exposed), Some("one"));
            assert_eq!(Exposing(Dress::Bare).uri(uri), uri);
            assert_eq!(Restoring(Dress::Bare).uri(exposed), exposed);
        }
        assert_eq!(slug_of("file:///a"), None);
        assert_eq!(slug_of("ui://one"), None);
    }
}
