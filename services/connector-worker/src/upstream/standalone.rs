//! The standalone stream of Streamable HTTP (2025-03-26 to 2025-11-25, "Listening for Messages
//! from the Server"): what a server says outside any answer.

use std::time::Duration;

use bytes::Bytes;
use egress::{Deadline, EgressError, Response};
use fabric::{BoxFuture, Failure};
use http::StatusCode;

use super::Exchange;
use super::events::{Broken, Events, PAUSE_MAX, Place, Source, message_in};
use super::exchange::Form;

/// How long one connection is read. Then it is taken up again, so that one that has died unseen
/// is not waited on for ever.
const LIFE: Duration = Duration::from_secs(60 * 60);
/// Times that the stream is asked for in a row without anything having come of it.
const ATTEMPTS: u32 = 6;

pub(super) struct Standalone {
    source: Source,
    /// Absent where the stream has broken off.
    events: Option<Events>,
    place: Place,
    attempts: u32,
    max_bytes: usize,
}

impl Standalone {
    /// Asks for the stream.
    pub(super) async fn ask(
        source: &Source,
        last_event: Option<&str>,
    ) -> Result<Response, EgressError> {
        source.open(last_event, Deadline::after(LIFE)).await
    }

    pub(super) fn new(source: Source, answer: Response, max_bytes: usize) -> Self {
        Self {
            source,
            events: Some(Events::new(answer, max_bytes)),
            place: Place::default(),
            attempts: 0,
            max_bytes,
        }
    }

    async fn next_message(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let Some(events) = &mut self.events else {
                if self.take_up_again().await {
                    continue;
                }
                return Ok(None);
            };
            match events.next().await {
                Ok(Some(event)) => {
                    self.attempts = 0;
                    self.place.note(&event);
                    if let Some(message) = message_in(event) {
                        return Ok(Some(message));
                    }
                }
                Ok(None)
                | Err(Broken::Egress(EgressError::Died { .. } | EgressError::Timeout { .. })) => {
                    self.events = None;
                }
                Err(broken) => return Err(broken.into()),
            }
        }
    }

    /// Asks for what comes after the last event; tells whether the stream goes on without a gap.
    async fn take_up_again(&mut self) -> bool {
        let Some(event) = self.place.last_event.clone() else {
            return false;
        };
        while self.attempts < ATTEMPTS {
            let pause = self.place.pause.saturating_mul(1 << self.attempts);
            self.attempts += 1;
            tokio::time::sleep(pause.min(PAUSE_MAX)).await;
            match Self::ask(&self.source, Some(&event)).await {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    if Form::of(answer.headers()) != Some(Form::Events) {
                        return false;
                    }
                    self.events = Some(Events::new(answer, self.max_bytes));
                    return true;
                }
                // Forgotten: the event, or the session.
                Ok(_) => return false,
                Err(error) => tracing::debug!("could not take up a standalone stream: {error}"),
            }
        }
        false
    }
}

impl Exchange for Standalone {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Failure>> {
        Box::pin(self.next_message())
    }
}
