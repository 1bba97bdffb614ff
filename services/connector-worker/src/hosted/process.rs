//! One life of a hosted server: its process, and the transport to it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use egress::Deadline;
use fabric::{BoxFuture, Failure, FailureKind};
use http::HeaderMap;
use tokio::process::Command;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::end::End;
use super::guard::{Arguments, Role};
use super::metrics::HostedMetrics;
use super::ring::Ring;
use super::{Config, pipes, supervise};
use crate::failure::{sent, unsent};
use crate::upstream::{Demux, Exchange, Hold, Outgoing, Rejected, Transport, WaitingCall, Wire};

/// Messages that wait for the process to read them. Callers beyond wait with theirs.
const INPUT_QUEUE: usize = 8;

/// What a process is started with.
pub(super) struct Start {
    pub(super) command: Vec<String>,
    pub(super) folder: PathBuf,
    pub(super) environment: BTreeMap<OsString, OsString>,
    /// Unique for this process; see [`super::environment::MARK`].
    pub(super) mark: String,
    pub(super) on_end: OnEnd,
    /// The process' place among those that the worker may run; free when nothing of it is left.
    pub(super) permit: OwnedSemaphorePermit,
}

/// Told once, at the moment the process is known to end, with how long it ran.
pub(super) type OnEnd = Box<dyn FnOnce(&End, Duration) + Send>;

/// What all processes of a worker share.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) config: Arc<Config>,
    pub(super) process: runtime::Process,
    pub(super) clock: Arc<dyn runtime::Clock>,
    pub(super) metrics: HostedMetrics,
}

/// A process, from its start until nothing of it is left.
pub(crate) struct HostedProcess {
    pub(super) calls: Arc<Demux>,
    input: mpsc::Sender<Bytes>,
    /// The server's own process id; 0 until the guard has told it.
    pub(super) pid: AtomicU32,
    /// How long it may take to its first message.
    start_timeout: Duration,
    /// Whether it ever sent a message.
    pub(super) answered: watch::Sender<bool>,
    /// Why it is to end. The first reason stays.
    pub(super) stop: watch::Sender<Option<End>>,
    pub(super) gone: watch::Sender<bool>,
}

impl HostedProcess {
    /// Starts a process. It runs by itself from here on; what becomes of it is told through
    /// `on_end`.
    ///
    /// # Errors
    /// The guard could not be started; the command was not run.
    pub(super) fn start(
        start: Start,
        ring: Arc<Ring>,
        around: &Surroundings,
    ) -> std::io::Result<Arc<Self>> {
        let config = &around.config;
        let guard = Arguments {
            role: Role::Watch {
                owner: std::process::id(),
                grace: config.term_grace,
                relaunch: config.guard.args.iter().map(OsString::from).collect(),
            },
            mark: start.mark.clone(),
            command: start.command.iter().map(OsString::from).collect(),
        };
        let mut child = Command::new(&config.guard.program)
            .args(&config.guard.args)
            .args(guard.to_args())
            .env_clear()
            .envs(&start.environment)
            .current_dir(&start.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(std::io::Error::other("a piped stream is missing"));
        };

        let program = start.command.first().map_or("", String::as_str);
        let start_timeout = config.start_timeout_of(program);
        let (input, messages) = mpsc::channel(INPUT_QUEUE);
        let process = Arc::new(Self {
            calls: Demux::new(),
            input,
            pid: AtomicU32::new(0),
            start_timeout,
            answered: watch::Sender::new(false),
            stop: watch::Sender::new(None),
            gone: watch::Sender::new(false),
        });
        let (reports_to, reports) = mpsc::channel(8);
        let tasks = &around.process.tasks;
        let pipes = pipes::Pipes {
            process: process.clone(),
            ring,
            around: around.clone(),
        };
        let output = tasks.joinable(pipes.clone().read_stdout(stdout));
        let errors = tasks.joinable(pipes.clone().read_stderr(
            stderr,
            start.mark.clone(),
            reports_to,
        ));
        tasks.joinable(pipes.write_stdin(stdin, messages));
        let supervisor = supervise::Supervisor {
            start_timeout,
            program: program.to_owned(),
            process: process.clone(),
            around: around.clone(),
            guard: child,
            mark: start.mark,
            reports,
            output,
            errors,
            permit: start.permit,
        };
        tasks.joinable(supervisor.run(start.on_end));
        Ok(process)
    }

