//! Calls that are asked back, answered, cancelled and left in any order: each has one answer or
//! none, as is due, and nothing stays behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fabric::{Call, InputRequired, Outcome};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::rig::{Rig, result};

const ALL: &str = "/api/v1/acme/mcp";
/// The first of them of a legacy session, the others modern.
const CALLS: usize = 6;
const LEGACY: usize = 4;
const ROUNDS: usize = 2;

/// What happens next, and to which call.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// Its upstream goes on.
    Release(usize),
    /// Its client answers the oldest open question, again when `again`.
    Answer {
        call: usize,
        again: bool,
    },
    Cancel(usize),
    Disconnect(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = (0..10_u8, 0..CALLS).prop_map(|(what, call)| match what {
        0..=3 => Op::Release(call),
        4..=6 => Op::Answer { call, again: false },
        7 => Op::Answer { call, again: true },
        8 => Op::Cancel(call),
        _ => Op::Disconnect(call),
    });
    proptest::collection::vec(op, 0..60)
}

/// One call as its client sees it.
#[derive(Default)]
struct Seen {
    /// Ids of questions that wait for an answer.
    open: Vec<Value>,
    asked: Vec<Value>,
    answers: Vec<Value>,
    /// Lets a modern client come back.
    go_on: usize,
}

struct World {
    rig: Arc<Rig>,
    session: String,
    gates: Vec<Arc<Semaphore>>,
    seen: Arc<Vec<Mutex<Seen>>>,
    clients: BTreeMap<usize, JoinHandle<()>>,
    cancelled: [bool; CALLS],
    /// Cancelled while its client had no answer.
    cut_off: [bool; CALLS],
    left: [bool; CALLS],
}

fn answered(call: &Call, n: usize, round: usize) -> Outcome {
    if round == ROUNDS {
        return result(json!({"content": [], "n": n}));
    }
    if round > 0 {
        let inputs = call.request.inputs.as_ref().unwrap();
        let responses: Value = serde_json::from_slice(inputs.responses.as_ref().unwrap()).unwrap();
        assert_eq!(responses, json!({"a": {"roots": []}, "b": {"roots": []}}));
    }
    let roots = json!({"method": "roots/list"});
    Outcome::InputRequired(InputRequired {
        requests: Some(Bytes::from(json!({"a": roots, "b": roots}).to_string())),
        state: Some((round + 1).to_string()),
        meta: None,
    })
}

impl World {
    async fn new() -> Self {
        let rig = Arc::new(Rig::new());
        let gates: Vec<_> = (0..CALLS).map(|_| Arc::new(Semaphore::new(0))).collect();
        let all = gates.clone();
        rig.worker.script(move |call, _| {
            let all = all.clone();
            async move {
                let arguments = call.request.arguments.clone().unwrap();
                let arguments: Value = serde_json::from_slice(&arguments).unwrap();
                let n = arguments["n"].as_u64().unwrap() as usize;
                all[n].acquire().await.unwrap().forget();
                let inputs = call.request.inputs.as_ref();
                let round = inputs.and_then(|inputs| inputs.state.as_deref());
                answered(&call, n, round.map_or(0, |round| round.parse().unwrap()))
            }
        });
        let session = rig
            .session_as(ALL, "2025-11-25", json!({"roots": {}}))
            .await;
        let mut world = Self {
            rig,
            session,
            gates,
            seen: Arc::new((0..CALLS).map(|_| Mutex::default()).collect()),
            clients: BTreeMap::new(),
            cancelled: [false; CALLS],
            cut_off: [false; CALLS],
            left: [false; CALLS],
        };
        for n in 0..CALLS {
            let (rig, seen, session) =
                (world.rig.clone(), world.seen.clone(), world.session.clone());
            let client = async move {
                match n < LEGACY {
                    true => legacy(&rig, &session, n, &seen[n]).await,
                    false => modern(&rig, n, &seen[n]).await,
                }
            };
            let client = world.rig.process.tasks.joinable(client);
            world.clients.insert(n, client);
        }
        world.settle().await;
        world
    }

    /// Lets everything happen that can.
    async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    async fn send(&self, body: Value) {
        let request = self.rig.message(ALL, &self.session, body);
        assert_eq!(self.rig.send(request).await.status, 202);
    }

