//! The worker: what it is made of, and the calls that go through it.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use catalog::Catalog;
use domain::{ConnectorId, TenantId};
use egress::Deadline;
use fabric::{
    BoxFuture, Call, Events, Execute, Failure, FailureKind, Leases, Listing, Method, Outcome,
    ProcessStatus, StderrLine, UpstreamListener, Workers,
};
use runtime::telemetry::Tracer;
use runtime::{Clock, IdGen, Process};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use crate::config::Config;
use crate::credentials::Credentials;
use crate::failure::{sent, unsent};
use crate::hosted::HostedServers;
use crate::leases::{Key, Places, Wanted};
use crate::metrics::{Measured, WorkerMetrics};
use crate::native::{Engine, Origins};
use crate::recorded::Recorded;
use crate::runner::RunnerParts;
use crate::upstream::Parked;

/// What a worker is given.
pub struct Deps {
    pub leases: Arc<dyn Leases>,
    pub catalog: Arc<Catalog>,
    /// The only way out.
    pub egress: egress::Client,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGen>,
    /// Hears when upstreams say that their tools changed.
    pub listener: Option<Arc<dyn UpstreamListener>>,
    /// This process' own environment, of which hosted servers see what the configuration names.
    pub environment: Vec<(OsString, OsString)>,
}

/// Runs calls of connectors. Stops what it holds when it is dropped or [closed](Self::close).
pub struct Worker {
    places: Places,
    hosted: Arc<HostedServers>,
    parked: Arc<Parked>,
    calls: Arc<Semaphore>,
    watches: Semaphore,
    metrics: WorkerMetrics,
    tracer: Tracer,
    config: Arc<Config>,
}

impl Worker {
    /// Makes a worker; nothing is connected or started before the first call. To be called
    /// within a Tokio runtime.
    ///
    /// # Errors
    /// The configuration breaks a rule.
    pub fn build(config: Config, deps: Deps, process: &Process) -> anyhow::Result<Self> {
        config.validate().map_err(anyhow::Error::msg)?;
        let metrics = WorkerMetrics::register(&process.metrics);
        let native = Engine::new(deps.catalog, deps.egress.clone(), config.native.clone())
            .with_clock(deps.clock.clone())
            .with_metrics(&process.metrics)
            .with_origins(Origins::new(&config.origins).map_err(anyhow::Error::msg)?);
        let hosted = Arc::new(HostedServers::new(
            config.hosted.clone(),
            deps.environment,
            process,
            deps.clock,
            deps.ids.clone(),
        ));

        let upstream = Arc::new(config.upstream.clone());
        let parked = Parked::new(
            upstream.clone(),
            process.tasks.clone(),
            metrics.parked.clone(),
        );
        let credentials = Credentials::new(deps.leases.clone(), deps.ids, &config, metrics.clone());
        let parts = RunnerParts {
            egress: deps.egress,
            native: Arc::new(native),
            credentials: Arc::new(credentials),
            idle: config.lease_idle_timeout,
            hosted: hosted.clone(),
            upstream,
            parked: parked.clone(),
            listener: deps.listener,
            breaker: config.breaker.clone(),
            tasks: process.tasks.clone(),
            metrics: metrics.clone(),
        };
        let config = Arc::new(config);
        let places = Places::new(deps.leases, parts, config.clone());
        places.measure(&process.metrics);
        process.tasks.disposable(
            "drop idle connectors",
            places.sweep(process.shutdown.clone()),
        );
        Ok(Self {
            places,
            hosted,
            parked,
            watches: Semaphore::new(config.max_watches.min(Semaphore::MAX_PERMITS)),
            calls: Arc::new(Semaphore::new(config.max_calls.min(Semaphore::MAX_PERMITS))),
            metrics,
            tracer: process.tracer.clone(),
            config,
        })
    }

    /// Drops everything held, and resolves when no hosted process is left. For the end of the
    /// process, after calls have been drained.
    pub async fn close(&self) {
        self.parked.end_all();
        self.places.clear();
        self.hosted.release_all().await;
    }

