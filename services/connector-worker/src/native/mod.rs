//! Runs the tools of native connectors: manifests of the catalog, by one engine.
//!
//! A call goes argument check → request → exchange (credential, redirects, retries, bounds) →
//! answer or the provider's error in words. Nothing is sent before the arguments are known to be
//! right, the credential never goes to another origin than the provider's, and a tool that may
//! not be repeated is never sent twice.

mod admission;
mod answer;
mod arguments;
mod body;
mod call;
mod complete;
mod credential;
mod denied;
mod encode;
mod etags;
mod exchange;
mod file;
mod gather;
mod holder;
mod hooks;
mod lacking;
mod later;
mod limits;
mod markdown;
mod metrics;
mod pages;
mod plan;
mod prompts;
mod quotas;
mod redact;
mod refusal;
mod renewed;
mod request;
mod resources;
mod retry;
mod schemas;
mod spread;
mod trim;
mod trouble;
mod turns;
mod written;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use catalog::{Catalog, Connector};
use crypto::{DerivedKey, KeyHasher};
use domain::{ConnectorId, ConnectorKind, TenantId};
use fabric::{FailureKind, Outcome, RpcError};
use runtime::{Clock, Metrics, ReadGauge, SystemClock};

use crate::credentials::Missing;
use crate::failure::unsent;
use call::Call;
pub use credential::Signed;
pub(crate) use credential::Wanted;
pub use egress::Origins;
use etags::Etags;
pub use limits::EngineLimits;
use metrics::EngineMetrics;
pub(crate) use plan::Plan;
use quotas::Quotas;
use schemas::Schemas;
pub use schemas::check;
use turns::Turns;

/// JSON-RPC "invalid params", which MCP answers for an unknown tool.
const INVALID_PARAMS: i64 = -32602;

/// Runs the tools of native connectors. What it holds of a tenant is bounded and can be lost: whose
/// turn it is, quotas that are used up, and answers to ask about again.
pub struct Engine {
    catalog: Arc<Catalog>,
    client: egress::Client,
    limits: EngineLimits,
    clock: Arc<dyn Clock>,
    turns: Turns,
    quotas: Quotas,
    etags: Arc<Etags>,
    /// Tells callers' own tokens apart without keeping one.
    tokens: KeyHasher,
    metrics: EngineMetrics,
    origins: Origins,
    schemas: Schemas,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Engine {
    pub fn new(catalog: Arc<Catalog>, client: egress::Client, limits: EngineLimits) -> Self {
        let clock = Arc::new(SystemClock);
        Self {
            catalog,
            client,
            clock,
            turns: Turns::default(),
            quotas: Quotas::new(limits.quota_credentials_max),
            etags: Arc::new(Etags::new(&limits)),
            tokens: KeyHasher::with_key(DerivedKey::generate()),
            metrics: EngineMetrics::default(),
            limits,
            origins: Origins::default(),
            schemas: Schemas::default(),
        }
    }

    /// The same with another clock, which `Retry-After` dates and reset times are read by.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The same, with some providers answered elsewhere.
    #[must_use]
    pub fn with_origins(self, origins: Origins) -> Self {
        Self { origins, ..self }
    }

    /// The same, with what it counts among `metrics`.
    #[must_use]
    pub fn with_metrics(self, metrics: &Metrics) -> Self {
        let etags = self.etags.clone();
        metrics.register(
            "worker_kept_answer_bytes",
            "Answers of providers that are kept to ask whether they have changed",
            ReadGauge::new(move || etags.bytes() as f64),
        );
        Self {
            metrics: EngineMetrics::register(metrics),
            ..self
        }
    }

    /// Runs one tool of a native connector. `arguments` is the raw JSON object of the call.
    ///
    /// The provider's own refusals and arguments that break the schema are results with
    /// `isError`; what left no answer at all is a failure.
    ///
    /// # Errors
    /// The call needs an account that a person must connect first.
    pub async fn call(
        &self,
        signed: &Signed<'_>,
        tool: &str,
        arguments: Option<&[u8]>,
        deadline: Duration,
    ) -> Result<Outcome, Missing> {
        let failed = |kind, message: &str| Ok(Outcome::Failed(unsent(kind, message)));
        let ConnectorKind::Native {
            catalog: name,
            base_url,
        } = &signed.lease.connector.kind
        else {
            let message = "the connector is not run by a manifest";
            return failed(FailureKind::Internal, message);
        };
        let Some(connector) = self.catalog.connector(name) else {
            return failed(FailureKind::Gone, &no_type(name));
        };
        let Some(tool) = connector.tool(tool) else {
            let message = format!("Unknown tool: {tool}");
            return Ok(Outcome::Error(RpcError::new(INVALID_PARAMS, message, None)));
        };
        let schemas = self.schemas.of(&connector);
        let Some(validator) = schemas.validator(tool) else {
            let message = "the tool's schema cannot be compiled";
            return failed(FailureKind::Internal, message);
        };
        let arguments = match arguments::read(tool, validator, arguments) {
            Ok(arguments) => arguments,
            Err(violation) => return Ok(refusal::not_called(tool, &violation)),
        };
        let connected = signed.base_url(&connector);
        let call = Call {
            engine: self,
            connector: &connector,
            tool,
            signed,
            base_url: connected.as_ref().or(base_url.as_ref()),
            deadline: egress::Deadline::after(deadline),
            wrote: AtomicBool::new(false),
        };
        call.run(arguments).await
    }

    /// What requests of a tool are signed with; none where that is nothing. What is not known is
    /// no reason to ask for an account.
    pub(crate) fn wanted(&self, connector: &str, tool: &str) -> Option<Wanted> {
        let connector = self.catalog.connector(connector)?;
        Wanted::of(&connector, connector.tool(tool)?)
    }

    /// Forgets what was learnt by calls of a connector.
    pub(crate) fn drop_all_of(&self, tenant: TenantId, connector: ConnectorId) {
        self.quotas.drop_all_of(tenant, connector);
        self.etags.drop_all_of(tenant, connector);
    }

    /// Lets go of what has been idle for too long.
    pub(crate) fn sweep(&self) {
        self.etags.sweep();
        self.quotas.sweep();
    }

    /// The connector of that name, for whoever lists tools.
    pub fn connector(&self, name: &str) -> Option<Arc<Connector>> {
        self.catalog.connector(name)
    }
}

/// What is said of a connector whose manifest is not there, or not any more.
pub(crate) fn no_type(name: &str) -> String {
    format!(
        "there is no connector type {name:?}: no manifest of it is here, built in or in a folder"
    )
}
