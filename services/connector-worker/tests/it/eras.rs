//! A call reaches servers of either era, by the rules of that era.

use bytes::Bytes;
use fabric::{Execute, Method, Outcome, Request};
use serde_json::json;
use testkit::upstream::{Script, Upstream};

use crate::support::{Bench, call, result, text};

#[tokio::test]
async fn a_legacy_server_is_initialised_once_and_then_called_in_its_session() {
    let (upstream, bench) = (Upstream::legacy().await, Bench::new());
    let connector = bench.remote(&upstream.url());

    let first = bench
        .call(connector, "echo", json!({"message": "hi"}))
        .await;
    let second = bench.call(connector, "add", json!({"a": 1, "b": 2})).await;

    assert_eq!((text(first).as_str(), text(second).as_str()), ("hi", "3"));
    assert_eq!(
        upstream.methods(),
        [
            "server/discover",
            "initialize",
            "notifications/initialized",
            "tools/call",
            "tools/call"
        ]
    );
    let called = upstream.wait_for("tools/call").await;
    assert_eq!(called.header("mcp-session-id"), "session-1");
    assert_eq!(called.header("mcp-protocol-version"), "2025-11-25");
    assert_eq!(
        called.body["params"],
        json!({"name": "echo", "arguments": {"message": "hi"}})
    );
    let asked = upstream.wait_for("initialize").await;
    assert_eq!(asked.body["params"]["capabilities"], json!({}));
    assert_eq!(asked.header("mcp-protocol-version"), "");
}

#[tokio::test]
async fn every_legacy_revision_is_accepted_with_and_without_sessions_and_streams() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        for sessions in [true, false] {
            for before_initialize_status in [400, 200] {
                let script = Script {
                    version,
                    sessions,
                    before_initialize_status,
                    events: sessions,
                    ..Script::legacy()
                };
                let (upstream, bench) = (Upstream::start(script).await, Bench::new());
                let connector = bench.remote(&upstream.url());

                let outcome = bench
                    .call(connector, "echo", json!({"message": version}))
                    .await;

                assert_eq!(text(outcome), version);
            }
        }
    }
}

#[tokio::test]
async fn a_modern_server_is_called_without_a_handshake_and_with_its_headers() {
    let (upstream, bench) = (Upstream::modern().await, Bench::new());
    let connector = bench.remote(&upstream.url());

    let outcome = bench
        .call(connector, "echo", json!({"message": "hi"}))
        .await;

    assert_eq!(
        result(outcome),
        json!({"resultType": "complete", "content": [{"type": "text", "text": "hi"}]})
    );
    assert_eq!(upstream.methods(), ["server/discover", "tools/call"]);
    let called = upstream.wait_for("tools/call").await;
    assert_eq!(called.header("mcp-protocol-version"), "2026-07-28");
    assert_eq!(
        (called.header("mcp-method"), called.header("mcp-name")),
        ("tools/call", "echo")
    );
    let meta = &called.body["params"]["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/clientInfo"]["name"],
        "turnbuckle"
    );
    assert_eq!(
        meta["io.modelcontextprotocol/clientCapabilities"],
        json!({})
    );
}

#[tokio::test]
async fn a_modern_server_that_asks_for_parameter_headers_gets_them_after_one_refusal() {
    let (upstream, bench) = (Upstream::modern().await, Bench::new());
    let connector = bench.remote(&upstream.url());

    // The worker has not read the tools yet: the first try lacks the header.
    let first = bench
        .call(connector, "region", json!({"region": "Zürich"}))
        .await;
    let second = bench
        .call(connector, "region", json!({"region": " eu"}))
        .await;
    let absent = bench.call(connector, "region", json!({})).await;

    assert_eq!(text(first), "\"Zürich\"");
    assert_eq!(
        (text(second), text(absent)),
        ("\" eu\"".to_owned(), "null".to_owned())
    );
    let calls: Vec<_> = upstream
        .received()
        .into_iter()
        .filter(|r| r.method == "tools/call")
        .collect();
    let sent: Vec<_> = calls
        .iter()
        .map(|call| call.header("mcp-param-region"))
        .collect();
    assert_eq!(sent, ["", "=?base64?WsO8cmljaA==?=", "=?base64?IGV1?=", ""]);
}

#[tokio::test]
async fn unknown_parameter_headers_of_a_client_reach_a_modern_server_and_no_legacy_one() {
    let given = [
        ("mcp-param-zed", "1"),
        ("mcp-param-zed", "two words"),
        ("mcp-param-region", "a lie"),
        ("authorization", "Bearer x"),
    ];
    for (upstream, zed) in [
        (Upstream::modern().await, Some("1")),
        (Upstream::legacy().await, None),
    ] {
        let bench = Bench::new();
        let connector = bench.remote(&upstream.url());
        let mut call = call(connector, "region", json!({"region": "eu"}));
        let fields = given.map(|(name, value)| (name.into(), value.into()));
        call.request.param_headers = fields.to_vec();

        bench.worker.execute(call, None).await;

        let calls = upstream.received().into_iter();
        let called = calls
            .filter(|request| request.method == "tools/call")
            .last();
        let called = called.unwrap();
        assert_eq!(called.header("mcp-param-zed"), zed.unwrap_or_default());
        let region = if zed.is_some() { "eu" } else { "" };
        assert_eq!(
            called.header("mcp-param-region"),
            region,
            "our own goes before it"
        );
        assert_eq!(called.header("authorization"), "");
    }
}

