//! From the first line of a role to its last.

use std::future::Future;
use std::time::Duration;

use axum::Router;
use runtime::{Process, Shutdown, ShutdownTrigger};
use tokio::task::JoinHandle;
use web::{Listener, ServeLimits};

use super::signals::{Notice, Signals};

/// What is left of the drain for answers on their way, and for what else must end.
const AFTER_DRAIN: Duration = Duration::from_secs(5);
/// How long work that is left at the end, such as ending sessions with upstreams, may take.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// A process that serves until a signal ends it.
pub(super) struct Life {
    trigger: ShutdownTrigger,
    process: Process,
    ended: JoinHandle<anyhow::Result<()>>,
}

impl Life {
    /// From here on signals drain the process, and end it when what runs does not end within
    /// `drain` and a little. What leaves drains first, and `notice` earlier than the rest.
    pub(super) fn begin(
        drain: Duration,
        notice: Duration,
    ) -> anyhow::Result<(Self, Process, Shutdown)> {
        let (trigger, process) = Process::new();
        let (leaving, leaves) = Shutdown::new();
        let signals = Signals::listen()?;
        let notice = Notice {
            leaving,
            lasts: notice,
        };
        let conducted = signals.conduct(
            trigger.clone(),
            process.shutdown.clone(),
            drain + AFTER_DRAIN,
            Some(notice),
        );
        let life = Self {
            trigger,
            ended: process.tasks.joinable(conducted),
            process: process.clone(),
        };
        Ok((life, process, leaves))
    }

    /// Waits for `serving` to end, does `closing` after it, and waits for what is left.
    ///
    /// # Errors
    /// Something was cut off, or a part of the process failed.
    pub(super) async fn last(
        self,
        serving: impl Future<Output = ()>,
        closing: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        serving.await;
        closing.await;
        self.trigger.end();
        let ended = self.ended.await?;
        let finished = tokio::time::timeout(FINISH_WITHIN, self.process.tasks.finished());
        if finished.await.is_err() {
            tracing::warn!("some work did not end in time and is broken off");
        }
        anyhow::ensure!(
            !self.process.tasks.failed(),
            "a part of the process failed: see the log"
        );
        ended
    }
}

/// Says that the process is not ready from the moment that it leaves.
pub(super) async fn say_not_ready(leaves: Shutdown, process: Process) -> anyhow::Result<()> {
    tokio::select! {
        () = leaves.draining() => {
            let _leaving = process.readiness.latch("leaving");
            process.shutdown.ending().await;
        }
        () = process.shutdown.ending() => {}
    }
    Ok(())
}

/// A port that is served while the process runs.
pub(super) struct Port {
    pub(super) listener: Listener,
    pub(super) router: Router,
    /// Of ports that other roles call.
    pub(super) trust: Option<fabric_grpc::trust::Trust>,
}

/// Serves all `ports` until the process drains and requests under way have ended, and `admin`,
/// where probes are answered meanwhile, a little longer.
pub(super) async fn serve(
    ports: Vec<Port>,
    admin: Listener,
    limits: &ServeLimits,
    process: &Process,
) {
    let start = |port: Port, process: Process| {
        if let Some(trust) = &port.trust {
            trust.measure(&process.metrics);
        }
        let (tasks, limits) = (process.tasks.clone(), limits.clone());
        tasks.joinable(async move {
            let Port {
                listener,
                router,
                trust,
            } = port;
            match trust.and_then(|trust| trust.server_tls()) {
                None => listener.serve(router, &process, limits).await,
                Some(tls) => listener.serve_over(tls, router, &process, limits).await,
            }
        })
    };
    let (admin_trigger, shutdown) = Shutdown::new();
    let admin = Port {
        listener: admin,
        router: web::admin::router(process),
        trust: None,
    };
    let admin = start(
        admin,
        Process {
            shutdown,
            ..process.clone()
        },
    );
    let all: Vec<_> = ports
        .into_iter()
        .map(|port| start(port, process.clone()))
        .collect();
    for served in all {
        report(served.await);
    }
    admin_trigger.end();
    report(admin.await);
}

fn report(served: Result<anyhow::Result<()>, tokio::task::JoinError>) {
    match served {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!("a listener failed: {error:#}"),
        Err(error) => tracing::error!("a listener panicked: {error}"),
    }
}
