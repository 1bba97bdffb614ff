//! Sessions with a legacy server, by what its client declared and whose it is.

use std::time::Duration;

use fabric::{Effect, Execute, FailureKind};
use serde_json::{Value, json};
use testkit::hosted::StdioServer;
use testkit::stage::{Play, Stage};

use crate::support::{Bench, Table, asked, by, call, failure, of_key, result, text};

fn roots() -> Value {
    json!({"roots": {}})
}

#[tokio::test]
async fn callers_who_can_be_asked_have_a_session_each_and_all_others_share_one() {
    let (stage, bench) = (Stage::set(Play::legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let plain = |key| of_key(call(connector, "t", json!({})), key);
    let asking = |key| by(plain(key), &roots());
    let ui = json!({"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["a"]}}});

    let mut sessions = Vec::new();
    for call in [
        plain(1),
        plain(2),
        asking(1),
        asking(2),
        asking(1),
        by(plain(1), &json!({"roots": {}, "sampling": {}})),
        by(plain(3), &ui),
        by(plain(4), &ui),
        by(
            plain(3),
            &json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}),
        ),
    ] {
        let (outcome, session) = tokio::join!(bench.worker.execute(call, None), async {
            let called = stage.expect("tools/call").await;
            let session = called.header("mcp-session-id").to_owned();
            called.result(json!({}));
            session
        });
        assert_eq!(result(outcome), json!({}));
        sessions.push(session.replace("session-", ""));
    }

    assert_eq!(sessions.concat(), "112324551");
    assert_eq!(
        stage.declared(),
        [
            json!({}),
            roots(),
            roots(),
            json!({"roots": {}, "sampling": {}}),
            ui
        ]
    );
}

#[tokio::test]
async fn at_the_bound_an_idle_session_makes_room_and_busy_ones_are_waited_for_in_vain() {
    let (stage, bench) = (
        Stage::set(Play::legacy()).await,
        Bench::with(
            |config| {
                config.upstream.remote_lanes_per_connector = 1;
                config.upstream.lane_wait = Duration::from_millis(50);
            },
            Table::default(),
        ),
    );
    let connector = bench.remote(&stage.url());
    let of = |key| by(of_key(call(connector, "t", json!({})), key), &roots());

    let (outcome, ()) = tokio::join!(bench.worker.execute(of(1), None), async {
        stage.expect("tools/call").await.result(json!({}));
    });
    assert_eq!(result(outcome), json!({}));

    let second = bench.worker.execute(of(2), None);
    let (outcome, refused) = tokio::join!(second, async {
        let ended = stage.next().await;
        let called = stage.next().await;
        // The end of a session is told beside the call.
        let (ended, called) = if ended.method == "DELETE" {
            (ended, called)
        } else {
            (called, ended)
        };
        assert_eq!(
            (&*ended.method, ended.header("mcp-session-id")),
            ("DELETE", "session-1")
        );
        assert_eq!(called.header("mcp-session-id"), "session-2");
        let refused = bench.worker.execute(of(3), None).await;
        called.result(json!({}));
        refused
    });
    assert_eq!(result(outcome), json!({}));
    let refused = failure(refused);
    assert_eq!(
        (refused.kind, refused.effect),
        (FailureKind::Busy, Effect::None)
    );
    assert!(
        refused.message.starts_with("upstream busy"),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn a_call_that_waits_for_a_session_gets_the_next_that_is_free() {
    let (stage, bench) = (
        Stage::set(Play::legacy()).await,
        Bench::with(
            |config| config.upstream.remote_lanes_per_connector = 1,
            Table::default(),
        ),
    );
    let connector = bench.remote(&stage.url());
    let of = |key| by(of_key(call(connector, "t", json!({})), key), &roots());

    let (first, second, ()) = tokio::join!(
        bench.worker.execute(of(1), None),
        bench.worker.execute(of(2), None),
        async {
            for _ in 0..3 {
                let heard = stage.next().await;
                if heard.method == "tools/call" {
                    heard.result(json!({}));
                }
            }
        }
    );

    assert_eq!((result(first), result(second)), (json!({}), json!({})));
    assert_eq!(stage.sessions(), 2);
}

#[tokio::test]
async fn a_session_of_one_caller_ends_when_it_is_idle_and_the_shared_one_stays() {
    let (stage, bench) = (
        Stage::set(Play::legacy()).await,
        Bench::with(
            |config| config.upstream.lane_idle = Duration::from_millis(50),
            Table::default(),
        ),
    );
    let connector = bench.remote(&stage.url());
    let plain = call(connector, "t", json!({}));

    for call in [plain.clone(), by(plain.clone(), &roots())] {
        let (outcome, ()) = tokio::join!(bench.worker.execute(call, None), async {
            stage.expect("tools/call").await.result(json!({}));
        });
        assert_eq!(result(outcome), json!({}));
    }
    let ended = stage.expect("DELETE").await;
    assert_eq!(ended.header("mcp-session-id"), "session-2");

    let (outcome, ()) = tokio::join!(bench.worker.execute(plain, None), async {
        let called = stage.expect("tools/call").await;
        assert_eq!(called.header("mcp-session-id"), "session-1");
        called.result(json!({}));
    });
    assert_eq!(result(outcome), json!({}));
}

#[tokio::test]
async fn a_parked_call_keeps_its_session_from_all_others() {
    let (stage, bench) = (
        Stage::set(Play::legacy()).await,
        Bench::with(
            |config| {
                config.upstream.remote_lanes_per_connector = 1;
                config.upstream.lane_wait = Duration::from_millis(50);
                config.upstream.parked_ttl = Duration::from_millis(200);
            },
            Table::default(),
        ),
    );
    let connector = bench.remote(&stage.url());
    let of = |key| by(of_key(call(connector, "t", json!({})), key), &roots());

    let (outcome, stream) = tokio::join!(bench.worker.execute(of(1), None), async {
        let stream = stage.expect("tools/call").await.stream();
        stream.ask(json!(1), "roots/list", json!({})).await;
        stream
    });
    asked(outcome);
    let refused = failure(bench.worker.execute(of(2), None).await);
    assert_eq!(refused.kind, FailureKind::Busy);

    stage.expect("notifications/cancelled").await;
    stream.left().await;
    let (outcome, ()) = tokio::join!(bench.worker.execute(of(2), None), async {
        for _ in 0..2 {
            let heard = stage.next().await;
            if heard.method == "tools/call" {
                heard.result(json!({}));
            }
        }
    });
    assert_eq!(result(outcome), json!({}));
}

#[tokio::test]
async fn hosted_servers_have_a_process_for_each_caller_who_can_be_asked() {
    let (server, bench) = (StdioServer::new(), Bench::new());
    let connector = bench.hosted(server.command(&[]));
    let pid = async |key, capabilities: Value| {
        let call = by(
            of_key(call(connector, "pid", json!({})), key),
            &capabilities,
        );
        text(bench.worker.execute(call, None).await)
    };

    let shared = pid(1, json!({})).await;
    let (mine, yours) = (pid(1, roots()).await, pid(2, roots()).await);

    assert_eq!(pid(2, json!({})).await, shared);
    assert_eq!(
        (pid(1, roots()).await, pid(2, roots()).await),
        (mine.clone(), yours.clone())
    );
    assert!(mine != yours && mine != shared && yours != shared);
}
