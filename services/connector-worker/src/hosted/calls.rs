//! The calls that wait for one process, and which incoming message is whose.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fabric::{BoxFuture, Failure, FailureKind};
use mcp::Message;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::end::End;
use crate::failure::{sent, unsent};
use crate::upstream::Exchange;

/// Progress notifications of one call that wait to be read. More are dropped: they are a courtesy,
/// and a slow reader must not hold the other calls of its process back.
const PROGRESS_QUEUE: usize = 32;
/// Bytes of a progress notification; larger ones are dropped.
const PROGRESS_MAX_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Calls(Mutex<State>);

#[derive(Debug)]
struct State {
    waiting: HashMap<u64, Waiting>,
    /// Why no call can wait any more.
    end: Option<End>,
    /// When the last call began or ended.
    used: Instant,
}

#[derive(Debug)]
struct Waiting {
    progress: mpsc::Sender<Bytes>,
    answer: oneshot::Sender<Result<Bytes, Failure>>,
}

impl Calls {
    pub(super) fn new() -> Arc<Self> {
        let state = State {
            waiting: HashMap::new(),
            end: None,
            used: Instant::now(),
        };
        Arc::new(Self(Mutex::new(state)))
    }

    /// Makes `id` wait.
    ///
    /// # Errors
    /// The process has ended, or is being ended; nothing was sent.
    pub(super) fn begin(self: &Arc<Self>, id: u64) -> Result<WaitingCall, Failure> {
        let (progress, events) = mpsc::channel(PROGRESS_QUEUE);
        let (answer, response) = oneshot::channel();
        let mut state = self.state();
        if let Some(end) = &state.end {
            let kind = match end {
                // What somebody wanted to end is not to be started again by a call of before.
                End::Released | End::WorkerEnds => FailureKind::Unreachable,
                _ => FailureKind::Died,
            };
            return Err(unsent(kind, end.message()));
        }
        state.used = Instant::now();
        if state
            .waiting
            .insert(id, Waiting { progress, answer })
            .is_some()
        {
            return Err(unsent(FailureKind::Internal, "a request id was used twice"));
        }
        drop(state);
        Ok(WaitingCall {
            id,
            calls: self.clone(),
            events,
            response,
            held: None,
            over: false,
        })
    }

    /// Counts as use, so that a process that is about to be called is not idle.
    pub(super) fn touch(&self) {
        self.state().used = Instant::now();
    }

    /// Hands an incoming message to the call it belongs to, if it belongs to one.
    pub(super) fn deliver(&self, message: &Message<'_>, raw: Bytes) {
        match message {
            Message::Result { id, .. } | Message::Error { id: Some(id), .. } => {
                if let Ok(id) = id.raw().parse() {
                    self.answer(id, Ok(raw));
                }
            }
            Message::Notification {
                method,
                params: Some(params),
            } if *method == "notifications/progress" && raw.len() <= PROGRESS_MAX_BYTES => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Progress {
                    progress_token: u64,
                }
                if let Ok(Progress { progress_token }) = serde_json::from_str(params.get())
                    && let Some(call) = self.state().waiting.get(&progress_token)
                {
                    let _ = call.progress.try_send(raw);
                }
            }
            _ => {}
        }
    }

    /// Ends the wait of `id`, if it waits.
    pub(super) fn answer(&self, id: u64, answer: Result<Bytes, Failure>) {
        let mut state = self.state();
        if let Some(call) = state.waiting.remove(&id) {
            state.used = Instant::now();
            let _ = call.answer.send(answer);
        }
    }

    /// Lets no further call begin. The first reason stays.
    pub(super) fn close(&self, end: &End) {
        self.state().end.get_or_insert_with(|| end.clone());
    }

    /// Closes, unless a call waits or has begun or ended since `idle_since`; tells whether.
    pub(super) fn close_if_idle(&self, idle_since: Instant, end: &End) -> bool {
        let mut state = self.state();
        let idle = state.waiting.is_empty() && state.used <= idle_since;
        if idle {
            state.end.get_or_insert_with(|| end.clone());
        }
        idle
    }

    /// Fails every call that waits. `answered` says whether the process ever sent a message.
    pub(super) fn fail_all(&self, end: &End, answered: bool) {
        let waiting = std::mem::take(&mut self.state().waiting);
        for call in waiting.into_values() {
            let _ = call.answer.send(Err(end.failure(answered)));
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().end.is_some()
    }

    /// When the last call began or ended; `None` while one waits.
    pub(super) fn unused_since(&self) -> Option<Instant> {
        let state = self.state();
        state.waiting.is_empty().then_some(state.used)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no panic while held")
    }
}

