//! A worker, the connector that it runs, and a control-plane that gives credentials from a table.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use connector_worker::{Config, Deps, Worker};
use domain::{AccountId, AccountMethod, ConnectorId, KeyId, Principal, Scope, TenantId};
use fabric::{
    AccountLease, BoxFuture, Call, CallEvent, Credential, CredentialError, CredentialRequest,
    Execute, Inputs, Lease, LeaseError, Leases, Method, Outcome, Request,
};
use mcp::{ClientCapabilities, ClientProfile};
use runtime::{SystemClock, TimeOrderedIds};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

pub(super) const ADA: u128 = 0xada;
pub(super) const BEN: u128 = 0xbe;

/// An account, as the control-plane has it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) account: u128,
    pub(super) generation: i64,
    pub(super) token: String,
    pub(super) user_token: Option<String>,
    pub(super) method: AccountMethod,
    pub(super) scopes: Vec<String>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) usable_for: Option<Duration>,
    /// The tokens that refreshing gives, one after the other.
    pub(super) next: VecDeque<String>,
}

pub(super) fn account(account: u128, token: &str) -> Held {
    Held {
        account,
        generation: 1,
        token: token.to_owned(),
        user_token: None,
        method: AccountMethod::OAuth,
        scopes: Vec::new(),
        variables: BTreeMap::new(),
        usable_for: Some(Duration::from_secs(3_600)),
        next: VecDeque::new(),
    }
}

/// What the control-plane knows.
#[derive(Default)]
pub(super) struct State {
    /// By key; of the tenant under none.
    pub(super) accounts: BTreeMap<Option<u128>, Held>,
    /// The connector has a secret of its own.
    pub(super) has_own: bool,
    pub(super) is_away: bool,
    /// The provider's token endpoint does not answer.
    pub(super) no_provider: bool,
    pub(super) asked: Vec<CredentialRequest>,
    pub(super) leases: usize,
}

pub(super) struct ControlPlane {
    lease: Lease,
    state: Mutex<State>,
    was_asked: Notify,
}

impl ControlPlane {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Resolves when it has been asked `count` times.
    pub(super) async fn asked(&self, count: usize) {
        loop {
            let asked = self.was_asked.notified();
            if self.state().asked.len() >= count {
                return;
            }
            asked.await;
        }
    }

    fn give(&self, request: CredentialRequest) -> Result<Credential, CredentialError> {
        let mut state = self.state();
        state.asked.push(request.clone());
        self.was_asked.notify_waiters();
        if state.is_away {
            return Err(CredentialError::Unavailable("it sleeps".to_owned()));
        }
        let number = state.asked.len();
        let missing = |message: &str| {
            Err(CredentialError::Missing {
                connect_url: request
                    .wants_link
                    .then(|| format!("https://turnbuckle.test/connect/nonce-{number}")),
                message: message.to_owned(),
            })
        };
        let (has_own, no_provider) = (state.has_own, state.no_provider);
        let key = Some(request.key.as_uuid().as_u128());
        let key = key.filter(|_| state.accounts.contains_key(&key));
        let Some(held) = state.accounts.get_mut(&key) else {
            return match has_own {
                true => Ok(Credential::Own),
                false => missing("No account is connected."),
            };
        };
        let id = AccountId::new(Uuid::from_u128(held.account));
        if request.refused == Some((id, held.generation)) {
            if no_provider {
                return Err(CredentialError::Provider("it sleeps, too".to_owned()));
            }
            let Some(next) = held.next.pop_front() else {
                return missing("The account must be connected again.");
            };
            held.token = next;
            held.generation += 1;
        }
        let has = |scope: &String| held.scopes.contains(scope);
        if !request.further_scopes.iter().all(has) {
            return missing("The account's grant is too small.");
        }
        Ok(Credential::Account(AccountLease {
            account: id,
            generation: held.generation,
            method: held.method,
            access_token: SecretString::from(held.token.clone()),
            user_token: held.user_token.clone().map(SecretString::from),
            scopes: held.scopes.clone(),
            variables: held.variables.clone(),
            usable_for: held.usable_for,
        }))
    }
}

impl Leases for ControlPlane {
    fn lease(&self, _: TenantId, _: ConnectorId) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        self.state().leases += 1;
        let lease = Lease {
            connector: self.lease.connector.clone(),
            secrets: SecretBox::new(Box::new(self.lease.secrets.expose_secret().clone())),
            takes_accounts: self.lease.takes_accounts,
        };
        Box::pin(std::future::ready(Ok(lease)))
    }

    fn credential(
        &self,
        request: CredentialRequest,
    ) -> BoxFuture<'_, Result<Credential, CredentialError>> {
        Box::pin(std::future::ready(self.give(request)))
    }
}

