//! Connectors as they are shown.

use ::fabric::{ProcessStatus, StderrLine};
use domain::Connector;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::input::ConfigInput;

/// One service or MCP server that a tenant has connected. Its secrets are never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectorView {
    pub id: Uuid,
    pub slug: String,
    pub display_name: String,
    pub r#type: String,
    /// The tools of a disabled connector are neither listed nor callable.
    pub enabled: bool,
    pub prefix: String,
    pub config: ConfigInput,
    pub credential: CredentialView,
    /// What becomes of a tool whose definition its upstream changes: it is held back until it is
    /// approved, served and marked, or served.
    #[serde(default = "hold")]
    #[schema(schema_with = rules_for_changes, required = true)]
    pub on_change: String,
    pub sync: SyncView,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Grows with each change but those of a sync; the `ETag`, in quotes.
    pub version: i64,
}

/// Which secrets are set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CredentialView {
    pub token_set: bool,
    pub header_names: Vec<String>,
    pub env_names: Vec<String>,
}

/// How the last reading of the tools went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SyncView {
    /// After `failed`, the tools of the last reading that went well are still served.
    #[schema(schema_with = sync_states)]
    pub state: String,
    /// When the last reading ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
    /// Why it failed.
    pub error: Option<String>,
    /// Number of tools known.
    pub tools: u32,
    /// Those of them whose definition is not the approved one.
    #[serde(default)]
    #[schema(required = true)]
    pub changed: ChangedToolsView,
}

/// Tools that wait for approval, held back or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedToolsView {
    pub count: u32,
    /// The first 20 of them, by name.
    pub names: Vec<String>,
}

/// What a kept answer of an earlier version leaves out was as it is by default.
fn hold() -> String {
    domain::OnChange::Hold.as_str().to_owned()
}

pub(super) fn rules_for_changes() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&["hold", "warn", "accept"])
}

fn sync_states() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&["pending", "ok", "failed"])
}

impl From<&Connector> for ConnectorView {
    fn from(connector: &Connector) -> Self {
        Self {
            id: connector.id.as_uuid(),
            slug: connector.slug.to_string(),
            display_name: connector.display_name.clone(),
            r#type: connector.kind.type_name().to_owned(),
            enabled: connector.enabled,
            prefix: connector.prefix.clone(),
            config: ConfigInput::of(&connector.kind),
            credential: CredentialView {
                token_set: connector.credential.token_set,
                header_names: connector.credential.header_names.clone(),
                env_names: connector.credential.env_names.clone(),
            },
            on_change: connector.on_change.as_str().to_owned(),
            sync: SyncView {
                state: connector.sync.state.as_str().to_owned(),
                at: connector.sync.at,
                error: connector.sync.error.clone(),
                tools: connector.sync.tools,
                changed: ChangedToolsView {
                    count: connector.sync.changed.count,
                    names: connector.sync.changed.names.clone(),
                },
            },
            created_at: connector.created_at,
            updated_at: connector.updated_at,
            version: connector.version,
        }
    }
}

/// As [`rules_for_changes`], where null stands for the default.
pub(super) fn rules_for_changes_or_null() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of_or_null(&["hold", "warn", "accept"])
}

/// The process of a hosted MCP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProcessView {
    /// A stopped one is started by the next call, one that is backing off by the first call after
    /// the pause.
    #[schema(schema_with = process_states)]
    pub state: String,
    pub pid: Option<u32>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    /// Starts after the first one.
    pub restarts: u32,
    /// Why it ended the last time.
    pub last_exit: Option<String>,
}

fn process_states() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&["stopped", "starting", "running", "backing_off"])
}

impl From<ProcessStatus> for ProcessView {
    fn from(status: ProcessStatus) -> Self {
        Self {
            state: status.state.as_str().to_owned(),
            pid: status.pid,
            started_at: status.started_at,
            restarts: status.restarts,
            last_exit: status.last_exit,
        }
    }
}

/// A line that a hosted server wrote to its standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StderrLineView {
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub text: String,
}

impl From<StderrLine> for StderrLineView {
    fn from(line: StderrLine) -> Self {
        Self {
            at: line.at,
            text: line.text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They are kept for a day, over an upgrade too.
    #[test]
    fn kept_answers_of_earlier_versions_can_be_read() {
        let mut kept =
            serde_json::to_value(ConnectorView::from(&super::super::tests::connector())).unwrap();
        kept.as_object_mut().unwrap().remove("on_change").unwrap();
        let sync = kept["sync"].as_object_mut().unwrap();
        sync.remove("changed").unwrap();

        let view: ConnectorView = serde_json::from_value(kept).unwrap();

        assert_eq!(
            (view.on_change.as_str(), view.sync.changed.count),
            ("hold", 0)
        );
    }
}
