//! Clients with a small load of their own, and what each of their calls came to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use bench::client::{Answer, Client, Target};
use bench::figures::Sorted;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longest wait of a client for one answer.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    Modern,
    Legacy,
}

/// What one client does, one call at a time.
#[derive(Clone)]
pub(crate) struct Plan {
    /// Where it goes; to the next one when its connection breaks.
    pub(crate) gateways: Vec<Target>,
    pub(crate) era: Era,
    pub(crate) tool: &'static str,
    /// Between two calls.
    pub(crate) pause: Duration,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Whose.
    pub(crate) client: usize,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) good: bool,
}

/// What was noted so far.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) samples: Vec<Sample>,
    /// How calls failed, and how often.
    pub(crate) failures: BTreeMap<String, usize>,
}

/// Clients that call until this is dropped.
pub(crate) struct Prober {
    notes: Arc<Mutex<Notes>>,
    clients: usize,
    _running: JoinSet<()>,
}

impl Prober {
    pub(crate) fn start(plans: Vec<Plan>) -> Self {
        let (notes, mut running) = (Arc::<Mutex<Notes>>::default(), JoinSet::new());
        let clients = plans.len();
        for (number, plan) in plans.into_iter().enumerate() {
            running.spawn(live(number, plan, notes.clone()));
        }
        Self {
            notes,
            clients,
            _running: running,
        }
    }

    /// Looks at what was noted.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Notes) -> T) -> T {
        at(&self.notes.lock().expect("no panic while held"))
    }

    /// Whether each client has had a good answer to a call that it made after `since`, and none
    /// a bad one in the last `quiet`.
    pub(crate) fn is_well(&self, since: Instant, quiet: Duration) -> bool {
        self.look(|notes| {
            let bad = |sample: &&Sample| !sample.good && sample.ended.elapsed() < quiet;
            let mut latest = notes.samples.iter().rev();
            latest.find(bad).is_none() && served(&notes.samples, since).len() == self.clients
        })
    }

    /// Waits until it is well.
    pub(crate) async fn well(&self, since: Instant, quiet: Duration) -> anyhow::Result<()> {
        let wait = async {
            while since.elapsed() < quiet || !self.is_well(since, quiet) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(90), wait)
            .await
            .with_context(|| {
                self.look(|notes| format!("clients are not served: {:?}", notes.failures))
            })
    }
}

/// By client: when it first had a good answer to a call made after `since`.
pub(crate) fn served(samples: &[Sample], since: Instant) -> BTreeMap<usize, Instant> {
    let mut first = BTreeMap::new();
    for sample in samples {
        if sample.good && sample.began >= since {
            let ended = first.entry(sample.client).or_insert(sample.ended);
            *ended = (*ended).min(sample.ended);
        }
    }
    first
}

/// How long calls took.
pub(crate) fn durations<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Sorted {
    let samples = samples.into_iter();
    Sorted::of(samples.map(|sample| sample.ended - sample.began).collect())
}

struct Live {
    plan: Plan,
    at: usize,
    client: Option<Client>,
    session: Option<String>,
}

async fn live(number: usize, plan: Plan, notes: Arc<Mutex<Notes>>) {
    let pause = plan.pause;
    let mut live = Live {
        plan,
        at: 0,
        client: None,
        session: None,
    };
    loop {
        let began = Instant::now();
        let called = timeout(PATIENCE, live.call()).await;
        let ended = Instant::now();
        let failure = match called {
            Ok(Ok(answer)) if answer.is_result() => None,
            Ok(Ok(answer)) => {
                // The session is gone: a new one is begun.
                if answer.status == 404 {
                    live.session = None;
                }
                Some(answer.told())
            }
            Ok(Err(broken)) => Some(live.turn(&format!("{broken:#}"))),
            Err(_) => Some(live.turn("no answer in time")),
        };
        {
            let mut notes = notes.lock().expect("no panic while held");
            let good = failure.is_none();
            notes.samples.push(Sample {
                client: number,
                began,
                ended,
                good,
            });
            if let Some(failure) = failure {
                *notes.failures.entry(failure).or_default() += 1;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

impl Live {
    async fn call(&mut self) -> anyhow::Result<Answer> {
        let client = match &mut self.client {
            Some(client) => client,
            None => {
                let connected = Client::connect(&self.plan.gateways[self.at]).await?;
                self.client.insert(connected)
            }
        };
        if self.plan.era == Era::Modern {
            return client.call(self.plan.tool).await;
        }
        let session = match &self.session {
            Some(session) => session,
            None => self.session.insert(client.initialize().await?),
        };
        client.call_in(session, self.plan.tool).await
    }

    /// Goes to the next gateway, and passes on why.
    fn turn(&mut self, why: &str) -> String {
        self.client = None;
        self.at = (self.at + 1) % self.plan.gateways.len();
        why.to_owned()
    }
}
