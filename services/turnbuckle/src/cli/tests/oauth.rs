//! `turnbuckle oauth`.

use serde_json::{Value, json};

use super::{Server, World};

const CONNECTIONS: &str = "POST /api/v1/admin/tenants/acme/connectors/gh/connections";
const CONNECTION: &str = "GET /api/v1/admin/tenants/acme/connectors/gh/connections/f-1";
const ACCOUNT: &str = "GET /api/v1/admin/tenants/acme/connectors/gh/accounts/a-1";

fn connection(status: &str) -> Value {
    json!({
        "id": "f-1", "connector": "gh", "key": null, "status": status, "problem": null,
        "account": (status == "connected").then_some("a-1"), "code": "ABCD-1234",
        "url": "https://tools.example.com/connect/nonce", "expires_at": "2026-11-21T09:00:00Z",
    })
}

#[tokio::test]
async fn authorize_shows_a_link_waits_for_the_person_and_shows_the_account() {
    let server = Server::start().await;
    server.on(CONNECTIONS, 201, &connection("offered"));
    server.on(CONNECTION, 200, &connection("opened"));
    server.on(CONNECTION, 503, &json!({"title": "away", "status": 503}));
    server.on(CONNECTION, 200, &connection("connected"));
    let account = json!({"id": "a-1", "name": "ada", "connector": "gh", "state": "connected"});
    server.on(ACCOUNT, 200, &account);

    let ran = server
        .run(&[
            "oauth",
            "authorize",
            "gh",
            "--tenant",
            "acme",
            "--scope",
            "gist",
        ])
        .await;

    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("https://tools.example.com/connect/nonce"));
    assert!(ran.err.contains("the code ABCD-1234"), "{}", ran.err);
    assert!(ran.out.contains("Name:         ada"), "{}", ran.out);
    assert_eq!(server.seen()[0].body, json!({"scopes": ["gist"]}));
}

#[tokio::test]
async fn authorize_fails_when_the_person_does_not_connect() {
    for (ended, why) in [("expired", "in time"), ("failed", "declined")] {
        let server = Server::start().await;
        server.on(CONNECTIONS, 201, &connection("offered"));
        let mut last = connection(ended);
        last["problem"] = "you declined".into();
        server.on(CONNECTION, 200, &last);

        let ran = server
            .run(&["oauth", "authorize", "gh", "--tenant", "acme"])
            .await;

        assert_eq!(ran.code, 1);
        assert!(ran.err.contains(why), "{}", ran.err);
    }
}

#[tokio::test]
async fn authorize_without_waiting_prints_the_link_for_the_tenant_and_key_at_hand() {
    let server = Server::start().await;
    let own = json!({"key": {"id": "k-1", "tenant": "acme"}});
    server.on("GET /api/v1/admin/whoami", 200, &own);
    server.on(CONNECTIONS, 201, &connection("offered"));

    let words = [
        "oauth",
        "authorize",
        "gh",
        "--for-key",
        "--no-wait",
        "-o",
        "json",
    ];
    let ran = server.run(&words).await;

    assert_eq!(ran.json(), connection("offered"));
    let asked = server.seen();
    assert_eq!(
        asked.last().unwrap().body,
        json!({"scopes": [], "key": "k-1"})
    );
}

#[tokio::test]
async fn a_key_of_no_tenant_must_say_which() {
    let server = Server::start().await;
    let own = json!({"key": {"id": "k-1", "tenant": null}});
    server.on("GET /api/v1/admin/whoami", 200, &own);

    let ran = server.run(&["oauth", "status", "gh"]).await;

    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--tenant"), "{}", ran.err);
}

#[tokio::test]
async fn a_client_is_set_with_a_secret_that_is_no_argument() {
    let server = Server::start().await;
    let line = "PUT /api/v1/admin/tenants/acme/oauth-clients/teams";
    server.on(line, 200, &json!({"provider": "teams", "client_id": "c-1"}));
    let words = [
        "oauth",
        "clients",
        "set",
        "teams",
        "--client-id",
        "c-1",
        "--secret-from-env",
        "S",
        "--variable",
        "tenant=contoso.com",
        "--tenant",
        "acme",
    ];

    let ran = server
        .run_in(World::with(&[("S", "hunter2")]), &words)
        .await;

    assert_eq!(ran.code, 0, "{}", ran.err);
    let wanted = json!({
        "client_id": "c-1", "client_secret": "hunter2", "variables": {"tenant": "contoso.com"},
    });
    assert_eq!(server.seen()[0].body, wanted);
}

#[tokio::test]
async fn revoke_says_what_is_left_to_do_at_the_provider() {
    let server = Server::start().await;
    let line = "DELETE /api/v1/admin/tenants/acme/connectors/gh/accounts/a-1";
    server.on(line, 200, &json!({"id": "a-1", "provider": "failed"}));

    let ran = server
        .run(&["oauth", "revoke", "gh", "a-1", "--tenant", "acme"])
        .await;

    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("end the access there too"), "{}", ran.err);
}

const ACCOUNTS: &str = "POST /api/v1/admin/tenants/acme/connectors/gh/accounts";

#[tokio::test]
async fn an_account_is_made_of_a_credential_from_standard_input_a_file_or_the_environment() {
    let key_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&key_file, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    let key_path = key_file.path().to_str().unwrap();
    let common = ["oauth", "add", "gh", "--tenant", "acme", "--name", "bot"];
    for (words, wanted) in [
        (
            &["--secret-from-file", "-"][..],
            json!({"token": "hunter2"}),
        ),
        (
            &[
                "--secret-from-env",
                "S",
                "--username",
                "ada@example.com",
                "--variable",
                "site=acme",
            ],
            json!({"username": "ada@example.com", "password": "of-env", "variables": {"site": "acme"}}),
        ),
        (
            &[
                "--kind",
                "app_installation",
                "--client-id",
                "c-1",
                "--installation-id",
                "7",
                "--private-key-file",
                key_path,
                "--not-preferred",
                "--for-key=k-1",
            ],
            json!({
                "key": "k-1",
                "preferred": false,
                "sign_in": {
                    "kind": "app_installation", "client_id": "c-1", "installation_id": "7",
                    "private_key": "-----BEGIN PRIVATE KEY-----",
                },
            }),
        ),
    ] {
        let server = Server::start().await;
        let account = json!({"id": "a-1", "name": "bot", "state": "connected", "subject": "ada"});
        server.on(ACCOUNTS, 201, &account);
        let world = World {
            input: "hunter2\n",
            ..World::with(&[("S", "of-env")])
        };

        let ran = server.run_in(world, &[&common, words].concat()).await;

        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.out.contains("Connected as: ada"), "{}", ran.out);
        let mut body = json!({"name": "bot", "preferred": true});
        let members = wanted.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(members);
        assert_eq!(server.seen()[0].body, body);
    }
}

#[tokio::test]
async fn an_account_without_a_credential_is_no_request() {
    let server = Server::start().await;
    let words = ["oauth", "add", "gh", "--tenant", "acme", "--name", "bot"];

    let ran = server.run(&words).await;

    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--secret-from-file"), "{}", ran.err);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn whoever_may_not_list_connectors_is_asked_to_name_one() {
    let server = Server::start().await;
    let problem = json!({"title": "Forbidden", "status": 403});
    server.on(
        "GET /api/v1/admin/tenants/acme/connectors?page_size=500",
        403,
        &problem,
    );

    let ran = server.run(&["oauth", "status", "--tenant", "acme"]).await;

    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("say which one"), "{}", ran.err);
}
