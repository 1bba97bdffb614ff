//! The gateway put together.

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use cache::Sessions;
use crypto::{KeyHasher, TokenSealer};
use fabric::{ConfigSource, Execute};
use runtime::{Clock, IdGen, Process};

use crate::config::Config;
use crate::mcp;
use crate::metrics::GatewayMetrics;
use crate::tenants::Tenants;
use crate::usage::KeyUsage;

/// What a gateway is built from.
pub struct Deps {
    pub source: Arc<dyn ConfigSource>,
    pub workers: Arc<dyn Execute>,
    pub sessions: Arc<dyn Sessions>,
    /// Checks API keys.
    pub hasher: KeyHasher,
    /// Seals session ids; every gateway of a cluster has the same.
    pub sealer: TokenSealer,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGen>,
}

/// The MCP edge. Serves nothing by itself: its router is served by whoever has the listener.
pub struct Gateway {
    app: Arc<App>,
}

/// What every request needs.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) tenants: Tenants,
    pub(crate) workers: Arc<dyn Execute>,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) hasher: KeyHasher,
    pub(crate) sealer: TokenSealer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdGen>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) usage: KeyUsage,
    pub(crate) process: Process,
}

impl Gateway {
    /// The MCP endpoints: all of a tenant, and one connector alone.
    pub const ROUTES: [&'static str; 2] = [
        "/api/v1/{tenant}/mcp",
        "/api/v1/{tenant}/connectors/{connector}/mcp",
    ];

    /// Puts a gateway together; it loads each tenant on first use.
    pub fn build(config: Config, deps: Deps, process: &Process) -> anyhow::Result<Self> {
        config.validate()?;
        let app = App {
            tenants: Tenants::new(deps.source.clone(), config.tenants_cached),
            workers: deps.workers,
            sessions: deps.sessions,
            hasher: deps.hasher,
            sealer: deps.sealer,
            clock: deps.clock,
            ids: deps.ids,
            metrics: GatewayMetrics::register(&process.metrics),
            usage: KeyUsage::start(deps.source, process),
            process: process.clone(),
            config,
        };
        Ok(Self { app: Arc::new(app) })
    }

    /// The MCP endpoints.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/api/v1/{tenant}/mcp", any(mcp::aggregate))
            .route(
                "/api/v1/{tenant}/connectors/{connector}/mcp",
                any(mcp::single),
            )
            .with_state(self.app.clone())
    }
}
