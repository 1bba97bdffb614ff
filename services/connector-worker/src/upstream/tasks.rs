//! Tasks of 2025-11-25, as the extension of 2026-07-28 sees them: flat, read by polling, and made
//! only for clients that declared the extension. For others a tool that runs as a task alone is
//! waited for.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use egress::Deadline;
use fabric::{CallEvent, Method, Outcome, Request, RpcError};
use mcp::{ClientProfile, codes};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::agree::Agreed;
use super::answer::garbage;
use super::call::Trouble;
use super::lane::Lane;
use super::outcome::legacy_outcome;
use super::peer::{Caller, Peer};
use super::related::without_task;
use super::task_end::knowing;
use super::tools::TaskSupport;

/// How often a caller who waits for a task hears that it goes on.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);
/// What is left of a call's time to say that its task is not done.
pub(super) const MARGIN: Duration = Duration::from_millis(500);
/// How long the session of a task is kept for it at most.
pub(super) const KEEP_MAX: Duration = Duration::from_secs(60 * 60);
const CANCEL_WITHIN: Duration = Duration::from_secs(5);

/// How a tool is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Plain,
    /// As a task, which the client follows by itself.
    Task,
    /// As a task, whose end is waited for.
    TaskToItsEnd,
}

impl Peer {
    /// How a legacy server must be asked to run this request for this client.
    pub(super) async fn manner(
        &self,
        request: &Request,
        client: &ClientProfile,
        agreed: &Agreed,
        deadline: Deadline,
    ) -> Manner {
        let (true, Method::CallTool, Some(name)) =
            (agreed.offers.tool_tasks, request.method, &request.name)
        else {
            return Manner::Plain;
        };
        if !self.link.known.tools.load().read {
            // What cannot be read now is called plainly, and the server says what it thinks of it.
            let _ = Box::pin(self.list_tools(client, deadline)).await;
        }
        let support = self.link.known.tools.load().tasks.get(name).copied();
        match (support, client.capabilities.tasks) {
            (Some(_), true) => Manner::Task,
            (Some(TaskSupport::Required), false) => Manner::TaskToItsEnd,
            _ => Manner::Plain,
        }
    }

    /// Calls a tool of a legacy server as a task.
    pub(super) async fn call_as_task(
        self: &Arc<Self>,
        request: &Request,
        client: &ClientProfile,
        caller: &Caller,
        to_its_end: bool,
        lane: &Lane,
        deadline: Deadline,
    ) -> Outcome {
        let build = |agreed: &Agreed| self.client_request(request, client, true, agreed);
        let created = match self.ask(build, caller, deadline).await {
            Ok((_, created)) => created,
            Err(trouble) => return trouble.into(),
        };
        let Some(task) = Created::parse(&created) else {
            return legacy_outcome(&without_task(created)); // it is done already
        };
        lane.keep(Duration::from_millis(task.ttl).min(KEEP_MAX));
        if !to_its_end {
            return Outcome::Result(flat("task", task.raw, &[]));
        }
        let mut cancel = CancelTask::new(self, &task.id);
        let params = task_params(&task.id);
        let build = |agreed: &Agreed| self.own_request("tasks/result", &params, client, agreed);
        let ended = self.ask(build, caller, deadline);
        let mut ended = std::pin::pin!(ended);
        let patience = deadline.remaining().saturating_sub(MARGIN);
        let mut over = std::pin::pin!(tokio::time::sleep(patience));
        let mut beats = 0_u64;
        let outcome = loop {
            tokio::select! {
                ended = &mut ended => break match ended {
                    Ok((_, result)) => legacy_outcome(&without_task(result)),
                    Err(Trouble::Error(error)) if names(&error, &task.id) => {
                        self.broken_task(&task.id, client, deadline).await
                    }
                    Err(trouble) => trouble.into(),
                },
                () = &mut over => break unfinished(),
                () = tokio::time::sleep(HEARTBEAT), if request.progress => {
                    beats += 1;
                    let event = json!({"progress": beats, "message": "The task goes on."});
                    let event = Bytes::from(event.to_string());
                    caller.sink.put(CallEvent::Progress(event)).await;
                }
            }
        };
        cancel.disarm();
        outcome
    }

    /// Why a task failed that has nothing to say for a result.
    async fn broken_task(&self, id: &str, client: &ClientProfile, deadline: Deadline) -> Outcome {
        let params = task_params(id);
        let build = |agreed: &Agreed| self.own_request("tasks/get", &params, client, agreed);
        let task = self.ask(build, &Caller::OURS, deadline).await;
        let words = task.ok().and_then(|(_, task)| words_of(&task));
        Outcome::Error(broken(words))
    }

