//! One call on one worker.

use std::sync::Arc;

use fabric::{Effect, Events, Failure, FailureKind, Method, Outcome};
use proto::fabric::v1;
use proto::fabric::v1::execute_response::Message;
use tonic::{Request, Status};

use super::member::Member;
use super::state;
use crate::convert::{event_from, outcome_from};
use crate::refusal::Refused;
use crate::worker::counts;

/// What became of it.
pub(super) enum Attempt {
    Ended(Outcome),
    /// Nothing was begun.
    Refused(Refused),
    /// The worker has gone, and what became of the call nobody knows.
    Lost,
}

impl Member {
    pub(super) async fn attempt(
        self: &Arc<Self>,
        call: v1::Call,
        method: Method,
        events: Option<&Events>,
    ) -> Attempt {
        let goes_on = call
            .inputs
            .as_ref()
            .is_some_and(|inputs| inputs.state.is_some());
        let place = counts(method).then(|| self.enter(goes_on));
        let Some(_place) = place.map_or(Some(None), |place| place.map(Some)) else {
            return Attempt::Refused(Refused::Busy);
        };
        let message = Some(v1::execute_request::Message::Call(call));
        let only = futures_util::stream::iter([v1::ExecuteRequest { message }]);
        let mut client = self.client();
        let taken_up = self.taking_up(client.execute(Request::new(only)));
        let mut told = match taken_up.await {
            Ok(response) => response.into_inner(),
            Err(status) => return self.ended_by(&status),
        };
        let mut events = events;
        loop {
            let message = match told.message().await {
                Ok(message) => message.and_then(|response| response.message),
                Err(status) => return self.ended_by(&status),
            };
            match message {
                Some(Message::Event(event)) => {
                    let Ok(mut event) = event_from(event) else {
                        tracing::debug!(worker = %self.node, "an event cannot be read");
                        continue;
                    };
                    state::name_in_event(&mut event, &self.node);
                    // Who does not listen any more needs no further ones.
                    if let Some(heard) = events
                        && heard.send(event).await.is_err()
                    {
                        events = None;
                    }
                }
                Some(Message::Outcome(outcome)) => {
                    return Attempt::Ended(match outcome_from(outcome) {
                        Ok(mut outcome) => {
                            state::name_in(&mut outcome, &self.node);
                            outcome
                        }
                        Err(_) => Outcome::Failed(Failure {
                            kind: FailureKind::Died,
                            message: "the worker's answer cannot be read".to_owned(),
                            effect: Effect::Possible,
                        }),
                    });
                }
                None => return Attempt::Lost,
            }
        }
    }

    fn ended_by(&self, status: &Status) -> Attempt {
        if let Some(refused) = Refused::of(status) {
            if matches!(refused, Refused::NotAllowed | Refused::Malformed) {
                tracing::warn!(worker = %self.node, "a worker refused a call: {}", status.message());
            }
            return Attempt::Refused(refused);
        }
        tracing::debug!(worker = %self.node, "a call broke off: {status}");
        Attempt::Lost
    }
}
