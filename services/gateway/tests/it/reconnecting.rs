//! A call of a legacy client under chance: its worker tells, its client reads, leaves, comes back
//! on other connections, and sometimes cancels, in whatever order. However it goes, the client
//! gets each event once and in order, and one answer or, having cancelled, none.

use std::sync::Arc;

use fabric::CallEvent;
use futures_util::FutureExt;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::rig::{Chance, Rig, result};
use crate::sse::{ACME, Event, Stream, call, resume, session};

const STEPS: u64 = 6;
const RUNS: u64 = 150;

/// What the client has read, and by which connections.
struct Client<'a> {
    rig: &'a Rig,
    session: &'a str,
    last: String,
    told: Vec<u64>,
    answered: u32,
    /// Steps that the worker may have told; the one behind the last is the answer.
    let_go: u64,
    open: Option<Stream>,
    /// Connections that others took over from, with the steps that had been let go on by then.
    old: Vec<(Stream, u64)>,
}

impl Client<'_> {
    fn take(&mut self, event: &Event) {
        if event.data.is_empty() {
            return;
        }
        self.last.clone_from(event.id.as_ref().unwrap());
        let message = event.json();
        match message["params"]["progress"].as_u64() {
            Some(step) => self.told.push(step),
            None => self.answered += u32::from(message["id"] == 7),
        }
    }

    /// Reads an event that is there already.
    fn read(&mut self) {
        let Some(stream) = &mut self.open else { return };
        match stream.event().now_or_never() {
            Some(Some(event)) => self.take(&event),
            Some(None) => self.open = None,
            None => {}
        }
    }

    /// Goes on from a further connection; the one before is left open, or not.
    async fn reconnect(&mut self, leave: bool) {
        let mut before = self.open.take().filter(|_| !leave);
        // What it has been sent already and did not look at is not what this is about.
        before.iter_mut().for_each(Stream::forget);
        let request = resume(self.rig, self.session, &self.last);
        let stream = Stream::open(self.rig, request).await;
        assert_eq!(stream.status, 200);
        self.open = Some(stream);
        self.old.extend(before.map(|before| (before, self.let_go)));
    }

    async fn cancel(&self) {
        let params = json!({"requestId": 7});
        let message =
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
        let request = self.rig.message(ACME, self.session, message);
        assert_eq!(self.rig.send(request).await.status, 202);
    }
}

/// Has each call tell a step whenever it is let go on, and then end.
fn stepwise(rig: &Rig) -> Arc<Semaphore> {
    let go = Arc::new(Semaphore::new(0));
    let held = go.clone();
    rig.worker.script(move |_, events| {
        let held = held.clone();
        async move {
            let events = events.unwrap();
            for step in 1..=STEPS {
                held.acquire().await.unwrap().forget();
                let event = CallEvent::Progress(format!(r#"{{"progress":{step}}}"#).into());
                events.send(event).await.ok();
            }
            held.acquire().await.unwrap().forget();
            result(json!({"content": []}))
        }
    });
    go
}

async fn run(rig: &Rig, session: &str, seed: u64) {
    let mut chance = Chance(seed);
    let go = stepwise(rig);
    go.add_permits(1);
    let mut stream = Stream::open(rig, call(rig, session, "echo")).await;
    let priming = stream.event().await.unwrap();
    let mut client = Client {
        rig,
        session,
        last: priming.id.unwrap(),
        told: Vec::new(),
        answered: 0,
        let_go: 1,
        open: Some(stream),
        old: Vec::new(),
    };

    let mut cancelled = false;
    while client.let_go <= STEPS && !cancelled {
        match chance.below(8) {
            0..=2 => {
                go.add_permits(1);
                client.let_go += 1;
            }
            3 | 4 => client.read(),
            5 => client.reconnect(true).await,
            6 => client.reconnect(false).await,
            _ if chance.below(12) == 0 => {
                client.cancel().await;
                cancelled = true;
            }
            _ => tokio::task::yield_now().await,
        }
    }
    if client.open.is_none() || chance.below(2) == 0 {
        client.reconnect(chance.below(2) == 0).await;
    }
    while let Some(event) = client.open.as_mut().unwrap().event().await {
        client.take(&event);
    }

    let wanted: Vec<u64> = (1..=client.told.len() as u64).collect();
    assert_eq!(client.told, wanted, "seed {seed}");
    if cancelled {
        assert_eq!(client.answered, 0, "seed {seed}");
    } else {
        let all = (client.told.len() as u64, client.answered);
        assert_eq!(all, (STEPS, 1), "seed {seed}");
    }
    for (old, let_go) in client.old {
        let late = old.rest().await;
        for event in late.iter().filter(|event| !event.data.is_empty()) {
            let step = event.json()["params"]["progress"].as_u64();
            // Another gateway cannot call back what this one was reading at that moment.
            let was_on_its_way = crate::GATEWAYS > 1 && step.unwrap_or(STEPS + 1) <= let_go;
            let message = "taken over from, and still told";
            assert!(was_on_its_way, "{message}: {event:?}; seed {seed}");
        }
    }
}

#[tokio::test]
async fn however_a_client_comes_and_goes_it_is_told_each_thing_once() {
    let rig = Rig::new();
    let session = session(&rig, "2025-11-25").await;
    for seed in 0..RUNS {
        run(&rig, &session, seed).await;
    }
}
