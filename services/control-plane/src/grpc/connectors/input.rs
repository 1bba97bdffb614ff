//! What administrators say of a connector over gRPC.

use std::collections::{BTreeMap, HashMap};

use domain::ConnectorSecrets;
use proto::admin::v1 as pb;

use crate::connectors::{
    ConfigInput, ConfigPatch, ConnectorPatch, ConnectorView, NewConnector, SecretsPatch,
};
use crate::grpc::mask::{Mask, key_of};
use crate::grpc::values::given;
use crate::patch::Change;

const CHANGEABLE: [&str; 14] = [
    "display_name",
    "prefix",
    "on_change",
    "native",
    "native.base_url",
    "remote_mcp",
    "remote_mcp.url",
    "hosted_mcp",
    "hosted_mcp.command",
    "hosted_mcp.working_directory",
    "secrets",
    "secrets.token",
    HEADERS,
    ENV,
];
const HEADERS: &str = "secrets.headers";
const ENV: &str = "secrets.env";

/// Whether an update's mask may name `path`.
pub(super) fn is_changeable(path: &str) -> bool {
    let is_key = |map| key_of(map, path).is_some();
    CHANGEABLE.contains(&path) || is_key(HEADERS) || is_key(ENV)
}

/// Whether an update puts a whole set of secrets in the place of another.
pub(super) fn replaces_secrets(mask: Option<&Mask>) -> bool {
    mask.is_some_and(|mask| mask.has(HEADERS) || mask.has(ENV))
}

pub(super) fn new_connector(slug: String, connector: pb::Connector) -> NewConnector {
    let secrets = connector.secrets.unwrap_or_default();
    NewConnector {
        slug,
        r#type: connector.r#type,
        display_name: given(connector.display_name),
        prefix: connector.prefix,
        on_change: rule_for_changes(connector.on_change),
        enabled: connector.enabled.unwrap_or(true),
        config: settings(connector.config),
        secrets: ConnectorSecrets {
            token: given(secrets.token),
            headers: secrets.headers.into_iter().collect(),
            env: secrets.env.into_iter().collect(),
        },
    }
}

/// The name of a rule; one that is none is refused by the operation.
fn rule_for_changes(number: i32) -> Option<String> {
    use pb::connector::OnChange;
    let rule = match OnChange::try_from(number) {
        Ok(OnChange::Unspecified) => return None,
        Ok(OnChange::Hold) => domain::OnChange::Hold.as_str(),
        Ok(OnChange::Warn) => domain::OnChange::Warn.as_str(),
        Ok(OnChange::Accept) => domain::OnChange::Accept.as_str(),
        Err(_) => "",
    };
    Some(rule.to_owned())
}

fn settings(config: Option<pb::connector::Config>) -> ConfigInput {
    use pb::connector::Config;
    match config {
        None => ConfigInput::default(),
        Some(Config::Native(native)) => ConfigInput {
            base_url: given(native.base_url),
            ..ConfigInput::default()
        },
        Some(Config::RemoteMcp(remote)) => ConfigInput {
            url: given(remote.url),
            ..ConfigInput::default()
        },
        Some(Config::HostedMcp(hosted)) => ConfigInput {
            command: Some(hosted.command).filter(|words| !words.is_empty()),
            working_directory: given(hosted.working_directory),
            ..ConfigInput::default()
        },
    }
}

/// What an update says: the fields that its mask names, or else those that it has set. `known` is
/// the connector as it is, needed where all secrets are replaced.
pub(super) fn patch(
    connector: pb::Connector,
    mask: Option<&Mask>,
    known: Option<&ConnectorView>,
) -> ConnectorPatch {
    let named = Named(mask);
    let config = settings(connector.config);
    let config = ConfigPatch {
        base_url: named.change("native.base_url", config.base_url),
        url: named.change("remote_mcp.url", config.url),
        command: named.change("hosted_mcp.command", config.command),
        working_directory: named.change("hosted_mcp.working_directory", config.working_directory),
    };
    let secrets = connector.secrets.unwrap_or_default();
    let (headers, env) = known.map_or((&[][..], &[][..]), |known| {
        (&known.credential.header_names, &known.credential.env_names)
    });
    let secrets = SecretsPatch {
        token: named.change("secrets.token", given(secrets.token)),
        headers: named.secrets(HEADERS, secrets.headers, headers),
        env: named.secrets(ENV, secrets.env, env),
    };
    ConnectorPatch {
        display_name: named.change("display_name", given(connector.display_name)),
        prefix: named.change("prefix", connector.prefix),
        on_change: named.change("on_change", rule_for_changes(connector.on_change)),
        config: (config != ConfigPatch::default()).then_some(Some(config)),
        secrets: (secrets != SecretsPatch::default()).then_some(Some(secrets)),
    }
}

struct Named<'m>(Option<&'m Mask>);

impl Named<'_> {
    fn change<T>(&self, path: &str, value: Option<T>) -> Change<T> {
        match self.0 {
            None => value.map(Some),
            Some(mask) => mask.has(path).then_some(value),
        }
    }

    /// A map as a whole, or some of its keys. `known` are the keys that it has now.
    fn secrets(
        &self,
        path: &str,
        mut given: HashMap<String, String>,
        known: &[String],
    ) -> Change<BTreeMap<String, Option<String>>> {
        let mut changes: BTreeMap<String, Option<String>> = BTreeMap::new();
        match self.0 {
            None => changes.extend(given.into_iter().map(|(name, value)| (name, Some(value)))),
            Some(mask) if mask.has(path) => {
                changes.extend(known.iter().map(|name| (name.clone(), None)));
                changes.extend(given.into_iter().map(|(name, value)| (name, Some(value))));
            }
            Some(mask) => {
                let keys = mask.keys(path);
                changes.extend(keys.map(|name| (name.to_owned(), given.remove(name))));
            }
        }
        (!changes.is_empty()).then_some(Some(changes))
    }
}
