//! All workers, as one: for gateways what runs calls, for control-planes what cares for
//! connectors.

mod attempt;
mod choice;
mod member;
mod metrics;
mod state;
mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use fabric::{
    Affinity, BoxFuture, Call, Effect, Events, Execute, Failure, FailureKind, Method, Outcome,
    WorkerAddress,
};
use prost::Message;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::convert::call_to;
use crate::refusal::Refused;
use crate::{CALL_MAX_BYTES, Trust};
use attempt::Attempt;
use choice::Place;
use member::Member;
use metrics::PoolMetrics;

/// Workers that one call is tried on, where nothing can have happened on those before.
const CANDIDATES: usize = 3;
/// How often workers that could not be reached are tried again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// A time after which nobody waits for anything.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How a pool deals with its workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Connections to each worker; at least 1.
    pub connections_per_worker: usize,
    /// How much longer than a call's deadline a worker's answer is waited for: it gives up by
    /// itself, and says why.
    pub deadline_slack: Duration,
    /// How long a call, or a reading of tools, waits for a worker where none can be reached.
    pub worker_patience: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            connections_per_worker: 2,
            deadline_slack: Duration::from_secs(1),
            worker_patience: Duration::from_secs(2),
        }
    }
}

/// The workers that are there now. Cheap to clone.
#[derive(Clone)]
pub struct WorkerPool(Arc<Inner>);

struct Inner {
    config: PoolConfig,
    trust: Trust,
    members: ArcSwap<Vec<Arc<Member>>>,
    /// The members are others now.
    changed: Notify,
    /// Whether anybody has said who the members are.
    told: AtomicBool,
    metrics: PoolMetrics,
    /// Makes choices among equals even.
    turn: AtomicU64,
}

impl std::fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WorkerPool")
            .field(&*self.0.members.load())
            .finish()
    }
}

impl WorkerPool {
    /// A pool without workers yet.
    pub fn new(config: PoolConfig, trust: &Trust) -> Self {
        Self(Arc::new(Inner {
            config,
            trust: trust.clone(),
            members: ArcSwap::default(),
            changed: Notify::new(),
            told: AtomicBool::new(false),
            metrics: PoolMetrics::default(),
            turn: AtomicU64::new(0),
        }))
    }

    /// From now on these are the workers. Connections to those that stay are kept; calls on those
    /// that go run to their end.
    ///
    /// Who tells of no worker at all may be cut off from them: those that were there and are still
    /// connected go on.
    pub fn set(&self, workers: Vec<WorkerAddress>) {
        if workers.is_empty() {
            let mut left = self.0.open();
            left.retain(|member| member.is_connected());
            if !left.is_empty() {
                tracing::warn!("no worker is told any more: those that are connected go on");
                self.0.members.store(Arc::new(left));
                return;
            }
        }
        let before = self.0.members.load();
        let mut members: Vec<Arc<Member>> = Vec::with_capacity(workers.len());
        for told in workers {
            let known = before.iter().find(|member| member.is(&told));
            let member = match known {
                Some(member) => member.clone(),
                None => match Member::new(&told, &self.0.config, &self.0.trust) {
                    Ok(member) => Arc::new(member),
                    Err(error) => {
                        tracing::warn!(worker = told.node, "cannot use a worker: {error}");
                        continue;
                    }
                },
            };
            member.tell(&told);
            members.push(member);
        }
        self.0.metrics.workers.set(members.len() as i64);
        self.0.members.store(Arc::new(members));
        self.0.told.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }

    /// Resolves once it is known who the workers are, even if there are none.
    pub async fn known(&self) {
        loop {
            let changed = self.0.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if self.0.told.load(Ordering::Acquire) {
                return;
            }
            changed.await;
        }
    }

    /// Has its calls counted among the metrics of a process; once.
    pub fn measure(&self, metrics: &runtime::Metrics) {
        self.0.metrics.register(metrics);
    }

