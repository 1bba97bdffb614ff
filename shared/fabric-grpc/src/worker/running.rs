//! A call under way, as the stream of what is told of it.

use std::pin::Pin;
use std::task::{Context, Poll};

use fabric::{BoxFuture, CallEvent, Effect, Events, Failure, FailureKind, Outcome};
use futures_util::Stream;
use prost::Message;
use proto::fabric::v1;
use tokio::sync::mpsc;
use tonic::Status;

use super::Place;
use crate::OUTCOME_MAX_BYTES;
use crate::convert;

/// Events that wait for the connection; beyond, the call waits.
const EVENTS: usize = 32;

/// Tells a call's events and then its outcome. Dropped, it cancels the call.
pub struct Running {
    call: Option<BoxFuture<'static, Outcome>>,
    events: mpsc::Receiver<CallEvent>,
    outcome: Option<Outcome>,
    _place: Option<Place>,
}

impl Running {
    pub(super) fn new(
        heard: bool,
        place: Option<Place>,
        run: impl FnOnce(Option<Events>) -> BoxFuture<'static, Outcome>,
    ) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        Self {
            call: Some(run(heard.then_some(sender))),
            events,
            outcome: None,
            _place: place,
        }
    }

    /// The next event that the wire knows; `None` when none has come.
    fn next_event(&mut self, cx: &mut Context<'_>) -> Option<v1::Event> {
        while let Poll::Ready(Some(event)) = self.events.poll_recv(cx) {
            if let Some(event) = convert::event_to(event) {
                if event.encoded_len() <= OUTCOME_MAX_BYTES {
                    return Some(event);
                }
                tracing::warn!("an event of a call was too large, and was left out");
            }
        }
        None
    }
}

impl Stream for Running {
    type Item = Result<v1::ExecuteResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        use v1::execute_response::Message;
        let tell = |message| {
            let message = Some(message);
            Poll::Ready(Some(Ok(v1::ExecuteResponse { message })))
        };
        if let Some(event) = self.next_event(cx) {
            return tell(Message::Event(event));
        }
        if let Some(call) = &mut self.call {
            let outcome = std::task::ready!(call.as_mut().poll(cx));
            self.call = None;
            self.outcome = Some(outcome);
            // What it told at the last comes before.
            if let Some(event) = self.next_event(cx) {
                return tell(Message::Event(event));
            }
        }
        match self.outcome.take() {
            Some(outcome) => tell(Message::Outcome(bounded(outcome))),
            None => Poll::Ready(None),
        }
    }
}

/// An outcome that fits into a message.
fn bounded(outcome: Outcome) -> v1::Outcome {
    let outcome = convert::outcome_to(outcome);
    // Room for what is around it.
    if outcome.encoded_len() < OUTCOME_MAX_BYTES - 1024 {
        return outcome;
    }
    convert::outcome_to(Outcome::Failed(Failure {
        kind: FailureKind::TooLarge,
        message: "the answer is larger than allowed".to_owned(),
        effect: Effect::Possible,
    }))
}