/// A call that waits. Dropping it gives up on the answer.
#[derive(Debug)]
pub(super) struct WaitingCall {
    id: u64,
    calls: Arc<Calls>,
    events: mpsc::Receiver<Bytes>,
    response: oneshot::Receiver<Result<Bytes, Failure>>,
    /// The answer, while progress that came before it is still to be read.
    held: Option<Result<Bytes, Failure>>,
    over: bool,
}

impl Exchange for WaitingCall {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Failure>> {
        Box::pin(async move {
            if self.over {
                return Ok(None);
            }
            if self.held.is_none() {
                tokio::select! {
                    biased;
                    Some(event) = self.events.recv() => return Ok(Some(event)),
                    answer = &mut self.response => {
                        let lost = || Err(sent(FailureKind::Internal, "the answer was lost"));
                        self.held = Some(answer.unwrap_or_else(|_| lost()));
                    }
                }
            }
            if let Ok(event) = self.events.try_recv() {
                return Ok(Some(event));
            }
            self.over = true;
            self.held.take().transpose()
        })
    }
}

impl Drop for WaitingCall {
    fn drop(&mut self) {
        let mut state = self.calls.state();
        if state.waiting.remove(&self.id).is_some() {
            state.used = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliver(calls: &Calls, text: &'static str) {
        calls.deliver(
            &mcp::parse(text.as_bytes(), 64).unwrap(),
            Bytes::from_static(text.as_bytes()),
        );
    }

    #[tokio::test]
    async fn each_call_gets_its_own_messages_progress_first() {
        let calls = Calls::new();
        let (mut one, mut two) = (calls.begin(1).unwrap(), calls.begin(2).unwrap());
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":1}}"#;

        deliver(&calls, progress);
        deliver(&calls, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#);
        deliver(&calls, r#"{"jsonrpc":"2.0","id":"1","result":{}}"#);
        deliver(
            &calls,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#,
        );
        deliver(&calls, r#"{"jsonrpc":"2.0","id":9,"result":{}}"#);

        assert_eq!(two.next().await.unwrap().unwrap(), progress);
        assert!(
            two.next()
                .await
                .unwrap()
                .unwrap()
                .ends_with(br#""id":2,"result":{}}"#)
        );
        assert_eq!(two.next().await.unwrap(), None);
        assert!(
            one.next()
                .await
                .unwrap()
                .unwrap()
                .ends_with(br#""message":"x"}}"#)
        );
    }

    #[tokio::test]
    async fn a_process_is_idle_only_when_nothing_waits_and_nothing_may_begin_after_that() {
        let calls = Calls::new();
        let end = End::Idle;
        let call = calls.begin(1).unwrap();
        assert!(!calls.close_if_idle(Instant::now(), &end));

        drop(call);
        assert!(!calls.close_if_idle(Instant::now() - std::time::Duration::from_secs(1), &end));
        assert!(calls.close_if_idle(Instant::now(), &end));

        let refused = calls.begin(2).unwrap_err();
        assert_eq!(
            (refused.kind, refused.effect),
            (FailureKind::Died, fabric::Effect::None)
        );
    }
}
