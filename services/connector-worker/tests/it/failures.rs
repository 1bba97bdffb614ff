//! Every way in which an upstream fails, and exactly what the caller is told.

use std::collections::BTreeMap;

use domain::ConnectorSecrets;
use fabric::{Effect, FailureKind, Outcome};
use serde_json::json;
use testkit::upstream::{Era, Script, Upstream};

use crate::support::{Bench, failure, text};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn what_is_no_answer_is_named_by_what_it_is() {
    use Effect::{None as Untouched, Possible};
    use FailureKind::{Busy, Died, Garbage, TooLarge, Unreachable};
    let host = "127.0.0.1";
    let cases = [
        (
            "garbage",
            Garbage,
            Possible,
            "the MCP server answered something that is not JSON.",
        ),
        (
            "html",
            Garbage,
            Possible,
            "the MCP server answered neither JSON nor an event stream.",
        ),
        (
            "nothing",
            Garbage,
            Possible,
            "the MCP server took the request but sent no answer.",
        ),
        (
            "list",
            Garbage,
            Possible,
            "the MCP server answered JSON that is no JSON-RPC message.",
        ),
        (
            "deep",
            Garbage,
            Possible,
            "the MCP server answered JSON that is nested too deeply.",
        ),
        (
            "wrong_id",
            Garbage,
            Possible,
            "the MCP server answered a response to another request.",
        ),
        (
            "big",
            TooLarge,
            Possible,
            "the answer is larger than 10485760 bytes.",
        ),
        (
            "die",
            Died,
            Possible,
            &format!("{host} closed the connection before its answer was complete."),
        ),
        (
            "end_early",
            Died,
            Possible,
            "the MCP server closed the stream before it answered.",
        ),
        (
            "unavailable",
            Unreachable,
            Possible,
            "the MCP server is unavailable (503 Service Unavailable).",
        ),
        (
            "limited",
            Busy,
            Untouched,
            "the MCP server limits our calls: try again in 7 s.",
        ),
    ];
    for era in [Era::Legacy, Era::Modern] {
        let upstream = Upstream::start(Script {
            era,
            ..Script::legacy()
        })
        .await;
        let bench = Bench::new();
        let connector = bench.remote(&upstream.url());
        for (tool, kind, effect, message) in cases {
            let failure = failure(bench.call(connector, tool, json!({})).await);

            assert_eq!(failure.message, message, "{tool}");
            assert_eq!((failure.kind, failure.effect), (kind, effect), "{tool}");
        }
        assert_eq!(
            text(
                bench
                    .call(connector, "echo", json!({"message": "hi"}))
                    .await
            ),
            "hi"
        );
        let metrics = bench.process.metrics.encode();
        for line in [
            r#"turnbuckle_worker_upstream_errors_total{kind="garbage"} 6"#,
            r#"turnbuckle_worker_upstream_errors_total{kind="died"} 2"#,
            r#"turnbuckle_worker_upstream_errors_total{kind="too_large"} 1"#,
            r#"turnbuckle_worker_calls_total{kind="remote_mcp",outcome="failed"} 11"#,
            r#"turnbuckle_worker_calls_total{kind="remote_mcp",outcome="result"} 1"#,
            "turnbuckle_worker_calls_in_flight 0",
            "turnbuckle_worker_breakers_open 0",
        ] {
            assert!(metrics.contains(line), "{line}\n{metrics}");
        }
    }
}

#[tokio::test]
async fn a_large_event_of_a_stream_is_cut_as_well() {
    for script in [
        Script::legacy().with_events(),
        Script::modern().with_events(),
    ] {
        let (upstream, bench) = (Upstream::start(script).await, Bench::new());
        let connector = bench.remote(&upstream.url());

        let failure = failure(bench.call(connector, "big", json!({})).await);

        assert_eq!(failure.kind, FailureKind::TooLarge);
        assert_eq!(
            failure.message,
            format!("the answer is larger than {} bytes.", 10 * MIB)
        );
    }
}

#[tokio::test]
async fn a_token_and_headers_are_sent_and_a_refused_one_is_said_to_be() {
    let script = Script {
        bearer: Some("s3cret"),
        ..Script::legacy()
    };
    let (upstream, bench) = (Upstream::start(script).await, Bench::new());
    let secrets = |token: &str| ConnectorSecrets {
        token: Some(token.to_owned()),
        headers: BTreeMap::from([("X-Team".to_owned(), "blue".to_owned())]),
        ..ConnectorSecrets::default()
    };
    let right = bench.remote_with(1, &upstream.url(), secrets("s3cret"));
    let wrong = bench.remote_with(2, &upstream.url(), secrets("wr0ng"));

    assert_eq!(
        text(bench.call(right, "echo", json!({"message": "hi"})).await),
        "hi"
    );
    assert!(
        upstream
            .received()
            .iter()
            .all(|received| received.header("x-team") == "blue")
    );

    let failure = failure(bench.call(wrong, "echo", json!({"message": "hi"})).await);
    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Credential, Effect::None)
    );
    assert_eq!(
        failure.message,
        "the MCP server refused the connector's credential (401 Unauthorized)."
    );
}

