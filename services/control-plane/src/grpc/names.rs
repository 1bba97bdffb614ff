//! Resource names (AIP-122): `tenants/{tenant}/connectors/{connector}/tools/{tool}`, `keys/{id}`,
//! `oauthClients/{provider}`.
//!
//! What the segments may be is for the operations, which know all slugs; here only the shape is.

use crate::error::Error;

const TENANTS: &str = "tenants/";
const CONNECTORS: &str = "/connectors/";
const TOOLS: &str = "/tools/";
const PROCESS: &str = "/process";
const KEYS: &str = "keys/";
const CONNECTIONS: &str = "/connections/";
const ACCOUNTS: &str = "/accounts/";
const OAUTH_CLIENTS: &str = "oauthClients/";

/// The slug in `tenants/{tenant}`.
pub(super) fn tenant<'n>(field: &str, name: &'n str) -> Result<&'n str, Error> {
    let slug = name.strip_prefix(TENANTS).filter(|slug| is_segment(slug));
    slug.ok_or_else(|| Error::invalid(field, "must be tenants/{tenant}"))
}

/// The slugs in `tenants/{tenant}/connectors/{connector}`.
pub(super) fn connector<'n>(field: &str, name: &'n str) -> Result<(&'n str, &'n str), Error> {
    let slugs = name
        .strip_prefix(TENANTS)
        .and_then(|rest| rest.split_once(CONNECTORS))
        .filter(|(tenant, connector)| is_segment(tenant) && is_segment(connector));
    let rule = "must be tenants/{tenant}/connectors/{connector}";
    slugs.ok_or_else(|| Error::invalid(field, rule))
}

/// The slugs in `tenants/{tenant}/connectors/{connector}/process`.
pub(super) fn process<'n>(field: &str, name: &'n str) -> Result<(&'n str, &'n str), Error> {
    let rule = "must be tenants/{tenant}/connectors/{connector}/process";
    let outer = name
        .strip_suffix(PROCESS)
        .and_then(|outer| connector(field, outer).ok());
    outer.ok_or_else(|| Error::invalid(field, rule))
}

/// A tool and where it is: the slugs of its tenant and connector, and its own name, which may hold
/// slashes.
pub(super) fn tool<'n>(field: &str, name: &'n str) -> Result<(&'n str, &'n str, &'n str), Error> {
    let parts = name.split_once(TOOLS).filter(|(_, tool)| !tool.is_empty());
    let parts = parts.and_then(|(outer, tool)| {
        let (tenant, connector) = connector(field, outer).ok()?;
        Some((tenant, connector, tool))
    });
    let rule = "must be tenants/{tenant}/connectors/{connector}/tools/{tool}";
    parts.ok_or_else(|| Error::invalid(field, rule))
}

/// The id in `keys/{id}`.
pub(super) fn key<'n>(field: &str, name: &'n str) -> Result<&'n str, Error> {
    let id = name.strip_prefix(KEYS).filter(|id| is_segment(id));
    id.ok_or_else(|| Error::invalid(field, "must be keys/{id}"))
}

/// Tenant, connector and id in `tenants/{tenant}/connectors/{connector}/connections/{id}`.
pub(super) fn connection<'n>(
    field: &str,
    name: &'n str,
) -> Result<(&'n str, &'n str, &'n str), Error> {
    let rule = "must be tenants/{tenant}/connectors/{connector}/connections/{id}";
    below_connector(field, name, CONNECTIONS).ok_or_else(|| Error::invalid(field, rule))
}

/// Tenant, connector and id in `tenants/{tenant}/connectors/{connector}/accounts/{id}`.
pub(super) fn account<'n>(
    field: &str,
    name: &'n str,
) -> Result<(&'n str, &'n str, &'n str), Error> {
    let rule = "must be tenants/{tenant}/connectors/{connector}/accounts/{id}";
    below_connector(field, name, ACCOUNTS).ok_or_else(|| Error::invalid(field, rule))
}

fn below_connector<'n>(
    field: &str,
    name: &'n str,
    kind: &str,
) -> Option<(&'n str, &'n str, &'n str)> {
    let (outer, id) = name.split_once(kind).filter(|(_, id)| is_segment(id))?;
    let (tenant, connector) = connector(field, outer).ok()?;
    Some((tenant, connector, id))
}

/// The provider in `oauthClients/{provider}`, and the tenant before it, if one is named.
pub(super) fn oauth_client<'n>(
    field: &str,
    name: &'n str,
) -> Result<(Option<&'n str>, &'n str), Error> {
    let read = || match name.strip_prefix(TENANTS) {
        Some(rest) => {
            let (tenant, rest) = rest.split_once('/')?;
            Some((Some(tenant), rest.strip_prefix(OAUTH_CLIENTS)?))
        }
        None => Some((None, name.strip_prefix(OAUTH_CLIENTS)?)),
    };
    let is_whole = |(tenant, provider): &(Option<&str>, &str)| {
        tenant.is_none_or(is_segment) && is_segment(provider)
    };
    let rule = "must be oauthClients/{provider} or tenants/{tenant}/oauthClients/{provider}";
    read()
        .filter(is_whole)
        .ok_or_else(|| Error::invalid(field, rule))
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_their_shape() {
        let at = "tenants/acme/connectors/gh";
        assert_eq!(tenant("n", "tenants/acme").unwrap(), "acme");
        assert_eq!(connector("n", at).unwrap(), ("acme", "gh"));
        assert_eq!(
            process("n", &format!("{at}/process")).unwrap(),
            ("acme", "gh")
        );
        assert_eq!(
            tool("n", &format!("{at}/tools/a/tools/b")).unwrap(),
            ("acme", "gh", "a/tools/b")
        );
        assert_eq!(key("n", "keys/1").unwrap(), "1");
        assert_eq!(
            account("n", &format!("{at}/accounts/1")).unwrap(),
            ("acme", "gh", "1")
        );
        assert_eq!(
            connection("n", &format!("{at}/connections/1")).unwrap(),
            ("acme", "gh", "1")
        );
        assert_eq!(
            oauth_client("n", "oauthClients/github").unwrap(),
            (None, "github")
        );
        assert_eq!(
            oauth_client("n", "tenants/acme/oauthClients/github").unwrap(),
            (Some("acme"), "github")
        );
    }

    #[test]
    fn names_of_another_shape_are_refused_with_their_field() {
        let bad = [
            "",
            "acme",
            "tenants/",
            "tenants/a/b",
            "tenant/a",
            "/tenants/a",
            "tenants/a/",
        ];
        for name in bad {
            assert!(tenant("name", name).is_err(), "{name}");
        }
        for name in [
            "tenants/a",
            "tenants/a/connectors/",
            "tenants//connectors/b",
            "keys/1",
        ] {
            assert!(connector("name", name).is_err(), "{name}");
            assert!(
                process("name", &format!("{name}/process")).is_err(),
                "{name}"
            );
            assert!(tool("name", &format!("{name}/tools/t")).is_err(), "{name}");
        }
        assert!(tool("name", "tenants/a/connectors/b/tools/").is_err());
        assert!(account("name", "tenants/a/connectors/b/accounts/").is_err());
        assert!(connection("name", "tenants/a/connectors/b/accounts/1").is_err());
        for name in [
            "oauthClients/",
            "tenants//oauthClients/a",
            "oauthClients/a/b",
        ] {
            assert!(oauth_client("name", name).is_err(), "{name}");
        }
        let error = key("name", "keys/1/2").unwrap_err();
        assert_eq!(error.to_string(), "name must be keys/{id}");
    }
}
