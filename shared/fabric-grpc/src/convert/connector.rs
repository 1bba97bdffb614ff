//! Connectors and their tools.

use domain::{ChangedTools, Connector, SyncState, SyncStatus, Tool};
use fabric::ConnectorConfig;
use proto::fabric::v1;

use super::scalars::{json, needed_time, parse, some_time_from};
use super::workers::{definition_from, server_from};
use super::{Invalid, need, time_to};

/// A connector without its tools.
pub fn connector_to(connector: &Connector) -> v1::Connector {
    v1::Connector {
        id: connector.id.to_string(),
        tenant_id: connector.tenant.to_string(),
        slug: connector.slug.to_string(),
        display_name: connector.display_name.clone(),
        kind_json: json(&connector.kind),
        enabled: connector.enabled,
        prefix: connector.prefix.clone(),
        credential_json: json(&connector.credential),
        on_change: connector.on_change.as_str().to_owned(),
        sync: Some(sync_to(&connector.sync)),
        created_at: Some(time_to(connector.created_at)),
        updated_at: Some(time_to(connector.updated_at)),
        version: connector.version,
        server_json: None,
        tools: Vec::new(),
        accounts: 0,
    }
}

/// The connector alone; tools that came with it are dropped.
///
/// # Errors
/// A field holds nothing that it may hold.
pub fn connector_from(connector: v1::Connector) -> Result<Connector, Invalid> {
    let kind = serde_json::from_str(&connector.kind_json);
    let credential = serde_json::from_str(&connector.credential_json);
    Ok(Connector {
        id: parse(&connector.id, "connector.id")?,
        tenant: parse(&connector.tenant_id, "connector.tenant_id")?,
        slug: parse(&connector.slug, "connector.slug")?,
        display_name: connector.display_name,
        kind: kind.map_err(|_| Invalid("connector.kind_json"))?,
        enabled: connector.enabled,
        prefix: connector.prefix,
        credential: credential.map_err(|_| Invalid("connector.credential_json"))?,
        on_change: parse(&connector.on_change, "connector.on_change")?,
        sync: sync_from(need(connector.sync, "connector.sync")?)?,
        created_at: needed_time(connector.created_at, "connector.created_at")?,
        updated_at: needed_time(connector.updated_at, "connector.updated_at")?,
        version: connector.version,
    })
}

/// A connector with its tools.
pub fn connector_config_to(config: &ConnectorConfig) -> v1::Connector {
    let tools = config.tools.iter().map(|tool| v1::Tool {
        definition_json: tool.definition.json.get().to_owned(),
        enabled: tool.enabled,
    });
    v1::Connector {
        server_json: config.server.as_ref().map(json),
        tools: tools.collect(),
        accounts: config.accounts,
        ..connector_to(&config.connector)
    }
}

/// # Errors
/// A field holds nothing that it may hold, or a tool's definition is none.
pub fn connector_config_from(mut config: v1::Connector) -> Result<ConnectorConfig, Invalid> {
    let tools = std::mem::take(&mut config.tools).into_iter().map(|tool| {
        Ok(Tool {
            definition: definition_from(tool.definition_json)?,
            enabled: tool.enabled,
        })
    });
    Ok(ConnectorConfig {
        accounts: config.accounts,
        tools: tools.collect::<Result<_, _>>()?,
        server: server_from(config.server_json.as_deref())?,
        connector: connector_from(config)?,
    })
}

fn sync_to(sync: &SyncStatus) -> v1::Sync {
    v1::Sync {
        state: sync.state.as_str().to_owned(),
        at: sync.at.map(time_to),
        error: sync.error.clone(),
        tools: sync.tools,
        changed_count: sync.changed.count,
        changed_names: sync.changed.names.clone(),
    }
}

fn sync_from(sync: v1::Sync) -> Result<SyncStatus, Invalid> {
    let mut states = [SyncState::Pending, SyncState::Ok, SyncState::Failed].into_iter();
    let state = states.find(|state| state.as_str() == sync.state);
    Ok(SyncStatus {
        state: need(state, "sync.state")?,
        at: some_time_from(sync.at)?,
        error: sync.error,
        tools: sync.tools,
        changed: ChangedTools {
            count: sync.changed_count,
            names: sync.changed_names,
        },
    })
}
