//! One tenant, compiled: everything a request needs, ready to be read without a lock or an
//! allocation. Made anew whenever the tenant's configuration changes, never changed.

mod endpoint;
mod server_info;
mod tools;
mod upstream;

use std::collections::HashMap;
use std::sync::Arc;

use domain::{ConnectorId, TenantId, TenantState};
use fabric::{ConnectorConfig, TenantConfig};

pub(crate) use endpoint::Endpoint;
pub(crate) use server_info::ServerInfo;
pub(crate) use tools::{Listed, Place, Reads};
pub(crate) use upstream::Upstream;

use crate::access::Keys;

/// One tenant as its endpoints serve it.
pub(crate) struct Snapshot {
    pub(crate) tenant: TenantId,
    pub(crate) active: bool,
    pub(crate) keys: Keys,
    slug: Arc<str>,
    /// All enabled connectors in one server.
    aggregate: Arc<Endpoint>,
    /// Each enabled connector alone, by slug.
    single: HashMap<String, Arc<Endpoint>>,
}

impl Snapshot {
    pub(crate) fn compile(config: TenantConfig) -> Self {
        let slug: Arc<str> = config.tenant.slug.as_str().into();
        let enabled: Vec<&ConnectorConfig> = config
            .connectors
            .iter()
            .filter(|c| c.connector.enabled)
            .collect();

        let aggregate = Endpoint::aggregate(
            ServerInfo::new(&slug, &config.tenant.name),
            enabled.iter().copied(),
        );
        let single = enabled.iter().map(|config| {
            let connector = &config.connector;
            let name = format!("{slug}/{}", connector.slug);
            let info = ServerInfo::new(&name, &connector.display_name);
            let alone = Endpoint::single(info, config);
            (connector.slug.as_str().to_owned(), Arc::new(alone))
        });

        Self {
            tenant: config.tenant.id,
            active: config.tenant.state == TenantState::Active,
            single: single.collect(),
            aggregate: Arc::new(aggregate),
            keys: Keys::compile(config.keys),
            slug,
        }
    }

    pub(crate) fn slug(&self) -> &Arc<str> {
        &self.slug
    }

    /// The endpoint of a URL: the aggregate, or one connector's.
    pub(crate) fn endpoint(&self, connector: Option<&str>) -> Option<&Arc<Endpoint>> {
        match connector {
            None => Some(&self.aggregate),
            Some(slug) => self.single.get(slug),
        }
    }

    /// The same by the connector's id.
    pub(crate) fn endpoint_of(&self, connector: Option<ConnectorId>) -> Option<&Arc<Endpoint>> {
        match connector {
            None => Some(&self.aggregate),
            Some(_) => self
                .single
                .values()
                .find(|endpoint| endpoint.connector == connector),
        }
    }
}
