//! Two tenants: nothing of one opens anything of the other, and neither learns that it is there.

use reqwest::Method;
use serde_json::{Value, json};

use super::Platform;
use super::access::{operations, try_operation};
use crate::harness::{Answer, Mcp, NodeServer, Session};

/// `acme` and `rival`, each with a connector of the same name and keys of its own.
struct Two {
    platform: Platform,
    _upstream: NodeServer,
    acme: String,
    rival: String,
}

impl Two {
    async fn start() -> Self {
        let upstream = NodeServer::modern().await;
        let platform = Platform::start().await;
        let acme = platform.tenant("acme").await;
        let rival = platform.tenant("rival").await;
        let connector =
            json!({ "slug": "gh", "type": "remote_mcp", "config": { "url": upstream.url } });
        for tenant in ["acme", "rival"] {
            platform.connector(tenant, &connector).await;
        }
        Self {
            platform,
            _upstream: upstream,
            acme,
            rival,
        }
    }

    /// Both endpoints of a tenant.
    fn endpoints(&self, tenant: &str, key: &str) -> [Mcp; 2] {
        [
            self.platform.mcp(tenant, key),
            self.platform.connector_mcp(tenant, "gh", key),
        ]
    }
}

/// What a caller can tell an answer by; ids of the request are its own.
fn seen(answer: &Answer) -> (u16, String, Value) {
    let mut body = answer.json.clone();
    for part in ["request_id", "instance"] {
        if let Some(value) = body.get_mut(part) {
            *value = Value::Null;
        }
    }
    (
        answer.status,
        answer.header("www-authenticate").to_owned(),
        body,
    )
}

/// All that a client can send to an endpoint, with a session of whoever.
async fn everything(mcp: &Mcp, session: &Session) -> Vec<Answer> {
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "scenario", "version": "1" },
        },
    });
    let call = json!({ "name": "echo", "arguments": { "message": "hi" } });
    let session = session.through(mcp);
    vec![
        mcp.modern("server/discover", json!({})).await,
        mcp.modern("tools/list", json!({})).await,
        mcp.modern("tools/call", call.clone()).await,
        mcp.post(&initialize, &[]).await,
        mcp.post(&list, &[]).await,
        session.request("tools/list", json!({})).await,
        session.request("tools/call", call).await,
        session.send(Method::GET, None).await,
        session.send(Method::DELETE, None).await,
    ]
}

#[tokio::test]
async fn a_key_sees_another_tenant_as_one_that_does_not_exist_on_every_mcp_route() {
    let two = Two::start().await;

    for (foreign, absent) in two
        .endpoints("acme", &two.rival)
        .iter()
        .zip(&two.endpoints("nobody", &two.rival))
    {
        // A session of the victim, and one of the attacker's own.
        for session in [
            two.platform.mcp("acme", &two.acme).open().await,
            two.platform.mcp("rival", &two.rival).open().await,
        ] {
            let answers = everything(foreign, &session).await;
            let expected = everything(absent, &session).await;
            for (answer, expected) in answers.iter().zip(&expected) {
                assert!(
                    (400..500).contains(&answer.status),
                    "{}: {}",
                    foreign.url,
                    answer.text
                );
                let expected = seen(expected);
                let (status, challenge, body) = seen(answer);
                assert_eq!(
                    (status, challenge),
                    (expected.0, expected.1),
                    "{}",
                    answer.text
                );
                let text = body.to_string().replace("acme", "nobody");
                assert_eq!(text, expected.2.to_string(), "{}", foreign.url);
            }
        }
    }
}