    /// Asks for the end. Calls that wait fail; `gone` tells when nothing is left.
    pub(super) fn stop(&self, why: &End) {
        self.calls.close(why.refusal());
        self.stop.send_if_modified(|reason| {
            let first = reason.is_none();
            reason.get_or_insert_with(|| why.clone());
            first
        });
    }

    /// Resolves when nothing of the process is left.
    pub(super) async fn gone(&self) {
        // The sender is ours: it cannot be closed while we wait.
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }

    /// Whether no call can be sent any more. A caller that held on to this transport asks for
    /// another then, which begins with a handshake of its own.
    pub(crate) fn is_closed(&self) -> bool {
        self.calls.is_closed()
    }

    pub(super) fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    pub(super) fn has_answered(&self) -> bool {
        *self.answered.borrow()
    }

    /// Queues an answer to what the server asked. One that asks faster than it reads gets none.
    pub(super) fn reply(&self, message: &Bytes) {
        let _ = self.input.try_send(line(message));
    }

    async fn send(&self, message: &Bytes, deadline: Deadline) -> Result<(), Failure> {
        let queued = tokio::time::timeout_at(deadline.instant(), self.input.send(line(message)));
        match queued.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(unsent(
                FailureKind::Died,
                "the hosted server does not take messages any more",
            )),
            Err(_) => Err(unsent(
                FailureKind::Timeout,
                "the hosted server did not take the call in time",
            )),
        }
    }
}

impl Transport for HostedProcess {
    fn wire(&self) -> Wire {
        Wire::Lines
    }

    fn start_timeout(&self) -> Duration {
        self.start_timeout
    }

    fn request(&self, request: Outgoing) -> BoxFuture<'_, Result<Box<dyn Exchange>, Rejected>> {
        Box::pin(async move {
            let waiting = self.calls.begin(request.id)?;
            self.send(&request.body, request.deadline).await?;
            let exchange: Box<dyn Exchange> = Box::new(Bounded {
                waiting,
                deadline: request.deadline,
            });
            Ok(exchange)
        })
    }

    fn notify(
        &self,
        body: Bytes,
        _headers: HeaderMap,
        deadline: Deadline,
    ) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move { self.send(&body, deadline).await })
    }

    fn unsolicited(
        &self,
        _headers: HeaderMap,
    ) -> BoxFuture<'_, Result<Option<Box<dyn Exchange>>, Rejected>> {
        Box::pin(std::future::ready(Ok(self.calls.strays())))
    }

    fn is_closed(&self) -> bool {
        self.calls.is_closed()
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.calls.settled())
    }

    fn close(&self) {
        self.stop(&End::Unused);
    }

    fn hold(&self) -> Option<Hold> {
        Some(self.calls.hold())
    }
}

/// A call that waits until its deadline.
struct Bounded {
    waiting: WaitingCall,
    deadline: Deadline,
}

impl Exchange for Bounded {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Failure>> {
        Box::pin(async move {
            match tokio::time::timeout_at(self.deadline.instant(), self.waiting.next()).await {
                Ok(next) => next,
                Err(_) => Err(sent(
                    FailureKind::Timeout,
                    "the hosted server did not answer in time",
                )),
            }
        })
    }
}

/// The message as one line: line breaks can stand between the tokens of a JSON text only, where
/// a space does as well.
fn line(message: &Bytes) -> Bytes {
    let mut line = Vec::with_capacity(message.len() + 1);
    line.extend_from_slice(message);
    for byte in &mut line {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    line.push(b'\n');
    line.into()
}
