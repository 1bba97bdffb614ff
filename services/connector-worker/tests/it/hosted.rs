//! Servers over a pipe follow the same eras as those over HTTP.

use std::time::Duration;

use fabric::{Effect, Execute, FailureKind, Outcome, ProcessState, Workers};
use serde_json::{Value, json};
use testkit::hosted::StdioServer;

use crate::support::{Bench, TENANT, call, failure, result, text};

/// Speaks 2026-07-28 and nothing else; answers a call with what it was sent.
const MODERN: &str = r#"
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message["method"] == "notifications/cancelled":
        print("cancelled", message["params"]["requestId"], file=sys.stderr, flush=True)
    if "id" not in message:
        continue
    answer = {"jsonrpc": "2.0", "id": message["id"]}
    meta = message.get("params", {}).get("_meta", {})
    if meta.get("io.modelcontextprotocol/protocolVersion") != "2026-07-28":
        answer["error"] = {"code": -32602, "message": "_meta is incomplete"}
    elif message["method"] == "server/discover":
        answer["result"] = {"resultType": "complete", "supportedVersions": ["2026-07-28"]}
    elif message["method"] == "tools/list":
        tool = {"name": "back", "inputSchema": {"type": "object"}}
        answer["result"] = {"resultType": "complete", "tools": [tool]}
    elif message["params"]["name"] == "hang":
        print("hanging", message["id"], file=sys.stderr, flush=True)
        continue
    else:
        answer["result"] = {"resultType": "complete", "content": [], "sent": message["params"]}
    print(json.dumps(answer), flush=True)
"#;

/// Knows no era but the handshake's, ignores what it does not know, and says more in its results
/// than its era allows.
const IGNORANT: &str = r#"
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    print(message["method"], file=sys.stderr, flush=True)
    answer = {"jsonrpc": "2.0", "id": message.get("id")}
    if message["method"] == "initialize":
        info = {"name": "ignorant", "version": "1"}
        answer["result"] = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": info}
    elif message["method"] == "tools/call":
        meta = {"io.modelcontextprotocol/serverInfo": {"name": "us", "version": "9"}, "own": 1}
        answer["result"] = {"resultType": "complete", "ttlMs": 5, "cacheScope": "public",
                            "content": [], "_meta": meta}
    else:
        continue
    print(json.dumps(answer), flush=True)
"#;

fn python(script: &str) -> Vec<String> {
    ["python3", "-u", "-c", script].map(str::to_owned).to_vec()
}

#[tokio::test]
async fn a_legacy_server_over_a_pipe_is_listed_and_called_with_progress() {
    let (server, bench) = (StdioServer::new(), Bench::new());
    let connector = bench.hosted(server.command(&[]));

    let tools = bench.tools(connector).await.unwrap();
    let echoed = bench
        .call(connector, "echo", json!({"text": "line\nbreak"}))
        .await;
    let (done, progress) = bench
        .call_with_progress(connector, "progress", json!({"steps": 3}))
        .await;

    assert!(tools.iter().any(|tool| tool.name == "echo"));
    assert_eq!(
        (text(echoed).as_str(), text(done).as_str()),
        ("line\nbreak", "done")
    );
    assert_eq!(progress, [1, 2, 3].map(|n| json!({"progress": n})));
    let status = bench.worker.process(TENANT, connector).await.unwrap();
    assert_eq!((status.state, status.restarts), (ProcessState::Running, 0));

    bench.worker.release(TENANT, connector).await;
    let status = bench.worker.process(TENANT, connector).await.unwrap();
    assert_eq!((status.state, status.pid), (ProcessState::Stopped, None));
}

#[tokio::test]
async fn a_modern_server_over_a_pipe_gets_its_metadata_in_every_message() {
    let bench = Bench::new();
    let connector = bench.hosted(python(MODERN));

    let answer = result(bench.call(connector, "back", json!({"a": [1]})).await);

    let sent = &answer["sent"];
    assert_eq!(
        (&sent["name"], &sent["arguments"]),
        (&json!("back"), &json!({"a": [1]}))
    );
    let meta: &Value = &sent["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/clientCapabilities"],
        json!({})
    );
    assert_eq!(bench.tools(connector).await.unwrap()[0].name, "back");
}

