//! Clients that call all the time, and count what they get.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use super::{Got, Wire};

static CLIENTS: AtomicUsize = AtomicUsize::new(0);

/// What clients got so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) good: usize,
    /// Calls without a result, by how they ended.
    pub(crate) bad: BTreeMap<String, usize>,
    pub(crate) slowest: Duration,
    /// Why the last connection broke that did.
    broke: String,
}

/// Clients of both eras, each with one call at a time. They end when this is dropped.
pub(crate) struct Traffic {
    tally: Arc<Mutex<Tally>>,
    clients: JoinSet<()>,
}

impl Traffic {
    /// One client of each era at each endpoint, at these gateways in turn.
    pub(crate) async fn start(wires: &[&Wire], gateways: &[usize]) -> Self {
        let mut traffic = Self {
            tally: Arc::default(),
            clients: JoinSet::new(),
        };
        for wire in wires {
            // Each call says whose it is: no two clients, of whatever tenant, say the same.
            let who = CLIENTS.fetch_add(1, Ordering::Relaxed);
            let (wire, legacy) = ((*wire).clone(), wire.open(gateways[0]).await);
            let (tally, order) = (traffic.tally.clone(), gateways.to_vec());
            traffic.clients.spawn(async move {
                for (n, gateway) in order.iter().cycle().enumerate() {
                    let text = format!("modern {who} {n}");
                    let began = Instant::now();
                    let got = wire.call(*gateway, "echo", json!({ "text": text })).await;
                    count(&tally, "modern", began.elapsed(), &got, &text);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
            let (tally, order) = (traffic.tally.clone(), gateways.to_vec());
            traffic.clients.spawn(async move {
                for (n, gateway) in order.iter().cycle().enumerate() {
                    let text = format!("legacy {who} {n}");
                    let began = Instant::now();
                    let got = legacy.call(*gateway, "echo", json!({ "text": text })).await;
                    count(&tally, "legacy", began.elapsed(), &got, &text);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        traffic
    }

    /// Calls that were counted.
    pub(crate) fn made(&self) -> usize {
        let tally = self.tally.lock().unwrap();
        tally.good + tally.bad.values().sum::<usize>()
    }

    /// Forgets what was counted, and returns it.
    pub(crate) fn take(&self) -> Tally {
        std::mem::take(&mut self.tally.lock().unwrap())
    }
}

impl Tally {
    /// Asserts that calls were made and that each had its result.
    pub(crate) fn unharmed(&self) {
        assert!(self.good > 0 && self.bad.is_empty(), "{self:?}");
    }
}

fn count(tally: &Mutex<Tally>, era: &str, took: Duration, got: &Got, text: &str) {
    let mut tally = tally.lock().unwrap();
    tally.slowest = tally.slowest.max(took);
    if got.is_result() && got.text() == text {
        tally.good += 1;
        return;
    }
    let how = match got {
        // A panic here would end the client, and nobody would hear of it.
        got if got.is_result() => format!("{era}: the answer of another call, {}", got.text()),
        Got::Message(message) if message["error"].is_null() => format!("{era}: {}", got.text()),
        Got::Message(message) => format!("{era}: {}", message["error"]),
        Got::Refused(status, text) => format!("{era}: {status} {text}"),
        Got::Broken(why) => {
            tally.broke.clone_from(why);
            format!("{era}: broken")
        }
    };
    *tally.bad.entry(how).or_default() += 1;
}