#[tokio::test]
async fn headers_that_belong_to_the_protocol_cannot_be_set_by_a_connector() {
    let (upstream, bench) = (Upstream::legacy().await, Bench::new());
    for name in [
        "Host",
        "Content-Length",
        "MCP-Session-Id",
        "Transfer-Encoding",
        "a b",
    ] {
        let headers = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
        let secrets = ConnectorSecrets {
            headers,
            ..ConnectorSecrets::default()
        };
        let connector = bench.remote_with(1, &upstream.url(), secrets);
        let mut call = crate::support::call(connector, "echo", json!({}));
        call.version = i64::MAX;

        let failure = failure(fabric::Execute::execute(&*bench.worker, call, None).await);

        assert_eq!(failure.kind, FailureKind::Credential, "{name}");
        assert!(
            failure
                .message
                .starts_with(&format!("the connector's header {name:?} "))
        );
    }
    assert!(upstream.received().is_empty());
}

#[tokio::test]
async fn a_url_without_an_endpoint_and_one_that_redirects_say_what_to_do() {
    for (status, message) in [
        (
            404,
            "there is no Streamable HTTP endpoint at the connector's URL (404 Not Found).",
        ),
        (
            308,
            "the URL redirects (308 Permanent Redirect), which is not followed: use the final URL.",
        ),
        (502, "the MCP server is unavailable (502 Bad Gateway)."),
    ] {
        let script = Script {
            status: Some(status),
            ..Script::legacy()
        };
        let (upstream, bench) = (Upstream::start(script).await, Bench::new());
        let connector = bench.remote(&upstream.url());

        let failure = failure(bench.call(connector, "echo", json!({})).await);

        assert_eq!(
            (failure.message.as_str(), failure.effect),
            (message, Effect::None)
        );
        assert_eq!(failure.kind, FailureKind::Unreachable);
    }
}

#[tokio::test]
async fn an_address_that_is_not_public_is_refused_unless_the_operator_permits_it() {
    let bench = Bench::new();
    let connector = bench.remote("http://169.254.169.254/latest/meta-data");

    let failure = failure(bench.call(connector, "echo", json!({})).await);

    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Unreachable, Effect::None)
    );
    assert_eq!(
        failure.message,
        "169.254.169.254 is not a public address; \
         an operator can permit it with the setting egress.allow."
    );
}

#[tokio::test]
async fn a_dead_server_fails_fast_and_says_when_it_is_tried_again() {
    let upstream = Upstream::legacy().await;
    let bench = Bench::with(
        |config| config.breaker.open = std::time::Duration::from_millis(100),
        crate::support::Table::default(),
    );
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = format!("http://127.0.0.1:{}/mcp", free.local_addr().unwrap().port());
    drop(free);
    let connector = bench.remote(&dead);

    for _ in 0..3 {
        let failure = failure(bench.call(connector, "echo", json!({})).await);
        assert_eq!(
            failure.message,
            "127.0.0.1 cannot be reached: connection refused."
        );
        assert_eq!(failure.effect, Effect::None);
    }
    let open = failure(bench.call(connector, "echo", json!({})).await);

    assert_eq!(
        open.message,
        "127.0.0.1 cannot be reached: connection refused; it will be tried again in 1 s."
    );
    assert_eq!(
        (open.kind, open.effect),
        (FailureKind::Unreachable, Effect::None)
    );
    assert!(
        bench
            .process
            .metrics
            .encode()
            .contains("turnbuckle_worker_breakers_open 1")
    );

    // A change of the connector starts afresh.
    bench.remote(&upstream.url());
    let mut call = crate::support::call(connector, "echo", json!({"message": "alive"}));
    call.version = 2;
    let outcome = fabric::Execute::execute(&*bench.worker, call, None).await;
    assert!(matches!(outcome, Outcome::Result(_)), "{outcome:?}");
    assert!(
        bench
            .process
            .metrics
            .encode()
            .contains("turnbuckle_worker_breakers_open 0")
    );
}
