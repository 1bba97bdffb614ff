//! One lane of a connector's hosted server over all lives of its process: one process at a time,
//! the back-off between them, and what an administrator may see.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::ConnectorId;
use egress::Deadline;
use fabric::{Failure, FailureKind, ProcessState, ProcessStatus};
use time::OffsetDateTime;
use tokio::sync::{Notify, OwnedMutexGuard, Semaphore};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::end::End;
use super::environment::Inherited;
use super::places::Folders;
use super::process::{HostedProcess, OnEnd, Start, Surroundings};
use super::ring::Ring;
use crate::failure::unsent;

/// What a connector's server is. The secrets are the environment's values.
#[derive(Clone)]
pub(crate) struct Spec {
    /// The connector's version: a process of an older one is replaced.
    pub(crate) version: i64,
    /// Program and arguments. Never empty.
    pub(crate) command: Vec<String>,
    /// Absolute; a private, empty folder when absent.
    pub(crate) working_directory: Option<String>,
    pub(crate) environment: BTreeMap<String, String>,
}

pub(super) struct Server {
    connector: ConnectorId,
    folders: Folders,
    /// Shared by all lanes of the connector.
    ring: Arc<Ring>,
    /// Held while a process is started or released: there is one at a time.
    gate: Arc<tokio::sync::Mutex<()>>,
    facts: Mutex<Facts>,
}

#[derive(Default)]
struct Facts {
    /// The process, until nothing of it is left.
    current: Option<Arc<HostedProcess>>,
    version: i64,
    starts: u32,
    started_at: Option<OffsetDateTime>,
    last_exit: Option<String>,
    backoff: Backoff,
}

impl Facts {
    /// What a call gets while the back-off lasts.
    fn not_due(&self) -> Option<Failure> {
        let wait = self.backoff.remaining(Instant::now())?;
        let last = self.last_exit.as_deref().unwrap_or("ended");
        let seconds = wait.as_secs_f64().ceil();
        let message =
            format!("the hosted server {last}; it is started again in {seconds} s at the earliest");
        Some(unsent(FailureKind::Unreachable, message))
    }
}

impl Server {
    pub(super) fn new(connector: ConnectorId, folders: Folders, ring: Arc<Ring>) -> Self {
        Self {
            connector,
            folders,
            ring,
            gate: Arc::default(),
            facts: Mutex::default(),
        }
    }

    /// The process of `spec`, started when there is none.
    pub(super) async fn connect(
        self: &Arc<Self>,
        spec: &Spec,
        deadline: Deadline,
        shared: &Shared,
    ) -> Result<Arc<HostedProcess>, Failure> {
        if let Some(process) = self.usable(spec.version) {
            return Ok(process);
        }
        let in_time = async {
            let _gate = self.gate.lock().await;
            if let Some(process) = self.usable(spec.version) {
                return Ok(process);
            }
            // One of an older version, or one that is about to be gone.
            self.end_current(&End::Released).await;
            self.start(spec, shared)
        };
        match tokio::time::timeout_at(deadline.instant(), in_time).await {
            Ok(result) => result,
            Err(_) => Err(unsent(
                FailureKind::Timeout,
                "the hosted server was not started in time",
            )),
        }
    }

    fn usable(&self, version: i64) -> Option<Arc<HostedProcess>> {
        let facts = self.facts();
        let process = facts
            .current
            .as_ref()
            .filter(|_| facts.version >= version)?;
        process.calls.touch();
        (!process.is_closed()).then(|| process.clone())
    }

    fn start(
        self: &Arc<Self>,
        spec: &Spec,
        shared: &Shared,
    ) -> Result<Arc<HostedProcess>, Failure> {
        let around = &shared.around;
        if !cfg!(target_os = "linux") {
            return Err(unsent(
                FailureKind::Unreachable,
                "hosted servers need a worker on Linux",
            ));
        }
        if around.process.shutdown.is_draining() {
            return Err(unsent(
                FailureKind::Unreachable,
                "the worker ends: it starts no server",
            ));
        }
        if let Some(failure) = self.facts().not_due() {
            return Err(failure);
        }
        let permit = shared.slots.clone().try_acquire_owned().map_err(|_| {
            let most = around.config.max_processes;
            unsent(
                FailureKind::Busy,
                format!("this worker runs {most} hosted servers, no more"),
            )
        })?;
        let mark = shared.ids.next().simple().to_string();
        let environment = shared
            .inherited
            .complete(&self.folders, &mark, &spec.environment)
            .map_err(|name| {
                let message = format!(
                    "the environment variable {name:?} cannot be set: mend its name or value"
                );
                unsent(FailureKind::Unreachable, message)
            })?;
        let folder = self.prepare(spec)?;
        let start = Start {
            command: spec.command.clone(),
            folder,
            environment,
            mark,
            on_end: self.on_end(shared),
            permit,
        };
        let mut facts = self.facts();
        let process = HostedProcess::start(start, self.ring.clone(), around).map_err(|error| {
            tracing::error!("cannot start the guard of a hosted server: {error}");
            unsent(
                FailureKind::Internal,
                "the hosted server could not be started",
            )
        })?;
        facts.current = Some(process.clone());
        facts.version = spec.version;
        facts.starts = facts.starts.saturating_add(1);
        facts.started_at = Some(around.clock.now());
        drop(facts);
        shared.started.notify_waiters();
        let id = self.connector;
        tracing::info!(connector.id = %id, "started the hosted server of connector {id}");
        Ok(process)
    }

