//! What is registered at providers, connections under way, and accounts.

use http::Method;
use proto::admin::v1 as pb;
use serde_json::json;

use super::{Both, NONE};
use crate::grpc::tests::rest_of;

const CONNECTOR: &str = "tenants/acme/connectors/gh";

/// Operations of the operator, and of a tenant, are one method each.
pub(super) async fn clients(both: &mut Both) {
    let path = "/oauth-providers";
    both.same(
        "listOAuthProviders",
        (Method::GET, path, NONE),
        async |mut c| {
            let list = c
                .accounts
                .list_o_auth_providers(pb::ListOAuthProvidersRequest {});
            let all = list.await?.into_inner().providers;
            let all = all.into_iter().map(rest_of::oauth_provider).collect();
            Ok(rest_of::list("providers", all, String::new()))
        },
    )
    .await;
    let whose = [
        ("", "/oauth-clients", ["putOAuthClient", "listOAuthClients"]),
        (
            "tenants/acme",
            "/tenants/acme/oauth-clients",
            ["putTenantOAuthClient", "listTenantOAuthClients"],
        ),
    ];
    for (parent, path, [put, list]) in whose {
        let body = json!({"client_id": "c-1", "client_secret": "s-1"});
        let one = format!("{path}/github");
        let client = both
            .same(put, (Method::PUT, &one, body), async |mut c| {
                let name = rest_of::oauth_client_name(parent);
                let request = pb::SetOAuthClientRequest {
                    oauth_client: Some(pb::OAuthClient {
                        name,
                        client_id: "c-1".to_owned(),
                        client_secret: Some("s-1".to_owned()),
                        ..Default::default()
                    }),
                };
                let set = c.accounts.set_o_auth_client(request).await?;
                Ok(rest_of::oauth_client(set.into_inner()))
            })
            .await;
        assert_eq!(client["secret_set"], json!(true));
        assert_eq!(
            client["redirect_uri"],
            json!("https://tools.example.com/api/v1/oauth/callback")
        );
        both.same(list, (Method::GET, path, NONE), async |mut c| {
            let request = pb::ListOAuthClientsRequest {
                parent: parent.to_owned(),
            };
            let list = c.accounts.list_o_auth_clients(request).await?.into_inner();
            let all = list.oauth_clients.into_iter().map(rest_of::oauth_client);
            Ok(rest_of::list("clients", all.collect(), String::new()))
        })
        .await;
    }
    let nope = "/oauth-clients/nope";
    let body = json!({"client_id": "c"});
    both.same(
        "putOAuthClient",
        (Method::PUT, nope, body),
        async |mut c| {
            let request = pb::SetOAuthClientRequest {
                oauth_client: Some(pb::OAuthClient {
                    name: "oauthClients/nope".to_owned(),
                    client_id: "c".to_owned(),
                    ..Default::default()
                }),
            };
            Err(c.accounts.set_o_auth_client(request).await.unwrap_err())
        },
    )
    .await;
}

pub(super) async fn connections(both: &mut Both) {
    let path = format!("/{CONNECTOR}/connections");
    let body = json!({"scopes": ["gist"]});
    let begun = both
        .same(
            "createConnection",
            (Method::POST, &path, body),
            async |mut c| {
                let request = pb::CreateConnectionRequest {
                    parent: CONNECTOR.to_owned(),
                    connection: Some(pb::Connection {
                        scopes: vec!["gist".to_owned()],
                        ..Default::default()
                    }),
                };
                let begun = c.accounts.create_connection(request).await?.into_inner();
                assert!(begun.url.starts_with("https://tools.example.com/connect/"));
                Ok(rest_of::connection(begun))
            },
        )
        .await;
    let id = begun["id"].as_str().unwrap().to_owned();
    let one = format!("{path}/{id}");
    both.same("getConnection", (Method::GET, &one, NONE), async |mut c| {
        let name = format!("{CONNECTOR}/connections/{id}");
        let request = pb::GetConnectionRequest { name };
        let found = c.accounts.get_connection(request).await?.into_inner();
        assert_eq!(found.url, "", "it is told once");
        Ok(rest_of::connection(found))
    })
    .await;
}