#[tokio::test]
async fn a_tool_name_that_no_header_can_hold_travels_encoded() {
    let script = Script {
        more_tools: vec![r#"{"name":"größe","inputSchema":{"type":"object"}}"#],
        ..Script::modern()
    };
    let (upstream, bench) = (Upstream::start(script).await, Bench::new());
    let connector = bench.remote(&upstream.url());

    let outcome = bench.call(connector, "größe", json!({})).await;

    // It is unknown as a call, but it passed the header check.
    assert!(matches!(outcome, Outcome::Error(error) if error.message == "Unknown tool"));
    assert_eq!(
        upstream.wait_for("tools/call").await.header("mcp-name"),
        "=?base64?Z3LDtsOfZQ==?="
    );
}

#[tokio::test]
async fn what_a_client_wrote_travels_on_byte_for_byte_and_nothing_else_does() {
    for upstream in [Upstream::legacy().await, Upstream::modern().await] {
        let bench = Bench::new();
        let mut call = call(bench.remote(&upstream.url()), "echo", json!(null));
        call.request = Request {
            arguments: Some(Bytes::from_static(
                b"{\"message\": \"a\\u00e4\",\n \"n\": 1.50e0}",
            )),
            meta: Some(Bytes::from_static(
                b"{\"traceparent\":\"00-1\",\"x.y/z\":[1]}",
            )),
            ..Request::new(Method::CallTool, Some("echo".to_owned()))
        };

        assert_eq!(text(bench.worker.execute(call, None).await), "aä");

        let called = upstream.wait_for("tools/call").await;
        assert_eq!(called.body["params"]["arguments"]["n"].to_string(), "1.5");
        let meta = &called.body["params"]["_meta"];
        assert_eq!(
            (&meta["traceparent"], &meta["x.y/z"]),
            (&json!("00-1"), &json!([1]))
        );
        assert_eq!(meta["progressToken"], json!(null));
        assert!(!called.headers.contains_key("authorization"));
    }
}

#[tokio::test]
async fn progress_arrives_in_order_under_the_callers_own_request_only() {
    for upstream in [Upstream::legacy().await, Upstream::modern().await] {
        let bench = Bench::new();
        let connector = bench.remote(&upstream.url());

        let (outcome, progress) = bench
            .call_with_progress(connector, "slow", json!({"steps": 5}))
            .await;

        assert_eq!(text(outcome), "done");
        let expected: Vec<_> = (1..=5)
            .map(|step| {
                json!({"progress": step, "total": 5, "message": format!("step {step}"),
                       "x": {"y": 1}})
            })
            .collect();
        assert_eq!(progress, expected);
        assert_eq!(
            text(bench.call(connector, "slow", json!({})).await),
            "done",
            "unasked"
        );
    }
}

#[tokio::test]
async fn errors_and_failed_results_come_as_the_server_said_them() {
    for upstream in [Upstream::legacy().await, Upstream::modern().await] {
        let bench = Bench::new();
        let connector = bench.remote(&upstream.url());

        let failed = result(bench.call(connector, "fail", json!({})).await);
        let refused = bench.call(connector, "refuse", json!({})).await;

        assert_eq!(
            (&failed["isError"], &failed["content"][0]["text"]),
            (&json!(true), &json!("it went wrong"))
        );
        let Outcome::Error(error) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((error.code, error.message.as_str()), (-32_602, "no"));
        assert_eq!(error.data.unwrap(), r#"{"why":[1,2]}"#);
    }
}

#[tokio::test]
async fn a_server_that_asks_back_is_told_what_this_client_cannot_do() {
    let (upstream, bench) = (Upstream::legacy().await, Bench::new());
    let connector = bench.remote(&upstream.url());

    let outcome = bench.call(connector, "ask", json!({})).await;

    assert_eq!(result(outcome), json!({"content": []}));
    let replies: Vec<_> = upstream
        .received()
        .into_iter()
        .filter(|received| received.method == "(response)")
        .map(|received| received.body)
        .collect();
    assert_eq!(
        replies[0],
        json!({"jsonrpc": "2.0", "id": "p", "result": {}})
    );
    assert_eq!(
        (&replies[1]["id"], &replies[1]["error"]["code"]),
        (&json!(1), &json!(-32_602))
    );
}

#[tokio::test]
async fn a_server_that_never_answers_the_probe_is_still_served_in_its_era() {
    for script in [Script::legacy(), Script::modern()] {
        let script = Script {
            hangs_on_discover: true,
            ..script
        };
        let (upstream, bench) = (Upstream::start(script).await, Bench::new());
        let connector = bench.remote(&upstream.url());

        let outcome = bench
            .call(connector, "echo", json!({"message": "slow"}))
            .await;

        assert_eq!(text(outcome), "slow");
    }
}

#[tokio::test]
async fn a_server_that_changes_its_era_is_followed() {
    let (upstream, bench) = (Upstream::legacy().await, Bench::new());
    let connector = bench.remote(&upstream.url());
    let echo = || bench.call(connector, "echo", json!({"message": "hi"}));

    assert_eq!(text(echo().await), "hi");
    upstream.change(|script| *script = Script::modern());
    assert_eq!(text(echo().await), "hi");
    upstream.change(|script| *script = Script::legacy());
    assert_eq!(text(echo().await), "hi");
}
