//! What administrators say of a connector, and what becomes of it.

use domain::{ConnectorKind, ConnectorSecrets, CredentialInfo, OnChange};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::secrets::SecretsPatch;
use crate::catalog::{CatalogView, Needed};
use crate::fields::Violations;
use crate::patch::{self, Change};

/// Words of a hosted server's command at most, and bytes of one.
const COMMAND_MAX_WORDS: usize = 64;
const WORD_MAX_LENGTH: usize = 4096;
/// Bytes of a URL or a path at most.
const ADDRESS_MAX_LENGTH: usize = 2048;

/// What a connector is made from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConnector {
    /// Its name in URLs; never changes. Unique in the tenant, same rules as a tenant's.
    pub slug: String,
    /// A native type of `GET /connector-types`, `remote_mcp` or `hosted_mcp`; never changes.
    pub r#type: String,
    /// 1 to 100 characters; by default the type's own name, or the slug for MCP servers.
    #[serde(default)]
    pub display_name: Option<String>,
    /// What precedes its tools' names, with `_` between, in the tenant's aggregate endpoint: up to
    /// 32 of `a-z`, `0-9`, `_` and `-`. By default the slug for MCP servers, else nothing.
    #[serde(default)]
    pub prefix: Option<String>,
    /// What becomes of a tool whose definition its upstream changes: `hold`, the default for MCP
    /// servers, keeps it from use until it is approved, `warn` serves and marks it, `accept`
    /// serves it. Always `accept` for native types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = super::view::rules_for_changes_or_null)]
    pub on_change: Option<String>,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub config: ConfigInput,
    /// Write-only.
    #[serde(default)]
    #[schema(value_type = super::secrets::SecretsInput)]
    pub secrets: ConnectorSecrets,
}

fn yes() -> bool {
    true
}

impl Default for NewConnector {
    fn default() -> Self {
        Self {
            slug: String::new(),
            r#type: String::new(),
            display_name: None,
            prefix: None,
            on_change: None,
            enabled: true,
            config: ConfigInput::default(),
            secrets: ConnectorSecrets::default(),
        }
    }
}

/// Settings of a connector, by type: `base_url` for native ones, `url` for `remote_mcp`, `command`
/// and `working_directory` for `hosted_mcp`. Never a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigInput {
    /// Instead of the provider's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Where the MCP server is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Program and arguments; run as they are, by no shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Absolute path; by default a private, empty folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
}

/// Which settings change; null removes one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigPatch {
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<String>)]
    pub base_url: Change<String>,
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<String>)]
    pub url: Change<String>,
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<Vec<String>>)]
    pub command: Change<Vec<String>>,
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<String>)]
    pub working_directory: Change<String>,
}

/// Which of a connector's fields change; null sets a field back to its default.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorPatch {
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<String>)]
    pub display_name: Change<String>,
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<String>)]
    pub prefix: Change<String>,
    /// What becomes of a tool whose definition its upstream changes.
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(schema_with = super::view::rules_for_changes_or_null)]
    pub on_change: Change<String>,
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<ConfigPatch>)]
    pub config: Change<ConfigPatch>,
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<SecretsPatch>)]
    pub secrets: Change<SecretsPatch>,
}

impl ConfigInput {
    /// The settings of a connector as they are.
    pub(crate) fn of(kind: &ConnectorKind) -> Self {
        match kind {
            ConnectorKind::Native { base_url, .. } => Self {
                base_url: base_url.as_ref().map(Url::to_string),
                ..Self::default()
            },
            ConnectorKind::RemoteMcp { url } => Self {
                url: Some(url.to_string()),
                ..Self::default()
            },
            ConnectorKind::HostedMcp {
                command,
                working_directory,
            } => Self {
                command: Some(command.clone()),
                working_directory: working_directory.clone(),
                ..Self::default()
            },
        }
    }

    /// Applies a patch; null for the whole takes all settings away.
    pub(crate) fn patched(mut self, patch: Option<ConfigPatch>) -> Self {
        let Some(change) = patch else {
            return Self::default();
        };
        patch::apply(&mut self.base_url, change.base_url);
        patch::apply(&mut self.url, change.url);
        patch::apply(&mut self.command, change.command);
        patch::apply(&mut self.working_directory, change.working_directory);
        self
    }

