//! AccountService.

mod view;

use proto::admin::v1 as pb;
use proto::admin::v1::account_service_server::AccountService;
use tonic::Request;

use super::call::{Answer, Call};
use super::status::Fields;
use super::values::{expected, given, page};
use super::{Grpc, names};
use crate::accounts::{
    AccountPatch, NewAccountInput, NewConnection, OAuthClientInput, SignInInput,
};
use crate::error::Error;
use uuid::Uuid;
use view::{account, client, connection, disconnected, provider};

const CLIENT: Fields = &[
    ("client_id", "oauth_client.client_id"),
    ("client_secret", "oauth_client.client_secret"),
    ("variables", "oauth_client.variables"),
];
const CONNECTION: Fields = &[
    ("key", "connection.key"),
    ("account", "connection.account"),
    ("name", "connection.account_display_name"),
    ("scopes", "connection.scopes"),
];
const ACCOUNT: Fields = &[
    ("name", "account.display_name"),
    ("key", "account.key"),
    ("preferred", "account.preferred"),
    ("variables", "account.variables"),
];
const NAMED: Fields = &[];

/// What a program signs in with.
fn sign_in(said: pb::SignIn) -> SignInInput {
    use pb::sign_in::Kind;
    let kind = match said.kind() {
        Kind::ClientCredentials => "client_credentials",
        Kind::JwtBearer => "jwt_bearer",
        Kind::AccountCredentials => "account_credentials",
        Kind::AppInstallation => "app_installation",
        Kind::Unspecified => "",
    };
    SignInInput {
        kind: kind.to_owned(),
        client_id: given(said.client_id),
        client_secret: given(said.client_secret),
        private_key: given(said.private_key),
        key_id: given(said.key_id),
        service_account: given(said.service_account),
        subject: given(said.subject),
        account_id: given(said.account_id),
        installation_id: given(said.installation_id),
        scopes: said.scopes,
    }
}

/// The id in `keys/{id}`, where there is one.
fn key(field: &str, name: &str) -> Result<Option<Uuid>, Error> {
    let Some(name) = Some(name).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let id = names::key(field, name)?.parse();
    let id = id.map_err(|_| Error::invalid(field, "must be keys/{id}"))?;
    Ok(Some(id))
}

#[tonic::async_trait]
impl AccountService for Grpc {
    async fn list_o_auth_providers(
        &self,
        request: Request<pb::ListOAuthProvidersRequest>,
    ) -> Answer<pb::ListOAuthProvidersResponse> {
        let (call, _) = Call::begin(request, NAMED)?;
        let providers = self
            .operations
            .list_oauth_providers(&call.principal())
            .await;
        call.end(providers.map(|all| pb::ListOAuthProvidersResponse {
            providers: all.into_iter().map(provider).collect(),
        }))
    }

