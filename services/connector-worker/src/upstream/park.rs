//! Calls that wait for what their legacy server asked (2026-07-28, "Multi Round-Trip Requests", on
//! top of a server that knows nothing of it). The call goes on in a task of its own; its client
//! gets the questions and a handle, and takes the call up again with its answers.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use domain::{ConnectorId, KeyId, TenantId};
use egress::Deadline;
use fabric::{Call, Events, FailureKind, Inputs, Method, Outcome, RpcError};
use mcp::codes;
use prometheus_client::metrics::gauge::Gauge;
use runtime::Tasks;
use serde_json::value::RawValue;
use tokio::task::AbortHandle;

use super::UpstreamConfig;
use super::answer::REPLY_WITHIN;
use super::aside::Way;
use super::board::{Board, Orphan, Turn};
use super::inputs::Input;
use super::peer::Peer;
use crate::failure::sent;

/// All calls of a worker that wait so.
pub(crate) struct Parked {
    config: Arc<UpstreamConfig>,
    tasks: Tasks,
    state: Mutex<State>,
    count: Gauge,
}

#[derive(Default)]
struct State {
    calls: HashMap<String, Waiting>,
    per_tenant: HashMap<TenantId, usize>,
}

/// A call that waits, and when it does no longer.
struct Waiting {
    call: Conversation,
    _end: Abort,
}

/// A call that its server may interrupt by questions. Dropped, it is cancelled.
pub(super) struct Conversation {
    binding: Binding,
    board: Arc<Board>,
    peer: Arc<Peer>,
    rounds: u32,
    _work: Abort,
}

/// Who may take a call up again, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Binding {
    tenant: TenantId,
    connector: ConnectorId,
    principal: KeyId,
    method: Method,
    name: Option<String>,
}

impl Binding {
    fn of(call: &Call) -> Self {
        Self {
            tenant: call.tenant,
            connector: call.connector,
            principal: call.principal.key,
            method: call.request.method,
            name: call.request.name.clone(),
        }
    }
}

