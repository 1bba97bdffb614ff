//! Watches one process from its start until nothing of it is left.

use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::end::End;
use super::guard::Report;
use super::process::{HostedProcess, OnEnd, Surroundings};
use super::sweep::sweep;

/// What is still in a pipe when its writer has ended is read in this time.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// From the end of the output to the verdict that it is unreadable, in case the process ends.
const END_TOLD_WITHIN: Duration = Duration::from_secs(1);
/// What the guard gets beyond its grace to kill and to exit.
const GUARD_EXTRA: Duration = Duration::from_millis(1_500);
/// How often is looked whether the last call is over while the worker drains.
const DRAIN_ROUND: Duration = Duration::from_millis(50);
/// How often is looked whether a process that nobody calls is held all the same.
const HELD_ROUND: Duration = Duration::from_secs(60);

pub(super) struct Supervisor {
    pub(super) process: Arc<HostedProcess>,
    pub(super) around: Surroundings,
    pub(super) guard: Child,
    pub(super) mark: String,
    pub(super) program: String,
    pub(super) start_timeout: Duration,
    pub(super) reports: mpsc::Receiver<Report>,
    pub(super) output: JoinHandle<()>,
    pub(super) errors: JoinHandle<()>,
    pub(super) permit: OwnedSemaphorePermit,
}

impl Supervisor {
    pub(super) async fn run(mut self, on_end: OnEnd) {
        let started = Instant::now();
        let guard = self.guard.id().unwrap_or_default();
        self.around.metrics.running.inc();
        self.around.metrics.starts.inc();

        let end = self.first_end().await;
        self.process.calls.close(end.refusal());
        on_end(&end, started.elapsed());
        self.around.metrics.ended(end.label());
        if matches!(end, End::Exited { .. } | End::Killed { .. }) {
            // It may have answered and ended: let the answers come first.
            settled(&mut self.output).await;
        }
        let failure = end.failure(self.process.has_answered());
        self.process.calls.fail_all(&failure);
        self.process.stop(&end);

        let status = self.end_guard(&end).await;
        let in_order = status.is_some_and(|status| status.code().is_some_and(|code| code != 125));
        if !in_order && !sweep(guard, &self.mark).await {
            tracing::error!(
                process.id = guard,
                "processes of a hosted server cannot be ended"
            );
        }
        for pipe in [&mut self.output, &mut self.errors] {
            if !settled(pipe).await {
                pipe.abort();
            }
        }
        self.around.metrics.running.dec();
        drop(self.permit);
        self.process.gone.send_replace(true);
    }

    /// Resolves with the first reason why the process ended, or must.
    async fn first_end(&mut self) -> End {
        let (process, config) = (&*self.process, &self.around.config);
        let shutdown = &self.around.process.shutdown;
        let watch = async {
            tokio::select! {
                biased;
                end = told(&mut self.reports, process, &self.program) => end,
                status = self.guard.wait() => {
                    // It may have told more before it ended than was read yet.
                    let told = told(&mut self.reports, process, &self.program);
                    let told = timeout(LAST_WORDS, told).await;
                    told.unwrap_or_else(|_| from_status(status.ok()))
                }
            }
        };
        tokio::select! {
            biased;
            // One that was told to end and does so at once may be seen to have ended first.
            end = watch => process.stop.borrow().clone().unwrap_or(end),
            end = asked(process) => end,
            () = shutdown.ending() => End::WorkerEnds,
            () = silent(process, self.start_timeout) => End::Silent(self.start_timeout.as_secs()),
            () = idle(process, config.idle_timeout) => End::Idle,
            () = drained(process, shutdown) => End::WorkerEnds,
            () = unreadable(&mut self.output) => End::Unreadable,
        }
    }

