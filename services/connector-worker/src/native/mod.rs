//! Runs the tools of native connectors: manifests of the catalog, by one engine.
//!
//! A call goes argument check → request → exchange (credential, redirects, retries, bounds) →
//! answer or the provider's error in words. Nothing is sent before the arguments are known to be
//! right, the credential never goes to another origin than the provider's, and a tool that may
//! not be repeated is never sent twice.

mod answer;
mod arguments;
mod body;
mod call;
mod complete;
mod credential;
mod denied;
mod encode;
mod exchange;
mod file;
mod gather;
mod hooks;
mod later;
mod limits;
mod markdown;
mod pages;
mod plan;
mod prompts;
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
use domain::ConnectorKind;
use fabric::{FailureKind, Outcome, RpcError};
use runtime::{Clock, SystemClock};

use crate::credentials::Missing;
use crate::failure::unsent;
use call::Call;
pub use credential::Signed;
pub use egress::Origins;
pub use limits::EngineLimits;
pub(crate) use plan::Plan;
use schemas::Schemas;
pub use schemas::check;
use turns::Turns;

/// JSON-RPC "invalid params", which MCP answers for an unknown tool.
const INVALID_PARAMS: i64 = -32602;

/// Runs the tools of native connectors. Holds no state of a tenant but whose turn it is to write.
pub struct Engine {
    catalog: Arc<Catalog>,
    client: egress::Client,
    limits: EngineLimits,
    clock: Arc<dyn Clock>,
    turns: Turns,
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
            limits,
            clock,
            turns: Turns::default(),
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

    /// Whether requests of a tool can be signed with an account. What is not known is no reason
    /// to ask for one.
    pub(crate) fn takes_account(&self, connector: &str, tool: &str) -> bool {
        let connector = self.catalog.connector(connector);
        connector.is_some_and(|connector| {
            let tool = connector.tool(tool);
            tool.is_some_and(|tool| credential::takes_account(&connector, tool))
        })
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