    /// Workers that are there, draining ones included.
    pub fn len(&self) -> usize {
        self.0.members.load().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Execute for WorkerPool {
    fn execute(&self, call: Call, events: Option<Events>) -> BoxFuture<'_, Outcome> {
        let patience = call.deadline.min(FOREVER) + self.0.config.deadline_slack;
        let begun = Instant::now();
        Box::pin(async move {
            let run = self.0.run(call, events.as_ref(), begun);
            let outcome = tokio::time::timeout_at(begun + patience, run).await;
            outcome.unwrap_or_else(|_| {
                let message = "the tool did not answer in time";
                failed(FailureKind::Timeout, message, Effect::Possible)
            })
        })
    }
}

fn failed(kind: FailureKind, message: &str, effect: Effect) -> Outcome {
    Outcome::Failed(Failure {
        kind,
        message: message.to_owned(),
        effect,
    })
}

impl Inner {
    async fn run(&self, mut call: Call, events: Option<&Events>, begun: Instant) -> Outcome {
        let (method, affinity, deadline) = (call.request.method, call.affinity, call.deadline);
        let only_reads = call.request.only_reads;
        let inputs = call.request.inputs.as_mut();
        let named = inputs.and_then(|inputs| state::take_node(inputs.state.as_mut()?));
        let place = Place::of(&call);
        let mut message = call_to(call, events.is_some());
        if message.encoded_len() > CALL_MAX_BYTES {
            let text = "the call is larger than allowed";
            return failed(FailureKind::TooLarge, text, Effect::None);
        }
        let ends = matches!(method, Method::GiveUp | Method::Reply);
        let (mut refused, mut tried) = (None, false);
        // Whether a worker was lost with it, and since when one is looked for.
        let (mut lost, mut since) = (false, begun);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let candidates = self.candidates(place, named.as_deref());
            for member in candidates {
                // What is sent to one that stands still may have an effect there later.
                member.settled().await;
                if member.is_lost() {
                    refused.get_or_insert((Refused::NotSent, None));
                    continue;
                }
                if std::mem::replace(&mut tried, true) {
                    self.metrics.retries.inc();
                    let left = deadline.saturating_sub(begun.elapsed());
                    message.deadline = Some(crate::convert::duration_to(left));
                }
                let attempt = member.attempt(message.clone(), method, events).await;
                self.metrics.count(&attempt);
                match attempt {
                    Attempt::Ended(outcome) => match busy(&outcome) {
                        // Its server runs once, or waits there: no other worker has it.
                        Some(_) if affinity == Affinity::Connector => return outcome,
                        Some(_) if named.as_deref() == Some(&member.node) => return outcome,
                        Some(failure) => refused = Some((Refused::Busy, Some(failure.clone()))),
                        None => return outcome,
                    },
                    Attempt::Lost if only_reads && !lost => {
                        tracing::debug!(worker = %member.node, "what it only read is read elsewhere");
                        (lost, since) = (true, Instant::now());
                    }
                    Attempt::Lost => return gone(only_reads),
                    Attempt::Refused(Refused::Busy) if affinity == Affinity::Connector => {
                        return failed(FailureKind::Busy, BUSY, Effect::None);
                    }
                    Attempt::Refused(why) => {
                        tracing::debug!(worker = %member.node, "a worker took no call: {why:?}");
                        refused = Some((why, None));
                    }
                }
                // Nobody else knows what it was about.
                if ends && named.is_some() {
                    return Outcome::Result(bytes::Bytes::from_static(b"{}"));
                }
            }
            let left = self.config.worker_patience.saturating_sub(since.elapsed());
            let left = left.min(deadline.saturating_sub(begun.elapsed()));
            let nobody = matches!(
                refused,
                None | Some((Refused::NotSent | Refused::Draining, None))
            );
            // Whether the worker that holds a call has gone can be said only once they are known.
            let held = named.is_some() && self.told.load(Ordering::Acquire);
            if held || !nobody || left.is_zero() {
                break;
            }
            // One may be on its way: a start, or the other one of a rolling upgrade.
            tokio::select! {
                () = &mut changed => {}
                () = tokio::time::sleep(left.min(LOOK_AGAIN)) => {}
            }
        }
        if ends && named.is_some() {
            return Outcome::Result(bytes::Bytes::from_static(b"{}"));
        }
        if named.is_some() {
            let text = "the worker that held the call has gone, and what became of the call is \
                        unknown";
            return failed(FailureKind::Forgotten, text, Effect::Possible);
        }
        if lost {
            return gone(only_reads);
        }
        match refused {
            Some((_, Some(failure))) => Outcome::Failed(failure),
            Some((Refused::Busy, None)) => failed(FailureKind::Busy, BUSY, Effect::None),
            Some((Refused::NotSent | Refused::Draining, None)) => {
                let text = "no worker can be reached";
                failed(FailureKind::Unreachable, text, Effect::None)
            }
            Some((Refused::NotAllowed | Refused::Malformed, None)) => failed(
                FailureKind::Internal,
                "the workers refuse calls",
                Effect::None,
            ),
            None => failed(FailureKind::Unreachable, "there is no worker", Effect::None),
        }
    }
}

/// Its worker has gone, and nobody else has run it.
fn gone(only_reads: bool) -> Outcome {
    let effect = match only_reads {
        true => Effect::None,
        false => Effect::Possible,
    };
    failed(
        FailureKind::Died,
        "the worker that ran the call has gone",
        effect,
    )
}

const BUSY: &str = "the workers have too many calls already";

fn busy(outcome: &Outcome) -> Option<&Failure> {
    match outcome {
        Outcome::Failed(failure)
            if failure.kind == FailureKind::Busy && failure.effect == Effect::None =>
        {
            Some(failure)
        }
        _ => None,
    }
}
