//! Servers on pipes that ask back: nothing but the process tells whom they mean.

use std::sync::Arc;

use fabric::{CallEvent, Execute, Outcome};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{Bench, answering, asked, by, call, requests, text};

/// A server on a pipe that asks with each call, and answers with what it was answered.
const ASKER: &str = r#"
import json, sys
def say(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        say({"id": message["id"], "result": {"protocolVersion": "2025-06-18", "capabilities": {}}})
    elif message.get("method") == "tools/call":
        call = message["id"]
        say({"method": "notifications/message", "params": {"level": "error", "data": "hm"}})
        say({"id": "q", "method": "roots/list"})
    elif message.get("id") == "q":
        text = json.dumps(message.get("result", message.get("error", {}).get("code")))
        say({"id": call, "result": {"content": [{"type": "text", "text": text}]}})
    elif "id" in message:
        say({"id": message["id"], "error": {"code": -32601, "message": "no"}})
"#;

#[tokio::test]
async fn a_server_on_a_pipe_asks_the_caller_whose_process_it_is() {
    let bench = Bench::new();
    let command = ["python3", "-u", "-c", ASKER].map(str::to_owned);
    let connector = bench.hosted(command.to_vec());
    let mut call = call(connector, "t", json!({}));
    Arc::make_mut(&mut call.client).log_level = Some(mcp::LogLevel::Error);

    let refused = bench.worker.execute(call.clone(), None).await;
    assert_eq!(text(refused), "-32601", "this client declared nothing");

    let call = by(call, &json!({"roots": {}}));
    let (events, mut received) = mpsc::channel(8);
    let first = asked(bench.worker.execute(call.clone(), Some(events)).await);
    assert!(matches!(received.recv().await, Some(CallEvent::Log(_))));
    let answer = json!({"input-1": {"roots": [{"uri": "file:///a"}]}});
    let outcome = bench
        .worker
        .execute(answering(call, &first, &answer), None)
        .await;
    assert_eq!(text(outcome), r#"{"roots": [{"uri": "file:///a"}]}"#);
}

/// A server on a pipe that asks, in any call, when all calls that it waits for are there, and answers each call once
/// its own question is answered.
const CROWD: &str = r#"
import json, sys
def say(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
calls = []
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        say({"id": message["id"], "result": {"protocolVersion": "2025-06-18", "capabilities": {}}})
    elif message.get("method") == "tools/call":
        calls.append(message["id"])
        if len(calls) == 3:
            for call in calls:
                say({"id": "for-%d" % call, "method": "roots/list"})
    elif str(message.get("id")).startswith("for-"):
        call = int(message["id"][4:])
        say({"id": call, "result": {"content": [{"type": "text", "text": json.dumps("result" in message)}]}})
    elif "id" in message:
        say({"id": message["id"], "error": {"code": -32601, "message": "no"}})
"#;

#[tokio::test]
async fn questions_that_name_no_call_are_each_put_once_and_every_call_gets_its_result() {
    let bench = Bench::new();
    let command = ["python3", "-u", "-c", CROWD].map(str::to_owned);
    let connector = bench.hosted(command.to_vec());
    let call = by(call(connector, "t", json!({})), &json!({"roots": {}}));

    let to_its_end = async || {
        let mut outcome = bench.worker.execute(call.clone(), None).await;
        let mut questions = 0;
        while let Outcome::InputRequired(asked) = &outcome {
            let keys = requests(asked);
            let answers: serde_json::Map<_, _> = keys
                .as_object()
                .unwrap()
                .keys()
                .map(|key| (key.clone(), json!({"roots": []})))
                .collect();
            questions += answers.len();
            let answer = answering(call.clone(), asked, &Value::Object(answers));
            outcome = bench.worker.execute(answer, None).await;
        }
        (text(outcome), questions)
    };
    let (one, two, three) = tokio::join!(to_its_end(), to_its_end(), to_its_end());

    assert_eq!(one.1 + two.1 + three.1, 3, "each is put once");
    assert_eq!([one.0, two.0, three.0], ["true", "true", "true"]);
}
