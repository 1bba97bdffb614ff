//! One worker of a pool.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use fabric::WorkerAddress;
use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use proto::fabric::v1::worker_service_client::WorkerServiceClient;
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::{Request, Status};

use super::{PoolConfig, choice, state};
use crate::refusal::Refused;
use crate::worker::{Load, Place};
use crate::{CALL_MAX_BYTES, Channel, OUTCOME_MAX_BYTES, Role, Trust};

/// How long a worker may take to take up a call before it is suspected, at least and at most; in
/// between, so many times what it took the last time. One that is well does it at once, however long
/// the call itself takes.
const SUSPECT_AFTER: Duration = Duration::from_millis(250);
const SUSPECT_AFTER_MAX: Duration = Duration::from_secs(1);
const USUAL: u32 = 3;
/// How often one that was lost is asked whether it is there again, and how long it may take to say so.
const ASK_EVERY: Duration = Duration::from_millis(250);
const ASK_WITHIN: Duration = Duration::from_secs(1);

/// A worker, its connections, and how much it has to do.
pub(super) struct Member {
    pub(super) node: String,
    address: String,
    /// Of the node's name.
    pub(super) hash: u64,
    channels: Vec<Channel>,
    next: AtomicUsize,
    capacity: AtomicU32,
    told: AtomicU32,
    draining: AtomicBool,
    /// Calls of this process.
    load: Load,
    /// Calls that it should have taken up by now.
    overdue: AtomicUsize,
    /// One of them has been, or is not waited for any more.
    settled: Notify,
    lost: AtomicBool,
    /// Milliseconds that it took to take up the last call.
    usual: AtomicU64,
}

/// Whether the worker itself has said something.
fn is_heard<T>(result: &Result<T, Status>) -> bool {
    match result {
        Ok(_) => true,
        Err(status) => Refused::of(status).is_some_and(|why| why != Refused::NotSent),
    }
}

/// A call that a worker should have taken up by now.
struct Overdue<'a>(&'a Member);

impl Drop for Overdue<'_> {
    fn drop(&mut self) {
        self.0.overdue.fetch_sub(1, Ordering::AcqRel);
        self.0.settled.notify_waiters();
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("node", &self.node)
            .field("address", &self.address)
            .field("draining", &self.is_draining())
            .finish_non_exhaustive()
    }
}

impl Member {
    pub(super) fn new(
        told: &WorkerAddress,
        config: &PoolConfig,
        trust: &Trust,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            state::can_name(&told.node),
            "its name holds a ~, or nothing"
        );
        let count = config.connections_per_worker.max(1);
        let channels = (0..count).map(|_| Channel::new(&told.address, Role::Worker, trust));
        Ok(Self {
            node: told.node.clone(),
            address: told.address.clone(),
            hash: choice::hash(told.node.as_bytes()),
            channels: channels.collect::<anyhow::Result<_>>()?,
            next: AtomicUsize::new(0),
            capacity: AtomicU32::new(0),
            told: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            load: Load::default(),
            overdue: AtomicUsize::new(0),
            settled: Notify::new(),
            lost: AtomicBool::new(false),
            usual: AtomicU64::new(0),
        })
    }

    pub(super) fn is(&self, told: &WorkerAddress) -> bool {
        self.node == told.node && self.address == told.address
    }

    /// Takes in what the worker says of itself.
    pub(super) fn tell(&self, told: &WorkerAddress) {
        self.capacity.store(told.capacity, Ordering::Relaxed);
        self.told.store(told.load, Ordering::Relaxed);
        self.draining.store(told.draining, Ordering::Relaxed);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether there is a connection to it.
    pub(super) fn is_connected(&self) -> bool {
        self.channels.iter().any(Channel::is_up)
    }

    /// Whether it could not be reached a moment ago.
    pub(super) fn is_down(&self) -> bool {
        self.channels.iter().all(Channel::is_down)
    }

    /// Whether a call waits there that it should have taken up by now: it may stand still, or not be
    /// there any more.
    pub(super) fn is_suspect(&self) -> bool {
        self.overdue.load(Ordering::Acquire) > 0
    }

    /// Waits until the worker takes up calls again, or is lost. Neither takes longer than it takes
    /// to notice a silent peer.
    pub(super) async fn settled(&self) {
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            settled.as_mut().enable();
            if !self.is_suspect() {
                return;
            }
            settled.await;
        }
    }

    /// Whether it was lost and has not said anything since.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Waits for a call to be taken up. When that takes too long the worker is suspected meanwhile,
    /// and lost when nothing comes of it.
    pub(super) async fn taking_up<T>(
        self: &Arc<Self>,
        taken_up: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let began = Instant::now();
        let mut taken_up = std::pin::pin!(taken_up);
        let usual = Duration::from_millis(self.usual.load(Ordering::Relaxed));
        let limit = (usual * USUAL).clamp(SUSPECT_AFTER, SUSPECT_AFTER_MAX);
        let result = match tokio::time::timeout(limit, &mut taken_up).await {
            Ok(result) => result,
            Err(_) => {
                self.overdue.fetch_add(1, Ordering::AcqRel);
                let _overdue = Overdue(self);
                let result = taken_up.await;
                if !is_heard(&result) {
                    self.lose();
                }
                result
            }
        };
        if is_heard(&result) {
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.usual.store(took, Ordering::Relaxed);
        }
        result
    }

    /// From now on nothing is sent to it until it says something again.
    fn lose(self: &Arc<Self>) {
        if self.lost.swap(true, Ordering::AcqRel) {
            return;
        }
        tracing::warn!(worker = %self.node, "a worker does not take up calls: it gets none until it answers");
        let member = Arc::downgrade(self);
        // Ends with the member at the latest.
        TokioExecutor::new().execute(async move {
            loop {
                tokio::time::sleep(ASK_EVERY).await;
                let Some(member) = member.upgrade() else {
                    return;
                };
                let answered = tokio::time::timeout(ASK_WITHIN, member.answers()).await;
                if answered == Ok(true) {
                    tracing::info!(worker = %member.node, "a worker answers again");
                    member.lost.store(false, Ordering::Release);
                    return;
                }
            }
        });
    }

    /// Whether it says anything to a call that is none, of which nothing comes.
    async fn answers(&self) -> bool {
        let nothing = Request::new(futures_util::stream::empty());
        is_heard(&self.client().execute(nothing).await)
    }

    /// How much of its capacity is taken, as far as is known.
    pub(super) fn fullness(&self) -> f64 {
        let calls = self
            .load
            .current()
            .saturating_add(self.told.load(Ordering::Relaxed));
        f64::from(calls) / f64::from(self.capacity.load(Ordering::Relaxed).max(1))
    }

    /// A place for a call, if this process has not as many there as the worker takes in all. One
    /// that goes on there always gets one.
    pub(super) fn enter(&self, goes_on: bool) -> Option<Place> {
        let capacity = self.capacity.load(Ordering::Relaxed);
        self.load.enter(if goes_on { 0 } else { capacity })
    }

    /// A client over one of the connections, each in its turn; one that is down only when all
    /// are.
    pub(super) fn client(&self) -> WorkerServiceClient<Channel> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.channels.len();
        let mut all = (0..count).map(|turn| &self.channels[first.wrapping_add(turn) % count]);
        let channel = all.find(|channel| !channel.is_down());
        let channel = channel.unwrap_or(&self.channels[first % count]);
        WorkerServiceClient::new(channel.clone())
            .max_encoding_message_size(CALL_MAX_BYTES)
            .max_decoding_message_size(OUTCOME_MAX_BYTES)
    }
}
