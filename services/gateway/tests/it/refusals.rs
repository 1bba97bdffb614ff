//! Messages that are wrong in themselves: each with its exact answer.

use bytes::Bytes;
use fabric::{Effect, Failure, FailureKind, Outcome, RpcError};
use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn what_is_no_message_is_refused_with_the_reason() {
    let rig = Rig::new();
    let send = async |body: &str| rig.send(rig.post(&[], body.to_owned())).await;
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));

    for (body, status, code, message) in [
        ("{", 400, -32700, "Parse error: the body is not valid JSON"),
        ("", 400, -32700, "Parse error: the body is not valid JSON"),
        (
            deep.as_str(),
            400,
            -32600,
            "Invalid Request: JSON is nested too deeply",
        ),
        ("3", 400, -32600, "Invalid Request: not a JSON object"),
        (
            "[]",
            400,
            -32600,
            "Invalid Request: a batch of messages is not accepted here",
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            400,
            -32600,
            "Invalid Request: id must be a string or an integer",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
            400,
            -32602,
            "Invalid params: params must be an object",
        ),
    ] {
        let answer = send(body).await;
        assert_eq!(answer.error(), (status, code, message.to_owned()), "{body}");
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    assert_eq!(send("{").await.json()["id"], json!(null));
    assert!(rig.worker.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read_and_a_byte_more_is_not() {
    let config = gateway::Config {
        body_max_bytes: 200,
        ..gateway::Config::default()
    };
    let rig = Rig::with(config);
    let body = |length: usize| {
        let empty = r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"p":""}}"#;
        empty.replace(
            r#""""#,
            &format!(r#""{}""#, "a".repeat(length - empty.len())),
        )
    };
    assert_eq!(body(200).len(), 200);

    assert_eq!(
        rig.send(rig.post(&[], body(200))).await.status,
        400,
        "read, and lacks a session"
    );
    let refused = rig.send(rig.post(&[], body(201))).await;
    let message = "Payload Too Large: a message may have 200 bytes".to_owned();
    assert_eq!(refused.error(), (413, -32600, message));
}

#[tokio::test]
async fn forms_that_do_not_fit_are_refused() {
    let rig = Rig::new();
    for wrong in ["text/plain", "application/jsonx", ""] {
        let answer = rig.send(rig.post(&[("content-type", wrong)], "{}")).await;
        assert_eq!(answer.status, 415, "{wrong:?}");
    }
    let charset = ("content-type", "application/json; charset=utf-8");
    assert_eq!(rig.send(rig.post(&[charset], "{")).await.error().1, -32700);

    let mut request = rig.post(&[], "{}");
    request
        .headers_mut()
        .insert("accept", "text/html".parse().unwrap());
    assert_eq!(rig.send(request).await.status, 406);
}

#[tokio::test]
async fn a_call_that_cannot_be_made_says_why_and_reaches_nobody() {
    let rig = Rig::new();
    for (params, message) in [
        (json!({"name": "nope"}), "Unknown tool: nope"),
        (json!({"name": "off"}), "Tool is disabled: off"),
        (json!({"name": "two_off"}), "Tool is disabled: two_off"),
        (
            json!({"name": "echo", "arguments": []}),
            "params.arguments must be an object",
        ),
    ] {
        let answer = rig.modern("tools/call", params).await;
        assert_eq!(answer.error(), (200, -32602, message.to_owned()));
    }
    let nameless = rig.modern("tools/call", json!({})).await;
    assert_eq!(
        nameless.error(),
        (200, -32602, "params.name is missing".to_owned())
    );
    assert!(rig.worker.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_failed_call_is_a_tool_error_that_says_whether_it_may_have_had_an_effect() {
    let rig = Rig::new();
    let fail = |kind, effect| {
        let failure = Failure {
            kind,
            message: "The upstream died.".to_owned(),
            effect,
        };
        *rig.worker.outcome.lock().unwrap() = Some(Outcome::Failed(failure));
    };
    let call = async || {
        rig.modern("tools/call", json!({"name": "echo"}))
            .await
            .json()
    };

    fail(FailureKind::Unreachable, Effect::None);
    let result = call().await["result"].clone();
    assert_eq!(result["isError"], true);
    assert_eq!(result["resultType"], "complete");
    assert_eq!(
        result["content"],
        json!([{"type": "text", "text": "The upstream died."}])
    );

    fail(FailureKind::Died, Effect::Possible);
    let text = call().await["result"]["content"][0]["text"]
        .as_str()
        .unwrap()
        .to_owned();
    let rest = "The call may have had an effect: check before trying again.";
    assert_eq!(text, format!("The upstream died. {rest}"));

    fail(FailureKind::Busy, Effect::None);
    let error = json!({"code": -32603, "message": "The upstream died."});
    assert_eq!(call().await["error"], error);

    *rig.worker.outcome.lock().unwrap() = Some(Outcome::Result(Bytes::from_static(b"[1]")));
    assert_eq!(
        call().await["result"]["isError"],
        true,
        "a result that is no object"
    );
}

#[tokio::test]
async fn an_upstreams_error_passes_but_for_codes_of_the_hop_before_it() {
    let rig = Rig::new();
    let session = rig.session("/api/v1/acme/mcp", &rig.keys[0]).await;
    let error = |code| {
        let data = Some(Bytes::from_static(b"{\"d\":1.0}"));
        let error = RpcError {
            code,
            message: "m".to_owned(),
            data,
            raw: None,
        };
        *rig.worker.outcome.lock().unwrap() = Some(Outcome::Error(error));
    };
    for (code, to_modern, to_legacy) in [
        (-32602, -32602, -32602),
        (-32002, -32602, -32002),
        (-32020, -32603, -32603),
        (7, 7, 7),
    ] {
        error(code);
        let modern = rig.modern("tools/call", json!({"name": "echo"})).await;
        assert_eq!(modern.error(), (200, to_modern, "m".to_owned()));
        assert!(modern.text.contains(r#""data":{"d":1.0}"#));
        error(code);
        let legacy = rig
            .legacy(&session, "tools/call", json!({"name": "echo"}))
            .await;
        assert_eq!(legacy.error(), (200, to_legacy, "m".to_owned()));
    }
    error(-32021);
    let modern = rig.modern("tools/call", json!({"name": "echo"})).await;
    assert_eq!(modern.error(), (400, -32021, "m".to_owned()));
    error(-32021);
    let legacy = rig
        .legacy(&session, "tools/call", json!({"name": "echo"}))
        .await;
    assert_eq!(legacy.json()["result"]["isError"], true);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_says_it_is_too_large_or_never_arrives_is_not_waited_for() {
    let rig = Rig::new();
    let silent = || {
        let chunks = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        axum::body::Body::from_stream(chunks)
    };

    let large = rig.post(&[("content-length", "99999999999")], silent());
    let (status, code, _) = rig.send(large).await.error();
    assert_eq!((status, code), (413, -32600));

    let late = rig.send(rig.post(&[], silent())).await;
    let message = "Request Timeout: the message did not arrive in time".to_owned();
    assert_eq!(late.error(), (408, -32600, message));

    let packed = rig.post(&[("content-encoding", "gzip")], "{}");
    assert_eq!(rig.send(packed).await.status, 415);
}

#[tokio::test]
async fn a_path_that_is_no_text_names_no_tenant() {
    let rig = Rig::new();
    let request = rig.post_to("/api/v1/%ff/mcp", &rig.keys[0], &[], "{}");
    assert_eq!(rig.send(request).await.status, 401);
}
