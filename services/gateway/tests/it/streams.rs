//! Streams of legacy clients: what stands in them, and the one of what happens without a request.

use http::Method;
use serde_json::json;

use crate::rig::Rig;
use crate::sse::{ACME, Stream, call, get, session};

#[tokio::test]
async fn every_event_has_an_id_and_only_2025_11_25_is_primed() {
    let rig = Rig::new();
    for (version, primed) in [
        ("2025-03-26", false),
        ("2025-06-18", false),
        ("2025-11-25", true),
    ] {
        let session = session(&rig, version).await;

        let stream = Stream::open(&rig, call(&rig, &session, "progress")).await;

        assert_eq!(stream.headers["content-type"], "text/event-stream");
        assert_eq!(stream.headers["cache-control"], "no-store");
        assert_eq!(stream.headers["x-accel-buffering"], "no");
        let mut events = stream.rest().await;
        if primed {
            let priming = events.remove(0);
            assert_eq!((priming.retry, &*priming.data), (Some(1_000), ""));
            assert!(priming.id.unwrap().ends_with(".0"));
        }
        let ids: Vec<_> = events
            .iter()
            .map(|event| event.id.clone().unwrap())
            .collect();
        let (stream, _) = ids[0].split_once('.').unwrap();
        assert_eq!(ids, [1, 2, 3].map(|n| format!("{stream}.{n}")), "{version}");
        assert_eq!(events[0].json()["params"]["progress"], 1);
        assert_eq!(events[2].json()["id"], 7);
    }
}

#[tokio::test]
async fn what_happens_without_a_request_comes_on_the_newest_get_stream_alone() {
    let rig = Rig::new();
    let session = session(&rig, "2025-11-25").await;
    let mut first = Stream::open(&rig, get(&rig, &session, &[])).await;
    assert_eq!(first.status, 200);
    let priming = first.event().await.unwrap();
    assert!(priming.id.unwrap().ends_with(".0"));

    let mut second = Stream::open(&rig, get(&rig, &session, &[])).await;
    assert_eq!(first.event().await, None, "the newer one takes over");
    rig.source.change("acme", |config| {
        config.connectors[0].tools[0].enabled = false
    });

    let event = second.message().await.unwrap();
    assert_eq!(event.json()["method"], "notifications/tools/list_changed");
    assert!(event.id.unwrap().ends_with(".1"));
}