/// A task that ends when this is dropped.
pub(super) struct Abort(pub(super) AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Conversation {
    pub(super) fn new(call: &Call, board: Arc<Board>, peer: Arc<Peer>, work: AbortHandle) -> Self {
        Self {
            binding: Binding::of(call),
            board,
            peer,
            rounds: 0,
            _work: Abort(work),
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let Some((session, orphans)) = self.board.abandon() else {
            return;
        };
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let transport = self.peer.link.transport.clone();
        self.peer
            .tasks()
            .disposable("refuse what an upstream asked", async move {
                for orphan in orphans {
                    let message = "Internal error: the client did not answer";
                    let refusal =
                        mcp::error_response(&orphan.id, codes::INTERNAL_ERROR, message, None);
                    let deadline = Deadline::after(REPLY_WITHIN);
                    let headers = session.headers.clone();
                    if transport.notify(refusal, headers, deadline).await.is_err() {
                        break;
                    }
                }
                Ok(())
            });
    }
}

impl Peer {
    /// Puts questions to another call, since the one that had them is over.
    pub(super) async fn hand_on(&self, orphans: Vec<Orphan>) {
        let Some(agreed) = self.link.agreed.load_full().filter(|_| !orphans.is_empty()) else {
            return;
        };
        for Orphan { id, request } in orphans {
            let Ok(raw) = serde_json::from_slice::<&RawValue>(&request) else {
                continue;
            };
            let Some(input) = Input::parse(raw) else {
                continue;
            };
            let refused = match self.calls.ask(&id, &input, &self.aside) {
                Some(asked) => asked,
                None => {
                    let way = Way {
                        transport: self.link.transport.clone(),
                        headers: agreed.headers.clone(),
                    };
                    let ttl = self.config.parked_ttl;
                    self.aside.ask(&id, &input, way, self.tasks(), ttl)
                }
            };
            if let Err(undeclared) = refused {
                let deadline = Deadline::after(REPLY_WITHIN);
                let headers = agreed.headers.clone();
                let reply = undeclared.response(&id);
                if let Err(failure) = self.link.transport.notify(reply, headers, deadline).await {
                    tracing::debug!("could not answer a request of the MCP server: {failure}");
                    return;
                }
            }
        }
    }
}

/// What is told of any handle that opens nothing, whatever the reason.
pub(super) fn unknown_state() -> Outcome {
    refusal(
        codes::INVALID_PARAMS,
        "Invalid params: unknown or expired requestState",
    )
}

impl Parked {
    pub(crate) fn new(config: Arc<UpstreamConfig>, tasks: Tasks, count: Gauge) -> Arc<Self> {
        Arc::new(Self {
            config,
            tasks,
            state: Mutex::default(),
            count,
        })
    }

    /// Waits for a call to end or to ask; one that asks is parked.
    pub(super) async fn wait(self: &Arc<Self>, call: Conversation) -> Outcome {
        match call.board.turn().await {
            Turn::Ended(outcome) => outcome,
            Turn::Asked(mut input) => match self.park(call) {
                Ok(handle) => {
                    input.state = Some(handle);
                    Outcome::InputRequired(input)
                }
                Err(refused) => refused,
            },
        }
    }

    /// Takes a parked call up again; `None` when `handle` opens none that is `call`.
    pub(super) async fn resume(
        self: &Arc<Self>,
        handle: &str,
        call: &Call,
        inputs: &Inputs,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Option<Outcome> {
        let (parked, answers) = {
            let mut state = self.state();
            let waiting = state.calls.get(handle)?;
            if waiting.call.binding != Binding::of(call) {
                return None;
            }
            let Ok(answers) = waiting.call.board.answers(inputs.responses.as_deref()) else {
                let message = "Invalid params: inputResponses must be an object of objects";
                return Some(refusal(codes::INVALID_PARAMS, message));
            };
            (self.remove(&mut state, handle)?.call, answers)
        };
        parked.board.return_to(events).await;
        if let Some(session) = answers.session {
            for answer in answers.messages {
                let transport = &parked.peer.link.transport;
                let told = transport
                    .notify(answer, session.headers.clone(), deadline)
                    .await;
                if let Err(failure) = told {
                    tracing::info!("could not answer what an MCP server asked: {failure}");
                    return Some(forgotten());
                }
            }
        }
        Some(match self.wait(parked).await {
            // It ended while nobody could hear why.
            Outcome::Failed(failure) if failure.kind == FailureKind::Died => forgotten(),
            outcome => outcome,
        })
    }

    /// Cancels the call that waits under `handle`, if it is one of the caller's.
    pub(super) fn give_up(&self, handle: &str, by: &Call) {
        let mut state = self.state();
        let own = state.calls.get(handle).is_some_and(|waiting| {
            let binding = &waiting.call.binding;
            binding.tenant == by.tenant
                && binding.connector == by.connector
                && binding.principal == by.principal.key
        });
        let given_up = own.then(|| self.remove(&mut state, handle));
        drop(state);
        drop(given_up);
    }

    /// Cancels all calls of a connector that wait.
    pub(crate) fn end_all_of(&self, tenant: TenantId, connector: ConnectorId) {
        let mut state = self.state();
        let of_it = |waiting: &Waiting| {
            waiting.call.binding.tenant == tenant && waiting.call.binding.connector == connector
        };
        let calls = state.calls.iter().filter(|(_, waiting)| of_it(waiting));
        let handles: Vec<String> = calls.map(|(handle, _)| handle.clone()).collect();
        for handle in handles {
            self.remove(&mut state, &handle);
        }
    }

    /// Cancels all calls that wait.
    pub(crate) fn end_all(&self) {
        let mut state = self.state();
        let handles: Vec<String> = state.calls.keys().cloned().collect();
        for handle in handles {
            self.remove(&mut state, &handle);
        }
    }

    fn park(self: &Arc<Self>, mut call: Conversation) -> Result<String, Outcome> {
        call.rounds += 1;
        let most = self.config.rounds_per_call;
        if call.rounds > most {
            let message =
                format!("Internal error: the upstream asked for input more than {most} times");
            return Err(refusal(codes::INTERNAL_ERROR, &message));
        }
        call.board.leave();
        let tenant = call.binding.tenant;
        let mut state = self.state();
        let of_tenant = state.per_tenant.get(&tenant).copied().unwrap_or_default();
        if of_tenant >= self.config.parked_per_tenant || state.calls.len() >= self.config.parked_max
        {
            return Err(Outcome::Failed(sent(
                FailureKind::Busy,
                "too many calls wait for input already: the call was cancelled",
            )));
        }
        let handle = new_handle();
        let end = {
            let (parked, handle) = (Arc::downgrade(self), handle.clone());
            let ttl = self.config.parked_ttl;
            self.tasks.joinable(async move {
                tokio::time::sleep(ttl).await;
                if let Some(parked) = parked.upgrade() {
                    let mut state = parked.state();
                    let expired = parked.remove(&mut state, &handle);
                    drop(state);
                    drop(expired);
                }
            })
        };
        let waiting = Waiting {
            call,
            _end: Abort(end.abort_handle()),
        };
        state.calls.insert(handle.clone(), waiting);
        *state.per_tenant.entry(tenant).or_default() += 1;
        self.count.inc();
        Ok(handle)
    }

    fn remove(&self, state: &mut State, handle: &str) -> Option<Waiting> {
        let waiting = state.calls.remove(handle)?;
        self.count.dec();
        let tenant = waiting.call.binding.tenant;
        if let Some(count) = state.per_tenant.get_mut(&tenant) {
            *count -= 1;
            if *count == 0 {
                state.per_tenant.remove(&tenant);
            }
        }
        Some(waiting)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

/// What is told of a call that cannot be taken up again, whatever the reason. Nobody may assume
/// success.
pub(super) fn forgotten() -> Outcome {
    Outcome::Failed(sent(
        FailureKind::Forgotten,
        "Internal error: the call cannot go on, because where it waited for input has ended or its time is over; what became of it is unknown",
    ))
}

fn refusal(code: i64, message: &str) -> Outcome {
    Outcome::Error(RpcError {
        code,
        message: message.to_owned(),
        data: None,
        raw: None,
    })
}

/// 32 random bytes in hexadecimal.
pub(super) fn new_handle() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the kernel always answers small requests");
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a growing text takes everything");
            text
        })
}
