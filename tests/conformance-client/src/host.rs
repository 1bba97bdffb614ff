//! The worker, and the application that uses it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use connector_worker::{Config, Deps, Worker};
use domain::{KeyId, Principal, Scope, ToolDefinition};
use fabric::{Call, Execute, Inputs, Method, Outcome, Request, Workers};
use mcp::{ClientCapabilities, ClientProfile};
use runtime::{Process, ShutdownTrigger, SystemClock, TimeOrderedIds};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::answers;
use crate::connector::{CONNECTOR, OneConnector, TENANT};
use crate::sign_in::SignIn;

/// How often a server may ask back in one call.
const MAX_ROUNDS: usize = 8;
/// The suite itself gives a scenario 30 seconds.
const DEADLINE: Duration = Duration::from_secs(20);

/// Who signs in at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignsIn {
    Person,
    Program,
}

/// A worker with one connector.
pub(crate) struct Host {
    worker: Worker,
    client: Arc<ClientProfile>,
    /// The worker ends when this is gone.
    _running: ShutdownTrigger,
}

impl Host {
    /// Makes a worker whose only connector is the server at `url`. Nothing is connected yet.
    /// With `signs_in` it signs in there as whoever `context` names.
    pub(crate) fn new(
        url: Url,
        signs_in: Option<SignsIn>,
        context: &Value,
    ) -> anyhow::Result<Self> {
        let (running, process) = Process::new();
        let egress = egress::EgressConfig {
            allow: vec!["127.0.0.0/8".parse()?, "::1/128".parse()?],
            ..egress::EgressConfig::default()
        };
        let client = egress::Client::new(&egress)?;
        let sign_in = signs_in
            .map(|who| {
                SignIn::new(
                    url.clone(),
                    client.clone(),
                    who == SignsIn::Program,
                    context,
                )
            })
            .transpose()?;
        let deps = Deps {
            leases: Arc::new(OneConnector::new(url, sign_in)?),
            catalog: catalog::Catalog::builtin(),
            egress: client,
            ids: Arc::new(TimeOrderedIds),
            clock: Arc::new(SystemClock),
            listener: None,
            environment: Vec::new(),
        };
        let client = ClientProfile {
            capabilities: ClientCapabilities {
                elicitation_form: true,
                ..ClientCapabilities::default()
            },
            ..ClientProfile::default()
        };
        Ok(Self {
            worker: Worker::build(Config::default(), deps, &process)?,
            client: Arc::new(client),
            _running: running,
        })
    }

    /// Ends what the worker holds.
    pub(crate) async fn close(&self) {
        self.worker.close().await;
    }

    /// The server's tools, as a sync reads them.
    pub(crate) async fn tools(&self) -> anyhow::Result<Vec<ToolDefinition>> {
        let listing = self.worker.list_tools(TENANT, CONNECTOR, 0).await;
        Ok(listing.context("tools/list")?.tools)
    }

    /// One request, with an answer to everything that the server asks meanwhile.
    pub(crate) async fn ask(
        &self,
        method: Method,
        name: Option<&str>,
        arguments: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let mut call = self.call(method, name, arguments);
        for _ in 0..MAX_ROUNDS {
            match self.worker.execute(call.clone(), None).await {
                Outcome::Result(result) => return Ok(serde_json::from_slice(&result)?),
                Outcome::InputRequired(asked) => {
                    call.request.inputs = Some(Inputs {
                        responses: asked.requests.as_ref().map(answers::to_all).transpose()?,
                        state: asked.state,
                    });
                }
                Outcome::Error(error) => bail!("{}: {error:?}", method.as_str()),
                Outcome::Failed(failure) => bail!("{}: {failure}", method.as_str()),
            }
        }
        bail!("{} asks without end", method.as_str())
    }

    /// Calls a tool with everything it asks for answered.
    pub(crate) async fn call_tool(&self, name: &str, arguments: &Value) -> anyhow::Result<Value> {
        self.ask(Method::CallTool, Some(name), Some(arguments))
            .await
            .with_context(|| format!("tool {name}"))
    }

    fn call(&self, method: Method, name: Option<&str>, arguments: Option<&Value>) -> Call {
        Call {
            tenant: TENANT,
            connector: CONNECTOR,
            version: 0,
            accounts: 0,
            request: Request {
                arguments: arguments.map(|given| Bytes::from(given.to_string())),
                ..Request::new(method, name.map(str::to_owned))
            },
            client: self.client.clone(),
            session: None,
            user_token: None,
            principal: Principal {
                key: KeyId::new(Uuid::from_u128(3)),
                scope: Scope::TenantUser,
                tenant: Some(TENANT),
            },
            deadline: DEADLINE,
            request_id: "conformance".to_owned(),
            affinity: fabric::Affinity::None,
        }
    }
}
