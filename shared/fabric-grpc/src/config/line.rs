//! A node's line to its control-plane.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fabric::{BoxFuture, Changes, NodeInfo, NodeReport, Subject, WorkerAddress};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use proto::fabric::v1 as wire;
use proto::fabric::v1::config_service_client::ConfigServiceClient;
use runtime::{Process, ReadGauge};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{ControlPlanes, convert};

/// What readiness calls it.
const NAME: &str = "control-plane";
/// How often the node says how it does, changes apart.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// A control-plane that does not answer the hello by then is not used.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// What a node does with what it is told.
pub trait Follower: Send + Sync {
    /// The newest revision whose changes have all been taken in, 0 for none.
    fn known(&self) -> i64;

    /// Something changed. Resolves when as much of it as can be is enforced.
    fn apply(&self, changes: Changes) -> BoxFuture<'_, ()>;

    /// Tries again what could not be enforced when it was told. Called once a second.
    fn retry(&self) -> BoxFuture<'_, ()>;

    /// The workers that are there now.
    fn workers(&self, workers: Vec<WorkerAddress>);

    fn report(&self) -> NodeReport;
}

/// When a line is made anew.
#[derive(Clone, Debug)]
pub struct LineConfig {
    /// First and longest pause between attempts; each is twice the one before.
    pub pause_min: Duration,
    pub pause_max: Duration,
}

impl Default for LineConfig {
    fn default() -> Self {
        Self {
            pause_min: Duration::from_millis(100),
            pause_max: Duration::from_secs(2),
        }
    }
}

/// Keeps a node's line up, with any control-plane that answers.
pub struct Line {
    pub node: NodeInfo,
    pub follower: Arc<dyn Follower>,
    pub control_planes: ControlPlanes,
    pub config: LineConfig,
}

impl Line {
    /// Runs until the process ends. Without a line the node goes on, and readiness says so.
    pub async fn keep(self, process: Process) -> anyhow::Result<()> {
        let mut pause = self.config.pause_min;
        let measured = LineMetrics::register(&process);
        loop {
            let ended = tokio::select! {
                () = process.shutdown.ending() => return Ok(()),
                ended = self.run(&process, &measured, &mut pause) => ended,
            };
            if measured.up.set(0) == 1 {
                measured.lost.inc();
            }
            let why = ended.map_or_else(
                |status| status.message().to_owned(),
                |()| "it ended".to_owned(),
            );
            tracing::warn!("no line to a control-plane: {why}");
            process.readiness.degrade(NAME, format!("no line: {why}"));
            self.control_planes.next();
            tokio::select! {
                () = process.shutdown.ending() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(self.config.pause_max);
        }
    }

    async fn run(
        &self,
        process: &Process,
        measured: &LineMetrics,
        pause: &mut Duration,
    ) -> Result<(), Status> {
        let mut client = ConfigServiceClient::new(self.control_planes.preferred());
        let (reports, outbound) = mpsc::channel(4);
        let hello = convert::hello(&self.node, self.follower.known());
        say(&reports, wire::watch_request::Message::Hello(hello)).await?;
        let watching = client.watch(ReceiverStream::new(outbound));
        let watching = tokio::time::timeout(ANSWER_WITHIN, watching).await;
        let watching = watching.map_err(|_| Status::deadline_exceeded("no answer"))??;
        let mut inbound = watching.into_inner();
        self.report(&reports).await?;

        process.readiness.recover(NAME);
        measured.up.set(1);
        measured.heard();
        *pause = self.config.pause_min;
        tracing::info!("has a line to a control-plane");
        let mut tick = tokio::time::interval(REPORT_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = inbound.message() => {
                    let Some(message) = message? else { return Ok(()) };
                    measured.heard();
                    self.heed(message).await?;
                }
                _ = tick.tick() => self.follower.retry().await,
            }
            measured.known.set(self.follower.known());
            measured.enforced.set(self.follower.report().enforced);
            self.report(&reports).await?;
        }
    }

    async fn heed(&self, told: wire::WatchResponse) -> Result<(), Status> {
        match told.message {
            Some(wire::watch_response::Message::Changes(changes)) => {
                self.follower.apply(changes_from_wire(changes)).await;
            }
            Some(wire::watch_response::Message::Workers(workers)) => {
                self.follower.workers(convert::workers_from(workers));
            }
            // A sign of life, or what a newer control-plane may say.
            None => {}
        }
        Ok(())
    }

    async fn report(&self, reports: &mpsc::Sender<wire::WatchRequest>) -> Result<(), Status> {
        let report = self.follower.report();
        let report = wire::Report {
            enforced_revision: report.enforced,
            load: report.load,
            draining: report.draining,
        };
        say(reports, wire::watch_request::Message::Report(report)).await
    }
}

/// What an operator counts of a line.
struct LineMetrics {
    up: Gauge,
    lost: Counter,
    known: Gauge,
    enforced: Gauge,
    heard: Arc<Mutex<Instant>>,
}

impl LineMetrics {
    fn register(process: &Process) -> Self {
        let metrics = &process.metrics;
        let heard = Arc::new(Mutex::new(Instant::now()));
        let last = heard.clone();
        metrics.register(
            "config_line_age_seconds",
            "Since a control-plane said anything; each speaks once a second",
            ReadGauge::new(move || {
                let last = last.lock().expect("no panic while held");
                last.elapsed().as_secs_f64()
            }),
        );
        Self {
            heard,
            up: metrics.register(
                "config_line_up",
                "Whether there is a line to a control-plane",
                Gauge::default(),
            ),
            lost: metrics.register(
                "config_line_lost",
                "Lines to control-planes that ended",
                Counter::default(),
            ),
            known: metrics.register(
                "config_revision_known",
                "The newest revision that this node was told of",
                Gauge::default(),
            ),
            enforced: metrics.register(
                "config_revision_enforced",
                "The newest revision up to which this node enforces all",
                Gauge::default(),
            ),
        }
    }
}

impl LineMetrics {
    /// A control-plane said something.
    fn heard(&self) {
        *self.heard.lock().expect("no panic while held") = Instant::now();
    }
}

async fn say(
    reports: &mpsc::Sender<wire::WatchRequest>,
    message: wire::watch_request::Message,
) -> Result<(), Status> {
    let message = wire::WatchRequest {
        message: Some(message),
    };
    let said = tokio::time::timeout(ANSWER_WITHIN, reports.send(message)).await;
    match said {
        Ok(Ok(())) => Ok(()),
        _ => Err(Status::unavailable("the control-plane does not read")),
    }
}

fn changes_from_wire(changes: wire::Changes) -> Changes {
    let change = |change: wire::Change| fabric::Change {
        revision: change.revision,
        subject: change.tenant.map_or(Subject::Platform, Subject::Tenant),
    };
    Changes {
        changes: changes.changes.into_iter().map(change).collect(),
        revision: changes.revision,
        start_over: changes.start_over,
    }
}
