//! Connectors: where a tenant's tools come from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::Url;

use crate::{ConnectorId, Slug, TenantId};

/// One service or MCP server that a tenant has connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    pub id: ConnectorId,
    pub tenant: TenantId,
    pub slug: Slug,
    pub display_name: String,
    pub kind: ConnectorKind,
    pub enabled: bool,
    /// What precedes a tool's name, with `_` between, in the tenant's aggregate endpoint. Empty:
    /// nothing does. Native tools carry their provider's name already.
    pub prefix: String,
    /// Which secrets are set, never what they are.
    pub credential: CredentialInfo,
    /// What becomes of a tool whose definition its upstream changes.
    pub on_change: OnChange,
    pub sync: SyncStatus,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    /// Grows by one with each change of what the connector *is* (kind, secrets, state); the ETag,
    /// and what tells a worker that its copy is old. A sync does not change it.
    pub version: i64,
}

/// How a connector's tools are reached. Stored as JSON; the tag is the REST `type` for MCP kinds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConnectorKind {
    /// A manifest of the catalog, run by the native engine.
    Native {
        /// The manifest's name, e.g. `github`.
        catalog: String,
        /// Instead of the manifest's own, e.g. `https://github.example.com/api/v3`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_url: Option<Url>,
    },
    /// An MCP server somewhere else, over Streamable HTTP.
    RemoteMcp { url: Url },
    /// An MCP server that a worker runs, over stdio.
    HostedMcp {
        /// Program and arguments; run as they are, by no shell. Never empty.
        command: Vec<String>,
        /// Where it runs; a private, empty folder when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        working_directory: Option<String>,
    },
}

impl ConnectorKind {
    /// The REST and CLI `type`: the catalog's name, `remote_mcp` or `hosted_mcp`.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Native { catalog, .. } => catalog,
            Self::RemoteMcp { .. } => Self::REMOTE_MCP,
            Self::HostedMcp { .. } => Self::HOSTED_MCP,
        }
    }

    pub const REMOTE_MCP: &'static str = "remote_mcp";
    pub const HOSTED_MCP: &'static str = "hosted_mcp";
}

/// The secret half of a connector, in clear. It exists only on its way from an administrator to
/// the sealing, and from there to the worker that uses it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectorSecrets {
    /// The provider token of a native connector, or the bearer token for a remote MCP server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Header fields sent to a remote MCP server.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Environment of a hosted MCP server.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

impl ConnectorSecrets {
    pub fn is_empty(&self) -> bool {
        self.token.is_none() && self.headers.is_empty() && self.env.is_empty()
    }

    /// What may be said of these secrets aloud.
    pub fn info(&self) -> CredentialInfo {
        CredentialInfo {
            token_set: self.token.is_some(),
            header_names: self.headers.keys().cloned().collect(),
            env_names: self.env.keys().cloned().collect(),
        }
    }
}

impl std::fmt::Debug for ConnectorSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.info().fmt(f)
    }
}

/// Names of the secrets that are set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CredentialInfo {
    pub token_set: bool,
    pub header_names: Vec<String>,
    pub env_names: Vec<String>,
}

/// What becomes of a tool whose definition is no longer the one that was approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnChange {
    /// It is neither listed nor callable until an administrator approves the change.
    Hold,
    /// It is served as it is now, and marked as changed until an administrator approves.
    Warn,
    /// It is served as it is now.
    Accept,
}

/// No rule for changes has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be hold, warn or accept")]
pub struct InvalidOnChange;

impl std::str::FromStr for OnChange {
    type Err = InvalidOnChange;

    fn from_str(text: &str) -> Result<Self, InvalidOnChange> {
        [Self::Hold, Self::Warn, Self::Accept]
            .into_iter()
            .find(|rule| rule.as_str() == text)
            .ok_or(InvalidOnChange)
    }
}

