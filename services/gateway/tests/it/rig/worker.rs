//! A worker that does what a test has it do.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fabric::{BoxFuture, Call, CallEvent, Events, Execute, Method, Outcome};
use tokio::sync::Notify;

/// What a test has its worker do.
pub(crate) type Script =
    Arc<dyn Fn(Call, Option<Events>) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// A worker that records calls, and does what its script says; without one it answers by the
/// method and the tool's name.
#[derive(Default)]
pub(crate) struct Worker {
    pub(crate) calls: Mutex<Vec<Call>>,
    pub(crate) outcome: Mutex<Option<Outcome>>,
    script: Mutex<Option<Script>>,
    /// Lets a call of the tool `wait` go on.
    pub(crate) go: Notify,
    /// Signalled when a call of the tool `wait` ends, and when one is dropped.
    pub(crate) finished: Notify,
    pub(crate) dropped: Notify,
}

struct OnDrop<'a>(&'a Notify);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A result, as a worker gives it.
pub(crate) fn result(json: impl ToString) -> Outcome {
    Outcome::Result(Bytes::from(json.to_string()))
}

impl Worker {
    /// From now on each call does this.
    pub(crate) fn script<F, W>(&self, script: F)
    where
        F: Fn(Call, Option<Events>) -> W + Send + Sync + 'static,
        W: Future<Output = Outcome> + Send + 'static,
    {
        let script: Script = Arc::new(move |call, events| Box::pin(script(call, events)));
        *self.script.lock().unwrap() = Some(script);
    }

    /// From now on each call is answered so at once.
    pub(crate) fn answers(&self, answer: impl Fn(&Call) -> Outcome + Send + Sync + 'static) {
        let answer = Arc::new(answer);
        self.script(move |call, _events| {
            let answer = answer.clone();
            async move { answer(&call) }
        });
    }

    /// The calls so far, which are forgotten.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl Execute for Worker {
    fn execute(&self, call: Call, events: Option<Events>) -> BoxFuture<'_, Outcome> {
        if call.request.method == Method::Watch && self.script.lock().unwrap().is_none() {
            return Box::pin(std::future::pending());
        }
        self.calls.lock().unwrap().push(call.clone());
        if let Some(script) = self.script.lock().unwrap().clone() {
            return script(call, events);
        }
        Box::pin(async move {
            let _dropped = OnDrop(&self.dropped);
            let name = call.request.name.as_deref().unwrap_or_default();
            if name == "progress" {
                for step in ["{\"progress\":1}", "{\"progress\":2,\"message\":\"x\"}"] {
                    if let Some(events) = &events {
                        events
                            .send(CallEvent::Progress(Bytes::from_static(step.as_bytes())))
                            .await
                            .ok();
                    }
                }
            }
            if name == "wait" {
                self.go.notified().await;
                self.finished.notify_one();
            }
            if let Some(outcome) = self.outcome.lock().unwrap().take() {
                return outcome;
            }
            let echoed = call.request.arguments.clone();
            let echoed = echoed.unwrap_or_else(|| Bytes::from_static(b"{}"));
            let echoed = std::str::from_utf8(&echoed).unwrap();
            result(format!(r#"{{"content":[],"echo":{echoed},"x":1.0}}"#))
        })
    }
}
