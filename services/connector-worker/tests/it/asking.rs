//! Servers that ask back in mid-call, of both eras.

use std::sync::Arc;

use bytes::Bytes;
use fabric::{CallEvent, Execute, FailureKind, Method, Outcome};
use serde_json::{Value, json};
use testkit::stage::{Play, Stage};
use tokio::sync::mpsc;

use crate::support::{Bench, answering, asked, by, call, error, failure, of_key, requests, result};

const CAN_ALL: &str = r#"{"roots":{},"sampling":{},"elicitation":{"form":{},"url":{}}}"#;

fn can_all() -> Value {
    serde_json::from_str(CAN_ALL).unwrap()
}

/// Runs `work` beside what the server does, and returns what both came to.
macro_rules! both {
    ($bench:expr, $call:expr, $server:expr) => {
        tokio::join!($bench.worker.execute($call, None), async { $server })
    };
}

#[tokio::test]
async fn a_legacy_server_is_told_what_the_client_declared_and_its_questions_are_put_and_answered() {
    let (stage, bench) = (Stage::set(Play::legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let call = by(call(connector, "t", json!({})), &can_all());

    let (outcome, stream) = both!(bench, call.clone(), {
        let stream = stage.expect("tools/call").await.stream();
        let params = json!({"message": "Who?", "requestedSchema": {"type": "object"}, "x": 1.5});
        stream.ask(json!("q"), "elicitation/create", params).await;
        stream
    });
    assert_eq!(
        stage.declared(),
        [json!({"roots": {}, "sampling": {},
        "elicitation": {"form": {}, "url": {}}})]
    );
    let first = asked(outcome);
    assert_eq!(
        requests(&first),
        json!({"input-1": {"method": "elicitation/create", "params":
            {"message": "Who?", "requestedSchema": {"type": "object"}, "x": 1.5}}})
    );

    let answer = json!({"input-1": {"action": "accept", "content": {"name": "Ada"}}, "more": 1});
    let (outcome, stream) = both!(bench, answering(call.clone(), &first, &answer), {
        let reply = stage.expect("(response)").await;
        assert_eq!(
            reply.body,
            json!({"jsonrpc": "2.0", "id": "q",
                   "result": {"action": "accept", "content": {"name": "Ada"}}})
        );
        assert_eq!(reply.header("mcp-session-id"), "session-1");
        stream.ask(json!(7), "roots/list", json!({})).await;
        stream
    });
    let second = asked(outcome);
    assert_eq!(
        requests(&second),
        json!({"input-2": {"method": "roots/list", "params": {}}})
    );
    assert_ne!(first.state, second.state, "a handle is used once");

    let refused = json!({"input-2": {"error": {"code": -1, "message": "no"}}});
    let (outcome, ()) = both!(bench, answering(call, &second, &refused), {
        let reply = stage.expect("(response)").await;
        assert_eq!(
            reply.body,
            json!({"jsonrpc": "2.0", "id": 7, "error": {"code": -1, "message": "no"}})
        );
        stream.result(json!({"content": []})).await;
    });
    assert_eq!(result(outcome), json!({"content": []}));
}

#[tokio::test]
async fn what_a_client_did_not_declare_is_refused_and_the_call_goes_on() {
    let (stage, bench) = (Stage::set(Play::legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let mutes = [json!({}), json!({"roots": {}})]
        .map(|capabilities| by(call(connector, "t", json!({})), &capabilities));
    let call = by(call(connector, "t", json!({})), &json!({"elicitation": {}}));

    // Who declared no elicitation declared none of its modes.
    for mute in mutes {
        let (outcome, ()) = both!(bench, mute, {
            let stream = stage.expect("tools/call").await.stream();
            for (id, mode) in [(1, "form"), (2, "url")] {
                let params = json!({"mode": mode, "message": "m"});
                stream.ask(json!(id), "elicitation/create", params).await;
                let error = stage.expect("(response)").await.body["error"].clone();
                let message = "Invalid params: this client declared no such elicitation mode";
                assert_eq!(error, json!({"code": -32_602, "message": message}));
            }
            stream.result(json!({"content": []})).await;
        });
        assert_eq!(result(outcome), json!({"content": []}));
    }

    let (outcome, ()) = both!(bench, call, {
        let stream = stage.expect("tools/call").await.stream();
        for (id, method, params, code) in [
            (1, "roots/list", json!({}), -32_601),
            (2, "sampling/createMessage", json!({}), -32_601),
            (
                3,
                "elicitation/create",
                json!({"mode": "url", "url": "https://a"}),
                -32_602,
            ),
            (4, "tasks/list", json!({}), -32_601),
        ] {
            stream.ask(json!(id), method, params).await;
            let reply = stage.expect("(response)").await;
            assert_eq!(
                (&reply.body["id"], &reply.body["error"]["code"]),
                (&json!(id), &json!(code)),
                "{method}"
            );
        }
        stream.ask(json!("p"), "ping", json!({})).await;
        let reply = stage.expect("(response)").await;
        assert_eq!(reply.body["result"], json!({}));
        stream.result(json!({"content": [1]})).await;
    });

    assert_eq!(result(outcome), json!({"content": [1]}));
}

#[tokio::test]
async fn questions_asked_together_are_put_together_and_may_be_answered_one_by_one() {
    let (stage, bench) = (Stage::set(Play::legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let call = by(call(connector, "t", json!({})), &can_all());

    let (outcome, stream) = both!(bench, call.clone(), {
        let stream = stage.expect("tools/call").await.stream();
        let question = |id, method| json!({"jsonrpc": "2.0", "id": id, "method": method});
        // In an array, as 2025-03-26 allows: nothing can come between them.
        stream
            .say(json!([
                question("a", "roots/list"),
                question("b", "sampling/createMessage")
            ]))
            .await;
        stream
    });
    let first = asked(outcome);
    assert_eq!(requests(&first).as_object().unwrap().len(), 2);

    let (outcome, ()) = both!(
        bench,
        answering(call.clone(), &first, &json!({"input-2": {}})),
        {
            assert_eq!(stage.expect("(response)").await.body["id"], "b");
        }
    );
    let second = asked(outcome);
    assert_eq!(
        requests(&second),
        json!({"input-1": {"method": "roots/list", "params": {}}})
    );

    let (outcome, ()) = both!(
        bench,
        answering(call, &second, &json!({"input-1": {"roots": []}})),
        {
            assert_eq!(stage.expect("(response)").await.body["id"], "a");
            stream.result(json!({})).await;
        }
    );
    assert_eq!(result(outcome), json!({}));
}

#[tokio::test]
async fn a_question_outside_the_call_belongs_to_the_caller_whose_session_it_is() {
    let play = Play {
        listens: true,
        ..Play::legacy()
    };
    let (stage, bench) = (Stage::set(play).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let call = by(call(connector, "t", json!({})), &json!({"roots": {}}));

    let (outcome, (standalone, called)) = both!(bench, call.clone(), {
        let standalone = stage.expect("GET").await;
        assert_eq!(standalone.header("mcp-session-id"), "session-1");
        let standalone = standalone.stream();
        let called = stage.expect("tools/call").await;
        standalone.ask(json!(1), "roots/list", json!({})).await;
        (standalone, called)
    });
    let first = asked(outcome);

    let answer = answering(call, &first, &json!({"input-1": {"roots": []}}));
    let (outcome, ()) = both!(bench, answer, {
        assert_eq!(
            stage.expect("(response)").await.body["result"],
            json!({"roots": []})
        );
        called.result(json!({"content": []}));
    });
    assert_eq!(result(outcome), json!({"content": []}));

    standalone.ask(json!(2), "roots/list", json!({})).await;
    let reply = stage.expect("(response)").await;
    assert_eq!(
        reply.body["error"]["code"], -32_601,
        "nobody is there to be asked"
    );
}

#[tokio::test]
async fn events_of_a_call_whose_client_is_away_wait_within_bounds() {
    let (stage, bench) = (
        Stage::set(Play::legacy()).await,
        Bench::with(
            |config| config.upstream.parked_max_bytes = 600,
            Default::default(),
        ),
    );
    let connector = bench.remote(&stage.url());
    let mut call = by(call(connector, "t", json!({})), &json!({"roots": {}}));
    call.request.progress = true;

    let (outcome, stream) = both!(bench, call.clone(), {
        let called = stage.expect("tools/call").await;
        let token = called.body["params"]["_meta"]["progressToken"].clone();
        let stream = called.stream();
        stream.ask(json!(1), "roots/list", json!({})).await;
        (stream, token)
    });
    let (stream, token) = stream;
    let first = asked(outcome);
    for step in 1..=20 {
        let params = json!({"progressToken": token, "progress": step, "message": "x".repeat(60)});
        stream.notify("notifications/progress", params).await;
    }
    // The answer to a ping comes after all that was read.
    stream.ask(json!("p"), "ping", json!({})).await;
    stage.expect("(response)").await;

    let (events, mut received) = mpsc::channel(64);
    let answer = answering(call, &first, &json!({"input-1": {"roots": []}}));
    let (outcome, ()) = tokio::join!(bench.worker.execute(answer, Some(events)), async {
        stage.expect("(response)").await;
        stream.result(json!({})).await;
    });
    assert_eq!(result(outcome), json!({}));
    let mut steps = Vec::new();
    while let Ok(CallEvent::Progress(event)) = received.try_recv() {
        let event: Value = serde_json::from_slice(&event).unwrap();
        steps.push(event["progress"].as_u64().unwrap());
    }
    assert_eq!(steps.last(), Some(&20), "the newest are kept");
    assert!(!steps.is_empty() && steps.len() < 10, "{steps:?}");
}

#[tokio::test]
async fn a_modern_server_gets_the_answers_and_its_state_with_the_same_request() {
    let (stage, bench) = (Stage::set(Play::modern()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let call = by(
        call(connector, "t", json!({"a": 1})),
        &json!({"elicitation": {}}),
    );
    let question = json!({"who": {"method": "elicitation/create", "params": {"message": "Who?"}}});

    let (outcome, ()) = both!(bench, call.clone(), {
        let called = stage.expect("tools/call").await;
        let meta = &called.body["params"]["_meta"];
        assert_eq!(
            meta["io.modelcontextprotocol/clientCapabilities"],
            json!({"elicitation": {"form": {}}})
        );
        called.result(
            json!({"resultType": "input_required", "requestState": "s\"1",
                             "inputRequests": question, "_meta": {"k": 1}}),
        );
    });
    let first = asked(outcome);
    assert_eq!(requests(&first), question);
    assert_eq!(first.state.as_deref(), Some("s\"1"));
    assert_eq!(first.meta.as_deref(), Some(&br#"{"k":1}"#[..]));

    let (outcome, ()) = both!(
        bench,
        answering(call, &first, &json!({"who": {"action": "decline"}})),
        {
            let called = stage.expect("tools/call").await;
            let params = &called.body["params"];
            assert_eq!(params["arguments"], json!({"a": 1}));
            assert_eq!(params["requestState"], "s\"1");
            assert_eq!(
                params["inputResponses"],
                json!({"who": {"action": "decline"}})
            );
            called.result(json!({"resultType": "complete", "content": []}));
        }
    );
    assert_eq!(result(outcome)["content"], json!([]));
}

#[tokio::test]
async fn a_modern_server_may_not_answer_what_the_request_does_not_allow() {
    let (stage, bench) = (Stage::set(Play::modern()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let ask =
        |request: Value| json!({"resultType": "input_required", "inputRequests": {"k": request}});
    let roots = json!({"method": "roots/list"});

    for (method, answer) in [
        (Method::CallTool, ask(json!({"method": "ping"}))),
        (Method::CallTool, ask(json!([]))),
        (Method::CallTool, json!({"resultType": "input_required"})),
        (
            Method::CallTool,
            json!({"resultType": "task", "taskId": "1"}),
        ),
        (Method::CallTool, json!({"resultType": "later"})),
        (
            Method::ListPrompts,
            json!({"resultType": "input_required", "requestState": "s"}),
        ),
    ] {
        let mut call = by(call(connector, "t", json!({})), &json!({"elicitation": {}}));
        call.request.method = method;
        let (outcome, ()) = both!(bench, call, stage.next().await.result(answer.clone()));
        assert_eq!(failure(outcome).kind, FailureKind::Garbage, "{answer}");
    }

    // What the client did not declare its caller refuses, who knows its words.
    let call = by(call(connector, "t", json!({})), &json!({"elicitation": {}}));
    let (outcome, ()) = both!(bench, call.clone(), stage.next().await.result(ask(roots)));
    let asked = asked(outcome);
    assert_eq!(
        (requests(&asked), asked.state),
        (json!({"k": {"method": "roots/list"}}), None)
    );
    let missing = json!({"code": -32_021, "message": "no", "data": {"requiredCapabilities": {"sampling": {}}}});
    let (outcome, ()) = both!(bench, call, stage.next().await.error(400, missing));
    let error = error(outcome);
    assert_eq!(error.code, -32_021);
    assert_eq!(
        error.data.as_deref(),
        Some(&br#"{"requiredCapabilities":{"sampling":{}}}"#[..])
    );
}

#[tokio::test]
async fn an_url_that_must_be_opened_first_is_told_as_the_server_told_it() {
    let (stage, bench) = (Stage::set(Play::legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let call = by(call(connector, "t", json!({})), &can_all());
    let data = json!({"elicitations": [{"mode": "url", "elicitationId": "e", "url": "https://a", "message": "m"}]});

    let refusal = json!({"code": -32_042, "message": "open it", "data": data});
    let (outcome, ()) = both!(
        bench,
        call,
        stage.expect("tools/call").await.error(200, refusal)
    );

    let error = error(outcome);
    assert_eq!((error.code, error.message.as_str()), (-32_042, "open it"));
    assert_eq!(
        serde_json::from_slice::<Value>(&error.data.unwrap()).unwrap(),
        data
    );
}

#[tokio::test]
async fn log_messages_of_a_call_are_filtered_and_others_go_to_nobody_who_is_not_alone() {
    let play = Play {
        listens: true,
        capabilities: json!({"tools": {}, "logging": {}}),
        ..Play::legacy()
    };
    let (stage, bench) = (Stage::set(play).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let wants = |level: &str, key| {
        let mut call = of_key(call(connector, "t", json!({})), key);
        Arc::make_mut(&mut call.client).log_level = Some(level.parse().unwrap());
        call
    };
    let log = |level: &str, data: &str| json!({"level": level, "data": data});
    let (events, mut received) = mpsc::channel(8);

    let ((standalone, outcome), outcome_of_other) = {
        let first = bench.worker.execute(wants("warning", 1), Some(events));
        let mut first = std::pin::pin!(first);
        let (standalone, stream) = tokio::select! {
            outcome = &mut first => panic!("{outcome:?}"),
            both = async {
                let standalone = stage.expect("GET").await.stream();
                let level = stage.expect("logging/setLevel").await;
                assert_eq!(level.body["params"]["level"], "debug", "others share the session");
                level.result(json!({}));
                (standalone, stage.expect("tools/call").await.stream())
            } => both,
        };
        stream
            .notify("notifications/message", log("info", "too light"))
            .await;
        stream
            .notify("notifications/message", log("error", "mine"))
            .await;
        standalone
            .notify("notifications/message", log("alert", "alone"))
            .await;
        let alone = async {
            let mut all = vec![
                received.recv().await.unwrap(),
                received.recv().await.unwrap(),
            ];
            all.sort_by_key(|event| format!("{event:?}"));
            all
        };
        let all =
            tokio::select! { outcome = &mut first => panic!("{outcome:?}"), all = alone => all };
        let texts: Vec<_> = all
            .into_iter()
            .map(|event| match event {
                CallEvent::Log(params) => params,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts[0], Bytes::from(log("alert", "alone").to_string()));
        assert_eq!(texts[1], Bytes::from(log("error", "mine").to_string()));

        let second = bench.worker.execute(wants("debug", 2), None);
        let (outcome, (standalone, other)) = tokio::join!(first, async {
            let (other, standalone) = tokio::join!(second, async {
                let called = stage.expect("tools/call").await;
                standalone
                    .notify("notifications/message", log("alert", "whose?"))
                    .await;
                // Read before what follows on the same stream.
                standalone.ask(json!("p"), "ping", json!({})).await;
                stage.expect("(response)").await;
                called.result(json!({}));
                stream.result(json!({})).await;
                standalone
            });
            (standalone, other)
        });
        ((standalone, outcome), other)
    };
    assert_eq!(result(outcome), json!({}));
    assert!(matches!(outcome_of_other, Outcome::Result(_)));
    assert!(received.recv().await.is_none(), "it was not the only one");
    drop(standalone);
}

#[tokio::test]
async fn an_error_that_a_legacy_client_answers_ends_the_call_of_a_modern_server() {
    let (stage, bench) = (Stage::set(Play::modern()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let call = by(call(connector, "t", json!({})), &json!({"roots": {}}));
    let question =
        json!({"resultType": "input_required", "inputRequests": {"k": {"method": "roots/list"}}});

    let (outcome, ()) = both!(bench, call.clone(), {
        stage.next().await.result(question);
    });
    let refusal = json!({"k": {"error": {"code": -1, "message": "the person said no", "data": 1}}});
    let answer = answering(call, &asked(outcome), &refusal);
    let error = error(bench.worker.execute(answer, None).await);

    assert_eq!(
        (error.code, error.message.as_str()),
        (-1, "the person said no")
    );
    assert_eq!(error.data.as_deref(), Some(&b"1"[..]));
}

#[tokio::test]
async fn changed_roots_are_told_to_the_session_of_the_client_if_there_is_one() {
    let (stage, bench) = (Stage::set(Play::legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let call = by(call(connector, "t", json!({})), &json!({"roots": {}}));
    let mut changed = call.clone();
    changed.request = fabric::Request::new(Method::RootsChanged, None);

    let outcome = bench.worker.execute(changed.clone(), None).await;
    assert_eq!(result(outcome), json!({}));
    assert_eq!(stage.sessions(), 0, "nothing is begun for it");

    let (outcome, ()) = both!(
        bench,
        call,
        stage.expect("tools/call").await.result(json!({}))
    );
    assert_eq!(result(outcome), json!({}));
    result(bench.worker.execute(of_key(changed.clone(), 9), None).await);
    result(bench.worker.execute(changed, None).await);
    let told = stage.expect("notifications/roots/list_changed").await;
    assert_eq!(told.header("mcp-session-id"), "session-1");
}