    /// A request about a task of a legacy server.
    pub(super) async fn about_task(
        self: &Arc<Self>,
        request: &Request,
        client: &ClientProfile,
        caller: &Caller,
        agreed: &Agreed,
        deadline: Deadline,
    ) -> Outcome {
        match self
            .asked_about_task(request, client, caller, agreed, deadline)
            .await
        {
            Outcome::Error(mut error) => {
                let id = request.name.as_deref().unwrap_or_default();
                if names(&error, id) {
                    // It is the server's own id, which its client does not know.
                    error.message = error.message.replace(id, "(this task)");
                    error.raw = None;
                }
                Outcome::Error(error)
            }
            outcome => outcome,
        }
    }

    async fn asked_about_task(
        self: &Arc<Self>,
        request: &Request,
        client: &ClientProfile,
        caller: &Caller,
        agreed: &Agreed,
        deadline: Deadline,
    ) -> Outcome {
        let id = match &request.name {
            Some(id) if agreed.offers.tool_tasks => id,
            _ => return no_method(),
        };
        match request.method {
            Method::GetTask => match self.task(id, client, caller, deadline).await {
                Ok(task) => Outcome::Result(task),
                Err(trouble) => trouble.into(),
            },
            Method::CancelTask => {
                let params = task_params(id);
                let build =
                    |agreed: &Agreed| self.own_request("tasks/cancel", &params, client, agreed);
                let refused = match self.ask(build, caller, deadline).await {
                    Ok(_) => return Outcome::Result(Bytes::from_static(b"{}")),
                    Err(refused) => refused,
                };
                // One that is over is no error in the extension; one that is not there is.
                let build =
                    |agreed: &Agreed| self.own_request("tasks/get", &params, client, agreed);
                match (&refused, self.ask(build, caller, deadline).await) {
                    (Trouble::Error(_), Ok(_)) => Outcome::Result(Bytes::from_static(b"{}")),
                    _ => refused.into(),
                }
            }
            Method::UpdateTask => match caller.principal {
                Some(principal) => {
                    let inputs = request.inputs.as_ref();
                    self.answer_task(id, principal, inputs, deadline).await
                }
                None => no_method(),
            },
            _ => no_method(),
        }
    }

    /// The state of a task, its end included.
    pub(super) async fn task(
        self: &Arc<Self>,
        id: &str,
        client: &ClientProfile,
        caller: &Caller,
        deadline: Deadline,
    ) -> Result<Bytes, Trouble> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(borrow)]
            status: Cow<'a, str>,
        }
        let params = task_params(id);
        let build = |agreed: &Agreed| self.own_request("tasks/get", &params, client, agreed);
        let (_, task) = self.ask(build, caller, deadline).await?;
        let text = std::str::from_utf8(&task).map_err(|_| garbage("a task that is no text"))?;
        let head: Head<'_> =
            serde_json::from_str(text).map_err(|_| garbage("a task without a status"))?;
        if let ("input_required", Some(principal)) = (&*head.status, caller.principal) {
            return Ok(match self.questions_of(id, principal, client).await {
                Some(questions) => {
                    let questions = String::from_utf8_lossy(&questions).into_owned();
                    flat("complete", text, &[("inputRequests", questions)])
                }
                // It cannot be helped on by this client, or not yet.
                None => flat("complete", text, &[("status", "\"working\"".to_owned())]),
            });
        }
        if !matches!(&*head.status, "completed" | "failed") {
            return Ok(flat("complete", text, &[]));
        }
        let build = |agreed: &Agreed| self.own_request("tasks/result", &params, client, agreed);
        match self.ask(build, caller, deadline).await {
            Ok((_, result)) => {
                let result = mcp::strip_for_legacy(&result)
                    .map_err(|_| garbage("a result that cannot be read"))?;
                let result = String::from_utf8_lossy(&without_task(result)).into_owned();
                let end = [("status", "\"completed\"".to_owned()), ("result", result)];
                Ok(flat("complete", text, &end))
            }
            Err(Trouble::Error(error)) => {
                // A server may keep nothing but words of a task that broke.
                let error = match names(&error, id) {
                    true => broken(words_of(&task)),
                    false => error,
                };
                let end = [
                    ("status", "\"failed\"".to_owned()),
                    ("error", to_json(&error)),
                ];
                Ok(flat("complete", text, &end))
            }
            Err(failed) => Err(failed),
        }
    }
}

impl From<Trouble> for Outcome {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Error(error) => Self::Error(error),
            Trouble::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// A task that has just been made.
struct Created<'a> {
    id: String,
    /// Milliseconds that it is kept.
    ttl: u64,
    raw: &'a str,
}

