//! `mcp tools` and `mcp call`: requests of the 2026-07-28 revision, answers in both forms.

use serde_json::{Value, json};

use super::{Server, World};

const MCP: &str = "POST /api/v1/acme/mcp";

fn result(result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "result": result})
}

fn error(code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}})
}

#[tokio::test]
async fn all_pages_of_the_tool_list_are_shown_as_one() {
    let server = Server::start().await;
    let tool = |name: &str| json!({"name": name, "description": "Says\nit.", "inputSchema": {}});
    server.on(
        MCP,
        200,
        &result(&json!({"tools": [tool("a")], "nextCursor": "c"})),
    );
    server.on(MCP, 200, &result(&json!({"tools": [tool("b")]})));

    let json = server.run(&["mcp", "tools", "acme", "-o", "json"]).await;
    let table = server.run(&["mcp", "tools", "acme"]).await;

    assert_eq!(json.json(), json!({"tools": [tool("a"), tool("b")]}));
    assert_eq!(
        table.out,
        "NAME  TITLE  DESCRIPTION\nb     -      Says it.\n"
    );
    let (first, second) = (&server.seen()[0], &server.seen()[1]);
    assert_eq!(first.header("mcp-protocol-version"), "2026-07-28");
    assert_eq!(first.header("mcp-method"), "tools/list");
    assert_eq!(
        first.header("accept"),
        "application/json, text/event-stream"
    );
    assert_eq!(first.header("authorization"), "Bearer tb_pa_1_secret");
    let meta = &first.body["params"]["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/protocolVersion"],
        "2026-07-28"
    );
    assert_eq!(
        meta["io.modelcontextprotocol/clientCapabilities"],
        json!({})
    );
    assert_eq!(
        meta["io.modelcontextprotocol/clientInfo"]["name"],
        "turnbuckle"
    );
    assert_eq!(second.body["params"]["cursor"], "c");
}

#[tokio::test]
async fn a_call_names_its_tool_in_the_header_and_prints_the_result_as_it_came() {
    let server = Server::start().await;
    let line = "POST /api/v1/acme/connectors/e/mcp";
    let answer = r#"{"content":[{"type":"text","text":"hi"},{"type":"image","mimeType":"image/png"}],"n":1.0}"#;
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{answer}}}"#);
    server.on_text(line, 200, "application/json", &body);
    let call = [
        "mcp",
        "call",
        "acme",
        "écho",
        "--connector",
        "e",
        "--args",
        r#"{"message":"hi"}"#,
    ];

    let json = server.run(&[&call[..], &["-o", "json"]].concat()).await;
    let table = server.run(&call).await;

    assert_eq!((json.code, json.out), (0, format!("{answer}\n")));
    assert_eq!(
        (table.code, table.out.as_str()),
        (0, "hi\n[image image/png]\n")
    );
    let seen = &server.seen()[0];
    assert_eq!(seen.header("mcp-method"), "tools/call");
    assert_eq!(seen.header("mcp-name"), "=?base64?w6ljaG8=?=");
    assert_eq!(seen.body["params"]["name"], "écho");
    assert_eq!(seen.body["params"]["arguments"], json!({"message": "hi"}));
    assert_eq!(seen.body["params"]["_meta"].get("progressToken"), None);
}

#[tokio::test]
async fn progress_on_a_stream_is_shown_to_a_person() {
    let server = Server::start().await;
    let progress = json!({
        "jsonrpc": "2.0", "method": "notifications/progress",
        "params": {"progressToken": 1, "progress": 3, "total": 10, "message": "third"},
    });
    let done = result(&json!({"content": [{"type": "text", "text": "done"}]}));
    let stream = format!(": hello\n\ndata: {progress}\n\nevent: message\ndata: {done}\n\n");
    server.on_text(MCP, 200, "text/event-stream", &stream);
    let watched = World {
        watched: true,
        ..World::default()
    };

    let ran = server
        .run_in(watched, &["mcp", "call", "acme", "slow"])
        .await;

    assert_eq!((ran.code, ran.out.as_str()), (0, "done\n"), "{}", ran.err);
    assert!(ran.err.contains("Calling slow"), "{}", ran.err);
    assert_eq!(server.seen()[0].body["params"]["_meta"]["progressToken"], 1);
}

#[tokio::test]
async fn an_error_of_the_tool_is_code_1_and_its_answer_is_printed() {
    let server = Server::start().await;
    let answer = json!({"content": [{"type": "text", "text": "no such issue"}], "isError": true});
    server.on(MCP, 200, &result(&answer));

    let table = server.run(&["mcp", "call", "acme", "get"]).await;
    let json = server
        .run(&["mcp", "call", "acme", "get", "-o", "json"])
        .await;

    assert_eq!((table.code, table.out.as_str()), (1, "no such issue\n"));
    assert_eq!(
        table.err,
        "error: the tool get answered with an error, shown above\n"
    );
    assert_eq!((json.code, json.json()), (1, answer));
}

#[tokio::test]
async fn refusals_and_faults_have_their_codes() {
    for (status, answer, code, sentence) in [
        (200, error(-32602, "Unknown tool: x"), 3, "Unknown tool: x"),
        (
            400,
            error(-32022, "Unsupported protocol version"),
            3,
            "Unsupported protocol version",
        ),
        (200, error(-32603, "Internal error"), 4, "Internal error"),
        (
            404,
            json!({"title": "T", "detail": "there is no tenant"}),
            3,
            "there is no tenant",
        ),
        (
            503,
            json!({"title": "T", "detail": "starting"}),
            4,
            "starting",
        ),
        (200, json!({"jsonrpc": "2.0"}), 1, "no JSON-RPC response"),
    ] {
        let server = Server::start().await;
        server.on(MCP, status, &answer);

        let ran = server.run(&["mcp", "call", "acme", "x"]).await;

        assert_eq!(ran.code, code, "{answer} {}", ran.err);
        assert!(ran.err.contains(sentence), "{}", ran.err);
    }
}

#[tokio::test]
async fn a_stream_that_ends_before_its_answer_is_a_failure() {
    let server = Server::start().await;
    server.on_text(MCP, 200, "text/event-stream", ": hello\n\n");

    let ran = server.run(&["mcp", "call", "acme", "x"]).await;

    let sentence = "error: the connection was closed before the answer came: try again\n";
    assert_eq!((ran.code, ran.err.as_str()), (1, sentence));
}

#[tokio::test]
async fn arguments_that_belong_into_the_header_are_put_there_when_asked_for() {
    let server = Server::start().await;
    let schema = json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
    }});
    server.on(MCP, 400, &error(-32020, "Mcp-Param-Region is missing"));
    server.on(
        MCP,
        200,
        &result(&json!({"tools": [{"name": "x", "inputSchema": schema}]})),
    );
    server.on(
        MCP,
        200,
        &result(&json!({"content": [{"type": "text", "text": "ok"}]})),
    );

    let ran = server
        .run(&["mcp", "call", "acme", "x", "--args", r#"{"region":"eu"}"#])
        .await;

    assert_eq!((ran.code, ran.out.as_str()), (0, "ok\n"), "{}", ran.err);
    assert_eq!(server.seen()[2].header("mcp-param-region"), "eu");
}