pub(super) struct Bench {
    pub(super) control_plane: Arc<ControlPlane>,
    pub(super) worker: Worker,
}

impl Bench {
    /// A worker that runs the connector of `lease`, which takes accounts unless it says so.
    pub(super) fn of(lease: Lease, config: Config) -> Self {
        let has_own = lease.secrets.expose_secret().0.token.is_some();
        let control_plane = Arc::new(ControlPlane {
            lease,
            state: Mutex::new(State {
                has_own,
                ..State::default()
            }),
            was_asked: Notify::new(),
        });
        let allow_loopback = egress::EgressConfig {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            ..egress::EgressConfig::default()
        };
        let deps = Deps {
            leases: control_plane.clone(),
            catalog: catalog::Catalog::builtin(),
            egress: egress::Client::new(&allow_loopback).unwrap(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(TimeOrderedIds),
            listener: None,
            environment: Vec::new(),
        };
        let (_, process) = runtime::Process::new();
        Self {
            worker: Worker::build(config, deps, &process).unwrap(),
            control_plane,
        }
    }

    pub(super) fn connect(&self, key: Option<u128>, account: Held) {
        self.control_plane.state().accounts.insert(key, account);
    }

    pub(super) fn asked(&self) -> usize {
        self.control_plane.state().asked.len()
    }

    /// The last question to the control-plane.
    pub(super) fn last_asked(&self) -> CredentialRequest {
        self.control_plane.state().asked.last().unwrap().clone()
    }

    pub(super) fn call(&self, key: u128, tool: &str, arguments: Value) -> Call {
        let connector = &self.control_plane.lease.connector;
        Call {
            tenant: connector.tenant,
            connector: connector.id,
            version: 1,
            accounts: 0,
            request: Request {
                arguments: Some(Bytes::from(arguments.to_string())),
                ..Request::new(Method::CallTool, Some(tool.to_owned()))
            },
            client: Arc::default(),
            session: None,
            principal: Principal {
                key: KeyId::new(Uuid::from_u128(key)),
                scope: Scope::TenantUser,
                tenant: Some(connector.tenant),
            },
            user_token: None,
            deadline: Duration::from_secs(20),
            request_id: "r1".to_owned(),
            affinity: fabric::Affinity::None,
        }
    }

    pub(super) async fn run(&self, call: Call) -> Ended {
        Ended(self.worker.execute(call, None).await)
    }
}

/// The same by a client that can open pages.
pub(super) fn who_opens_pages(call: Call) -> Call {
    let capabilities = ClientCapabilities {
        elicitation_url: true,
        ..ClientCapabilities::default()
    };
    Call {
        client: Arc::new(ClientProfile {
            capabilities,
            ..ClientProfile::default()
        }),
        ..call
    }
}

/// The same call with the answer to what was asked.
pub(super) fn answered(mut call: Call, asked: &Asked, action: &str) -> Call {
    let responses = json!({ asked.key.clone(): { "action": action } });
    call.request.inputs = Some(Inputs {
        responses: Some(Bytes::from(responses.to_string())),
        state: asked.state.clone(),
    });
    call
}

/// A page that a person is to open.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) key: String,
    pub(super) params: Value,
    state: Option<String>,
}

#[derive(Debug)]
pub(super) struct Ended(pub(super) Outcome);

impl Ended {
    pub(super) fn result(self) -> Value {
        match self.0 {
            Outcome::Result(result) => serde_json::from_slice(&result).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn ok(self) -> Value {
        let result = self.result();
        assert_ne!(result["isError"], true, "{result}");
        result
    }

    /// The words of an error result.
    pub(super) fn refused(self) -> String {
        let result = self.result();
        assert_eq!(result["isError"], true, "{result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// The only page that is asked for.
    pub(super) fn asks(self) -> Asked {
        let Outcome::InputRequired(input) = self.0 else {
            panic!("{self:?}")
        };
        let requests: Value = serde_json::from_slice(&input.requests.unwrap()).unwrap();
        let requests = requests.as_object().unwrap();
        assert_eq!(requests.len(), 1);
        let (key, request) = requests.iter().next().unwrap();
        assert_eq!(request["method"], "elicitation/create");
        assert_eq!(request["params"]["mode"], "url");
        Asked {
            key: key.clone(),
            params: request["params"].clone(),
            state: input.state,
        }
    }

    pub(super) fn failed(self) -> fabric::Failure {
        match self.0 {
            Outcome::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }
}

/// Runs a call, and tells what the client was told before its end.
pub(super) async fn run_heard(bench: &Bench, call: Call) -> (Ended, Vec<CallEvent>) {
    let (sender, mut events) = mpsc::channel(16);
    let outcome = bench.worker.execute(call, Some(sender)).await;
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        told.push(event);
    }
    (Ended(outcome), told)
}
