//! The write-only half of a connector.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::ConnectorSecrets;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fields::Violations;
use crate::patch::{self, Change};

/// Headers or variables of one connector at most.
const NAMES_MAX: usize = 32;
/// Bytes of a name, and of a secret.
const NAME_MAX_LENGTH: usize = 128;
const SECRET_MAX_LENGTH: usize = 16 * 1024;
/// Shorter secrets are not looked for in texts: they would be found by chance.
const REDACTED_MIN_LENGTH: usize = 4;

/// Header fields that the worker writes itself, so that nobody else may.
const OWN_HEADERS: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The schema of `domain::ConnectorSecrets`: what is secret of a connector, in clear, inwards only.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "says in the API description what another type is like"
)]
pub(crate) struct SecretsInput {
    /// The provider token of a native connector, or the bearer token for a remote MCP server.
    token: Option<String>,
    /// Header fields sent to a remote MCP server, by name.
    headers: Option<BTreeMap<String, String>>,
    /// Environment of a hosted MCP server, by name.
    env: Option<BTreeMap<String, String>>,
}

/// Which secrets change; null removes one, or all of a kind.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretsPatch {
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<String>)]
    pub token: Change<String>,
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
    pub headers: Change<BTreeMap<String, Option<String>>>,
    #[serde(default, deserialize_with = "patch::change")]
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
    pub env: Change<BTreeMap<String, Option<String>>>,
}

impl fmt::Debug for SecretsPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretsPatch(..)")
    }
}

/// Applies a patch to the secrets; null for the whole takes all away.
pub(crate) fn patched(
    mut secrets: ConnectorSecrets,
    patch: Option<SecretsPatch>,
) -> ConnectorSecrets {
    let Some(change) = patch else {
        return ConnectorSecrets::default();
    };
    patch::apply(&mut secrets.token, change.token);
    merge(&mut secrets.headers, change.headers);
    merge(&mut secrets.env, change.env);
    secrets
}

fn merge(values: &mut BTreeMap<String, String>, change: Change<BTreeMap<String, Option<String>>>) {
    match change {
        None => {}
        Some(None) => values.clear(),
        Some(Some(changes)) => {
            for (name, value) in changes {
                match value {
                    Some(value) => drop(values.insert(name, value)),
                    None => drop(values.remove(&name)),
                }
            }
        }
    }
}

/// Notes what is wrong with the secrets by themselves. Never quotes one, nor a name, which may be
/// a secret in the wrong place.
pub(crate) fn check(secrets: &ConnectorSecrets, violations: &mut Violations) {
    if let Some(token) = &secrets.token {
        let sendable = HeaderValue::from_str(token).is_ok() && !token.trim().is_empty();
        if !sendable || token.len() > SECRET_MAX_LENGTH {
            violations.add("secrets.token", "must be one line of visible characters");
        }
    }
    let too_many = format!("may have {NAMES_MAX} entries at most");
    if secrets.headers.len() > NAMES_MAX {
        violations.add("secrets.headers", too_many.clone());
    }
    if secrets.env.len() > NAMES_MAX {
        violations.add("secrets.env", too_many);
    }
    if !secrets
        .headers
        .iter()
        .all(|(name, value)| is_header(name, value))
    {
        violations.add(
            "secrets.headers",
            "must be header fields that can be sent, and none that the protocol sets itself",
        );
    }
    let mut names = BTreeSet::new();
    if !secrets
        .headers
        .keys()
        .all(|name| names.insert(name.to_ascii_lowercase()))
    {
        violations.add(
            "secrets.headers",
            "may not hold names that differ in upper and lower case only",
        );
    }
    if !secrets
        .env
        .iter()
        .all(|(name, value)| is_variable(name, value))
    {
        violations.add(
            "secrets.env",
            "must have names of letters, digits and _, and values without NUL characters",
        );
    }
}

fn is_header(name: &str, value: &str) -> bool {
    let own = OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own));
    let small = name.len() <= NAME_MAX_LENGTH && value.len() <= SECRET_MAX_LENGTH;
    !own && small
        && HeaderName::from_bytes(name.as_bytes()).is_ok()
        && HeaderValue::from_str(value).is_ok()
}

fn is_variable(name: &str, value: &str) -> bool {
    let first = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first
        && name.len() <= NAME_MAX_LENGTH
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && value.len() <= SECRET_MAX_LENGTH
        && !value.contains('\0')
}

/// Takes the secrets out of a text that an upstream wrote.
pub(crate) fn redact(text: &str, secrets: &ConnectorSecrets) -> String {
    let values = secrets
        .headers
        .values()
        .chain(secrets.env.values())
        .chain(&secrets.token);
    let mut values: Vec<&str> = values
        .flat_map(|value| [value.as_str(), bare(value)])
        .filter(|value| value.len() >= REDACTED_MIN_LENGTH)
        .collect();
    // The longest first, so that no rest of one that holds another stays.
    values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
    values.iter().fold(text.to_owned(), |text, value| {
        text.replace(value, "[secret]")
    })
}

/// The credential in a value like `Bearer xyz`.
fn bare(value: &str) -> &str {
    value
        .split_once(' ')
        .map_or(value, |(_, credential)| credential)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_of_texts_with_and_without_their_scheme() {
        let secrets = ConnectorSecrets {
            headers: BTreeMap::from([("X".to_owned(), "Bearer hunter2".to_owned())]),
            env: BTreeMap::from([("A".to_owned(), "hunter2-longer".to_owned())]),
            ..ConnectorSecrets::default()
        };

        let text = redact(
            "sent Bearer hunter2, then hunter2, then hunter2-longer",
            &secrets,
        );

        assert_eq!(text, "sent [secret], then [secret], then [secret]");
    }
}
