//! Hearing what a server says outside any call.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use egress::Deadline;
use http::{HeaderMap, StatusCode};
use mcp::Message;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::agree::{Agreed, Era};
use super::answer::{REPLY_WITHIN, cancelled_id, parse};
use super::aside::{Aside, Way};
use super::inflight::InFlight;
use super::inputs::Input;
use super::notices::Notices;
use super::peer::{Link, Peer};
use super::{Rejected, Wire};

/// How long a call waits for the stream at most, before it goes without.
const READY_WITHIN: Duration = Duration::from_secs(1);
/// The pause before a stream that broke is opened anew; doubled each time it fails.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Somebody hears what a server says; ends when it is dropped.
pub(super) struct Listening {
    session: Weak<Agreed>,
    ready: watch::Receiver<bool>,
    task: AbortHandle,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// Makes sure that what the server says outside calls is heard, and waits a moment until it
    /// is. A modern server over HTTP says nothing there.
    pub(super) async fn listen(&self, agreed: &Arc<Agreed>) {
        if self.wire() == Wire::Http && agreed.era == Era::Modern {
            return;
        }
        let mut ready = self.listening(agreed);
        if !*ready.borrow() {
            let _ = tokio::time::timeout(READY_WITHIN, ready.wait_for(|ready| *ready)).await;
        }
    }

    /// Begins to listen where the server may say something to nobody in particular.
    pub(super) fn listen_if_due(&self, agreed: &Arc<Agreed>) {
        let due = match (self.wire(), agreed.era) {
            (Wire::Http, Era::Legacy) => agreed.offers.tools_changes,
            (Wire::Http, Era::Modern) => false,
            _ => true,
        };
        if due {
            self.listening(agreed);
        }
    }

    /// As [`hear_of_tools`](Self::hear_of_tools), for a modern server that says it tells of them.
    pub(super) fn hear_of_tools_if_told(self: &Arc<Self>) {
        let agreed = self.link.agreed.load();
        if agreed
            .as_ref()
            .is_some_and(|agreed| agreed.era == Era::Modern && agreed.offers.tools_changes)
        {
            self.hear_of_tools();
        }
    }

    fn listening(&self, agreed: &Arc<Agreed>) -> watch::Receiver<bool> {
        let mut listening = self.listening.lock().expect("no panic while held");
        if let Some(known) = &*listening {
            // A pipe is heard for as long as it lives, a stream of HTTP belongs to its session.
            let same = known.session.as_ptr() == Arc::as_ptr(agreed);
            if same || self.wire() != Wire::Http {
                return known.ready.clone();
            }
        }
        let (tell, ready) = watch::channel(false);
        let ear = Ear {
            link: self.link.clone(),
            session: Arc::downgrade(agreed),
            headers: agreed.headers.clone(),
            calls: self.calls.clone(),
            notices: self.notices.clone(),
            aside: self.aside.clone(),
            ttl: self.config.parked_ttl,
        };
        let task = self.tasks().joinable(ear.hear(tell));
        *listening = Some(Listening {
            session: Arc::downgrade(agreed),
            ready: ready.clone(),
            task: task.abort_handle(),
        });
        ready
    }
}

struct Ear {
    link: Arc<Link>,
    session: Weak<Agreed>,
    headers: HeaderMap,
    calls: Arc<InFlight>,
    notices: Arc<Notices>,
    aside: Arc<Aside>,
    /// How long a question outside calls may wait.
    ttl: Duration,
}

