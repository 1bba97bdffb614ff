//! Accounts, and what is registered for them, as gRPC shows them.

use proto::admin::v1 as pb;
use uuid::Uuid;

use crate::accounts::{
    AccountView, ConnectionView, DisconnectedView, OAuthClientView, OAuthProviderView,
};
use crate::grpc::values::{etag, timestamp};

pub(super) fn provider(view: OAuthProviderView) -> pb::OAuthProvider {
    pb::OAuthProvider {
        provider: view.provider,
        display_name: view.display_name,
        configured: view.configured,
        redirect_uri: view.redirect_uri.unwrap_or_default(),
        scopes: view.scopes,
        user_scopes: view.user_scopes,
        variables: view.variables.into_iter().collect(),
        revocable: view.revocable,
        notes: view.notes,
    }
}

pub(super) fn client(view: OAuthClientView) -> pb::OAuthClient {
    let owner = view
        .tenant
        .map(|slug| format!("tenants/{slug}/"))
        .unwrap_or_default();
    pb::OAuthClient {
        name: format!("{owner}oauthClients/{}", view.provider),
        uid: view.id.to_string(),
        display_name: view.display_name,
        client_id: view.client_id,
        client_secret: None,
        secret_set: view.secret_set,
        variables: view.variables.into_iter().collect(),
        redirect_uri: view.redirect_uri.unwrap_or_default(),
        scopes: view.scopes,
        user_scopes: view.user_scopes,
        create_time: Some(timestamp(view.created_at)),
        update_time: Some(timestamp(view.updated_at)),
        etag: etag(view.version),
    }
}

pub(super) fn connection(tenant: &str, view: ConnectionView) -> pb::Connection {
    use pb::connection::State;
    let state = match view.status.as_str() {
        "offered" => State::Offered,
        "opened" => State::Opened,
        "redirected" => State::Redirected,
        "choosing" => State::Choosing,
        "connected" => State::Connected,
        "failed" => State::Failed,
        "expired" => State::Expired,
        _ => State::Unspecified,
    };
    let connector = format!("tenants/{tenant}/connectors/{}", view.connector);
    pb::Connection {
        name: format!("{connector}/connections/{}", view.id),
        key: key(view.key),
        account: view
            .account
            .map(|id| format!("{connector}/accounts/{id}"))
            .unwrap_or_default(),
        account_display_name: String::new(),
        scopes: Vec::new(),
        state: state.into(),
        problem: view.problem.unwrap_or_default(),
        url: view.url.unwrap_or_default(),
        code: view.code,
        create_time: Some(timestamp(view.created_at)),
        expire_time: Some(timestamp(view.expires_at)),
    }
}

pub(super) fn account(tenant: &str, view: AccountView) -> pb::Account {
    let method = match view.method.as_str() {
        "oauth" => pb::account::Method::Oauth,
        "token" => pb::account::Method::Token,
        "client_credentials" => pb::account::Method::ClientCredentials,
        "jwt_bearer" => pb::account::Method::JwtBearer,
        "account_credentials" => pb::account::Method::AccountCredentials,
        "app_installation" => pb::account::Method::AppInstallation,
        _ => pb::account::Method::Unspecified,
    };
    let state = match view.state.as_str() {
        "connected" => pb::account::State::Connected,
        "needs_reauth" => pb::account::State::NeedsReauth,
        _ => pb::account::State::Unspecified,
    };
    pb::Account {
        name: name(tenant, &view.connector, view.id),
        key: key(view.key),
        display_name: view.name,
        method: method.into(),
        state: state.into(),
        problem: view.problem.unwrap_or_default(),
        preferred: Some(view.preferred),
        subject: view.subject.unwrap_or_default(),
        scopes: view.scopes,
        variables: view.variables.into_iter().collect(),
        expire_time: view.expires_at.map(timestamp),
        refresh_time: view.refreshed_at.map(timestamp),
        create_time: Some(timestamp(view.created_at)),
        update_time: Some(timestamp(view.updated_at)),
    }
}

pub(super) fn disconnected(
    tenant: &str,
    connector: &str,
    view: &DisconnectedView,
) -> pb::DisconnectAccountResponse {
    use pb::disconnect_account_response::Provider;
    let provider = match view.provider.as_str() {
        "revoked" => Provider::Revoked,
        "unsupported" => Provider::Unsupported,
        "failed" => Provider::Failed,
        "not_ours" => Provider::NotOurs,
        _ => Provider::Unspecified,
    };
    pb::DisconnectAccountResponse {
        name: name(tenant, connector, view.id),
        provider: provider.into(),
    }
}

fn name(tenant: &str, connector: &str, id: Uuid) -> String {
    format!("tenants/{tenant}/connectors/{connector}/accounts/{id}")
}

fn key(id: Option<Uuid>) -> String {
    id.map(|id| format!("keys/{id}")).unwrap_or_default()
}
