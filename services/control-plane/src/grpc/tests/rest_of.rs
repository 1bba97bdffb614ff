//! What REST says where gRPC says this: the correspondence of the two, field by field.

use prost_types::Timestamp;
use proto::admin::v1 as pb;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

fn at(time: Option<Timestamp>) -> Value {
    let Some(Timestamp { seconds, nanos }) = time else {
        return Value::Null;
    };
    let nanos = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap();
    time.format(&Rfc3339).unwrap().into()
}

fn version(etag: &str) -> i64 {
    etag.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap()
        .parse()
        .unwrap()
}

/// The enum value's own part of its name.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap().to_ascii_lowercase()
}

fn nullable(text: String) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        text.into()
    }
}

fn raw(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(text).unwrap()
    }
}

/// What stands behind the last of `before` in a name.
fn last(name: &str, before: &str) -> String {
    name.split_once(before).unwrap().1.to_owned()
}

/// A list, and the token of its next page if there is one.
pub(super) fn list(items: &str, values: Vec<Value>, next: String) -> Value {
    let mut list = json!({ items: values });
    if !next.is_empty() {
        list["next_page_token"] = next.into();
    }
    list
}

pub(super) fn tenant(tenant: pb::Tenant) -> Value {
    let state = word(tenant.state().as_str_name(), "STATE_");
    json!({
        "id": tenant.uid,
        "slug": last(&tenant.name, "tenants/"),
        "name": tenant.display_name,
        "description": tenant.description,
        "contact_email": tenant.contact_email,
        "state": state,
        "created_at": at(tenant.create_time),
        "updated_at": at(tenant.update_time),
        "version": version(&tenant.etag),
    })
}

pub(super) fn key(key: pb::Key) -> Value {
    let scope = word(key.scope().as_str_name(), "SCOPE_");
    let state = word(key.state().as_str_name(), "STATE_");
    json!({
        "id": last(&key.name, "keys/"),
        "name": key.display_name,
        "scope": scope,
        "tenant": key.tenant.strip_prefix("tenants/"),
        "state": state,
        "created_at": at(key.create_time),
        "expires_at": at(key.expire_time),
        "revoked_at": at(key.revoke_time),
        "last_used_at": at(key.last_use_time),
    })
}

pub(super) fn connector_type(known: pb::ConnectorType) -> Value {
    json!({
        "type": known.r#type,
        "display_name": known.display_name,
        "tools": known.tools,
        "kind": word(known.kind().as_str_name(), "KIND_"),
        "settings": known.settings.iter().map(setting).collect::<Value>(),
        "account_addresses": known
            .account_addresses
            .iter()
            .map(|address| json!({"url": address.url, "variables": address.variables}))
            .collect::<Value>(),
    })
}

fn setting(known: &pb::ConnectorSetting) -> Value {
    let default = &known.default;
    json!({
        "name": known.name,
        "required": word(known.required().as_str_name(), "REQUIRED_"),
        "description": known.description,
        "default": (!default.is_empty()).then_some(default),
        "examples": known.examples,
    })
}

pub(super) fn connector(connector: pb::Connector) -> Value {
    use pb::connector::Config;
    let on_change = word(connector.on_change().as_str_name(), "ON_CHANGE_");
    assert_eq!(connector.secrets, None, "secrets never come back");
    let set = |fields: &[(&str, Value)]| {
        let given = fields
            .iter()
            .filter(|(_, value)| *value != json!("") && !value.is_null());
        Value::Object(
            given
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        )
    };
    let config = match connector.config.unwrap() {
        Config::Native(native) => set(&[("base_url", native.base_url.into())]),
        Config::RemoteMcp(remote) => set(&[("url", remote.url.into())]),
        Config::HostedMcp(hosted) => set(&[
            ("command", hosted.command.into()),
            ("working_directory", hosted.working_directory.into()),
        ]),
    };
    let (credential, sync) = (connector.credential.unwrap(), connector.sync.unwrap());
    let changed = sync.changed.clone().unwrap();
    json!({
        "id": connector.uid,
        "slug": last(&connector.name, "/connectors/"),
        "display_name": connector.display_name,
        "type": connector.r#type,
        "enabled": connector.enabled,
        "prefix": connector.prefix,
        "on_change": on_change,
        "config": config,
        "credential": {
            "token_set": credential.token_set,
            "header_names": credential.header_names,
            "env_names": credential.env_names,
        },
        "sync": {
            "state": word(sync.state().as_str_name(), "STATE_"),
            "at": at(sync.time),
            "error": nullable(sync.error),
            "tools": sync.tools,
            "changed": {"count": changed.count, "names": changed.names},
        },
        "created_at": at(connector.create_time),
        "updated_at": at(connector.update_time),
        "version": version(&connector.etag),
    })
}

pub(super) fn tool_changes(changes: pb::ToolChanges) -> Value {
    let place = |found: pb::Difference| {
        let mut place = json!({"path": found.path});
        for (side, text) in [("before", found.before_json), ("after", found.after_json)] {
            if let Some(text) = text {
                place[side] = raw(&text);
            }
        }
        place
    };
    json!({
        "name": last(&changes.name, "/tools/"),
        "state": word(changes.state().as_str_name(), "STATE_"),
        "hash": changes.hash,
        "pending_hash": nullable(changes.pending_hash),
        "approved": raw(&changes.approved_json),
        "pending": raw(&changes.pending_json),
        "diff": changes.diff.into_iter().map(place).collect::<Vec<_>>(),
        "diff_complete": changes.diff_complete,
    })
}

