//! `tools/call`: one call under way, and what its end means to the client.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::mcp::{Meta, Params, codes, complete_for_modern, notification, strip_for_legacy};
use bytes::Bytes;
use fabric::{
    BoxFuture, Call, CallEvent, Effect, Failure, FailureKind, Outcome, Request, RpcError,
};
use runtime::Tasks;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::dispatch::{Client, Exchange};
use super::reply::Answer;
use crate::metrics::End;
use crate::snapshot::ToolEntry;

/// Events on their way to a client that reads slowly; then the call itself waits.
const EVENTS: usize = 16;

/// A call under way.
pub(crate) struct Running {
    work: Work,
    progress: Option<Progress>,
    id: Box<str>,
    client: Client,
    /// JSON of the endpoint's `serverInfo`.
    server_info: Box<str>,
}

/// Progress that the client asked for.
pub(crate) struct Progress {
    /// The client's own token, as it was written.
    token: Box<str>,
    sender: Option<mpsc::Sender<CallEvent>>,
    events: mpsc::Receiver<CallEvent>,
}

impl Progress {
    pub(crate) fn new(token: &str) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        Self {
            token: token.into(),
            sender: Some(sender),
            events,
        }
    }

    /// The next event as a message of ours; `None` when no more can come.
    async fn next(&mut self) -> Option<Bytes> {
        while let Some(event) = self.events.recv().await {
            if let Some(message) = self.message(&event) {
                return Some(message);
            }
        }
        None
    }

    /// An event that waits already.
    fn try_next(&mut self) -> Option<Bytes> {
        while let Ok(event) = self.events.try_recv() {
            if let Some(message) = self.message(&event) {
                return Some(message);
            }
        }
        None
    }

    fn message(&self, event: &CallEvent) -> Option<Bytes> {
        let CallEvent::Progress(members) = event else {
            return None;
        };
        let members = std::str::from_utf8(members).ok()?.trim();
        let rest = members.strip_prefix('{')?.trim_start();
        let comma = if rest.starts_with('}') { "" } else { "," };
        let params = format!(r#"{{"progressToken":{}{comma}{rest}"#, self.token);
        Some(notification("notifications/progress", params.as_bytes()))
    }
}

/// Has a worker begin the call; nothing is sent before the result is first polled.
pub(crate) fn start(
    exchange: &Exchange<'_>,
    tool: &ToolEntry,
    params: &Params<'_>,
    mut progress: Option<Progress>,
) -> Running {
    let raw = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let call = Call {
        tenant: exchange.tenant,
        connector: tool.connector,
        version: tool.version,
        request: Request::CallTool {
            name: tool.name.clone(),
            arguments: params.arguments.map(|arguments| raw(arguments.get())),
            meta: Meta::travelling(params.meta).map(Bytes::from),
            progress: progress.is_some(),
        },
        principal: exchange.principal,
        deadline: exchange.app.config.call_deadline,
        request_id: exchange.request_id.to_owned(),
    };
    let events = progress
        .as_mut()
        .and_then(|progress| progress.sender.take());
    let workers = exchange.app.workers.clone();
    let future: BoxFuture<'static, Outcome> =
        Box::pin(async move { workers.execute(call, events).await });
    // Only a modern client cancels by going away (2026-07-28); for a legacy one the call goes on.
    let after = match exchange.client {
        Client::Modern => None,
        Client::Legacy(_) => Some(exchange.app.process.tasks.clone()),
    };
    Running {
        work: Work {
            future: Some(future),
            after,
        },
        progress,
        id: exchange.id.into(),
        client: exchange.client,
        server_info: exchange.endpoint.server.json().into(),
    }
}

impl Running {
    /// Waits for the end.
    pub(crate) async fn outcome(&mut self) -> Outcome {
        (&mut self.work).await
    }

    /// Waits for the end or the next event.
    pub(crate) async fn step(&mut self) -> Step {
        let Some(progress) = &mut self.progress else {
            return Step::End((&mut self.work).await);
        };
        tokio::select! {
            biased;
            Some(message) = progress.next() => Step::Event(message),
            outcome = &mut self.work => Step::End(outcome),
        }
    }

    /// An event that waits already, after the end.
    pub(crate) fn waiting(&mut self) -> Option<Bytes> {
        self.progress.as_mut().and_then(Progress::try_next)
    }