impl OnChange {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Warn => "warn",
            Self::Accept => "accept",
        }
    }

    /// What holds where an administrator says nothing: native tools change with this program, for
    /// which its operator answers; those of an MCP server change with whoever runs that.
    pub const fn default_of(kind: &ConnectorKind) -> Self {
        match kind {
            ConnectorKind::Native { .. } => Self::Accept,
            ConnectorKind::RemoteMcp { .. } | ConnectorKind::HostedMcp { .. } => Self::Hold,
        }
    }

    /// # Errors
    /// Anything but `accept` for a native connector.
    pub fn validate(self, kind: &ConnectorKind) -> Result<(), InvalidConnector> {
        if self != Self::Accept && matches!(kind, ConnectorKind::Native { .. }) {
            return Err(InvalidConnector {
                field: "on_change",
                rule:
                    "must be accept for a native connector: its tools change with Turnbuckle only"
                        .to_owned(),
            });
        }
        Ok(())
    }
}

/// Tools whose definition is not the one that was approved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedTools {
    pub count: u32,
    /// The first of them, by name; `limits::CHANGED_NAMES_MAX` at most.
    pub names: Vec<String>,
}

/// How the last reading of the connector's tools went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncStatus {
    pub state: SyncState,
    /// When the last reading ended; none before the first.
    pub at: Option<OffsetDateTime>,
    /// Why it failed, in words for an administrator, without secrets.
    pub error: Option<String>,
    /// Tools known now: those of the last reading that succeeded.
    pub tools: u32,
    /// Those of them that wait for an administrator.
    pub changed: ChangedTools,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// Never read yet, or being read now.
    Pending,
    Ok,
    /// The last reading failed; the tools of the one before are still served.
    Failed,
}

impl SyncState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ok => "ok",
            Self::Failed => "failed",
        }
    }
}

/// Why a connector's settings cannot be accepted: the field, and the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct InvalidConnector {
    /// Path of the field in the REST document, e.g. `config.url`.
    pub field: &'static str,
    pub rule: String,
}

impl ConnectorKind {
    /// Checks what no single field can say. Whether a catalog name exists is for whoever has the
    /// catalog; whether an address may be called is for the egress guard.
    pub fn validate(&self, secrets: &CredentialInfo) -> Result<(), InvalidConnector> {
        let refuse = |field, rule: &str| {
            Err(InvalidConnector {
                field,
                rule: rule.to_owned(),
            })
        };
        match self {
            Self::Native { base_url, .. } => {
                if let Some(url) = base_url {
                    check_http_url("config.base_url", url)?;
                }
                if !secrets.header_names.is_empty() {
                    return refuse("secrets.headers", "is for remote_mcp connectors");
                }
                if !secrets.env_names.is_empty() {
                    return refuse("secrets.env", "is for hosted_mcp connectors");
                }
            }
            Self::RemoteMcp { url } => {
                check_http_url("config.url", url)?;
                if !secrets.env_names.is_empty() {
                    return refuse("secrets.env", "is for hosted_mcp connectors");
                }
                let authorization = |name: &String| name.eq_ignore_ascii_case("authorization");
                if secrets.token_set && secrets.header_names.iter().any(authorization) {
                    return refuse(
                        "secrets.token",
                        "cannot stand beside an Authorization header",
                    );
                }
            }
            Self::HostedMcp {
                command,
                working_directory,
            } => {
                if command
                    .first()
                    .is_none_or(|program| program.trim().is_empty())
                {
                    return refuse("config.command", "must name a program");
                }
                if command.iter().any(|word| word.contains('\0')) {
                    return refuse("config.command", "may not hold a NUL character");
                }
                if working_directory
                    .as_ref()
                    .is_some_and(|path| !path.starts_with('/'))
                {
                    return refuse("config.working_directory", "must be an absolute path");
                }
                if secrets.token_set {
                    return refuse("secrets.token", "is not for hosted_mcp connectors: use env");
                }
                if !secrets.header_names.is_empty() {
                    return refuse("secrets.headers", "is for remote_mcp connectors");
                }
            }
        }
        Ok(())
    }
}

