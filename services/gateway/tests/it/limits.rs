//! How many requests a key and a tenant may make within a window.

use std::time::Duration;

use bytes::Bytes;
use domain::Scope;
use fabric::{Call, InputRequired, Outcome};
use futures_util::future::join_all;
use gateway::{Config, RateLimit};
use serde_json::{Value, json};

use crate::legacy_sse::{connect, say};
use crate::rig::{Answer, MODERN, Rig, initialize, meta, result};
use crate::rounds::able;
use crate::sse::ACME;
use crate::websocket::{Served, modern};

/// So that no test meets its end.
const HOUR: Duration = Duration::from_secs(3_600);
const RIVAL: &str = "/api/v1/rival/mcp";

pub(crate) fn limited(per_key: u32, per_tenant: u32, window: Duration) -> Config {
    Config {
        rate_limit: RateLimit {
            window,
            per_key,
            per_tenant,
        },
        ..Config::default()
    }
}

pub(crate) async fn call_as(rig: &Rig, path: &str, key: &str) -> Answer {
    let params = json!({"name": "echo", "_meta": meta()});
    let body = json!({"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": params});
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
    ];
    rig.send(rig.post_to(path, key, &headers, body.to_string()))
        .await
}

/// How many of so many calls at once get through; the others are refused as they must be.
pub(crate) async fn passed(rig: &Rig, path: &str, key: &str, calls: usize) -> usize {
    let answers = join_all((0..calls).map(|_| call_as(rig, path, key))).await;
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        is_refused(answer);
    }
    answers.iter().filter(|answer| answer.status == 200).count()
}

fn is_refused(answer: &Answer) -> u64 {
    let (status, code, message) = answer.error();
    assert_eq!((status, code), (429, -32603), "{message}");
    assert!(message.starts_with("Too many requests: this "), "{message}");
    let again = answer.headers["retry-after"].to_str().unwrap();
    assert!(
        message.ends_with(&format!("; try again in {again} s")),
        "{message}"
    );
    let again: u64 = again.parse().unwrap();
    assert!((1..=3_600).contains(&again), "{again}");
    again
}

#[tokio::test]
async fn of_thrice_as_many_calls_as_a_key_may_make_so_many_get_through() {
    const MOST: usize = 100;
    // What a gateway lets through before it has asked: a thirty-second.
    let unasked = MOST.div_ceil(32) * crate::GATEWAYS;
    let rig = Rig::with(limited(MOST as u32, 0, HOUR));

    let passed = passed(&rig, ACME, &rig.keys[0], 3 * MOST).await;

    let at_most = if crate::GATEWAYS == 1 {
        MOST
    } else {
        MOST + unasked
    };
    assert!((MOST..=at_most).contains(&passed), "{passed}");
    assert_eq!(rig.worker.take_calls().len(), passed);
    let refused = 3 * MOST - passed;
    let line = format!("turnbuckle_mcp_calls_limited_total{{limit=\"key\"}} {refused}");
    rig.counts(&line).await;
    // What asks no upstream goes on.
    let list = rig.modern("tools/list", json!({})).await;
    assert_eq!(list.status, 200);
}

#[tokio::test(start_paused = true)]
async fn each_window_lets_as_many_through_and_says_when_it_begins() {
    let window = Duration::from_secs(60);
    let rig = Rig::alone("Redis knows no stopped time", limited(10, 0, window));

    for _ in 0..3 {
        assert_eq!(passed(&rig, ACME, &rig.keys[0], 30).await, 10);
        let again = is_refused(&call_as(&rig, ACME, &rig.keys[0]).await);
        assert!(again <= 60);
        tokio::time::advance(Duration::from_secs(again)).await;
    }
}

#[tokio::test]
async fn keys_of_a_tenant_share_its_limit_and_no_other_tenant_does() {
    let rig = Rig::alone("shares are exact at one gateway", limited(20, 30, HOUR));
    let token = rig.mint(7, Scope::TenantUser);
    rig.source.change("acme", |config| {
        let tenant = Some(config.tenant.id);
        config
            .keys
            .push(rig.stored(&token, Scope::TenantUser, tenant));
    });
    let other = token.expose();

    assert_eq!(passed(&rig, ACME, &rig.keys[0], 40).await, 20);
    assert_eq!(passed(&rig, ACME, &other, 40).await, 10);
    let refused = call_as(&rig, ACME, &other).await;
    assert!(
        refused.text.contains("this tenant may make 30"),
        "{}",
        refused.text
    );
    assert_eq!(passed(&rig, RIVAL, &rig.keys[1], 40).await, 20);
    let metrics = rig.metrics();
    for line in [
        r#"turnbuckle_mcp_calls_limited_total{limit="key"} 40"#,
        r#"turnbuckle_mcp_calls_limited_total{limit="tenant"} 31"#,
    ] {
        assert!(
            metrics.contains(&format!("{line}\n")),
            "{line} in\n{metrics}"
        );
    }
}

