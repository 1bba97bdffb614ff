//! Definitions that upstreams changed: shown, approved.

use serde_json::{Value, json};

use super::Server;

const TOOLS: &str = "GET /api/v1/admin/tenants/acme/connectors/e/tools?page_size=500";
const CHANGES: &str = "GET /api/v1/admin/tenants/acme/connectors/e/tools/a%2Fb/changes";
const APPROVE: &str = "POST /api/v1/admin/tenants/acme/connectors/e/tools/a%2Fb/approve";

fn tool(name: &str, state: &str, pending: Option<&str>) -> Value {
    json!({
        "name": name, "exposed_name": format!("e_{name}"), "enabled": true, "state": state,
        "hash": "11", "pending_hash": pending, "description": "does it",
    })
}

#[tokio::test]
async fn the_tools_that_wait_are_listed() {
    let server = Server::start().await;
    let tools = [
        tool("add", "approved", None),
        tool("a/b", "held", Some("22")),
        tool("c", "changed", Some("33")),
    ];
    server.on(TOOLS, 200, &json!({"tools": tools}));

    let table = server.run(&["tool", "changes", "acme", "e"]).await;
    let json = server
        .run(&["tool", "changes", "acme", "e", "-o", "json"])
        .await;

    assert_eq!(
        (table.code, table.out.as_str()),
        (
            0,
            "NAME  STATE    PENDING HASH\n\
             a/b   held     22\n\
             c     changed  33\n"
        )
    );
    assert_eq!(json.json(), json!({"tools": [tools[1], tools[2]]}));
}

#[tokio::test]
async fn a_difference_is_shown_in_full_with_nothing_hidden() {
    let server = Server::start().await;
    let long = "x".repeat(300);
    let text = format!(
        r#"{{"name":"a/b","state":"held","hash":"11","pending_hash":"22","approved":{{}},
        "pending":{{}},"diff":[
        {{"path":"/description","before":"does \"it\"","after":"ü\u200b\udb40\udc41 {long}\u009b"}},
        {{"path":"/x","before":null,"after":{{"n":9007199254740993.5,"n":1e400}}}},
        {{"path":"/y","after":[null]}}],"diff_complete":false}}"#
    );
    // As the platform writes it: without escapes that JSON does not demand.
    let text = text
        .replace("\\u200b", "\u{200b}")
        .replace("\\udb40\\udc41", "\u{e0041}")
        .replace("\\u009b", "\u{9b}");
    server.on_text(CHANGES, 200, "application/json", &text);

    let shown = server.run(&["tool", "changes", "acme", "e", "a/b"]).await;
    let json = server
        .run(&["tool", "changes", "acme", "e", "a/b", "-o", "json"])
        .await;

    assert_eq!(shown.code, 0, "{}", shown.err);
    assert_eq!(
        shown.out,
        format!(
            "State:    held\nApproved: 11\nPending:  22\n\n\
             /description\n- \"does \\\"it\\\"\"\n+ \"ü\\u{{200b}}\\u{{e0041}} {long}\\u{{9b}}\"\n\n\
             /x\n- null\n+ {{\"n\":9007199254740993.5,\"n\":1e400}}\n\n\
             /y\n+ [null]\n\n\
             There are more differences: `-o json` has both definitions.\n"
        )
    );
    assert_eq!(json.out, format!("{text}\n"));
}

#[tokio::test]
async fn definitions_are_approved_one_by_one_by_hash_or_all_at_once() {
    let server = Server::start().await;
    let approved = tool("a/b", "approved", None);
    server.on(APPROVE, 200, &approved);
    server.on(
        "POST /api/v1/admin/tenants/acme/connectors/e/tools/c/approve",
        200,
        &tool("c", "approved", None),
    );
    server.on(
        "POST /api/v1/admin/tenants/acme/connectors/e/tools/approve-all",
        200,
        &json!({"tools": [approved]}),
    );
    let approve = async |rest: &[&str]| {
        server
            .run(&[&["tool", "approve", "acme", "e"], rest].concat())
            .await
    };

    let two = approve(&["a/b", "c"]).await;
    let seen = approve(&["a/b", "--hash", "22", "-o", "json"]).await;
    let all = approve(&["--all"]).await;
    let asked = server.seen();

    assert_eq!((two.code, seen.code, all.code), (0, 0, 0), "{}", two.err);
    assert!(
        two.out
            .contains("c     e_c         yes      approved  does it"),
        "{}",
        two.out
    );
    assert_eq!(seen.json(), json!({"tools": [approved]}));
    let bodies: Vec<&Value> = asked.iter().map(|request| &request.body).collect();
    assert_eq!(
        bodies,
        [
            &Value::Null,
            &Value::Null,
            &json!({"hash": "22"}),
            &Value::Null
        ]
    );
    for wrong in [
        &[][..],
        &["a/b", "c", "--hash", "22"],
        &["--all", "--hash", "22"],
        &["--all", "a/b"],
        &[".."],
    ] {
        assert_eq!(approve(wrong).await.code, 2, "{wrong:?}");
    }
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn an_approval_that_comes_too_late_is_refused() {
    let server = Server::start().await;
    let problem = json!({
        "type": "urn:turnbuckle:problem:definition-changed", "title": "Conflict", "status": 409,
        "detail": "the tool's definition is another one by now: look at its changes again",
    });
    server.on(APPROVE, 409, &problem);

    let refused = server
        .run(&["tool", "approve", "acme", "e", "a/b", "--hash", "22"])
        .await;

    assert_eq!(refused.code, 3);
    assert!(
        refused.err.contains("look at its changes again"),
        "{}",
        refused.err
    );
}

#[tokio::test]
async fn a_connector_is_given_a_rule_for_changes_and_says_what_waits() {
    let server = Server::start().await;
    let connector = json!({
        "slug": "e", "on_change": "warn",
        "sync": {"state": "ok", "tools": 7, "changed": {"count": 2, "names": ["a", "b"]}},
    });
    server.on(
        "POST /api/v1/admin/tenants/acme/connectors?wait=true",
        201,
        &connector,
    );
    server.on(
        "PATCH /api/v1/admin/tenants/acme/connectors/e",
        200,
        &connector,
    );

    let add = [
        "connector",
        "add",
        "acme",
        "e",
        "--mcp-url",
        "http://u/",
        "--on-change",
    ];
    let added = server.run(&[&add[..], &["warn"]].concat()).await;
    let update = ["connector", "update", "acme", "e", "--on-change"];
    let updated = server.run(&[&update[..], &["accept"]].concat()).await;
    let wrong = server.run(&[&update[..], &["ask"]].concat()).await;

    assert_eq!(
        added.out,
        "Connector e is added: 7 tools found, 2 of which wait for approval: \
         see `turnbuckle tool changes`.\n"
    );
    assert!(
        updated.out.contains("On change:     warn\n"),
        "{}",
        updated.out
    );
    assert!(
        updated.out.contains("Changed tools: a b\n"),
        "{}",
        updated.out
    );
    assert_eq!((added.code, updated.code, wrong.code), (0, 0, 2));
    let seen = server.seen();
    assert_eq!(seen[0].body["on_change"], "warn");
    assert_eq!(seen[1].body, json!({"on_change": "accept"}));
}