    async fn run(
        &self,
        call: &mut Call,
        events: Option<&Events>,
        mut recorded: Option<Box<Recorded>>,
    ) -> Outcome {
        let deadline = Deadline::after(call.deadline);
        let mut measured = self.metrics.begin();
        let dispatched = self.dispatch(call, events, deadline, &mut measured, &mut recorded);
        let outcome = match tokio::time::timeout_at(deadline.instant(), dispatched).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Failed(sent(
                FailureKind::Timeout,
                format!("the tool did not answer within {:?}", call.deadline),
            )),
        };
        let took = measured.end(&outcome);
        if let Some(recorded) = &mut recorded {
            recorded.end(&outcome);
        }
        if let Outcome::Failed(failure) = &outcome {
            log_failure(call, failure, took);
        }
        outcome
    }

    async fn dispatch(
        &self,
        call: &mut Call,
        events: Option<&Events>,
        deadline: Deadline,
        measured: &mut Measured<'_>,
        recorded: &mut Option<Box<Recorded>>,
    ) -> Outcome {
        let key = (call.tenant, call.connector);
        let place = self.places.place(key);
        let _running = match self.admit(&place.calls) {
            Ok(permits) => permits,
            Err(failure) => return Outcome::Failed(failure),
        };
        let held = match self
            .places
            .hold(&place, key, Wanted::by(call), deadline)
            .await
        {
            Ok(held) => held,
            Err(failure) => return Outcome::Failed(failure),
        };
        measured.kind = held.runner.kind();
        let Some(recorded) = recorded else {
            return held.runner.call(call, events, deadline).await;
        };
        recorded.upstream_begins(measured.kind, call);
        let outcome = held.runner.call(call, events, deadline).await;
        recorded.upstream_ends(&outcome);
        outcome
    }

    /// Runs a watch until it is dropped. It has no deadline, and counts among watches alone.
    async fn watch(&self, call: &Call, events: Option<&Events>) -> Outcome {
        let Some(events) = events else {
            return Outcome::Failed(unsent(
                FailureKind::Internal,
                "a watch that nobody hears of anything",
            ));
        };
        let Ok(_watching) = self.watches.try_acquire() else {
            let most = self.config.max_watches;
            let message = format!("the worker runs {most} watches already, no more at once");
            return Outcome::Failed(unsent(FailureKind::Busy, message));
        };
        let key = (call.tenant, call.connector);
        let place = self.places.place(key);
        let deadline = Deadline::after(call.deadline);
        let held = match self
            .places
            .hold(&place, key, Wanted::by(call), deadline)
            .await
        {
            Ok(held) => held,
            Err(failure) => return Outcome::Failed(failure),
        };
        drop(place);
        tokio::select! {
            outcome = held.runner.watch(call, events) => outcome,
            () = self.places.replaced(key, &held) => Outcome::Failed(unsent(
                FailureKind::Gone,
                "the connector was changed or let go",
            )),
        }
    }

    /// Takes a place for one call, in its connector and in the worker.
    fn admit(&self, of_connector: &Arc<Semaphore>) -> Result<[OwnedSemaphorePermit; 2], Failure> {
        let full = |what: &str, most: usize| {
            unsent(
                FailureKind::Busy,
                format!("{what} runs {most} calls already, no more at once: try again later"),
            )
        };
        let of_connector = of_connector
            .clone()
            .try_acquire_owned()
            .map_err(|_| full("the connector", self.config.max_calls_per_connector))?;
        let of_worker = self
            .calls
            .clone()
            .try_acquire_owned()
            .map_err(|_| full("the worker", self.config.max_calls))?;
        Ok([of_connector, of_worker])
    }

    async fn read_tools(&self, key: Key, version: i64) -> Result<Listing, Failure> {
        let deadline = Deadline::after(self.config.upstream.list_timeout);
        let work = async {
            let place = self.places.place(key);
            // Whoever reads tools wants to know what there is now.
            let wanted = Wanted {
                version,
                accounts: None,
            };
            let held = self.places.hold(&place, key, wanted, deadline).await?;
            held.runner.list_tools(deadline).await
        };
        let listed = match tokio::time::timeout_at(deadline.instant(), work).await {
            Ok(listed) => listed,
            Err(_) => Err(sent(
                FailureKind::Timeout,
                "the tool list was not read in time",
            )),
        };
        listed.inspect_err(|failure| {
            self.metrics.count_failure(failure.kind);
            tracing::warn!(
                failure.kind = failure.kind.as_str(),
                "could not read the tools of a connector: {failure}"
            );
        })
    }
}

/// What is our fault is an error; what an upstream does is not. The fields are named here, since
/// the span of the call is there only where somebody looks that closely.
fn log_failure(call: &Call, failure: &Failure, took: Duration) {
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(
                request.id = %call.request_id,
                tenant.id = %call.tenant,
                connector.id = %call.connector,
                failure.kind = failure.kind.as_str(),
                duration_ms = took.as_millis() as u64,
                "a call failed: {failure}"
            )
        };
    }
    match failure.kind {
        FailureKind::Internal => log!(error),
        _ => log!(info),
    }
}

impl Execute for Worker {
    fn execute(&self, mut call: Call, events: Option<Events>) -> BoxFuture<'_, Outcome> {
        if matches!(call.request.method, Method::Watch | Method::WatchTask) {
            return Box::pin(async move { self.watch(&call, events.as_ref()).await });
        }
        // Below the default level: opening a span would cost about as much as all else done here.
        let span = tracing::debug_span!(
            "call",
            request.id = %call.request_id,
            connector.id = %call.connector,
            mcp.method = call.request.method.as_str(),
            mcp.name = call.request.name.as_deref(),
        );
        let recorded = match self.tracer.is_on() {
            true => Recorded::begin(&self.tracer, &call),
            false => None,
        };
        let handled = recorded.as_ref().map(|recorded| recorded.handled(&call));
        let work = async move { self.run(&mut call, events.as_ref(), recorded).await };
        match handled {
            Some(handled) => Box::pin(handled.scope(work.instrument(span))),
            None => Box::pin(work.instrument(span)),
        }
    }
}

impl Workers for Worker {
    fn list_tools(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        version: i64,
    ) -> BoxFuture<'_, Result<Listing, Failure>> {
        let span = tracing::info_span!("list_tools", connector.id = %connector);
        Box::pin(
            self.read_tools((tenant, connector), version)
                .instrument(span),
        )
    }

    fn process(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Option<ProcessStatus>> {
        Box::pin(std::future::ready(self.hosted.status(tenant, connector)))
    }

    fn stderr(&self, tenant: TenantId, connector: ConnectorId) -> BoxFuture<'_, Vec<StderrLine>> {
        Box::pin(std::future::ready(self.hosted.stderr(tenant, connector)))
    }

    fn release(&self, tenant: TenantId, connector: ConnectorId) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.places.drop_all_of((tenant, connector));
            self.parked.end_all_of(tenant, connector);
            self.hosted.release(tenant, connector).await;
        })
    }

    fn forget(&self, tenant: TenantId, connector: ConnectorId) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.places.drop_all_of((tenant, connector));
            self.parked.end_all_of(tenant, connector);
            self.hosted.forget(tenant, connector).await;
        })
    }
}