pub(super) async fn accounts(both: &mut Both) {
    let path = format!("/{CONNECTOR}/accounts");
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        let body = json!({"name": name, "token": "t-1", "variables": {"site": "acme"}});
        let created = both
            .same(
                "createAccount",
                (Method::POST, &path, body),
                async |mut c| {
                    let request = pb::CreateAccountRequest {
                        parent: CONNECTOR.to_owned(),
                        account: Some(pb::Account {
                            display_name: name.to_owned(),
                            variables: [("site".to_owned(), "acme".to_owned())].into(),
                            ..Default::default()
                        }),
                        token: "t-1".to_owned(),
                        ..Default::default()
                    };
                    let created = c.accounts.create_account(request).await?.into_inner();
                    Ok(rest_of::account(created))
                },
            )
            .await;
        ids.push(created["id"].as_str().unwrap().to_owned());
    }
    let body = json!({"name": "app", "sign_in": {"kind": "", "client_id": "1"}});
    both.same(
        "createAccount",
        (Method::POST, &path, body),
        async |mut c| {
            let request = pb::CreateAccountRequest {
                parent: CONNECTOR.to_owned(),
                account: Some(pb::Account {
                    display_name: "app".to_owned(),
                    ..Default::default()
                }),
                sign_in: Some(pb::SignIn {
                    client_id: "1".to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            };
            Err(c.accounts.create_account(request).await.unwrap_err())
        },
    )
    .await;
    let (one, name) = (format!("{path}/{}", ids[0]), || {
        format!("{CONNECTOR}/accounts/{}", ids[0])
    });
    both.same("getAccount", (Method::GET, &one, NONE), async |mut c| {
        let request = pb::GetAccountRequest { name: name() };
        let found = c.accounts.get_account(request).await?.into_inner();
        Ok(rest_of::account(found))
    })
    .await;
    let body = json!({"name": "first", "preferred": true});
    let changed = both
        .same(
            "updateAccount",
            (Method::PATCH, &one, body),
            async |mut c| {
                let request = pb::UpdateAccountRequest {
                    account: Some(pb::Account {
                        name: name(),
                        display_name: "first".to_owned(),
                        preferred: Some(true),
                        ..Default::default()
                    }),
                    sign_in: None,
                };
                let changed = c.accounts.update_account(request).await?.into_inner();
                Ok(rest_of::account(changed))
            },
        )
        .await;
    assert_eq!(changed["preferred"], json!(true));
    let body = json!({"name": "two"});
    both.same(
        "updateAccount",
        (Method::PATCH, &one, body),
        async |mut c| {
            let request = pb::UpdateAccountRequest {
                account: Some(pb::Account {
                    name: name(),
                    display_name: "two".to_owned(),
                    ..Default::default()
                }),
                sign_in: None,
            };
            Err(c.accounts.update_account(request).await.unwrap_err())
        },
    )
    .await;
    let paged = format!("{path}?page_size=1");
    both.same(
        "listAccounts",
        (Method::GET, &paged, NONE),
        async |mut c| {
            let request = pb::ListAccountsRequest {
                parent: CONNECTOR.to_owned(),
                page_size: 1,
                ..Default::default()
            };
            let page = c.accounts.list_accounts(request).await?.into_inner();
            let all = page.accounts.into_iter().map(rest_of::account).collect();
            Ok(rest_of::list("accounts", all, page.next_page_token))
        },
    )
    .await;
    both.same(
        "disconnectAccount",
        (Method::DELETE, &one, NONE),
        async |mut c| {
            let request = pb::DisconnectAccountRequest { name: name() };
            let ended = c.accounts.disconnect_account(request).await?.into_inner();
            Ok(rest_of::disconnected(ended))
        },
    )
    .await;
}

pub(super) async fn ends(both: &mut Both) {
    for (parent, path, operation) in [
        (
            "tenants/acme",
            "/tenants/acme/oauth-clients/github",
            "deleteTenantOAuthClient",
        ),
        ("", "/oauth-clients/github", "deleteOAuthClient"),
    ] {
        both.same(operation, (Method::DELETE, path, NONE), async |mut c| {
            let request = pb::DeleteOAuthClientRequest {
                name: rest_of::oauth_client_name(parent),
                ..Default::default()
            };
            let deleted = c.accounts.delete_o_auth_client(request).await;
            deleted.map(|_| NONE)
        })
        .await;
    }
    let path = format!("/{CONNECTOR}/connections");
    both.same(
        "createConnection",
        (Method::POST, &path, NONE),
        async |mut c| {
            let request = pb::CreateConnectionRequest {
                parent: CONNECTOR.to_owned(),
                ..Default::default()
            };
            Err(c.accounts.create_connection(request).await.unwrap_err())
        },
    )
    .await;
}