fn check_http_url(field: &'static str, url: &Url) -> Result<(), InvalidConnector> {
    let rule = if !matches!(url.scheme(), "http" | "https") {
        "must be an http or https URL"
    } else if url.host_str().is_none_or(str::is_empty) {
        "must name a host"
    } else if !url.username().is_empty() || url.password().is_some() {
        "may not hold a user name or password: use secrets"
    } else if url.fragment().is_some() {
        "may not hold a fragment"
    } else if field == "config.base_url" && url.query().is_some() {
        // It would be put before the paths of a provider, and may hold a secret.
        "may not hold a query: use secrets"
    } else {
        return Ok(());
    };
    Err(InvalidConnector {
        field,
        rule: rule.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosted(command: &[&str]) -> ConnectorKind {
        ConnectorKind::HostedMcp {
            command: command.iter().map(|s| (*s).to_owned()).collect(),
            working_directory: None,
        }
    }

    fn remote(url: &str) -> ConnectorKind {
        ConnectorKind::RemoteMcp {
            url: url.parse().unwrap(),
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_with_their_field() {
        let none = CredentialInfo::default();
        let token = CredentialInfo {
            token_set: true,
            ..CredentialInfo::default()
        };
        let field = |kind: ConnectorKind, info: &CredentialInfo| {
            kind.validate(info).map_err(|invalid| invalid.field)
        };

        assert_eq!(field(hosted(&["npx", "-y", "x"]), &none), Ok(()));
        assert_eq!(field(hosted(&[]), &none), Err("config.command"));
        assert_eq!(field(hosted(&[" "]), &none), Err("config.command"));
        assert_eq!(field(hosted(&["npx"]), &token), Err("secrets.token"));
        assert_eq!(field(remote("http://127.0.0.1:1/mcp"), &token), Ok(()));
        assert_eq!(
            field(remote("ftp://example.com/"), &none),
            Err("config.url")
        );
        assert_eq!(
            field(remote("https://u:p@example.com/"), &none),
            Err("config.url")
        );
        assert_eq!(
            field(remote("https://example.com/#x"), &none),
            Err("config.url")
        );
        assert_eq!(field(remote("https://example.com/?a=b"), &none), Ok(()));
        for (base_url, wanted) in [
            ("https://example.com/api", Ok(())),
            ("https://example.com/api?token=t", Err("config.base_url")),
            ("https://example.com/api?", Err("config.base_url")),
        ] {
            let native = ConnectorKind::Native {
                catalog: "fake".to_owned(),
                base_url: Some(base_url.parse().unwrap()),
            };
            assert_eq!(field(native, &none), wanted, "{base_url}");
        }
    }

    #[test]
    fn native_connectors_accept_changes_and_others_hold_them_by_default() {
        let native = ConnectorKind::Native {
            catalog: "fake".to_owned(),
            base_url: None,
        };
        let rules = ["hold", "warn", "accept"].map(|rule| rule.parse::<OnChange>().unwrap());
        let allowed = |kind: &ConnectorKind| rules.map(|rule| rule.validate(kind).is_ok());

        assert_eq!(OnChange::default_of(&native), OnChange::Accept);
        assert_eq!(OnChange::default_of(&hosted(&["x"])), OnChange::Hold);
        assert_eq!(OnChange::default_of(&remote("http://a/")), OnChange::Hold);
        assert_eq!(allowed(&native), [false, false, true]);
        assert_eq!(allowed(&remote("http://a/")), [true; 3]);
        assert_eq!("Hold".parse::<OnChange>(), Err(InvalidOnChange));
    }

    #[test]
    fn printing_secrets_prints_their_names_only() {
        let secrets = ConnectorSecrets {
            token: Some("hunter2".to_owned()),
            env: BTreeMap::from([("KEY".to_owned(), "hunter2".to_owned())]),
            ..ConnectorSecrets::default()
        };

        let printed = format!("{secrets:?}");

        assert!(
            printed.contains("KEY") && !printed.contains("hunter2"),
            "{printed}"
        );
    }
}
