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
mod credential;
mod encode;
mod exchange;
mod file;
mod gather;
mod hooks;
mod later;
mod limits;
mod markdown;
mod origins;
mod pages;
mod redact;
mod refusal;
mod request;
mod retry;
mod spread;
mod trouble;
mod turns;
mod written;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use catalog::{Catalog, Connector, Tool};
use domain::ConnectorKind;
use fabric::{FailureKind, Lease, Outcome, RpcError};
use jsonschema::Validator;
use runtime::{Clock, SystemClock};

use crate::failure::unsent;
use call::Call;
pub use limits::EngineLimits;
pub use origins::Origins;
pub(crate) use redact::redact;
use turns::Turns;

/// JSON-RPC "invalid params", which MCP answers for an unknown tool.
const INVALID_PARAMS: i64 = -32602;

/// What arguments are held against, by tool.
type Validators = HashMap<String, OnceLock<Option<Validator>>>;

/// Runs the tools of native connectors. Holds no state of a tenant but whose turn it is to write.
pub struct Engine {
    catalog: Arc<Catalog>,
    client: egress::Client,
    limits: EngineLimits,
    clock: Arc<dyn Clock>,
    turns: Turns,
    origins: Origins,
    /// By connector, then by tool; each compiled when it is called first.
    validators: HashMap<String, OnceLock<Validators>>,
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
        let known = catalog.summaries();
        let validators = known
            .map(|known| (known.name.clone(), OnceLock::new()))
            .collect();
        let clock = Arc::new(SystemClock);
        Self {
            catalog,
            client,
            limits,
            clock,
            turns: Turns::default(),
            origins: Origins::default(),
            validators,
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
    pub async fn call(
        &self,
        lease: &Lease,
        tool: &str,
        arguments: Option<&[u8]>,
        deadline: Duration,
    ) -> Outcome {
        let ConnectorKind::Native {
            catalog: name,
            base_url,
        } = &lease.connector.kind
        else {
            let message = "the connector is not run by a manifest";
            return Outcome::Failed(unsent(FailureKind::Internal, message));
        };
        let Some(connector) = self.catalog.connector(name) else {
            let message = format!("this version knows no connector type {name:?}");
            return Outcome::Failed(unsent(FailureKind::Gone, message));
        };
        let Some(tool) = connector.tool(tool) else {
            let message = format!("Unknown tool: {tool}");
            return Outcome::Error(RpcError {
                code: INVALID_PARAMS,
                message,
                data: None,
                raw: None,
            });
        };
        let Some(validator) = self.validator(connector, tool) else {
            let message = "the tool's schema cannot be compiled";
            return Outcome::Failed(unsent(FailureKind::Internal, message));
        };
        let arguments = match arguments::read(tool, validator, arguments) {
            Ok(arguments) => arguments,
            Err(violation) => return refusal::not_called(tool, &violation),
        };
        let call = Call {
            engine: self,
            connector,
            tool,
            lease,
            base_url: base_url.as_ref(),
            deadline: egress::Deadline::after(deadline),
        };
        call.run(arguments).await
    }

    fn validator(&self, connector: &Connector, tool: &Tool) -> Option<&Validator> {
        let of_connector = self.validators.get(&connector.name)?.get_or_init(|| {
            let tools = connector.tools.iter();
            tools
                .map(|tool| (tool.name.clone(), OnceLock::new()))
                .collect()
        });
        of_connector
            .get(&tool.name)?
            .get_or_init(|| jsonschema::validator_for(&tool.input_schema).ok())
            .as_ref()
    }

    /// The connector of that name, for whoever lists tools.
    pub fn connector(&self, name: &str) -> Option<&Connector> {
        self.catalog.connector(name)
    }
}