impl<'a> Created<'a> {
    fn parse(result: &'a [u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(borrow)]
            task: &'a RawValue,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Task {
            task_id: String,
            #[serde(default)]
            ttl: Option<u64>,
        }
        let wire: Wire<'a> = serde_json::from_slice(result).ok()?;
        let task: Task = serde_json::from_str(wire.task.get()).ok()?;
        Some(Self {
            id: task.task_id,
            ttl: task.ttl.unwrap_or(u64::MAX),
            raw: wire.task.get(),
        })
    }
}

/// A task of 2025-11-25 as the extension writes it, with `end` in the place of members of the same
/// name.
fn flat(result_type: &str, task: &str, end: &[(&str, String)]) -> Bytes {
    let mut out = BytesMut::with_capacity(task.len() + 64);
    out.put_slice(b"{\"resultType\":\"");
    out.put_slice(result_type.as_bytes());
    out.put_u8(b'"');
    let members = mcp::members(task).unwrap_or_default();
    for (name, value) in &members {
        let name = match &**name {
            "ttl" => "ttlMs",
            "pollInterval" => "pollIntervalMs",
            "resultType" => continue,
            name if end.iter().any(|(other, _)| *other == name) => continue,
            name => name,
        };
        put(&mut out, name, value.get());
    }
    for (name, value) in end {
        put(&mut out, name, value);
    }
    out.put_u8(b'}');
    out.freeze()
}

fn put(out: &mut BytesMut, name: &str, value: &str) {
    out.put_u8(b',');
    serde_json::to_writer(out.writer(), name).expect("a string is JSON");
    out.put_u8(b':');
    out.put_slice(value.as_bytes());
}

/// A request about a task, in either era.
pub(super) fn about(method: Method, id: &str) -> Request {
    Request::new(method, Some(id.to_owned()))
}

/// Whether an error is about the task rather than about what it did. Ids that short are words.
fn names(error: &RpcError, id: &str) -> bool {
    const WORD: usize = 8;
    id.len() >= WORD && error.message.contains(id)
}

/// What a task says of its state.
fn words_of(task: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Words {
        status_message: Option<String>,
    }
    serde_json::from_slice::<Words>(task).ok()?.status_message
}

fn broken(words: Option<String>) -> RpcError {
    RpcError {
        code: codes::INTERNAL_ERROR,
        message: words.unwrap_or_else(|| "Internal error: the task failed".to_owned()),
        data: None,
        raw: None,
    }
}

pub(super) fn task_params(id: &str) -> String {
    let id = serde_json::to_string(id).expect("a string is JSON");
    format!(r#""taskId":{id}"#)
}

fn to_json(error: &RpcError) -> String {
    if let Some(raw) = &error.raw {
        return String::from_utf8_lossy(raw).into_owned();
    }
    let message = serde_json::to_string(&error.message).expect("a string is JSON");
    let data = error.data.as_deref().map(String::from_utf8_lossy);
    let data = data.map_or_else(String::new, |data| format!(r#","data":{data}"#));
    format!(r#"{{"code":{},"message":{message}{data}}}"#, error.code)
}

/// What a client that knows no tasks is told of one that is not done in time.
pub(super) fn unfinished() -> Outcome {
    let text = "The tool is still running on its server, as a task, and could not be waited for any longer. Do not assume that it failed: check what it did before you call it again.";
    let result = json!({"content": [{"type": "text", "text": text}], "isError": true});
    Outcome::Result(Bytes::from(result.to_string()))
}

fn no_method() -> Outcome {
    Outcome::Error(RpcError {
        code: codes::METHOD_NOT_FOUND,
        message: "Method not found: the upstream has no such tasks".to_owned(),
        data: None,
        raw: None,
    })
}

/// Cancels a task when it is dropped before the task's end is known.
pub(super) struct CancelTask {
    peer: Arc<Peer>,
    id: Option<String>,
}

impl CancelTask {
    pub(super) fn new(peer: &Arc<Peer>, id: &str) -> Self {
        Self {
            peer: peer.clone(),
            id: Some(id.to_owned()),
        }
    }

    /// The task has ended, or goes on without us.
    pub(super) fn disarm(&mut self) {
        self.id = None;
    }
}

impl Drop for CancelTask {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let Ok(permit) = self.peer.cancels.clone().try_acquire_owned() else {
            return;
        };
        let peer = self.peer.clone();
        self.peer
            .tasks()
            .disposable("cancel an upstream task", async move {
                let client = knowing(&ClientProfile::default());
                let cancel = about(Method::CancelTask, &id);
                let build = |agreed: &Agreed| peer.client_request(&cancel, &client, false, agreed);
                let deadline = Deadline::after(CANCEL_WITHIN);
                // It may be done by now.
                let _ = peer.ask(build, &Caller::OURS, deadline).await;
                drop(permit);
                Ok(())
            });
    }
}