    async fn list_o_auth_clients(
        &self,
        request: Request<pb::ListOAuthClientsRequest>,
    ) -> Answer<pb::ListOAuthClientsResponse> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let tenant = match input.parent.as_str() {
                "" => None,
                parent => Some(names::tenant("parent", parent)?),
            };
            let clients = self
                .operations
                .list_oauth_clients(&call.principal(), tenant)
                .await?;
            Ok(pb::ListOAuthClientsResponse {
                oauth_clients: clients.into_iter().map(client).collect(),
            })
        };
        call.end(done.await)
    }

    async fn set_o_auth_client(
        &self,
        request: Request<pb::SetOAuthClientRequest>,
    ) -> Answer<pb::OAuthClient> {
        let (call, input) = Call::begin(request, CLIENT)?;
        let done = async {
            let given = input.oauth_client.unwrap_or_default();
            let (tenant, provider) = names::oauth_client("oauth_client.name", &given.name)?;
            let change = OAuthClientInput {
                client_id: given.client_id,
                client_secret: given
                    .client_secret
                    .map(|secret| Some(secret).filter(|secret| !secret.is_empty())),
                variables: given.variables.into_iter().collect(),
            };
            let expected = expected(&given.etag);
            let stored = self
                .operations
                .put_oauth_client(&call.principal(), tenant, provider, change, &expected)
                .await?;
            Ok(client(stored))
        };
        call.end(done.await)
    }

    async fn delete_o_auth_client(
        &self,
        request: Request<pb::DeleteOAuthClientRequest>,
    ) -> Answer<()> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, provider) = names::oauth_client("name", &input.name)?;
            let expected = expected(&input.etag);
            self.operations
                .delete_oauth_client(&call.principal(), tenant, provider, &expected)
                .await
        };
        call.end(done.await)
    }

    async fn create_connection(
        &self,
        request: Request<pb::CreateConnectionRequest>,
    ) -> Answer<pb::Connection> {
        let (call, input) = Call::begin(request, CONNECTION)?;
        let done = async {
            let (tenant, slug) = names::connector("parent", &input.parent)?;
            let wish = input.connection.unwrap_or_default();
            let again = match wish.account.as_str() {
                "" => None,
                name => {
                    let (.., id) = names::account("connection.account", name)?;
                    let rule = "must be the name of an account";
                    let id = id.parse();
                    Some(id.map_err(|_| Error::invalid("connection.account", rule))?)
                }
            };
            let new = NewConnection {
                key: key("connection.key", &wish.key)?,
                account: again,
                name: given(wish.account_display_name),
                scopes: wish.scopes,
            };
            let begun = self
                .operations
                .create_connection(&call.principal(), tenant, slug, new)
                .await?;
            Ok(connection(tenant, begun))
        };
        call.end(done.await)
    }

    async fn get_connection(
        &self,
        request: Request<pb::GetConnectionRequest>,
    ) -> Answer<pb::Connection> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, slug, id) = names::connection("name", &input.name)?;
            let found = self
                .operations
                .get_connection(&call.principal(), tenant, slug, id)
                .await?;
            Ok(connection(tenant, found))
        };
        call.end(done.await)
    }

    async fn list_accounts(
        &self,
        request: Request<pb::ListAccountsRequest>,
    ) -> Answer<pb::ListAccountsResponse> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, slug) = names::connector("parent", &input.parent)?;
            let key = match input.key.as_str() {
                "" => None,
                name => Some(names::key("key", name)?),
            };
            let request = page(input.page_size, input.page_token)?;
            let page = self
                .operations
                .list_accounts(&call.principal(), tenant, slug, key, &request)
                .await?;
            Ok(pb::ListAccountsResponse {
                accounts: page
                    .items
                    .into_iter()
                    .map(|view| account(tenant, view))
                    .collect(),
                next_page_token: page.next.unwrap_or_default(),
            })
        };
        call.end(done.await)
    }

    async fn get_account(&self, request: Request<pb::GetAccountRequest>) -> Answer<pb::Account> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, slug, id) = names::account("name", &input.name)?;
            let found = self
                .operations
                .get_account(&call.principal(), tenant, slug, id)
                .await?;
            Ok(account(tenant, found))
        };
        call.end(done.await)
    }

    async fn create_account(
        &self,
        request: Request<pb::CreateAccountRequest>,
    ) -> Answer<pb::Account> {
        let (call, input) = Call::begin(request, ACCOUNT)?;
        let done = async {
            let (tenant, slug) = names::connector("parent", &input.parent)?;
            let wish = input.account.unwrap_or_default();
            let new = NewAccountInput {
                name: wish.display_name,
                key: key("account.key", &wish.key)?,
                token: given(input.token),
                username: given(input.username),
                password: given(input.password),
                sign_in: input.sign_in.map(sign_in),
                preferred: wish.preferred,
                variables: wish.variables.into_iter().collect(),
            };
            let created = self
                .operations
                .create_account(&call.principal(), tenant, slug, new)
                .await?;
            Ok(account(tenant, created))
        };
        call.end(done.await)
    }

    async fn update_account(
        &self,
        request: Request<pb::UpdateAccountRequest>,
    ) -> Answer<pb::Account> {
        let (call, input) = Call::begin(request, ACCOUNT)?;
        let done = async {
            let wish = input.account.unwrap_or_default();
            let (tenant, slug, id) = names::account("account.name", &wish.name)?;
            let change = AccountPatch {
                name: given(wish.display_name).map(Some),
                preferred: wish.preferred.map(Some),
                sign_in: input.sign_in.map(sign_in),
                variables: wish.variables.into_iter().collect(),
            };
            let changed = self
                .operations
                .update_account(&call.principal(), tenant, slug, id, change)
                .await?;
            Ok(account(tenant, changed))
        };
        call.end(done.await)
    }

    async fn disconnect_account(
        &self,
        request: Request<pb::DisconnectAccountRequest>,
    ) -> Answer<pb::DisconnectAccountResponse> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let (tenant, slug, id) = names::account("name", &input.name)?;
            let ended = self
                .operations
                .disconnect_account(&call.principal(), tenant, slug, id)
                .await?;
            Ok(disconnected(tenant, slug, &ended))
        };
        call.end(done.await)
    }
}
