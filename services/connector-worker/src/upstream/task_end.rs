//! Tasks of a modern server, for clients that know none: the call is followed to its end by
//! polling, and what the task asks is asked as a call would.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use egress::Deadline;
use fabric::{CallEvent, InputRequired, Inputs, Method, Outcome, Request, RpcError};
use mcp::{ClientCapabilities, ClientProfile, codes};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::answer::{garbage, rpc_error};
use super::call::Trouble;
use super::lane::Lane;
use super::peer::{Caller, Peer};
use super::tasks::{CancelTask, HEARTBEAT, KEEP_MAX, MARGIN, about, unfinished};

/// How often a task is looked at, whatever its server wishes.
const POLL_MIN: Duration = Duration::from_millis(100);
const POLL_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_secs(1);
/// Looks in a row that may fail.
const FAILURES_MAX: u32 = 3;

/// What a state of such a call begins with: ours goes on with a task, the other is the server's.
const OF_TASK: &str = "t";
const OF_SERVER: &str = "s";

/// A task that is followed.
#[derive(Serialize, Deserialize)]
struct Followed {
    id: String,
    /// Keys of what it asked so far; none is ever used again.
    told: Vec<String>,
}

/// A task's state, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(default)]
    status_message: Option<String>,
    #[serde(default)]
    poll_interval_ms: Option<f64>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input_requests: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    #[serde(default)]
    result_type: Option<String>,
    #[serde(default)]
    task_id: Option<String>,
    #[serde(default)]
    ttl_ms: Option<f64>,
    #[serde(default)]
    poll_interval_ms: Option<f64>,
}

/// The task that a state of ours goes on with, as far as `state` is one.
pub(super) fn task_of(request: &Request) -> Option<String> {
    let state = request.inputs.as_ref()?.state.as_deref()?;
    let followed: Followed = serde_json::from_str(state.strip_prefix(OF_TASK)?).ok()?;
    request.to_its_end.then_some(followed.id)
}

/// The profile of a client that we know tasks for.
pub(super) fn knowing(client: &ClientProfile) -> ClientProfile {
    ClientProfile {
        capabilities: ClientCapabilities {
            tasks: true,
            ..client.capabilities.clone()
        },
        ..client.clone()
    }
}

fn pause_of(wish: Option<f64>) -> Duration {
    match wish {
        Some(wish) if wish.is_finite() && wish >= 0.0 => {
            Duration::from_secs_f64((wish / 1000.0).min(POLL_MAX.as_secs_f64())).max(POLL_MIN)
        }
        _ => POLL,
    }
}

impl Peer {
    /// Calls a tool of a modern server, and waits where it makes a task of the call.
    pub(super) async fn run_to_its_end(
        self: &Arc<Self>,
        request: &Request,
        client: &ClientProfile,
        caller: &Caller,
        lane: &Lane,
        deadline: Deadline,
    ) -> Outcome {
        let client = knowing(client);
        let state = request.inputs.as_ref();
        let state = state.and_then(|inputs| inputs.state.as_deref());
        let ours = state.and_then(|state| state.strip_prefix(OF_TASK));
        if let Some(ours) = ours {
            let Ok(followed) = serde_json::from_str::<Followed>(ours) else {
                return super::park::unknown_state();
            };
            let following = Following::new(self, followed, &client, caller, request.progress);
            let responses = request.inputs.as_ref();
            let responses = responses.and_then(|inputs| inputs.responses.clone());
            return following.go_on(responses, deadline).await;
        }
        let mut own = request.clone();
        if let Some(inputs) = &mut own.inputs
            && let Some(state) = &mut inputs.state
        {
            *state = state.strip_prefix(OF_SERVER).unwrap_or(state).to_owned();
        }
        let result = match self.run(&own, &client, caller, deadline).await {
            Outcome::InputRequired(mut required) => {
                required.state = required.state.map(|state| format!("{OF_SERVER}{state}"));
                return Outcome::InputRequired(required);
            }
            Outcome::Result(result) => result,
            other => return other,
        };
        let created: Option<Created> = serde_json::from_slice(&result).ok();
        let created = created.filter(|made| made.result_type.as_deref() == Some("task"));
        let Some(created) = created else {
            return Outcome::Result(result);
        };
        let Some(id) = created.task_id else {
            return Outcome::Failed(garbage("a task without an id"));
        };
        let ttl = created.ttl_ms.filter(|ttl| ttl.is_finite() && *ttl >= 0.0);
        let ttl = ttl.map_or(KEEP_MAX.as_secs_f64(), |ttl| ttl / 1000.0);
        lane.keep(Duration::from_secs_f64(ttl.min(KEEP_MAX.as_secs_f64())));
        let followed = Followed {
            id,
            told: Vec::new(),
        };
        let following = Following::new(self, followed, &client, caller, request.progress);
        let pause = pause_of(created.poll_interval_ms);
        following.followed(pause, deadline).await
    }
}