    /// What these settings make of a type; notes each that does not belong to it, is missing, or
    /// is wrong by itself.
    pub(crate) fn kind(
        self,
        type_name: &str,
        catalog: &dyn CatalogView,
        violations: &mut Violations,
    ) -> Option<ConnectorKind> {
        let taken = match type_name {
            ConnectorKind::REMOTE_MCP => ["config.url"].as_slice(),
            ConnectorKind::HOSTED_MCP => &["config.command", "config.working_directory"],
            native if catalog.types().iter().any(|known| known.name == native) => {
                &["config.base_url"]
            }
            _ => {
                violations.add(
                    "type",
                    "must be one of those in /api/v1/admin/connector-types",
                );
                return None;
            }
        };
        for (field, given) in [
            ("config.base_url", self.base_url.is_some()),
            ("config.url", self.url.is_some()),
            ("config.command", self.command.is_some()),
            ("config.working_directory", self.working_directory.is_some()),
        ] {
            if given && !taken.contains(&field) {
                violations.add(field, "is not for connectors of this type");
            }
        }
        match type_name {
            ConnectorKind::REMOTE_MCP => {
                let url = address("config.url", self.url.as_deref(), violations)??;
                Some(ConnectorKind::RemoteMcp { url })
            }
            ConnectorKind::HOSTED_MCP => self.hosted(violations),
            native => {
                let own = catalog
                    .own_base_url(native)
                    .filter(|_| Needed::of(catalog, native) == Needed::Always);
                let base_url = match (self.base_url.as_deref(), own) {
                    (None, None) => None,
                    (None, Some(example)) => {
                        violations.add("config.base_url", address_missing(&example));
                        None
                    }
                    (given, _) => address("config.base_url", given, violations)?,
                };
                Some(ConnectorKind::Native {
                    catalog: native.to_owned(),
                    base_url,
                })
            }
        }
    }

    fn hosted(self, violations: &mut Violations) -> Option<ConnectorKind> {
        let command = self.command.unwrap_or_default();
        if command.is_empty() {
            violations.add("config.command", "must name a program");
            return None;
        }
        let long = command.iter().any(|word| word.len() > WORD_MAX_LENGTH);
        if command.len() > COMMAND_MAX_WORDS || long {
            let rule =
                format!("may have {COMMAND_MAX_WORDS} words of {WORD_MAX_LENGTH} bytes at most");
            violations.add("config.command", rule);
        }
        let path = self.working_directory.as_deref().unwrap_or_default();
        if path.len() > ADDRESS_MAX_LENGTH || path.contains('\0') {
            let rule = format!("must be a path of {ADDRESS_MAX_LENGTH} bytes at most");
            violations.add("config.working_directory", rule);
        }
        let working_directory = self.working_directory;
        Some(ConnectorKind::HostedMcp {
            command,
            working_directory,
        })
    }
}

/// Notes that nothing says where calls with the connector's own token go. An account would.
pub(super) fn check_address(
    catalog: &dyn CatalogView,
    kind: &ConnectorKind,
    credential: &CredentialInfo,
    violations: &mut Violations,
) {
    let ConnectorKind::Native {
        catalog: name,
        base_url: None,
    } = kind
    else {
        return;
    };
    if credential.token_set
        && Needed::of(catalog, name) == Needed::WithToken
        && let Some(example) = catalog.own_base_url(name)
    {
        violations.add("config.base_url", address_missing(&example));
    }
}

/// Names what must be known: what stands in braces.
fn address_missing(example: &str) -> String {
    let names = ::catalog::address::variables(example).join(" and ");
    let what = match names.as_str() {
        "" => "your own site".to_owned(),
        names => format!("your own {names}"),
    };
    format!("is missing: the address of {what}, e.g. {example}")
}

/// The rule for changed definitions of a connector of this kind; notes what is wrong with it.
pub(super) fn rule_for_changes(
    given: Option<&str>,
    kind: &ConnectorKind,
    violations: &mut Violations,
) -> OnChange {
    let default = OnChange::default_of(kind);
    let Some(given) = given else { return default };
    let rule = violations.keep("on_change", given.parse::<OnChange>());
    let rule = rule.unwrap_or(default);
    if let Err(invalid) = rule.validate(kind) {
        violations.add(invalid.field, invalid.rule);
    }
    rule
}

/// A URL that must be there: `None` when a violation was noted.
fn address(field: &str, text: Option<&str>, violations: &mut Violations) -> Option<Option<Url>> {
    let parsed = match text {
        None => Err("is missing".to_owned()),
        Some(text) if text.len() > ADDRESS_MAX_LENGTH => {
            Err(format!("may have {ADDRESS_MAX_LENGTH} bytes at most"))
        }
        Some(text) => text
            .parse()
            .map_err(|_| "must be an http or https URL".to_owned()),
    };
    violations.keep(field, parsed).map(Some)
}
