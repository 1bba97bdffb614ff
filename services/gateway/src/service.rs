//! The gateway put together.

use std::sync::Arc;

use axum::Router;
use cache::{Cache, Mailboxes};
use crypto::{KeyHasher, TokenSealer};
use fabric::{ConfigSource, Execute};
use runtime::{Clock, IdGen, Process, ReadGauge};

use crate::config::Config;
use crate::core::{Flights, Parked};
use crate::http;
use crate::hub::{Hub, HubParts};
use crate::kept::{KeptMarks, KeptSessions, KeptStreams};
use crate::limits::Limits;
use crate::metrics::GatewayMetrics;
use crate::tenants::Tenants;
use crate::usage::KeyUsage;

/// What a gateway is built from.
pub struct Deps {
    pub source: Arc<dyn ConfigSource>,
    pub workers: Arc<dyn Execute>,
    /// What the gateways of a cluster share about running conversations.
    pub cache: Cache,
    /// Checks API keys.
    pub hasher: KeyHasher,
    /// Seals what clients are handed; every gateway of a cluster has the same.
    pub sealer: TokenSealer,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGen>,
}

/// The MCP edge. Serves nothing by itself: its router is served by whoever has the listener. Cheap
/// to clone.
#[derive(Clone)]
pub struct Gateway {
    app: Arc<App>,
}

/// What every request needs.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) workers: Arc<dyn Execute>,
    pub(crate) sessions: Arc<KeptSessions>,
    pub(crate) streams: Arc<KeptStreams>,
    pub(crate) mailboxes: Arc<dyn Mailboxes>,
    pub(crate) marks: KeptMarks,
    pub(crate) hub: Hub,
    pub(crate) limits: Limits,
    pub(crate) flights: Flights,
    pub(crate) parked: Parked,
    pub(crate) hasher: KeyHasher,
    pub(crate) sealer: TokenSealer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdGen>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) usage: KeyUsage,
    pub(crate) process: Process,
}

impl Gateway {
    /// The MCP endpoints: all of a tenant, and one connector alone; each with the two that
    /// clients of 2024-11-05 know.
    pub const ROUTES: [&'static str; 8] = http::ROUTES;

    /// Puts a gateway together; it loads each tenant on first use.
    pub fn build(config: Config, deps: Deps, process: &Process) -> anyhow::Result<Self> {
        config.validate()?;
        let metrics = GatewayMetrics::register(&process.metrics);
        let tenants = Arc::new(Tenants::new(deps.source.clone(), config.tenants_cached));
        let limits = config.cache_limits();
        let shared = deps.cache.sessions;
        let sessions = KeptSessions::new(shared, limits.sessions, deps.clock.clone());
        let sessions = Arc::new(sessions);
        sessions.clone().keep(process);
        let streams = Arc::new(KeptStreams::new(deps.cache.streams, limits.streams));
        let hub = Hub::new(HubParts {
            tenants: tenants.clone(),
            workers: deps.workers.clone(),
            sessions: sessions.clone(),
            streams: streams.clone(),
            mailboxes: deps.cache.mailboxes.clone(),
            ids: deps.ids.clone(),
            input_timeout: config.input_timeout,
            settle_within: config.list_timeout,
            json_depth: config.json_max_depth,
            process: process.clone(),
            clock: deps.clock.clone(),
            limits: config.hub_limits(),
        });
        let parked = Parked::new(config.park_limits(), deps.ids.next());
        let (counted, clock) = (parked.clone(), deps.clock.clone());
        process.metrics.register(
            "mcp_calls_parked",
            "Calls that wait for answers of their clients",
            // Those whose time is over are given up by whoever looks.
            ReadGauge::new(move || counted.count(clock.now().unix_timestamp()) as f64),
        );
        if sessions.are_shared() {
            parked.hear(deps.cache.mailboxes.clone(), process);
        }
        let app = App {
            tenants,
            workers: hub.workers(),
            sessions,
            streams,
            mailboxes: deps.cache.mailboxes,
            marks: KeptMarks::new(deps.cache.marks, limits.marks),
            hub,
            limits: Limits::new(
                &config.rate_limit,
                config.rates_total,
                deps.cache.quotas,
                deps.clock.as_ref(),
                &process.tasks,
                metrics.limited.clone(),
            ),
            flights: Flights::new(config.calls_in_flight_per_key, metrics.in_flight.clone()),
            parked,
            hasher: deps.hasher,
            sealer: deps.sealer,
            clock: deps.clock,
            ids: deps.ids,
            metrics,
            usage: KeyUsage::start(deps.source, process),
            process: process.clone(),
            config,
        };
        Ok(Self { app: Arc::new(app) })
    }

    /// How many requests run at upstreams for this gateway's clients now.
    pub fn in_flight(&self) -> u32 {
        u32::try_from(self.app.flights.in_all()).unwrap_or(u32::MAX)
    }

    /// The MCP endpoints.
    pub fn router(&self) -> Router {
        http::routes().with_state(self.app.clone())
    }
}