    /// Makes the private folders, and finds the one to work in.
    fn prepare(&self, spec: &Spec) -> Result<PathBuf, Failure> {
        self.folders.make().map_err(|error| {
            tracing::error!("cannot create the folders of a hosted server: {error}");
            unsent(
                FailureKind::Internal,
                "the hosted server has no folder to run in",
            )
        })?;
        match &spec.working_directory {
            None => Ok(self.folders.work.clone()),
            Some(given) if Path::new(given).is_dir() => Ok(given.into()),
            Some(given) => Err(unsent(
                FailureKind::Unreachable,
                format!("the hosted server could not be started: there is no folder {given:?}"),
            )),
        }
    }

    /// Records an end at the moment it is known, before the calls that wait hear of it.
    fn on_end(self: &Arc<Self>, shared: &Shared) -> OnEnd {
        let (server, config) = (self.clone(), shared.around.config.clone());
        Box::new(move |end, ran| {
            let id = server.connector;
            if end.is_ours() {
                tracing::info!(connector.id = %id, "the hosted server of connector {id} {end}");
            } else {
                tracing::warn!(connector.id = %id, "the hosted server of connector {id} {end}");
            }
            let mut facts = server.facts();
            facts.last_exit = Some(end.to_string());
            facts.backoff = facts.backoff.after(end, ran, Instant::now(), &config);
        })
    }

    /// Ends the process, if there is one, and resolves when nothing of it is left.
    async fn end_current(&self, why: &End) {
        let current = self.facts().current.clone();
        if let Some(process) = current {
            process.stop(why);
            process.gone().await;
            self.facts().current = None;
        }
    }

    /// Ends a process that answers no calls; the next one is started after the back-off.
    pub(super) fn give_up(&self) {
        let current = self.facts().current.clone();
        if let Some(process) = current {
            process.stop(&End::Hung);
        }
    }

    /// Ends the process and forgets the back-off. Resolves when nothing is left; no other process
    /// is started while what it returns is held.
    pub(super) async fn release(&self) -> OwnedMutexGuard<()> {
        // Stopped before the gate, which a start that waits for this very process may hold.
        let current = self.facts().current.clone();
        if let Some(process) = current {
            process.stop(&End::Released);
        }
        let gate = self.gate.clone().lock_owned().await;
        self.end_current(&End::Released).await;
        self.facts().backoff = Backoff::default();
        gate
    }

    /// Whether a process is there that takes calls.
    pub(super) fn is_up(&self) -> bool {
        let facts = self.facts();
        let current = facts.current.as_ref();
        current.is_some_and(|process| !process.is_closed())
    }

    /// Since when nobody has called the process; `None` when none runs, or a call waits.
    pub(super) fn unused_since(&self) -> Option<Instant> {
        let facts = self.facts();
        let calls = &facts
            .current
            .as_ref()
            .filter(|process| !process.is_closed())?
            .calls;
        calls.unused_since()
    }

    /// Ends the process if nobody has called it since `unused_since`, and resolves when nothing of
    /// it is left. Tells whether it did.
    pub(super) async fn evict(&self, unused_since: Instant) -> bool {
        let current = self.facts().current.clone();
        let Some(process) = current else { return false };
        if !process
            .calls
            .close_if_idle(unused_since, End::Evicted.refusal())
        {
            return false;
        }
        process.stop(&End::Evicted);
        process.gone().await;
        true
    }

    pub(super) fn status(&self) -> ProcessStatus {
        let facts = self.facts();
        let live = facts
            .current
            .as_ref()
            .filter(|process| !process.is_closed());
        let state = match live {
            Some(process) if process.has_answered() => ProcessState::Running,
            Some(_) => ProcessState::Starting,
            None if facts.backoff.remaining(Instant::now()).is_some() => ProcessState::BackingOff,
            None => ProcessState::Stopped,
        };
        ProcessStatus {
            state,
            pid: live.and_then(|process| process.pid()),
            started_at: facts.started_at,
            restarts: facts.starts.saturating_sub(1),
            last_exit: facts.last_exit.clone(),
        }
    }

    /// Whether nothing but its past would be lost with it.
    pub(super) fn is_at_rest(&self) -> bool {
        let facts = self.facts();
        self.gate.try_lock().is_ok()
            && facts
                .current
                .as_ref()
                .is_none_or(|process| *process.gone.borrow())
            && facts.backoff.remaining(Instant::now()).is_none()
    }

    pub(super) fn started_at(&self) -> Option<OffsetDateTime> {
        self.facts().started_at
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().expect("no panic while held")
    }
}

/// What the servers of a worker share.
pub(super) struct Shared {
    pub(super) around: Surroundings,
    pub(super) inherited: Inherited,
    pub(super) ids: Arc<dyn runtime::IdGen>,
    /// One for each process that may run.
    pub(super) slots: Arc<Semaphore>,
    /// Told of each start.
    pub(super) started: Notify,
}
