//! A gateway is killed: the other one serves the same sessions at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::cluster::{Got, Legacy, Next, Stage, Stream, Traffic, Wire};
use crate::harness::eventually;

const SOON: Duration = Duration::from_secs(10);
/// How long a gateway may take to be sure that another one is gone.
const LOST: Duration = Duration::from_secs(15);
/// How many events the stream brings, 5 ms apart.
const TICKS: u64 = 400;

/// The number of a progress notification; nothing for the result.
fn progress(message: &Value) -> Option<u64> {
    message["params"]["progress"].as_u64()
}

/// A call of 400 events, 5 ms apart, through one gateway, of which the first have come.
async fn ticking(wire: &Wire, gateway: usize) -> (Legacy, Stream, Vec<u64>) {
    let session = wire.open(gateway).await;
    let args = json!({ "count": TICKS, "every": 5 });
    let mut stream = session.stream(gateway, "tick", args).await;
    let mut seen = Vec::new();
    while seen.len() < 50 {
        seen.extend(progress(&stream.message(SOON).await));
    }
    (session, stream, seen)
}

/// Whether a session is offered a tool.
async fn offers(session: &Legacy, gateway: usize, tool: &str) -> bool {
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let got = session.post(gateway, &list).await;
    let tools = got.message()["result"]["tools"].as_array();
    let mut tools = tools.unwrap_or_else(|| panic!("no list: {got:?}")).iter();
    tools.any(|offered| offered["name"] == tool)
}

/// Whether these are the events from the first on, each once and in order.
fn in_order(seen: &[u64]) -> bool {
    seen.iter()
        .zip(1..)
        .all(|(seen, expected)| *seen == expected)
}

#[tokio::test]
async fn a_stream_taken_up_elsewhere_loses_nothing_when_that_gateway_is_killed() {
    let mut stage = Stage::open().await;
    for wire in [
        stage.legacy.clone(),
        stage.modern.clone(),
        stage.hosted.clone(),
    ] {
        let (session, stream, mut seen) = ticking(&wire, 0).await;
        let last = stream.last_id.clone();
        drop(stream);
        let mut away = session.listen(1, &last).await;
        while seen.len() < 150 {
            seen.extend(progress(&away.message(SOON).await));
        }

        stage.cluster.gateways[1].kill();
        loop {
            match away.next().await {
                Next::Message(message) => seen.extend(progress(&message)),
                Next::Broken(_) => break,
                Next::End => panic!("a killed gateway does not take its leave"),
            }
        }
        let killed = Instant::now();
        let mut back = session.listen(0, &away.last_id).await;
        seen.extend(progress(&back.message(SOON).await));
        println!("the stream goes on after {:?}", killed.elapsed());
        let answer = loop {
            let message = back.message(SOON).await;
            match progress(&message) {
                Some(n) => seen.push(n),
                None => break message,
            }
        };

        assert_eq!(Got::Message(answer).text(), "ticked");
        assert!(in_order(&seen) && seen.len() as u64 == TICKS, "{seen:?}");
        stage.cluster.gateways[1].restart().await;
    }
}

#[tokio::test]
async fn what_a_killed_gateway_had_sent_can_be_had_from_the_other() {
    let mut stage = Stage::open().await;
    let (session, stream, mut seen) = ticking(&stage.legacy, 0).await;
    let last = stream.last_id.clone();
    drop(stream);
    // Events that nobody reads go by.
    tokio::time::sleep(Duration::from_millis(500)).await;

    stage.cluster.gateways[0].kill();
    let killed = Instant::now();
    let mut resumed = session.listen(1, &last).await;
    while seen.len() < 80 {
        seen.extend(progress(&resumed.message(SOON).await));
    }
    println!(
        "the other gateway tells what was kept after {:?}",
        killed.elapsed()
    );
    let got = session.call(1, "echo", json!({ "text": "hi" })).await;
    assert_eq!(got.text(), "hi");
    // The call is lost with its gateway: the client is told, and does not wait for ever.
    let end = loop {
        match tokio::time::timeout(LOST, resumed.next()).await {
            Ok(Next::Message(message)) => match progress(&message) {
                Some(n) => seen.push(n),
                None => break format!("{message}"),
            },
            Ok(Next::End) => break "without an answer".to_owned(),
            Ok(Next::Broken(why)) => panic!("the gateway that is there broke it: {why}"),
            Err(_) => panic!("the stream of a lost call stays open"),
        }
    };
    println!("its stream ends after {:?}: {end}", killed.elapsed());
    assert!(in_order(&seen), "{seen:?}");
}