    async fn apply(&mut self, op: Op) {
        match op {
            Op::Release(call) => self.gates[call].add_permits(1),
            Op::Answer { call, .. } if call >= LEGACY => {
                self.seen[call].lock().unwrap().go_on += 1;
            }
            Op::Answer { call, again } => {
                let id = {
                    let mut seen = self.seen[call].lock().unwrap();
                    match seen.open.is_empty() {
                        true => json!("nobody:1"),
                        false => seen.open.remove(0),
                    }
                };
                let answer = json!({"jsonrpc": "2.0", "id": id, "result": {"roots": []}});
                self.send(answer.clone()).await;
                if again {
                    self.send(answer).await;
                }
            }
            Op::Cancel(call) if call < LEGACY => {
                self.cancelled[call] = true;
                self.cut_off[call] |= self.seen[call].lock().unwrap().answers.is_empty();
                let params = json!({"requestId": format!("call {call}")});
                let method = "notifications/cancelled";
                self.send(json!({"jsonrpc": "2.0", "method": method, "params": params}))
                    .await;
            }
            Op::Cancel(call) | Op::Disconnect(call) => {
                self.left[call] = true;
                if let Some(client) = self.clients.remove(&call) {
                    client.abort();
                    client.await.ok();
                }
            }
        }
        self.settle().await;
    }

    /// Everybody does what is due until all have ended.
    async fn finish(&mut self) {
        for _ in 0..=ROUNDS * 4 {
            for call in 0..CALLS {
                self.apply(Op::Release(call)).await;
                for _ in 0..2 {
                    self.apply(Op::Answer { call, again: false }).await;
                }
            }
        }
        for (_, client) in std::mem::take(&mut self.clients) {
            client.await.unwrap();
        }
        // Those that were left wait for answers for a while, and not longer.
        tokio::time::sleep(Duration::from_secs(1_000)).await;
        self.rig.clock.advance(Duration::from_secs(1_000));
        self.gates[CALLS - 1].add_permits(10);
        let seen = Mutex::new(Seen {
            go_on: 10,
            ..Seen::default()
        });
        modern(&self.rig, CALLS - 1, &seen).await;
    }

    fn check(&self) {
        for call in 0..CALLS {
            let seen = self.seen[call].lock().unwrap();
            let asked = seen.asked.len();
            let mut once = seen.asked.clone();
            once.sort_by_key(Value::to_string);
            once.dedup();
            assert_eq!(once.len(), asked, "a question was asked twice");
            let free = !self.cancelled[call] && !self.left[call];
            assert!(seen.answers.len() <= 1, "{:?}", seen.answers);
            if self.cut_off[call] {
                assert!(seen.answers.is_empty(), "call {call} was cancelled");
            }
            if free {
                assert_eq!(seen.answers.len(), 1, "call {call} has no answer");
            }
            for answer in &seen.answers {
                assert_eq!(answer["result"]["n"], json!(call), "{answer}");
            }
        }
        assert_eq!(self.rig.open_mailboxes(), 0);
        let metrics = self.rig.metrics();
        for gauge in ["mcp_calls_parked", "mcp_requests_in_flight"] {
            assert!(
                metrics.contains(&format!("turnbuckle_{gauge} 0\n")),
                "{metrics}"
            );
        }
    }
}

async fn legacy(rig: &Rig, session: &str, n: usize, seen: &Mutex<Seen>) {
    let params = json!({"name": "echo", "arguments": {"n": n}});
    let id = format!("call {n}");
    let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
    let mut live = rig.open(rig.message(ALL, session, body)).await;
    while let Some(message) = live.next().await {
        let mut seen = seen.lock().unwrap();
        match message["method"].as_str() {
            Some("roots/list") => {
                seen.open.push(message["id"].clone());
                seen.asked.push(message["id"].clone());
            }
            None if message["id"] == json!(id) => seen.answers.push(message),
            _ => panic!("{message}"),
        }
    }
}

async fn modern(rig: &Rig, n: usize, seen: &Mutex<Seen>) {
    let mut params = json!({"name": "echo", "arguments": {"n": n}});
    loop {
        let able = json!({"roots": {}});
        let answer = rig.modern_as(ALL, able, "tools/call", params.clone()).await;
        let answer = Rig::last(&answer);
        if answer["result"]["resultType"] != "input_required" {
            seen.lock().unwrap().answers.push(answer);
            return;
        }
        while seen.lock().unwrap().go_on == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        seen.lock().unwrap().go_on -= 1;
        params["requestState"] = answer["result"]["requestState"].clone();
        params["inputResponses"] = json!({"a": {"roots": []}, "b": {"roots": []}});
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_is_lost_or_given_twice_and_nothing_stays_behind(ops in ops()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for op in ops {
                world.apply(op).await;
            }
            world.finish().await;
            world.check();
        });
    }
}