impl Ear {
    async fn hear(self, ready: watch::Sender<bool>) {
        let mut pause = PAUSE;
        let mut broke = false;
        loop {
            let opened = self.link.transport.unsolicited(self.headers.clone()).await;
            ready.send_replace(true);
            match opened {
                Ok(Some(mut exchange)) => {
                    // What came in between is lost.
                    if std::mem::replace(&mut broke, true) {
                        self.notices.gap();
                    }
                    while let Ok(Some(message)) = exchange.next().await {
                        pause = PAUSE;
                        self.take(&message).await;
                    }
                    // Over HTTP that is told when it is open again: once for each break.
                    if self.link.transport.wire() != Wire::Http {
                        self.notices.gap();
                    }
                }
                Ok(None) => {
                    if broke {
                        self.notices.gap();
                    }
                    return;
                }
                Err(Rejected::Status { status, .. }) => {
                    let gone = status == StatusCode::NOT_FOUND;
                    if gone && let Some(session) = self.session.upgrade() {
                        self.link.forget(&session);
                    }
                    if gone || broke {
                        self.notices.gap();
                    }
                    return;
                }
                Err(Rejected::Failed(failure)) => {
                    tracing::debug!("cannot hear the MCP server: {failure}");
                }
            }
            if self.link.transport.wire() != Wire::Http {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn take(&self, text: &Bytes) {
        match parse(text) {
            Ok(Message::Batch(batch)) => {
                let parts = serde_json::from_str::<Vec<&RawValue>>(batch.get());
                for part in parts.unwrap_or_default() {
                    let part = text.slice_ref(part.get().as_bytes());
                    if let Ok(message) = parse(&part) {
                        self.take_one(&message, &part).await;
                    }
                }
            }
            Ok(message) => self.take_one(&message, text).await,
            Err(failure) => tracing::debug!("outside any call, {failure}"),
        }
    }

    async fn take_one(&self, message: &Message<'_>, text: &Bytes) {
        match message {
            Message::Request { id, method, params } => {
                let reply = match &**method {
                    "ping" => Some(mcp::result_response(id.raw(), b"{}")),
                    method => self.asked(id.raw(), method, *params),
                };
                if let Some(reply) = reply {
                    self.reply(reply).await;
                }
            }
            Message::Notification { method, params } => match (&**method, params) {
                ("notifications/message", Some(params)) => match self.calls.only() {
                    Some(only) => only.stray_log(params, text),
                    None if self.aside.is_own() || self.calls.none_runs() => {
                        self.aside.log(params, text);
                    }
                    None => {}
                },
                ("notifications/cancelled", Some(params)) => {
                    if let Some(id) = cancelled_id(params) {
                        self.calls.all().iter().for_each(|call| call.withdraw(id));
                        self.aside.withdraw(id);
                    }
                }
                ("notifications/elicitation/complete", Some(params)) => {
                    self.completed(params, text);
                }
                ("notifications/progress", _) => {}
                _ => self.notices.publish(text.clone()),
            },
            _ => {}
        }
    }

    /// Takes a question; the answer, where that is a refusal.
    fn asked(&self, id: &str, method: &str, params: Option<&RawValue>) -> Option<Bytes> {
        let input = Input {
            method: method.into(),
            params,
        };
        let of_call = self.calls.ask(id, &input, &self.aside);
        let asked = of_call.unwrap_or_else(|| {
            let way = Way {
                transport: self.link.transport.clone(),
                headers: self.headers.clone(),
            };
            // No call is under way for it.
            self.aside.ask(id, &input, way, &self.link.tasks, self.ttl)
        });
        asked.err().map(|undeclared| undeclared.response(id))
    }

    /// A page is done with: told to the session that was asked to open it, or to nobody.
    fn completed(&self, params: &RawValue, text: &Bytes) {
        let Some(session) = self.aside.opened_by(params) else {
            return;
        };
        if !self.aside.completed(params, text, session) {
            let calls = self.calls.all();
            calls.iter().any(|call| call.stray_completed(params, text));
        }
    }

    async fn reply(&self, reply: Bytes) {
        let deadline = Deadline::after(REPLY_WITHIN);
        let transport = &self.link.transport;
        if let Err(failure) = transport
            .notify(reply, self.headers.clone(), deadline)
            .await
        {
            tracing::debug!("could not answer a request of the MCP server: {failure}");
        }
    }
}
