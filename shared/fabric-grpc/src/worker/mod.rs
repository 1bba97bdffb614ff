//! What a worker serves.

mod running;
mod service;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use fabric::{Execute, Method, Workers};
use proto::fabric::v1::worker_service_server::WorkerServiceServer;
use runtime::{Process, Shutdown, ShutdownTrigger};
use tonic::service::Routes;

use crate::{CALL_MAX_BYTES, LISTING_MAX_BYTES, Role, Trust};

/// Serves calls to gateways, and the care of connectors to control-planes.
#[derive(Clone)]
pub struct WorkerServer(Arc<Server>);

struct Server {
    execute: Arc<dyn Execute>,
    workers: Arc<dyn Workers>,
    /// Calls at once; 0 for any number.
    capacity: u32,
    load: Load,
    /// Of the process.
    shutdown: Shutdown,
    /// Of this server alone.
    drain: ShutdownTrigger,
    drained: Shutdown,
}

/// How many calls are under way. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Load(Arc<AtomicU32>);

impl Load {
    pub fn current(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes a place among `capacity`; `None` when all are taken.
    pub(crate) fn enter(&self, capacity: u32) -> Option<Place> {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        // Given back when it is dropped.
        let place = Place(self.clone());
        (capacity == 0 || before < capacity).then_some(place)
    }
}

/// One call's place; free when it is dropped.
pub(crate) struct Place(Load);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether a call counts as load: watches only wait, and the rest ends something.
pub(crate) fn counts(method: Method) -> bool {
    !matches!(
        method,
        Method::Watch
            | Method::WatchTask
            | Method::RootsChanged
            | Method::GiveUp
            | Method::Reply
            | Method::EndSession
    )
}

impl WorkerServer {
    /// Takes `capacity` calls at once, any number for 0, and refuses further ones. Once `process`
    /// drains it takes none but those that end something begun before.
    pub fn new(
        execute: Arc<dyn Execute>,
        workers: Arc<dyn Workers>,
        capacity: u32,
        process: &Process,
    ) -> Self {
        let (drain, drained) = Shutdown::new();
        Self(Arc::new(Server {
            execute,
            workers,
            capacity,
            load: Load::default(),
            shutdown: process.shutdown.clone(),
            drain,
            drained,
        }))
    }

    /// How many calls are under way, for reports.
    pub fn load(&self) -> Load {
        self.0.load.clone()
    }

    /// Takes no new calls from now on, while connections stay: parked calls go on, and watches end,
    /// to be begun elsewhere.
    pub fn drain(&self) {
        self.0.drain.drain();
    }

    /// The routes, for gateways and control-planes only.
    pub fn router(self, trust: &Trust) -> Router {
        let service = WorkerServiceServer::new(self)
            .max_decoding_message_size(CALL_MAX_BYTES)
            .max_encoding_message_size(LISTING_MAX_BYTES);
        let router = Routes::new(service).into_axum_router();
        trust.protect(router, &[Role::Gateway, Role::ControlPlane])
    }
}
