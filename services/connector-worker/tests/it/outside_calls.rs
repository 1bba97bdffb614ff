//! What a legacy server asks and says outside any call: it reaches the client session that has the
//! upstream session to itself, and no other.

use std::sync::Arc;

use domain::ConnectorId;
use fabric::{Call, CallEvent, Execute, InputRequired, List, Method, Outcome, Request};
use mcp::LogLevel;
use serde_json::{Value, json};
use testkit::stage::{Play, Stage, Stream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::{Bench, answering, asked, by, call, error, failure, requests, result, text};

fn play() -> Play {
    Play {
        listens: true,
        capabilities: json!({"tools": {}, "logging": {}}),
        ..Play::legacy()
    }
}

/// A call of a client session that can be asked everything.
fn of(session: u128, connector: ConnectorId) -> Call {
    let able = json!({"roots": {"listChanged": true}, "sampling": {},
                      "elicitation": {"form": {}, "url": {}}});
    let mut call = by(call(connector, "t", json!({})), &able);
    call.session = Some(Uuid::from_u128(session));
    call
}

fn told(call: &Call, method: Method) -> Call {
    Call {
        request: Request::new(method, None),
        ..call.clone()
    }
}

/// What a client session hears outside its calls; ends when it is dropped.
struct Ear {
    events: mpsc::Receiver<CallEvent>,
    watch: JoinHandle<Outcome>,
}

impl Ear {
    fn of(bench: &Bench, call: &Call) -> Self {
        let (events, received) = mpsc::channel(16);
        let (worker, call) = (bench.worker.clone(), told(call, Method::Watch));
        let work = async move { worker.execute(call, Some(events)).await };
        Self {
            events: received,
            watch: bench.process.tasks.joinable(work),
        }
    }

    async fn next(&mut self) -> CallEvent {
        self.events.recv().await.expect("the watch goes on")
    }

    async fn asked(&mut self) -> InputRequired {
        match self.next().await {
            CallEvent::Asked(asked) => asked,
            other => panic!("nothing asked but {other:?}"),
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// A first call, answered; gives the session's standalone stream.
async fn begun(bench: &Bench, stage: &Stage, call: &Call) -> Stream {
    let (outcome, stream) = tokio::join!(bench.worker.execute(call.clone(), None), async {
        let mut stream = None;
        loop {
            let heard = stage.next().await;
            match heard.method.as_str() {
                "GET" => stream = Some(heard.stream()),
                "tools/call" => {
                    heard.result(json!({}));
                    return stream.expect("listened to before the call");
                }
                _ => heard.result(json!({})),
            }
        }
    });
    assert_eq!(result(outcome), json!({}));
    stream
}

#[tokio::test]
async fn a_question_between_two_calls_goes_to_the_session_it_is_meant_for_and_its_answer_back() {
    let (stage, bench) = (Stage::set(play()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let (ada, ben) = (of(1, connector), of(2, connector));
    let to_ada = begun(&bench, &stage, &ada).await;
    let to_ben = begun(&bench, &stage, &ben).await;
    assert_eq!(stage.sessions(), 2, "of one key, with equal capabilities");
    assert_eq!(
        stage.declared()[0]["roots"],
        json!({"listChanged": true}),
        "as the client did"
    );

    // One hears before the question, the other after it.
    let mut ear = Ear::of(&bench, &ada);
    assert!(matches!(ear.next().await, CallEvent::Watching));
    to_ada
        .ask(json!("a"), "roots/list", json!({"x": 1.0}))
        .await;
    let of_ada = ear.asked().await;
    assert_eq!(
        requests(&of_ada),
        json!({"input-1": {"method": "roots/list", "params": {"x": 1.0}}})
    );
    to_ben.ask(json!("b"), "roots/list", json!({})).await;
    // The answer to a ping comes after all that was read.
    to_ben.ask(json!("p"), "ping", json!({})).await;
    stage.expect("(response)").await;
    let mut ear_of_ben = Ear::of(&bench, &ben);
    let of_ben = ear_of_ben.asked().await;

    let roots = json!({"input-1": {"roots": []}});
    let reply = |call: &Call, to: &InputRequired, answers: &Value| {
        answering(told(call, Method::Reply), to, answers)
    };
    for wrong in [reply(&ben, &of_ada, &roots), {
        let mut nobody = reply(&ada, &of_ada, &roots);
        nobody.session = None;
        nobody
    }] {
        let refused = error(bench.worker.execute(wrong, None).await);
        assert_eq!(refused.code, -32_602, "another's question");
    }
    let malformed = reply(&ada, &of_ada, &json!({"input-1": 1}));
    let refused = error(bench.worker.execute(malformed, None).await);
    assert_eq!(refused.code, -32_602);

    for (call, to, session, id) in [
        (&ben, &of_ben, "session-2", "b"),
        (&ada, &of_ada, "session-1", "a"),
    ] {
        let (outcome, answer) = tokio::join!(
            bench.worker.execute(reply(call, to, &roots), None),
            stage.expect("(response)")
        );
        assert_eq!(result(outcome), json!({}));
        assert_eq!(answer.header("mcp-session-id"), session);
        assert_eq!(
            answer.body,
            json!({"jsonrpc": "2.0", "id": id, "result": {"roots": []}})
        );
    }
    let again = bench.worker.execute(reply(&ada, &of_ada, &roots), None);
    assert_eq!(error(again.await).code, -32_602, "it is answered once");
}

#[tokio::test]
async fn a_question_that_nobody_hears_is_carried_by_the_next_call_of_its_session() {
    let (stage, bench) = (Stage::set(play()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let call = of(1, connector);
    let standalone = begun(&bench, &stage, &call).await;
    standalone.ask(json!(7), "roots/list", json!({})).await;
    standalone.ask(json!(8), "tasks/list", json!({})).await;
    let refused = stage.expect("(response)").await;
    assert_eq!(
        (&refused.body["id"], &refused.body["error"]["code"]),
        (&json!(8), &json!(-32_601)),
        "what no client can be asked is refused at once"
    );

    let (outcome, called) = tokio::join!(
        bench.worker.execute(call.clone(), None),
        stage.expect("tools/call")
    );
    let carried = asked(outcome);
    let answer = json!({"input-1": {"roots": []}});
    let next = bench
        .worker
        .execute(answering(call, &carried, &answer), None);
    let (outcome, ()) = tokio::join!(next, async {
        assert_eq!(stage.expect("(response)").await.body["id"], 7);
        called.result(json!({"content": []}));
    });
    assert_eq!(result(outcome), json!({"content": []}));
}

#[tokio::test]
async fn logs_and_changes_outside_calls_reach_the_session_alone() {
    let (stage, bench) = (Stage::set(play()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let (mut ada, ben) = (of(1, connector), of(2, connector));
    Arc::make_mut(&mut ada.client).log_level = Some(LogLevel::Warning);
    let to_ada = begun(&bench, &stage, &ada).await;
    let _to_ben = begun(&bench, &stage, &ben).await;
    // Before anybody hears.
    let changed = "notifications/resources/list_changed";
    to_ada.notify(changed, json!({})).await;
    let (mut ear, mut ear_of_ben) = (Ear::of(&bench, &ada), Ear::of(&bench, &ben));
    for ear in [&mut ear, &mut ear_of_ben] {
        assert!(matches!(ear.next().await, CallEvent::Watching));
    }

    for level in ["info", "error"] {
        let log = json!({"level": level, "data": level});
        to_ada.notify("notifications/message", log).await;
    }

    let mut heard = Vec::new();
    for _ in 0..2 {
        heard.push(match ear.next().await {
            CallEvent::ListChanged(List::Resources) => "list".to_owned(),
            CallEvent::Log(params) => String::from_utf8(params.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        });
    }
    heard.sort();
    assert_eq!(heard, ["list", r#"{"level":"error","data":"error"}"#]);
    assert!(ear_of_ben.events.try_recv().is_err());
}

#[tokio::test]
async fn the_end_of_a_client_session_ends_its_upstream_session_and_who_hears_it() {
    let (stage, bench) = (Stage::set(play()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let (ada, ben) = (of(1, connector), of(2, connector));
    begun(&bench, &stage, &ada).await;
    begun(&bench, &stage, &ben).await;
    let mut ear = Ear::of(&bench, &ada);
    assert!(matches!(ear.next().await, CallEvent::Watching));

    let ended = told(&ada, Method::EndSession);
    assert_eq!(result(bench.worker.execute(ended, None).await), json!({}));

    let deleted = stage.expect("DELETE").await;
    assert_eq!(deleted.header("mcp-session-id"), "session-1");
    assert_eq!(
        failure((&mut ear.watch).await.unwrap()).kind,
        fabric::FailureKind::Died
    );
}

#[tokio::test]
async fn a_page_that_is_done_with_is_told_to_the_session_that_was_asked_to_open_it() {
    let (stage, bench) = (Stage::set(play()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    let (ada, ben) = (of(1, connector), of(2, connector));
    let to_ada = begun(&bench, &stage, &ada).await;
    let to_ben = begun(&bench, &stage, &ben).await;
    let (mut ear, mut ear_of_ben) = (Ear::of(&bench, &ada), Ear::of(&bench, &ben));
    for ear in [&mut ear, &mut ear_of_ben] {
        assert!(matches!(ear.next().await, CallEvent::Watching));
    }
    let done = |id: &str| json!({"elicitationId": id, "x": 1.0});
    const DONE: &str = "notifications/elicitation/complete";

    // Asked in a call, done with in the call.
    let (outcome, stream) = tokio::join!(bench.worker.execute(ada.clone(), None), async {
        let stream = stage.expect("tools/call").await.stream();
        let page = json!({"mode": "url", "url": "https://a.test/", "elicitationId": "e1",
                          "message": "Open"});
        stream.ask(json!(1), "elicitation/create", page).await;
        stream
    });
    let question = asked(outcome);
    let (events, mut received) = mpsc::channel(8);
    let answer = json!({"input-1": {"action": "accept"}});
    let (outcome, ()) = tokio::join!(
        bench
            .worker
            .execute(answering(ada.clone(), &question, &answer), Some(events)),
        async {
            stage.expect("(response)").await;
            stream.notify(DONE, done("another")).await;
            stream.notify(DONE, done("e1")).await;
            stream.result(json!({"content": []})).await;
        }
    );
    assert_eq!(result(outcome), json!({"content": []}));
    let Some(CallEvent::ElicitationComplete(params)) = received.recv().await else {
        panic!("not told")
    };
    assert_eq!(params, r#"{"elicitationId":"e1","x":1.0}"#);
    assert!(received.recv().await.is_none());

    // Named by an error, done with after the call.
    let data = json!({"elicitations": [{"mode": "url", "elicitationId": "e2",
                                        "url": "https://a.test/", "message": "m"}]});
    let (outcome, ()) = tokio::join!(bench.worker.execute(ben.clone(), None), async {
        let refusal = json!({"code": -32_042, "message": "open it", "data": data});
        stage.expect("tools/call").await.error(200, refusal);
    });
    assert_eq!(error(outcome).code, -32_042);
    to_ada.notify(DONE, done("e3")).await;
    to_ben.notify(DONE, done("e2")).await;
    let CallEvent::ElicitationComplete(params) = ear_of_ben.next().await else {
        panic!("not told")
    };
    assert_eq!(params, r#"{"elicitationId":"e2","x":1.0}"#);
    to_ada.ask(json!("p"), "ping", json!({})).await;
    stage.expect("(response)").await;
    assert!(
        ear.events.try_recv().is_err(),
        "nobody asked it to open that"
    );
}

/// A server on a pipe that says how often it was told of changed roots, and asks after each call.
const ROOTS: &str = r#"
import json, sys
def say(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
changed, answers = 0, []
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize":
        say({"id": message["id"], "result": {"protocolVersion": "2025-06-18", "capabilities": {}}})
    elif method == "notifications/roots/list_changed":
        changed += 1
    elif method == "tools/call":
        text = json.dumps([changed, answers])
        answers = []
        say({"id": message["id"], "result": {"content": [{"type": "text", "text": text}]}})
        say({"id": "after", "method": "roots/list"})
    elif message.get("id") == "after":
        answers.append(message.get("result", message.get("error", {}).get("code")))
    elif "id" in message:
        say({"id": message["id"], "error": {"code": -32601, "message": "no"}})
"#;

#[tokio::test]
async fn a_process_of_several_sessions_hears_of_each_change_of_client_and_asks_one_that_is_alone() {
    let bench = Bench::new();
    let command = ["python3", "-u", "-c", ROOTS].map(str::to_owned);
    let connector = bench.hosted(command.to_vec());
    let (ada, ben) = (of(1, connector), of(2, connector));
    let call = async |call: &Call| text(bench.worker.execute(call.clone(), None).await);

    let mut ear = Ear::of(&bench, &ada);
    assert_eq!(call(&ada).await, "[0, []]");
    let question = ear.asked().await;
    let answer = answering(
        told(&ada, Method::Reply),
        &question,
        &json!({"input-1": {"roots": []}}),
    );
    result(bench.worker.execute(answer, None).await);
    assert_eq!(call(&ada).await, r#"[0, [{"roots": []}]]"#);
    ear.asked().await;

    // What is asked now may be meant for either.
    assert_eq!(call(&ben).await, "[1, []]");
    assert_eq!(call(&ben).await, "[1, [-32601]]");
    result(
        bench
            .worker
            .execute(told(&ben, Method::EndSession), None)
            .await,
    );
    assert_eq!(call(&ada).await, "[2, [-32601]]");
    ear.asked().await;
    assert_eq!(call(&ben).await, "[3, []]");
    // What was on its way when its session ended does not bring that back.
    ear.asked().await;
}

/// A server on a pipe that asks in a call, and after each further one asks for roots and logs.
const ASKS: &str = r#"
import json, sys, time
def say(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize":
        say({"id": message["id"], "result": {"protocolVersion": "2025-06-18",
             "capabilities": {"logging": {}}}})
    elif method == "tools/call" and message["params"]["arguments"].get("ask"):
        say({"id": "in the call", "method": "sampling/createMessage", "params": {"messages": []}})
    elif method == "tools/call":
        say({"id": message["id"], "result": {"content": [{"type": "text", "text": "done"}]}})
        time.sleep(0.1)  # the call is over for everybody
        say({"method": "notifications/message", "params": {"level": "error", "data": "after"}})
        say({"id": "after", "method": "roots/list"})
    elif "id" in message and method:
        say({"id": message["id"], "error": {"code": -32601, "message": "no"}})
"#;

#[tokio::test]
async fn a_call_that_its_client_has_given_up_without_a_word_takes_nothing_from_a_later_session() {
    let bench = Bench::new();
    let command = ["python3", "-u", "-c", ASKS].map(str::to_owned);
    let connector = bench.hosted(command.to_vec());
    let mut ada = of(1, connector);
    Arc::make_mut(&mut ada.client).log_level = Some(LogLevel::Debug);
    let mut modern = of(1, connector);
    modern.session = None;
    modern.request.arguments = Some(r#"{"ask":true}"#.into());
    asked(bench.worker.execute(modern, None).await);

    let mut ear = Ear::of(&bench, &ada);
    assert_eq!(text(bench.worker.execute(ada.clone(), None).await), "done");
    let question = loop {
        // The log came before anybody could hear it, or did not.
        match ear.next().await {
            CallEvent::Asked(asked) => break asked,
            CallEvent::Log(_) => {}
            other => panic!("{other:?}"),
        }
    };
    let requests = question.requests.unwrap();
    assert!(requests.windows(10).any(|part| part == b"roots/list"));

    assert_eq!(text(bench.worker.execute(ada.clone(), None).await), "done");
    let CallEvent::Log(params) = ear.next().await else {
        panic!("no log")
    };
    assert_eq!(params, r#"{"level": "error", "data": "after"}"#);
    ear.asked().await;
}