pub(super) fn tool(tool: pb::Tool) -> Value {
    let state = word(tool.state().as_str_name(), "STATE_");
    json!({
        "state": state,
        "hash": tool.hash,
        "pending_hash": nullable(tool.pending_hash),
        "name": last(&tool.name, "/tools/"),
        "exposed_name": tool.exposed_name,
        "title": nullable(tool.title),
        "description": nullable(tool.description),
        "enabled": tool.enabled,
        "annotations": raw(&tool.annotations_json),
        "input_schema": raw(&tool.input_schema_json),
        "output_schema": raw(&tool.output_schema_json),
    })
}

pub(super) fn process(process: pb::Process) -> Value {
    json!({
        "state": word(process.state().as_str_name(), "STATE_"),
        "pid": process.pid,
        "started_at": at(process.start_time),
        "restarts": process.restarts,
        "last_exit": nullable(process.last_exit),
    })
}

pub(super) fn stderr_line(line: pb::StderrLine) -> Value {
    json!({"at": at(line.time), "text": line.text})
}

pub(super) fn node(node: pb::Node) -> Value {
    json!({
        "id": last(&node.name, "nodes/"),
        "role": word(node.role().as_str_name(), "ROLE_").replace('_', "-"),
        "state": word(node.state().as_str_name(), "STATE_"),
        "version": node.version,
        "address": nullable(node.address),
        "enforced_revision": node.enforced_revision,
        "load": node.load,
        "capacity": node.capacity,
        "started_at": at(node.start_time),
        "last_seen_at": at(node.last_seen_time),
    })
}

pub(super) fn oauth_provider(provider: pb::OAuthProvider) -> Value {
    json!({
        "provider": provider.provider,
        "display_name": provider.display_name,
        "configured": provider.configured,
        "redirect_uri": nullable(provider.redirect_uri),
        "scopes": provider.scopes,
        "user_scopes": provider.user_scopes,
        "variables": provider.variables,
        "revocable": provider.revocable,
        "notes": provider.notes,
    })
}

/// Of the client for `github`.
pub(super) fn oauth_client_name(parent: &str) -> String {
    format!("{parent}/oauthClients/github")
        .trim_start_matches('/')
        .to_owned()
}

pub(super) fn oauth_client(client: pb::OAuthClient) -> Value {
    assert_eq!(client.client_secret, None, "secrets never come back");
    let tenant = client.name.strip_prefix("tenants/");
    let tenant = tenant.and_then(|rest| rest.split_once('/'));
    json!({
        "id": client.uid,
        "provider": last(&client.name, "oauthClients/"),
        "display_name": client.display_name,
        "tenant": tenant.map(|(slug, _)| slug),
        "client_id": client.client_id,
        "secret_set": client.secret_set,
        "variables": client.variables,
        "redirect_uri": nullable(client.redirect_uri),
        "scopes": client.scopes,
        "user_scopes": client.user_scopes,
        "created_at": at(client.create_time),
        "updated_at": at(client.update_time),
        "version": version(&client.etag),
    })
}

/// But for its link and code, which are never the same twice.
pub(super) fn connection(connection: pb::Connection) -> Value {
    let account = connection.account.rsplit_once('/').map(|(_, id)| id);
    let state = word(connection.state().as_str_name(), "STATE_");
    assert_eq!(connection.code.len(), 9, "a short code");
    json!({
        "id": last(&connection.name, "/connections/"),
        "connector": between(&connection.name, "/connectors/", "/connections/"),
        "key": connection.key.strip_prefix("keys/"),
        "status": state,
        "account": account,
        "problem": nullable(connection.problem.clone()),
        "created_at": at(connection.create_time),
        "expires_at": at(connection.expire_time),
    })
}

pub(super) fn account(account: pb::Account) -> Value {
    json!({
        "id": last(&account.name, "/accounts/"),
        "connector": between(&account.name, "/connectors/", "/accounts/"),
        "key": account.key.strip_prefix("keys/"),
        "name": account.display_name,
        "method": word(account.method().as_str_name(), "METHOD_"),
        "state": word(account.state().as_str_name(), "STATE_"),
        "problem": nullable(account.problem.clone()),
        "preferred": account.preferred,
        "subject": nullable(account.subject.clone()),
        "scopes": account.scopes,
        "variables": account.variables,
        "expires_at": at(account.expire_time),
        "refreshed_at": at(account.refresh_time),
        "created_at": at(account.create_time),
        "updated_at": at(account.update_time),
    })
}

pub(super) fn disconnected(ended: pb::DisconnectAccountResponse) -> Value {
    json!({
        "id": last(&ended.name, "/accounts/"),
        "provider": word(ended.provider().as_str_name(), "PROVIDER_"),
    })
}

fn between(name: &str, before: &str, after: &str) -> String {
    let (rest, _) = name.split_once(after).unwrap();
    last(rest, before)
}