/// Follows a task. Dropped before the end is known, it cancels it.
struct Following<'a> {
    peer: &'a Arc<Peer>,
    client: &'a ClientProfile,
    caller: &'a Caller,
    progress: bool,
    task: Followed,
    cancel: CancelTask,
}

impl<'a> Following<'a> {
    fn new(
        peer: &'a Arc<Peer>,
        task: Followed,
        client: &'a ClientProfile,
        caller: &'a Caller,
        progress: bool,
    ) -> Self {
        let cancel = CancelTask::new(peer, &task.id);
        Self {
            peer,
            client,
            caller,
            progress,
            task,
            cancel,
        }
    }

    /// Hands on what the task asked for, and follows it further.
    async fn go_on(self, responses: Option<Bytes>, deadline: Deadline) -> Outcome {
        let update = Request {
            inputs: Some(Inputs {
                responses,
                state: None,
            }),
            ..about(Method::UpdateTask, &self.task.id)
        };
        let build = |agreed: &_| {
            self.peer
                .client_request(&update, self.client, false, agreed)
        };
        if let Err(trouble) = self.peer.ask(build, &Caller::OURS, deadline).await {
            return trouble.into();
        }
        self.followed(POLL_MIN, deadline).await
    }

    async fn followed(mut self, mut pause: Duration, deadline: Deadline) -> Outcome {
        let until = Instant::now() + deadline.remaining().saturating_sub(MARGIN);
        let get = about(Method::GetTask, &self.task.id);
        let (mut beats, mut failures) = (0_u64, 0);
        let mut beaten = Instant::now();
        loop {
            let next = Instant::now() + pause;
            if next >= until {
                tokio::time::sleep_until(until).await;
                self.cancel.disarm();
                return unfinished();
            }
            tokio::time::sleep_until(next).await;
            if self.progress && beaten.elapsed() >= HEARTBEAT {
                (beats, beaten) = (beats + 1, Instant::now());
                let event = json!({"progress": beats, "message": "The task goes on."});
                let event = CallEvent::Progress(Bytes::from(event.to_string()));
                self.caller.sink.put(event).await;
            }
            let build = |agreed: &_| self.peer.client_request(&get, self.client, false, agreed);
            let asked = self.peer.ask(build, &Caller::OURS, deadline);
            let state = match tokio::time::timeout_at(until, asked).await {
                Ok(Ok((_, state))) => state,
                Ok(Err(Trouble::Failed(failure))) if failures < FAILURES_MAX => {
                    tracing::debug!("could not look at a task: {failure}");
                    failures += 1;
                    continue;
                }
                Ok(Err(trouble)) => return trouble.into(),
                Err(_) => continue,
            };
            failures = 0;
            let Ok(read) = serde_json::from_slice::<State<'_>>(&state) else {
                return Outcome::Failed(garbage("a task without a status"));
            };
            if let Some(wish) = read.poll_interval_ms {
                pause = pause_of(Some(wish));
            } else {
                pause = pause.max(POLL);
            }
            match &*read.status {
                "completed" | "failed" | "cancelled" => {
                    self.cancel.disarm();
                    return ended(&read, &state);
                }
                "input_required" => {
                    if let Some(required) = self.asked(&read) {
                        self.cancel.disarm();
                        return Outcome::InputRequired(required);
                    }
                }
                _ => {}
            }
        }
    }

    /// What the task asks that it has not asked before.
    fn asked(&mut self, state: &State<'_>) -> Option<InputRequired> {
        let all = mcp::members(state.input_requests?.get()).ok()?;
        let mut requests = Vec::new();
        for (key, request) in &all {
            if !self.task.told.iter().any(|told| told == key) {
                let name = serde_json::to_string(key).expect("a string is JSON");
                requests.push(format!("{name}:{}", request.get()));
                self.task.told.push(key.to_string());
            }
        }
        if requests.is_empty() {
            return None;
        }
        let own = serde_json::to_string(&self.task).expect("plain data");
        Some(InputRequired {
            requests: Some(Bytes::from(format!("{{{}}}", requests.join(",")))),
            state: Some(format!("{OF_TASK}{own}")),
            meta: None,
        })
    }
}

/// How a task ended.
fn ended(state: &State<'_>, text: &Bytes) -> Outcome {
    match (state.result, state.error) {
        (Some(result), _) if state.status == "completed" && result.get().starts_with('{') => {
            Outcome::Result(text.slice_ref(result.get().as_bytes()))
        }
        (_, Some(error)) if state.status == "failed" => match rpc_error(error) {
            Ok(error) => Outcome::Error(error),
            Err(failure) => Outcome::Failed(failure),
        },
        _ if state.status == "completed" => {
            Outcome::Failed(garbage("a task that is done and has no result"))
        }
        _ => {
            let otherwise = match &*state.status {
                "cancelled" => "Internal error: the server cancelled the task",
                _ => "Internal error: the task failed",
            };
            let message = state.status_message.as_deref().unwrap_or(otherwise);
            Outcome::Error(RpcError {
                code: codes::INTERNAL_ERROR,
                message: message.to_owned(),
                data: None,
                raw: None,
            })
        }
    }
}