#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled_over_a_pipe_in_the_modern_era_too() {
    let bench = Bench::new();
    let connector = bench.hosted(python(MODERN));
    let said = |what: &'static str| {
        let worker = bench.worker.clone();
        async move {
            loop {
                let lines = worker.stderr(TENANT, connector).await;
                if let Some(line) = lines.iter().find(|line| line.text.starts_with(what)) {
                    return line.text.clone();
                }
                tokio::task::yield_now().await;
            }
        }
    };

    let hanging = bench
        .worker
        .execute(call(connector, "hang", json!({})), None);
    let hung = tokio::select! {
        outcome = hanging => panic!("{outcome:?}"),
        hung = said("hanging") => hung,
    };

    let cancelled = said("cancelled").await;
    assert_eq!(
        cancelled.strip_prefix("cancelled"),
        hung.strip_prefix("hanging")
    );
}

#[tokio::test]
async fn a_handshake_goes_on_when_the_calls_that_wait_for_it_leave() {
    let with = |config: &mut connector_worker::Config| {
        config.upstream.probe_timeout = Duration::from_secs(1);
    };
    let bench = Bench::with(with, crate::support::Table::default());
    let connector = bench.hosted(python(IGNORANT));

    let (mut left, mut answer) = (0, None);
    while answer.is_none() && left < 50 {
        let answered = bench.call(connector, "any", json!({}));
        let within = tokio::time::timeout(Duration::from_millis(250), answered);
        answer = within.await.ok();
        left += 1;
    }

    assert!(left > 2, "the probe took no time");
    assert_eq!(
        result(answer.expect("an answer although each call left early")),
        json!({"content": [], "_meta": {"own": 1}}),
        "without what only the other era says"
    );
    let lines = bench.worker.stderr(TENANT, connector).await;
    let said: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        said[..4],
        [
            "server/discover",
            "initialize",
            "notifications/initialized",
            "tools/call"
        ]
    );
    assert!(!said[1..].contains(&"server/discover"), "{said:?}");
}

#[tokio::test]
async fn a_release_breaks_a_handshake_off() {
    let bench = Bench::new();
    let connector = bench.hosted(python("import sys\nfor line in sys.stdin: pass"));
    let waiting = bench.call(connector, "any", json!({}));
    let released = async {
        while bench.worker.process(TENANT, connector).await.is_none() {
            tokio::task::yield_now().await;
        }
        bench.worker.release(TENANT, connector).await;
    };

    let (outcome, ()) = tokio::join!(waiting, released);

    let failure = failure(outcome);
    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Unreachable, Effect::None),
        "{failure}"
    );
    assert_eq!(
        failure.message,
        "the hosted server was stopped by an administrator's change."
    );
}

#[tokio::test]
async fn a_server_that_was_started_again_gets_a_new_handshake() {
    let server = StdioServer::new();
    let bench = Bench::with(
        |config| config.hosted.stable_after = std::time::Duration::ZERO,
        crate::support::Table::default(),
    );
    let connector = bench.hosted(server.command(&[]));

    let died = failure(bench.call(connector, "die", json!({"code": 3})).await);
    let after = bench
        .call(connector, "echo", json!({"text": "again"}))
        .await;

    assert_eq!(
        (died.kind, died.effect),
        (FailureKind::Died, Effect::Possible)
    );
    assert_eq!(text(after), "again");
    assert_eq!(
        bench
            .worker
            .process(TENANT, connector)
            .await
            .unwrap()
            .restarts,
        1
    );
}

#[tokio::test]
async fn a_command_that_does_not_exist_says_so_and_leaves_the_breaker_alone() {
    let bench = Bench::new();
    let connector = bench.hosted(vec!["turnbuckle-no-such-program".to_owned()]);

    for _ in 0..5 {
        let outcome = bench.call(connector, "echo", json!({})).await;
        let Outcome::Failed(failure) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            (failure.kind, failure.effect),
            (FailureKind::Unreachable, Effect::None)
        );
        assert!(
            failure.message.contains("turnbuckle-no-such-program"),
            "{failure}"
        );
    }
    assert!(
        bench
            .process
            .metrics
            .encode()
            .contains("turnbuckle_worker_breakers_open 0")
    );
}
