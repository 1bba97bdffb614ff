//! A request under way: what it says to its client, and how it ends.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::mcp::codes;
use bytes::Bytes;
use fabric::BoxFuture;
use runtime::Tasks;
use tokio::sync::mpsc;

use super::answer::Answer;
use super::recorded::Recorded;
use crate::hub::Listen;

/// What comes of a request.
pub(crate) enum Reply {
    /// An answer that stands already.
    Message(Answer),
    /// A request that is under way.
    Running(Box<Running>),
    /// A `subscriptions/listen` that was accepted; the hub tells its messages.
    Listen(Box<Listen>),
}

/// A request under way: JSON-RPC messages for the client, then its end.
///
/// Dropped before its end, a modern client's request ends with it, and its upstream is told so
/// (2026-07-28, "Cancellation"). A legacy client's goes on alone: only a notification cancels it.
pub(crate) struct Running {
    /// The request's id, raw; of legacy requests only, which may outlive their connection.
    id: Option<Box<str>>,
    work: Work,
    messages: Option<mpsc::Receiver<Bytes>>,
}

/// What happened next.
pub(crate) enum Step {
    Message(Bytes),
    End(Ended),
}

/// How a request ended.
pub(crate) enum Ended {
    Answer(Answer),
    /// A legacy client cancelled it: no answer is due.
    Cancelled,
}

impl Running {
    /// What a client is told that comes back for the answer when this process is no more.
    pub(crate) fn last_words(&self) -> Option<Bytes> {
        let text = "The gateway that ran this request has gone. The call may have had an effect: \
                    check before trying again.";
        let id = self.id.as_deref()?;
        Some(Answer::error(id, codes::INTERNAL_ERROR, text, None).body)
    }

    /// `after` takes the work over when it is dropped before its end; without it the work ends.
    pub(super) fn new(
        work: BoxFuture<'static, Ended>,
        messages: Option<mpsc::Receiver<Bytes>>,
        after: Option<Tasks>,
        id: Option<Box<str>>,
    ) -> Self {
        let work = Work {
            future: Some(work),
            after,
        };
        Self { id, work, messages }
    }

    /// Has it recorded to its end, wherever that is.
    pub(super) fn recorded(mut self, recorded: Box<Recorded>) -> Self {
        if let Some(work) = self.work.future.take() {
            self.work.future = Some(Box::pin(recorded.follow_work(work)));
        }
        self
    }

    /// Waits for the next message, or for the end.
    pub(crate) async fn step(&mut self) -> Step {
        let Some(messages) = &mut self.messages else {
            return Step::End((&mut self.work).await);
        };
        tokio::select! {
            biased;
            Some(message) = messages.recv() => Step::Message(message),
            ended = &mut self.work => Step::End(ended),
        }
    }

    /// A message that waits already; after the end, those that come before the answer.
    pub(crate) fn waiting(&mut self) -> Option<Bytes> {
        self.messages.as_mut()?.try_recv().ok()
    }

    /// Whether no message waits.
    pub(crate) fn is_quiet(&self) -> bool {
        self.messages.as_ref().is_none_or(mpsc::Receiver::is_empty)
    }
}

struct Work {
    future: Option<BoxFuture<'static, Ended>>,
    after: Option<Tasks>,
}

impl Future for &mut Work {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let future = self.future.as_mut().expect("not polled after its end");
        let ended = std::task::ready!(future.as_mut().poll(cx));
        self.future = None;
        Poll::Ready(ended)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let (Some(future), Some(tasks)) = (self.future.take(), self.after.take()) {
            tasks.disposable("request of a client that left", async move {
                future.await;
                Ok(())
            });
        }
    }
}