    /// Whether no event waits.
    pub(crate) fn is_quiet(&self) -> bool {
        self.progress
            .as_ref()
            .is_none_or(|progress| progress.events.is_empty())
    }

    /// The answer that `outcome` is to this client.
    pub(crate) fn answer(&self, outcome: Outcome) -> Answer {
        match outcome {
            Outcome::Result(result) => self.result(&result),
            Outcome::Error(error) => self.error(&error),
            Outcome::Failed(failure) => self.failure(&failure),
        }
    }

    fn result(&self, result: &Bytes) -> Answer {
        let dressed = match self.client {
            Client::Modern => complete_for_modern(result, &self.server_info),
            Client::Legacy(_) => strip_for_legacy(result),
        };
        match dressed {
            Ok(dressed) => {
                let end = if is_error(&dressed) {
                    End::ToolError
                } else {
                    End::Ok
                };
                Answer {
                    end,
                    ..Answer::result(&self.id, &dressed)
                }
            }
            Err(_) => self.failure(&Failure {
                kind: FailureKind::Garbage,
                message: "The upstream's result is no JSON object.".to_owned(),
                effect: Effect::Possible,
            }),
        }
    }

    /// An upstream's JSON-RPC error, with the codes that belong to the hop between us and it
    /// translated (`mcp-protocol.md` §2.2 and §2.6 have the table that this follows).
    fn error(&self, error: &RpcError) -> Answer {
        let code = match (error.code, self.client) {
            (codes::HEADER_MISMATCH | codes::UNSUPPORTED_PROTOCOL_VERSION, _) => {
                codes::INTERNAL_ERROR
            }
            (codes::MISSING_CLIENT_CAPABILITY, Client::Legacy(_)) => {
                let text = format!(
                    "The server needs what this client cannot do: {}",
                    error.message
                );
                return self.tool_error(&text);
            }
            (codes::RESOURCE_NOT_FOUND, Client::Modern) => codes::INVALID_PARAMS,
            (code, _) => code,
        };
        let answer = Answer::error(&self.id, code, &error.message, error.data.as_deref());
        match code {
            codes::MISSING_CLIENT_CAPABILITY => Answer {
                status: http::StatusCode::BAD_REQUEST,
                ..answer
            },
            _ => answer,
        }
    }

    /// There is no answer: the model gets words that it can act on, unless it is our own fault.
    fn failure(&self, failure: &Failure) -> Answer {
        let text = match failure.effect {
            Effect::None => failure.message.clone(),
            Effect::Possible => format!(
                "{} The call may have had an effect: check before trying again.",
                failure.message
            ),
        };
        match failure.kind {
            FailureKind::Busy | FailureKind::Gone | FailureKind::Internal => {
                Answer::error(&self.id, codes::INTERNAL_ERROR, &text, None)
            }
            _ => self.tool_error(&text),
        }
    }

    fn tool_error(&self, text: &str) -> Answer {
        let result = json!({"content": [{"type": "text", "text": text}], "isError": true});
        let result = Bytes::from(result.to_string());
        let dressed = match self.client {
            Client::Modern => complete_for_modern(&result, &self.server_info),
            Client::Legacy(_) => Ok(result),
        };
        let dressed = dressed.expect("an object of ours");
        Answer {
            end: End::ToolError,
            ..Answer::result(&self.id, &dressed)
        }
    }
}

/// What happened next in a call.
pub(crate) enum Step {
    Event(Bytes),
    End(Outcome),
}

fn is_error(result: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default, rename = "isError")]
        is_error: bool,
    }
    // Only to count it: what is no boolean counts as none.
    serde_json::from_slice::<Head>(result).is_ok_and(|head| head.is_error)
}

/// The call itself. When it is dropped before its end it either ends with it, or goes on alone.
struct Work {
    future: Option<BoxFuture<'static, Outcome>>,
    after: Option<Tasks>,
}

impl Future for &mut Work {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let future = self.future.as_mut().expect("not polled after its end");
        let outcome = std::task::ready!(future.as_mut().poll(cx));
        self.future = None;
        Poll::Ready(outcome)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let (Some(future), Some(tasks)) = (self.future.take(), self.after.take()) {
            tasks.disposable("call of a client that left", async move {
                future.await;
                Ok(())
            });
        }
    }
}
