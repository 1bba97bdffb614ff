//! Connectors as gRPC shows them.

use domain::ConnectorKind;
use proto::admin::v1 as pb;

use crate::catalog::{ConnectorSetting, ConnectorType};
use crate::connectors::{ConfigInput, ConnectorView, ProcessView, StderrLineView};
use crate::grpc::values::{etag, timestamp};

pub(crate) fn connector(tenant: &str, view: ConnectorView) -> pb::Connector {
    let state = match view.sync.state.as_str() {
        "pending" => pb::sync::State::Pending,
        "ok" => pb::sync::State::Ok,
        "failed" => pb::sync::State::Failed,
        _ => pb::sync::State::Unspecified,
    };
    let on_change = match view.on_change.as_str() {
        "hold" => pb::connector::OnChange::Hold,
        "warn" => pb::connector::OnChange::Warn,
        "accept" => pb::connector::OnChange::Accept,
        _ => pb::connector::OnChange::Unspecified,
    };
    pb::Connector {
        name: format!("tenants/{tenant}/connectors/{}", view.slug),
        uid: view.id.to_string(),
        display_name: view.display_name,
        enabled: Some(view.enabled),
        prefix: Some(view.prefix),
        config: Some(config(&view.r#type, view.config)),
        r#type: view.r#type,
        secrets: None,
        credential: Some(pb::Credential {
            token_set: view.credential.token_set,
            header_names: view.credential.header_names,
            env_names: view.credential.env_names,
        }),
        sync: Some(pb::Sync {
            state: state.into(),
            time: view.sync.at.map(timestamp),
            error: view.sync.error.unwrap_or_default(),
            tools: count(view.sync.tools),
            changed: Some(pb::ChangedTools {
                count: count(view.sync.changed.count),
                names: view.sync.changed.names,
            }),
        }),
        create_time: Some(timestamp(view.created_at)),
        update_time: Some(timestamp(view.updated_at)),
        etag: etag(view.version),
        on_change: on_change.into(),
    }
}

fn config(kind: &str, config: ConfigInput) -> pb::connector::Config {
    match kind {
        ConnectorKind::REMOTE_MCP => pb::connector::Config::RemoteMcp(pb::RemoteMcpConfig {
            url: config.url.unwrap_or_default(),
        }),
        ConnectorKind::HOSTED_MCP => pb::connector::Config::HostedMcp(pb::HostedMcpConfig {
            command: config.command.unwrap_or_default(),
            working_directory: config.working_directory.unwrap_or_default(),
        }),
        _ => pb::connector::Config::Native(pb::NativeConfig {
            base_url: config.base_url.unwrap_or_default(),
        }),
    }
}

pub(super) fn connector_type(known: ConnectorType) -> pb::ConnectorType {
    let kind = match known.kind.as_str() {
        "native" => pb::connector_type::Kind::Native,
        "mcp" => pb::connector_type::Kind::Mcp,
        _ => pb::connector_type::Kind::Unspecified,
    };
    pb::ConnectorType {
        r#type: known.r#type,
        display_name: known.display_name,
        tools: known.tools.map(count),
        kind: kind.into(),
        settings: known.settings.into_iter().map(setting).collect(),
        account_addresses: known
            .account_addresses
            .into_iter()
            .map(|address| pb::AccountAddress {
                url: address.url,
                variables: address.variables,
            })
            .collect(),
    }
}

fn setting(known: ConnectorSetting) -> pb::ConnectorSetting {
    use pb::connector_setting::Required;
    let required = match known.required.as_str() {
        "always" => Required::Always,
        "with_token" => Required::WithToken,
        "never" => Required::Never,
        _ => Required::Unspecified,
    };
    pb::ConnectorSetting {
        name: known.name,
        required: required.into(),
        description: known.description,
        default: known.default.unwrap_or_default(),
        examples: known.examples,
    }
}

pub(super) fn process(view: ProcessView) -> pb::Process {
    let state = match view.state.as_str() {
        "stopped" => pb::process::State::Stopped,
        "starting" => pb::process::State::Starting,
        "running" => pb::process::State::Running,
        "backing_off" => pb::process::State::BackingOff,
        _ => pb::process::State::Unspecified,
    };
    pb::Process {
        state: state.into(),
        pid: view.pid,
        start_time: view.started_at.map(timestamp),
        restarts: view.restarts,
        last_exit: view.last_exit.unwrap_or_default(),
    }
}

pub(super) fn stderr_line(view: StderrLineView) -> pb::StderrLine {
    pb::StderrLine {
        time: Some(timestamp(view.at)),
        text: view.text,
    }
}

/// A number of tools, of which a connector has a few thousand at most.
fn count(tools: u32) -> i32 {
    i32::try_from(tools).unwrap_or(i32::MAX)
}
