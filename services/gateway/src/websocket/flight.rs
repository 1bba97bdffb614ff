//! A request under way on a connection.

use axum::extract::ws::Message;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::core::{Ended, Running, Step};
use crate::hub::Subscription;
use crate::metrics::End;

/// How a request ended.
pub(super) struct Landed {
    /// The request's id, as it was written; empty where there is nothing to cancel.
    pub(super) id: Box<str>,
    /// What is left to be sent; none for a request that was cancelled.
    pub(super) answer: Option<Bytes>,
}

/// The way to the client. Bounded: who reads slowly holds back his own requests.
pub(super) type Outgoing = mpsc::Sender<Message>;

/// One message as a frame.
pub(super) fn frame(message: Bytes) -> Option<Message> {
    let text = axum::extract::ws::Utf8Bytes::try_from(message).ok()?;
    Some(Message::Text(text))
}

/// Sends the messages of a request as they come; resolves with its answer.
pub(super) async fn fly(
    mut running: Box<Running>,
    outgoing: Outgoing,
    mut cancelled: oneshot::Receiver<()>,
) -> (Option<Bytes>, End) {
    loop {
        let step = tokio::select! {
            step = running.step() => step,
            // The sender goes with the connection; that alone cancels nothing.
            Ok(()) = &mut cancelled, if !cancelled.is_terminated() => return (None, End::Cancelled),
        };
        match step {
            Step::Message(message) => send(&outgoing, message).await,
            Step::End(ended) => {
                while let Some(message) = running.waiting() {
                    send(&outgoing, message).await;
                }
                return match ended {
                    Ended::Answer(answer) => (Some(answer.body), answer.end),
                    Ended::Cancelled => (None, End::Cancelled),
                };
            }
        }
    }
}

/// Sends the messages of a `subscriptions/listen` until it ends. Its answer is one of them.
pub(super) async fn listen(
    mut subscription: Subscription,
    outgoing: Outgoing,
    mut cancelled: oneshot::Receiver<()>,
) -> (Option<Bytes>, End) {
    loop {
        let message = tokio::select! {
            message = subscription.next() => message,
            Ok(()) = &mut cancelled, if !cancelled.is_terminated() => return (None, End::Cancelled),
        };
        match message {
            Some(message) => send(&outgoing, message).await,
            None => return (None, End::Ok),
        }
    }
}

/// A connection that is gone takes nothing, and ends by itself.
async fn send(outgoing: &Outgoing, message: Bytes) {
    if let Some(frame) = frame(message) {
        outgoing.send(frame).await.ok();
    }
}