#[tokio::test]
async fn a_session_opens_only_for_its_key_at_its_endpoint() {
    let two = Two::start().await;
    let [mine, my_connector] = two.endpoints("acme", &two.acme);
    let [theirs, their_connector] = two.endpoints("rival", &two.rival);
    let colleague = two.platform.key("acme", "tenant_user").await;
    let session = mine.open().await;

    for elsewhere in [
        &theirs,
        &their_connector,
        &my_connector,
        &mine.with_key(&colleague),
    ] {
        let stolen = session.through(elsewhere);
        for answer in [
            stolen.request("tools/list", json!({})).await,
            stolen
                .request("tools/call", json!({ "name": "echo", "arguments": {} }))
                .await,
            stolen.send(Method::DELETE, None).await,
        ] {
            assert_eq!(answer.status, 404, "{}: {}", elsewhere.url, answer.text);
        }
        // Whether or not there are streams to open, not with this session.
        let answer = stolen.send(Method::GET, None).await;
        assert!(
            [404, 405].contains(&answer.status),
            "{}: {}",
            elsewhere.url,
            answer.text
        );
    }

    let answer = session.request("tools/list", json!({})).await;
    assert_eq!(
        answer.status, 200,
        "and nobody could end it: {}",
        answer.text
    );
}

#[tokio::test]
async fn a_cursor_of_one_tenant_is_worth_nothing_at_another() {
    let two = Two::start().await;
    let [_, their_connector] = two.endpoints("rival", &two.rival);

    let answer = their_connector
        .modern("tools/list", json!({ "cursor": "bm9uc2Vuc2U" }))
        .await;

    assert_eq!(
        answer.response()["error"]["code"],
        -32602,
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn an_admin_sees_another_tenant_as_one_that_does_not_exist_on_every_admin_route() {
    let two = Two::start().await;
    let rival = two
        .platform
        .api(&two.platform.key("rival", "tenant_admin").await);
    let before = two.platform.mcp("acme", &two.acme).tools().await;
    let foreign = operations(&two.platform, "acme").await;
    let absent = operations(&two.platform, "nobody").await;

    let mut compared = 0;
    for ((method, path), (_, absent)) in foreign.iter().zip(&absent) {
        if !path.starts_with("/tenants/") {
            continue;
        }
        let answer = try_operation(&rival, method, path).await;
        let expected = try_operation(&rival, method, absent).await;

        answer.expect_problem(404, "tenant-not-found");
        let text = seen(&answer).2.to_string().replace("acme", "nobody");
        assert_eq!(text, seen(&expected).2.to_string(), "{method} {path}");
        compared += 1;
    }
    assert!(compared >= 20, "only {compared} routes compared");

    let tools = two.platform.mcp("acme", &two.acme).tools().await;
    assert!(!tools.is_empty());
    assert_eq!(tools, before, "and all that was tried changed nothing");
}

#[tokio::test]
async fn the_keys_of_a_tenant_are_nobody_elses() {
    let two = Two::start().await;
    let admin_key = two.platform.key("rival", "tenant_admin").await;
    let rival = two.platform.api(&admin_key);
    let acme = two.platform.api(&two.acme).get("/whoami").await.expect(200);
    let id = acme["key"]["id"].as_str().unwrap().to_owned();
    let absent = rival.get(&format!("/keys/{}", uuid_like(&id))).await;

    for answer in [
        rival.get(&format!("/keys/{id}")).await,
        rival.delete(&format!("/keys/{id}")).await,
    ] {
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json["type"], absent.json["type"]);
    }
    rival
        .get("/keys?tenant=acme")
        .await
        .expect_problem(404, "tenant-not-found");
    let theft = json!({ "name": "x", "scope": "tenant_user", "tenant": "acme" });
    rival
        .post("/keys", &theft)
        .await
        .expect_problem(404, "tenant-not-found");
    let climb = json!({ "name": "x", "scope": "platform_admin" });
    rival
        .post("/keys", &climb)
        .await
        .expect_problem(403, "forbidden");

    let listed = rival.get("/keys").await.expect(200);
    for key in listed["keys"].as_array().unwrap() {
        assert_eq!(key["tenant"], "rival", "{key}");
    }
    two.platform.api(&two.acme).get("/whoami").await.expect(200);
}

/// An id of the same form that belongs to nothing.
fn uuid_like(id: &str) -> String {
    let last = if id.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &id[..id.len() - 1])
}