    /// Waits for the guard's end, more and more urgently. `None` when it had to be killed.
    async fn end_guard(&mut self, end: &End) -> Option<ExitStatus> {
        let config = self.around.config.clone();
        // The input is closed by now: a well-behaved server ends by itself. One that has ended is
        // being cleaned up after, and takes no hint.
        let ended_itself = matches!(
            end,
            End::Exited { .. } | End::Killed { .. } | End::CannotRun(_)
        );
        if !ended_itself {
            if let Ok(status) = timeout(config.close_grace, self.guard.wait()).await {
                return status.ok();
            }
            let guard = self.guard.id().and_then(|pid| i32::try_from(pid).ok());
            if let Some(pid) = guard.and_then(Pid::from_raw) {
                // Its id is its own until we have waited for it.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        if let Ok(status) = timeout(config.term_grace + GUARD_EXTRA, self.guard.wait()).await {
            return status.ok();
        }
        let _ = self.guard.kill().await;
        None
    }
}

/// Whether a pipe has been read to its end, given a moment more.
async fn settled(pipe: &mut JoinHandle<()>) -> bool {
    pipe.is_finished() || timeout(LAST_WORDS, pipe).await.is_ok()
}

/// Resolves with the end that the guard tells of.
async fn told(reports: &mut mpsc::Receiver<Report>, process: &HostedProcess, program: &str) -> End {
    while let Some(report) = reports.recv().await {
        match report {
            Report::Started(pid) => process.pid.store(pid, Ordering::Relaxed),
            Report::CannotRun(errno) => return End::CannotRun(cannot_run(program, errno)),
            Report::Exited(code) => return End::Exited { code },
            Report::Killed(signal) => return End::Killed { signal },
        }
    }
    std::future::pending().await
}

fn cannot_run(program: &str, errno: i32) -> String {
    let error = std::io::Error::from_raw_os_error(errno);
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no program {program:?}"),
        std::io::ErrorKind::PermissionDenied => format!("{program:?} may not be executed"),
        _ => format!("{program:?} cannot be run: {error}"),
    }
}

/// What a guard that could not report says by its exit code: the command's own.
fn from_status(status: Option<ExitStatus>) -> End {
    match status.and_then(|status| status.code()) {
        None | Some(125) => End::Unguarded,
        Some(code @ 129..=192) => End::Killed { signal: code - 128 },
        Some(code) => End::Exited { code },
    }
}

/// Resolves when somebody asked for the end.
async fn asked(process: &HostedProcess) -> End {
    let mut stop = process.stop.subscribe();
    // The sender lives as long as the process: an error cannot be.
    let reason = stop
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|reason| reason.clone());
    reason.unwrap_or(End::Released)
}

/// Resolves when the process has sent no message for `start_timeout` from now.
async fn silent(process: &HostedProcess, start_timeout: Duration) {
    let mut answered = process.answered.subscribe();
    let first = timeout(start_timeout, answered.wait_for(|answered| *answered))
        .await
        .is_ok();
    if first {
        std::future::pending::<()>().await;
    }
}

/// Resolves when the output has ended and the process has not.
async fn unreadable(output: &mut JoinHandle<()>) {
    let _ = output.await;
    tokio::time::sleep(END_TOLD_WITHIN).await;
}

/// Closes the process and resolves when nobody called for `after`; never when that is zero.
async fn idle(process: &HostedProcess, after: Duration) {
    if after.is_zero() {
        std::future::pending::<()>().await;
    }
    loop {
        let unused_since = process.calls.unused_since().unwrap_or_else(Instant::now);
        tokio::time::sleep_until(unused_since + after).await;
        if process.calls.is_held() {
            // Its end counts as use.
            tokio::time::sleep(HELD_ROUND.min(after)).await;
            continue;
        }
        let idle_since = Instant::now().checked_sub(after).unwrap_or(unused_since);
        if process.calls.close_if_idle(idle_since, End::Idle.refusal()) {
            return;
        }
    }
}

/// Resolves when the worker drains and the process has no call any more.
async fn drained(process: &HostedProcess, shutdown: &runtime::Shutdown) {
    shutdown.draining().await;
    while !process
        .calls
        .close_if_idle(Instant::now(), End::WorkerEnds.refusal())
    {
        tokio::time::sleep(DRAIN_ROUND).await;
    }
}