#[tokio::test]
async fn a_refusal_of_a_tenant_costs_its_key_nothing() {
    let rig = Rig::alone("shares are exact at one gateway", limited(4, 2, HOUR));
    let platform = rig.mint(9, Scope::PlatformAdmin);
    let stored = rig.stored(&platform, Scope::PlatformAdmin, None);
    rig.source.platform.lock().unwrap().push(stored);

    assert_eq!(passed(&rig, ACME, &platform.expose(), 20).await, 2);
    assert_eq!(passed(&rig, RIVAL, &platform.expose(), 20).await, 2);
}

#[tokio::test]
async fn a_limit_of_nought_is_none() {
    let rig = Rig::with(limited(0, 0, HOUR));
    assert_eq!(passed(&rig, ACME, &rig.keys[0], 200).await, 200);
}

#[tokio::test]
async fn more_keys_than_can_be_counted_are_refused_and_the_counted_go_on() {
    let config = Config {
        rates_total: 1,
        ..limited(100, 0, HOUR)
    };
    let rig = Rig::alone("bounds are those of each gateway", config);
    // One in each of the parts that keys are counted in, by the end of their ids.
    let mut keys = Vec::new();
    for id in 0..17_u128 {
        let token = rig.mint(0x700 + id, Scope::TenantUser);
        rig.source.change("acme", |config| {
            let tenant = Some(config.tenant.id);
            config
                .keys
                .push(rig.stored(&token, Scope::TenantUser, tenant));
        });
        keys.push(token.expose());
    }

    for key in &keys[..16] {
        assert_eq!(call_as(&rig, ACME, key).await.status, 200);
    }
    let refused = call_as(&rig, ACME, &keys[16]).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(call_as(&rig, ACME, &keys[0]).await.status, 200);
}

#[tokio::test]
async fn every_transport_says_so_in_its_own_form() {
    let rig = Rig::alone("shares are exact at one gateway", limited(1, 0, HOUR));
    let echo = json!({"name": "echo"});
    let session = rig.session_as(ACME, "2025-03-26", json!({})).await;
    let (mut stream, uri) = connect(&rig, ACME).await;
    say(&rig, &uri, initialize("2024-11-05")).await;
    stream.event().await.unwrap();
    assert_eq!(rig.modern("tools/call", echo.clone()).await.status, 200);

    let refused = |error: &Value| {
        assert_eq!(error["code"], -32603);
        let message = error["message"].as_str().unwrap();
        let begin = "Too many requests: this key may make 1 within 3600 s; try again in ";
        assert!(message.starts_with(begin), "{message}");
    };
    for method in ["tools/call", "resources/templates/list"] {
        rig.server(0, "2025-11-25", json!({"tools": {}, "resources": {}}));
        is_refused(&rig.modern(method, echo.clone()).await);
    }
    let legacy = rig
        .legacy_at(ACME, &session, "tools/call", echo.clone())
        .await;
    is_refused(&legacy);

    let request = |id: i64, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": echo});
    let batch = json!([request(1, "ping"), request(2, "tools/call")]);
    let answer = rig.send(rig.message(ACME, &session, batch)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()[0]["result"], json!({}));
    refused(&answer.json()[1]["error"]);

    say(&rig, &uri, request(3, "tools/call")).await;
    refused(&stream.message().await.unwrap().json()["error"]);

    let served = Served::by(rig).await;
    let mut socket = served.open().await;
    let answer = socket
        .ask(&modern(json!(4), "tools/call", echo.clone()))
        .await;
    assert_eq!(answer["id"], 4);
    refused(&answer["error"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_soon_can_be_given_again() {
    let window = Duration::from_secs(60);
    let rig = Rig::alone("Redis knows no stopped time", limited(1, 0, window));
    rig.worker
        .answers(|call: &Call| match &call.request.inputs {
            None => Outcome::InputRequired(InputRequired {
                requests: Some(Bytes::from_static(br#"{"k":{"method":"roots/list"}}"#)),
                state: Some("own".to_owned()),
                meta: None,
            }),
            Some(_) => result(json!({"content": []})),
        });
    let asked = crate::rounds::call(&rig, json!({"name": "echo"})).await;
    let state = asked.json()["result"]["requestState"].clone();
    let answered = json!({
        "name": "echo", "requestState": state, "inputResponses": {"k": {"roots": []}},
    });

    let again = is_refused(&crate::rounds::call(&rig, answered.clone()).await);
    tokio::time::advance(Duration::from_secs(again)).await;
    let done = rig
        .modern_as(ACME, able(), "tools/call", answered)
        .await
        .json();
    assert_eq!(done["result"]["content"], json!([]), "{done}");
}