#[tokio::test]
async fn calls_and_sessions_go_on_at_the_other_gateway() {
    let mut stage = Stage::open().await;
    let session = stage.legacy.open(0).await;
    let mut listening = session.listen(0, "").await;
    let there = Traffic::start(&[&stage.legacy, &stage.modern, &stage.hosted], &[1]).await;
    let here = Traffic::start(&[&stage.legacy, &stage.modern], &[0]).await;

    stage.cluster.gateways[0].kill();
    let killed = Instant::now();
    let got = session.call(1, "echo", json!({ "text": "hi" })).await;
    assert_eq!(got.text(), "hi");
    println!("a session goes on after {:?}", killed.elapsed());
    assert!(!matches!(listening.next().await, Next::Message(_)));
    let mut listening = session.listen(1, &listening.last_id).await;
    // What happens from now on reaches the stream at the other gateway.
    let off = json!({ "enabled": false });
    let path = "/tenants/acme/connectors/legacy/tools/hold";
    stage.cluster.admin(0).patch(path, &off).await.expect(200);
    let told = listening.message(SOON).await;
    assert_eq!(told["method"], "notifications/tools/list_changed");

    there.take().unharmed();
    let lost = here.take();
    assert!(
        lost.bad.keys().all(|how| how.ends_with("broken")),
        "{lost:?}"
    );
    drop(here);
    let took = stage.cluster.gateways[0].restart().await;
    println!("a gateway is back after {took:?}");
    stage.works().await;
    let got = session.call(0, "echo", json!({ "text": "hi" })).await;
    assert_eq!(got.text(), "hi");
    there.take().unharmed();
}

#[tokio::test]
async fn a_question_is_answered_at_the_other_gateway() {
    let mut stage = Stage::open().await;
    // A modern client comes back with the answer wherever it likes, once.
    for wire in [
        stage.legacy.clone(),
        stage.modern.clone(),
        stage.hosted.clone(),
    ] {
        let question = wire.ask(0).await.unwrap();

        stage.cluster.gateways[0].kill();
        let got = wire.answer(1, &question).await;

        assert_eq!(got.text(), "Hello, Ada!");
        let got = wire.answer(1, &question).await;
        assert!(!got.is_result(), "a state is used once: {got:?}");
        stage.cluster.gateways[0].restart().await;
    }
    // A legacy client's answer finds the call at the gateway that waits.
    let session = stage.legacy.open(0).await;
    let mut stream = session.stream(0, "ask", json!({})).await;
    let asked = stream.message(SOON).await;
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
    session.reply(1, &asked["id"], answer).await;
    let answered = Got::Message(stream.message(SOON).await);
    assert_eq!(answered.text(), "Hello, Ada!");
}

#[tokio::test]
async fn everything_at_once_goes_on_when_a_gateway_is_killed() {
    let mut stage = Stage::open().await;
    let all = [
        stage.legacy.clone(),
        stage.modern.clone(),
        stage.hosted.clone(),
    ];
    for wire in [stage.legacy.clone(), stage.legacy.among_all()] {
        let everywhere = [&all[0], &all[1], &all[2], &wire];
        let there = Traffic::start(&everywhere, &[0]).await;
        let here = Traffic::start(&everywhere, &[1]).await;
        // A stream that runs at the one and is read at the other.
        let (session, stream, mut seen) = ticking(&wire, 0).await;
        let last = stream.last_id.clone();
        drop(stream);
        let mut away = session.listen(1, &last).await;
        seen.extend(progress(&away.message(SOON).await));
        let listener = wire.open(1).await;
        let mut listening = listener.listen(1, "").await;
        let (_, key) = stage.cluster.key("acme").await;
        let asked = wire.with_key(&key);
        let question = eventually(SOON, "a new key works", async || asked.ask(1).await.ok()).await;
        let asker = asked.open(0).await;
        let mut asking = asker.stream(0, "ask", json!({})).await;
        let legacy = asking.message(SOON).await;

        stage.cluster.gateways[1].kill();
        let killed = Instant::now();
        loop {
            match away.next().await {
                Next::Message(message) => seen.extend(progress(&message)),
                Next::Broken(_) => break,
                Next::End => panic!("a killed gateway does not take its leave"),
            }
        }
        let mut back = session.listen(0, &away.last_id).await;
        let answer = loop {
            let message = back.message(SOON).await;
            match progress(&message) {
                Some(n) => seen.push(n),
                None => break message,
            }
        };
        assert_eq!(Got::Message(answer).text(), "ticked");
        assert!(in_order(&seen) && seen.len() as u64 == TICKS, "{seen:?}");
        let got = asked.answer(0, &question).await;
        assert_eq!(got.text(), "Hello, Ada!");
        let reply = json!({ "action": "accept", "content": { "name": "Ada" } });
        asker.reply(0, &legacy["id"], reply).await;
        let answered = Got::Message(asking.message(SOON).await);
        assert_eq!(answered.text(), "Hello, Ada!");
        while let Next::Message(_) = listening.next().await {}
        let got = listener.call(0, "echo", json!({ "text": "hi" })).await;
        assert_eq!(got.text(), "hi");
        let mut listening = listener.listen(0, &listening.last_id).await;
        let path = "/tenants/acme/connectors/legacy/tools/hold";
        for enabled in [false, true] {
            let patch = json!({ "enabled": enabled });
            stage.cluster.admin(0).patch(path, &patch).await.expect(200);
            // Who comes from a gateway that is lost is told once too often rather than not at all,
            // and perhaps before there is any news: told of it, he finds it.
            loop {
                let told = listening.message(SOON).await;
                assert_eq!(told["method"], "notifications/tools/list_changed");
                if offers(&listener, 0, &wire.tool("hold")).await == enabled {
                    break;
                }
            }
        }
        println!("all of it goes on within {:?}", killed.elapsed());

        there.take().unharmed();
        let lost = here.take();
        let broken = |how: &String| how.ends_with("broken");
        assert!(lost.bad.keys().all(broken), "{lost:?}");
        drop((there, here));
        stage.cluster.gateways[1].restart().await;
        stage.works().await;
    }
}
