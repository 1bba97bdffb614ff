//! Reading tool lists.

use fabric::FailureKind;
use serde_json::{Value, json};
use testkit::upstream::{Script, Upstream};

use crate::support::{Bench, text};

#[tokio::test]
async fn the_whole_list_is_read_page_by_page_and_kept_as_it_came() {
    let more = r#"{"name":"x", "inputSchema":{"type":"object"},"y":1.50}"#;
    for script in [
        Script::legacy(),
        Script::modern(),
        Script::legacy().with_events(),
    ] {
        let script = Script {
            more_tools: vec![more],
            ..script
        };
        let (upstream, bench) = (Upstream::start(script).await, Bench::new());
        let connector = bench.remote(&upstream.url());

        let tools = bench.tools(connector).await.unwrap();

        assert_eq!(tools.len(), 22);
        assert_eq!(tools[0].name, "echo");
        let last: Value = serde_json::from_str(tools[21].json.get()).unwrap();
        assert_eq!(last, serde_json::from_str::<Value>(more).unwrap());
        let pages = upstream
            .methods()
            .iter()
            .filter(|method| *method == "tools/list")
            .count();
        assert_eq!(pages, 6);
        // What was learnt is used: no refusal comes first.
        text(
            bench
                .call(connector, "region", json!({"region": "eu"}))
                .await,
        );
        let calls = upstream
            .methods()
            .iter()
            .filter(|method| *method == "tools/call")
            .count();
        assert_eq!(calls, 1);
    }
}

#[tokio::test]
async fn tools_that_break_the_rules_are_left_out_and_the_others_are_not() {
    let more_tools = vec![
        r#"{"name":"echo","inputSchema":{"type":"object"}}"#,
        r#"{"name":"no schema"}"#,
        r#"{"name":"two words","inputSchema":{"type":"object"}}"#,
        r#"{"name":"bad_header","inputSchema":{"type":"object","properties":
            {"a":{"type":"object","x-mcp-header":"A"}}}}"#,
        r#"{"name":"good","inputSchema":{"type":"object"}}"#,
    ];
    for (script, kept) in [
        (Script::modern(), vec!["good"]),
        // Only modern HTTP servers may not offer bad annotations; elsewhere they mean nothing.
        (Script::legacy(), vec!["bad_header", "good"]),
    ] {
        let script = Script {
            more_tools: more_tools.clone(),
            ..script
        };
        let (upstream, bench) = (Upstream::start(script).await, Bench::new());
        let connector = bench.remote(&upstream.url());

        let tools = bench.tools(connector).await.unwrap();

        let names: Vec<_> = tools[21..].iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, kept);
    }
}

#[tokio::test]
async fn a_list_that_never_ends_is_given_up() {
    let script = Script {
        circular_list: true,
        ..Script::legacy()
    };
    let (upstream, bench) = (Upstream::start(script).await, Bench::new());
    let connector = bench.remote(&upstream.url());

    let failure = bench.tools(connector).await.unwrap_err();

    assert_eq!(failure.kind, FailureKind::Garbage);
    assert_eq!(
        failure.message,
        "the MCP server answered a tool list that goes round in circles."
    );
}

#[tokio::test]
async fn a_list_beyond_the_limits_is_refused_with_the_limit() {
    for (limit, message) in [
        (
            "pages",
            "the MCP server's tool list is longer than 2 pages.",
        ),
        (
            "tools",
            "the MCP server's tool list is longer than 7 tools.",
        ),
        (
            "bytes",
            "the MCP server's tool list is longer than 500 bytes.",
        ),
    ] {
        let upstream = Upstream::legacy().await;
        let bench = Bench::with(
            |config| match limit {
                "pages" => config.upstream.list_max_pages = 2,
                "tools" => config.upstream.list_max_tools = 7,
                _ => config.upstream.list_max_bytes = 500,
            },
            crate::support::Table::default(),
        );
        let connector = bench.remote(&upstream.url());

        let failure = bench.tools(connector).await.unwrap_err();

        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (FailureKind::TooLarge, message)
        );
    }
}

#[tokio::test]
async fn a_list_is_read_although_calls_have_found_the_server_dead() {
    let bench = Bench::new();
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/mcp", free.local_addr().unwrap().port());
    drop(free);
    let connector = bench.remote(&url);
    for _ in 0..4 {
        bench.call(connector, "echo", json!({})).await;
    }

    let failure = bench.tools(connector).await.unwrap_err();

    assert_eq!(
        failure.message, "127.0.0.1 cannot be reached: connection refused.",
        "really tried"
    );
    assert!(
        bench
            .process
            .metrics
            .encode()
            .contains(r#"turnbuckle_worker_upstream_errors_total{kind="unreachable"} 5"#)
    );
}
