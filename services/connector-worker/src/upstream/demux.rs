//! The calls that wait on one stream of messages, and which incoming message is whose.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fabric::{BoxFuture, Failure, FailureKind};
use mcp::{Message, codes};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Exchange;
use super::strays::{Full, Strays};
use crate::failure::{sent, unsent};

/// Progress notifications of one call that wait to be read. More are dropped: they are a courtesy,
/// and a slow reader must not hold the other calls on its stream back.
const PROGRESS_QUEUE: usize = 32;
/// Bytes of a progress notification; larger ones are dropped.
const PROGRESS_MAX_BYTES: usize = 64 * 1024;

/// Who waits for what on one stream.
#[derive(Debug)]
pub(crate) struct Demux {
    state: Mutex<State>,
    strays: Arc<Strays>,
    holds: AtomicUsize,
}

#[derive(Debug)]
struct State {
    waiting: HashMap<u64, Waiting>,
    /// What a call gets that comes too late.
    end: Option<Failure>,
    /// When the last call began or ended.
    used: Instant,
}

#[derive(Debug)]
struct Waiting {
    progress: mpsc::Sender<Bytes>,
    answer: oneshot::Sender<Result<Bytes, Failure>>,
}

impl Demux {
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            waiting: HashMap::new(),
            end: None,
            used: Instant::now(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            strays: Arc::default(),
            holds: AtomicUsize::new(0),
        })
    }

    /// Makes `id` wait.
    ///
    /// # Errors
    /// The stream has ended, or is being ended; nothing was sent.
    pub(crate) fn begin(self: &Arc<Self>, id: u64) -> Result<WaitingCall, Failure> {
        let (progress, events) = mpsc::channel(PROGRESS_QUEUE);
        let (answer, response) = oneshot::channel();
        let mut state = self.state();
        if let Some(end) = &state.end {
            return Err(end.clone());
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
            demux: self.clone(),
            events,
            response,
            held: None,
            over: false,
        })
    }

    /// Counts as use, so that a stream that is about to be used is not idle.
    pub(crate) fn touch(&self) {
        self.state().used = Instant::now();
    }

    /// Resolves when what belongs to no call has been dealt with.
    pub(crate) async fn settled(&self) {
        self.strays.settled().await;
    }

    /// Hands an incoming message to the call it belongs to, or to whoever reads what belongs to
    /// none. Returns what is to be answered at once: a ping, or a request that there is no room
    /// for.
    pub(crate) fn deliver(&self, message: &Message<'_>, raw: Bytes) -> Option<Bytes> {
        match message {
            Message::Result { id, .. } | Message::Error { id: Some(id), .. } => {
                if let Ok(id) = id.raw().parse() {
                    self.answer(id, Ok(raw));
                }
                None
            }
            Message::Notification { method, params } => {
                let progress = method == "notifications/progress";
                if let Some(params) = params.filter(|_| progress)
                    && self.progress(params.get(), &raw)
                {
                    return None;
                }
                let _ = self.strays.push(raw, false);
                None
            }
            Message::Request { id, method, .. } if method == "ping" => {
                Some(mcp::result_response(id.raw(), b"{}"))
            }
            Message::Request { id, .. } => match self.strays.push(raw, true) {
                Ok(()) => None,
                Err(Full) => Some(mcp::error_response(
                    id.raw(),
                    codes::INTERNAL_ERROR,
                    "too many requests at once",
                    None,
                )),
            },
            Message::Error { id: None, .. } | Message::Batch(_) => None,
        }
    }

    /// Hands a progress notification to its call; tells whether it is done with.
    fn progress(&self, params: &str, raw: &Bytes) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Progress {
            progress_token: u64,
        }
        if raw.len() > PROGRESS_MAX_BYTES {
            return true;
        }
        let Ok(Progress { progress_token }) = serde_json::from_str(params) else {
            return false;
        };
        let state = self.state();
        let Some(call) = state.waiting.get(&progress_token) else {
            return false;
        };
        let _ = call.progress.try_send(raw.clone());
        true
    }

    /// Ends the wait of `id`, if it waits.
    pub(crate) fn answer(&self, id: u64, answer: Result<Bytes, Failure>) {
        let mut state = self.state();
        if let Some(call) = state.waiting.remove(&id) {
            state.used = Instant::now();
            let _ = call.answer.send(answer);
        }
    }

    /// Lets no further call begin: it gets `end`. The first reason stays.
    pub(crate) fn close(&self, end: Failure) {
        self.state().end.get_or_insert(end);
    }

    /// Closes, unless a call waits or has begun or ended since `idle_since`; tells whether.
    pub(crate) fn close_if_idle(&self, idle_since: Instant, end: Failure) -> bool {
        let mut state = self.state();
        let idle = state.waiting.is_empty() && state.used <= idle_since;
        if idle {
            state.end.get_or_insert(end);
        }
        idle
    }

    /// Fails every call that waits with `end`, and ends what belongs to none. To be closed before.
    pub(crate) fn fail_all(&self, end: &Failure) {
        let waiting = std::mem::take(&mut self.state().waiting);
        for call in waiting.into_values() {
            let _ = call.answer.send(Err(end.clone()));
        }
        self.strays.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().end.is_some()
    }

    /// When the last call began or ended; `None` while one waits.
    pub(crate) fn unused_since(&self) -> Option<Instant> {
        let state = self.state();
        state.waiting.is_empty().then_some(state.used)
    }

    /// What belongs to no call: requests of the server other than pings, and notifications. `None`
    /// while somebody has it.
    pub(crate) fn strays(&self) -> Option<Box<dyn Exchange>> {
        self.strays.take()
    }

    /// Says that the stream is of use although no call waits on it.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        self.holds.fetch_add(1, Ordering::Relaxed);
        Hold(self.clone())
    }

    pub(crate) fn is_held(&self) -> bool {
        self.holds.load(Ordering::Relaxed) > 0
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

/// Somebody for whom a stream is of use, until it is dropped.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Demux>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.touch();
        self.0.holds.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call that waits. Dropping it gives up on the answer.
#[derive(Debug)]
pub(crate) struct WaitingCall {
    id: u64,
    demux: Arc<Demux>,
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
        let mut state = self.demux.state();
        if state.waiting.remove(&self.id).is_some() {
            state.used = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliver(demux: &Demux, text: &'static str) -> Option<Bytes> {
        demux.deliver(
            &mcp::parse(text.as_bytes(), 64).unwrap(),
            Bytes::from_static(text.as_bytes()),
        )
    }

    fn ended() -> Failure {
        unsent(FailureKind::Died, "over")
    }

    #[tokio::test]
    async fn each_call_gets_its_own_messages_progress_first() {
        let demux = Demux::new();
        let (mut one, mut two) = (demux.begin(1).unwrap(), demux.begin(2).unwrap());
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":1}}"#;

        deliver(&demux, progress);
        deliver(&demux, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#);
        deliver(&demux, r#"{"jsonrpc":"2.0","id":"1","result":{}}"#);
        deliver(
            &demux,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#,
        );
        deliver(&demux, r#"{"jsonrpc":"2.0","id":9,"result":{}}"#);

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
    async fn what_belongs_to_no_call_is_read_apart_and_pings_are_answered_at_once() {
        let demux = Demux::new();
        let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
        let foreign = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}"#;
        let asks = r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#;

        for message in [changed, foreign, asks] {
            assert_eq!(deliver(&demux, message), None);
        }
        let pong = deliver(&demux, r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
        demux.close(ended());
        demux.fail_all(&ended());

        assert_eq!(pong.unwrap(), r#"{"jsonrpc":"2.0","id":"p","result":{}}"#);
        let mut strays = demux.strays().unwrap();
        for message in [changed, foreign, asks] {
            assert_eq!(strays.next().await.unwrap().unwrap(), message);
        }
        assert_eq!(strays.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_request_that_there_is_no_room_for_is_refused_at_once() {
        let demux = Demux::new();
        let asks = r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#;

        let refused = (0..1_000).find_map(|_| deliver(&demux, asks));

        assert_eq!(
            refused.unwrap(),
            r#"{"jsonrpc":"2.0","id":"r","error":{"code":-32603,"message":"too many requests at once"}}"#
        );
    }

    #[tokio::test]
    async fn a_stream_is_idle_only_when_nothing_waits_and_nothing_may_begin_after_that() {
        let demux = Demux::new();
        let call = demux.begin(1).unwrap();
        assert!(!demux.close_if_idle(Instant::now(), ended()));

        drop(call);
        assert!(!demux.close_if_idle(Instant::now() - std::time::Duration::from_secs(1), ended()));
        assert!(demux.close_if_idle(Instant::now(), ended()));

        assert_eq!(demux.begin(2).unwrap_err(), ended());
    }
}