#[tokio::test]
async fn a_get_that_cannot_be_is_told_why() {
    let rig = Rig::new();
    let session = session(&rig, "2025-11-25").await;
    let open = async |headers: &[(&str, &str)]| {
        let mut request = get(&rig, &session, &[]);
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        rig.send(request).await
    };

    let modern = open(&[("mcp-protocol-version", "2026-07-28")]).await;
    assert_eq!(modern.status, 405);
    assert_eq!(modern.headers["allow"], "POST");
    let unknown = open(&[("mcp-protocol-version", "2031-01-01")]).await;
    let message = "unsupported protocol version \"2031-01-01\"".to_owned();
    assert_eq!(unknown.error(), (400, -32022, message));
    let json_only = open(&[("accept", "application/json")]).await;
    let message = "Not Acceptable: accept text/event-stream".to_owned();
    assert_eq!(json_only.error(), (406, -32600, message));
    let forged = open(&[("mcp-session-id", "forged")]).await;
    let message = "Session not found; begin again with initialize".to_owned();
    assert_eq!(forged.error(), (404, -32600, message));
    let mut without = get(&rig, &session, &[]);
    without.headers_mut().remove("mcp-session-id");
    assert_eq!(rig.send(without).await.error().0, 400);

    let mut put = get(&rig, &session, &[]);
    *put.method_mut() = Method::PUT;
    let put = rig.send(put).await;
    assert_eq!(put.status, 405);
    assert_eq!(put.headers["allow"], "GET, POST, DELETE");
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_streams() {
    let rig = Rig::new();
    let session = session(&rig, "2025-06-18").await;
    let mut stream = Stream::open(&rig, get(&rig, &session, &[])).await;
    let mut delete = get(&rig, &session, &[]);
    *delete.method_mut() = Method::DELETE;

    assert_eq!(rig.send(delete).await.status, 204);

    assert_eq!(stream.event().await, None);
    assert_eq!(rig.send(get(&rig, &session, &[])).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn an_open_stream_is_filled_with_comments_and_keeps_its_session() {
    let config = gateway::Config {
        session_idle: std::time::Duration::from_secs(60),
        ..gateway::Config::default()
    };
    let rig = Rig::alone("sessions expire by the clock of their store", config);
    let session = session(&rig, "2025-11-25").await;
    let mut stream = Stream::open(&rig, get(&rig, &session, &[])).await;
    stream.event().await.unwrap();
    let minutes = tokio::time::sleep(std::time::Duration::from_secs(300));

    tokio::select! {
        event = stream.event() => panic!("nothing happens: {event:?}"),
        () = minutes => {}
    }

    assert_eq!(rig.legacy(&session, "ping", json!({})).await.status, 200);
    drop(stream);
    tokio::time::sleep(std::time::Duration::from_secs(61)).await;
    assert_eq!(rig.legacy(&session, "ping", json!({})).await.status, 404);
}

#[tokio::test]
async fn a_drain_ends_get_streams_with_a_time_to_return_and_lets_calls_finish() {
    let rig = Rig::new();
    let session = session(&rig, "2025-11-25").await;
    rig.worker.script(|_, events| async move {
        let event = fabric::CallEvent::Progress(r#"{"progress":1}"#.into());
        events.unwrap().send(event).await.unwrap();
        std::future::pending().await
    });
    let mut calling = Stream::open(&rig, call(&rig, &session, "wait")).await;
    let mut listening = Stream::open(&rig, get(&rig, &session, &[])).await;
    listening.event().await.unwrap();

    rig.drain();

    let rest = listening.rest().await;
    assert_eq!(
        (rest.len(), rest[0].retry, &*rest[0].data),
        (1, Some(1_000), "")
    );
    assert!(calling.message().await.is_some(), "still there");
}

#[tokio::test]
async fn listeners_beyond_the_cap_are_refused_and_the_session_stays() {
    let config = gateway::Config {
        listeners_per_key: 1,
        ..gateway::Config::default()
    };
    let rig = Rig::alone("bounds are those of each gateway", config);
    let first = session(&rig, "2025-11-25").await;
    let second = session(&rig, "2025-11-25").await;
    let mut open = Stream::open(&rig, get(&rig, &first, &[])).await;

    let refused = rig.send(get(&rig, &second, &[])).await;

    assert_eq!(refused.status, 429, "{}", refused.text);
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(rig.legacy(&second, "ping", json!({})).await.status, 200);
    let again = Stream::open(&rig, get(&rig, &first, &[])).await;
    assert_eq!(again.status, 200, "takes the place of its own");
    open.event().await.unwrap();
    assert_eq!(open.event().await, None);
}

#[tokio::test]
async fn what_a_legacy_client_may_not_say_to_the_other_era_is_refused() {
    let rig = Rig::new();
    let answer = r#"{"jsonrpc":"2.0","id":9,"result":{}}"#;
    let headers = [("mcp-protocol-version", "2026-07-28")];
    let (status, code, _) = rig.send(rig.post(&headers, answer)).await.error();
    assert_eq!(
        (status, code),
        (400, -32600),
        "a response of a modern client"
    );

    let twice = [
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let initialize = crate::rig::initialize("2025-11-25");
    let message = "Invalid Request: MCP-Protocol-Version is given twice".to_owned();
    let refused = rig.send(rig.post(&twice, initialize)).await;
    assert_eq!(refused.error(), (400, -32600, message));
    let mixed = [
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-protocol-version", "2026-07-28"),
    ];
    let refused = rig.send(rig.post(&mixed, crate::rig::initialize("2025-11-25")));
    assert_eq!(refused.await.error().1, -32020);

    let mut delete = rig.post_to(ACME, &rig.keys[0], &headers, "");
    *delete.method_mut() = Method::DELETE;
    assert_eq!(rig.send(delete).await.status, 405);
}

#[tokio::test]
async fn a_user_token_must_be_one_that_a_field_can_hold() {
    let rig = Rig::new();
    let session = session(&rig, "2025-11-25").await;
    let send = async |tokens: &[&str]| {
        let mut request = call(&rig, &session, "echo");
        for token in tokens {
            let value = token.parse().unwrap();
            request.headers_mut().append("x-user-oauth-token", value);
        }
        rig.send(request).await
    };

    assert_eq!(send(&["secret"]).await.status, 200);
    let calls = rig.worker.take_calls();
    let token = calls[0].user_token.as_ref().unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&**token), "secret");
    let long = "s".repeat(8_193);
    for wrong in [&["a b"][..], &[""], &["a", "b"], &[&long]] {
        let refused = send(wrong).await;
        let (status, code, message) = refused.error();
        assert_eq!((status, code), (400, -32600), "{message}");
        assert!(!message.contains("a b"));
    }
    assert!(rig.worker.take_calls().is_empty());
}
