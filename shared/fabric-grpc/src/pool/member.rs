//! One worker of a pool.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use fabric::WorkerAddress;
use proto::fabric::v1::worker_service_client::WorkerServiceClient;

use super::{PoolConfig, choice, state};
use crate::worker::{Load, Place};
use crate::{CALL_MAX_BYTES, Channel, OUTCOME_MAX_BYTES, Role, Trust};

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

    /// Whether it could not be reached a moment ago.
    pub(super) fn is_down(&self) -> bool {
        self.channels.iter().all(Channel::is_down)
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
