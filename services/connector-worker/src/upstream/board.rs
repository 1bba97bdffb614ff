//! What stands between a call at a legacy server and its client while the server may ask back:
//! the open questions, the events that nobody reads at the moment, and how it ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use fabric::{CallEvent, Events, InputRequired, Outcome};
use mcp::{ClientProfile, LogLevel};
use serde_json::value::RawValue;
use tokio::sync::Notify;
use uuid::Uuid;

use super::agree::Agreed;
use super::aside::Aside;
use super::inputs::{Input, OVER, Undeclared, kind_of};

/// Questions of one call that are open at once; a server that asks more is refused.
const OPEN_MAX: usize = 32;

/// How long a server must be quiet after a question until it is told.
const QUIET: Duration = Duration::from_millis(20);

/// What stands between a call and its client.
pub(super) struct Board {
    client: Arc<ClientProfile>,
    /// Bytes of events and questions that wait at most.
    max_bytes: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    open: Vec<Ask>,
    asked: u32,
    outcome: Option<Outcome>,
    /// It has ended or is abandoned: whoever asks now would ask nobody.
    over: bool,
    /// The session that the call was made in.
    session: Option<Arc<Agreed>>,
    /// Whose it is, where the client has a session: what its lane says outside calls.
    own: Option<(Arc<Aside>, Uuid)>,
    /// Where events go; absent while nobody waits.
    events: Option<Events>,
    kept: VecDeque<CallEvent>,
    kept_bytes: usize,
}

impl State {
    fn take(&mut self, which: impl Fn(&Ask) -> bool) -> Vec<Orphan> {
        let taken = self.open.extract_if(.., |ask| which(ask));
        taken
            .map(|ask| Orphan {
                id: ask.id,
                request: ask.request,
            })
            .collect()
    }
}

/// A question of the server that is not answered.
struct Ask {
    /// Unique in the call's life.
    key: String,
    /// The server's id, raw.
    id: String,
    /// `{"method":…,"params":…}`.
    request: Bytes,
    /// It came outside the call, and may be another's: it is answered whatever becomes of this one.
    stray: bool,
    /// The client has it.
    told: bool,
}

/// A question that nobody will answer any more: the server's id, raw, and the request.
pub(super) struct Orphan {
    pub(super) id: String,
    pub(super) request: Bytes,
}

/// What a caller has to do with.
pub(super) enum Turn {
    Ended(Outcome),
    Asked(InputRequired),
}

/// Answers as the server gets them.
pub(super) struct Answers {
    /// The session that it waits for them in; `None` when it waits for none.
    pub(super) session: Option<Arc<Agreed>>,
    /// JSON-RPC responses.
    pub(super) messages: Vec<Bytes>,
}

/// Answers that cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Board {
    pub(super) fn new(
        client: Arc<ClientProfile>,
        events: Option<Events>,
        max_bytes: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            client,
            max_bytes,
            state: Mutex::new(State {
                events,
                ..State::default()
            }),
            changed: Notify::new(),
        })
    }

    pub(super) fn log_level(&self) -> Option<LogLevel> {
        self.client.log_of_session()
    }

    /// Opens a question.
    ///
    /// # Errors
    /// The client cannot be asked this; `OVER` when the call is over, so that a question that may
    /// be another's is put to that one.
    pub(super) fn ask(&self, id: &str, input: &Input<'_>, stray: bool) -> Result<(), Undeclared> {
        kind_of(input, &self.client.capabilities)?;
        let request = input.to_json();
        let mut state = self.state();
        if state.over {
            return Err(OVER);
        }
        if let Some((aside, session)) = &state.own {
            aside.opens(input, *session);
        }
        let bytes = state
            .open
            .iter()
            .map(|ask| ask.request.len())
            .sum::<usize>();
        if state.open.len() >= OPEN_MAX || bytes + request.len() > self.max_bytes {
            return Err(Undeclared {
                code: mcp::codes::INTERNAL_ERROR,
                message: "Internal error: too much is asked at once",
            });
        }
        state.asked += 1;
        let key = format!("input-{}", state.asked);
        state.open.push(Ask {
            key,
            id: id.to_owned(),
            request,
            stray,
            told: false,
        });
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The server takes a question back.
    pub(super) fn withdraw(&self, id: &str) {
        self.state().open.retain(|ask| ask.id != id);
    }

    /// Notes of which client session the call is.
    pub(super) fn is_of(&self, aside: Arc<Aside>, session: Uuid) {
        self.state().own = Some((aside, session));
    }

    pub(super) fn of_session(&self) -> Option<Uuid> {
        self.state().own.as_ref().map(|(_, session)| *session)
    }

    /// Takes over what the server has asked that session outside any call, and nobody has heard.
    pub(super) fn take_over(&self) {
        let own = self.state().own.clone();
        if let Some((aside, session)) = own {
            aside.hand_to(self, session);
        }
    }

    /// Whether the page that the server names by `params` is one that this client session was
    /// asked to open.
    pub(super) fn opened(&self, params: &RawValue) -> bool {
        let own = self.state().own.clone();
        own.is_some_and(|(aside, session)| aside.opened_by(params) == Some(session))
    }

    /// Notes in which session the call is made.
    pub(super) fn is_in(&self, session: &Arc<Agreed>) {
        self.state().session = Some(session.clone());
    }

    /// The session that the server waits in for answers; `None` when it waits for none.
    pub(super) fn session(&self) -> Option<Arc<Agreed>> {
        self.state().session.clone()
    }

    /// Notes how the call ended. Returns what the client was not asked yet and another call may
    /// wait for.
    pub(super) fn end(&self, outcome: Outcome) -> Vec<Orphan> {
        let mut state = self.state();
        if let Outcome::Error(error) = &outcome
            && error.code == mcp::codes::URL_ELICITATION_REQUIRED
            && let (Some((aside, session)), Some(data)) = (&state.own, &error.data)
        {
            aside.must_open(data, *session);
        }
        // The first end is the one.
        state.outcome.get_or_insert(outcome);
        state.over = true;
        let orphans = state.take(|ask| ask.stray && !ask.told);
        state.open.retain(|ask| ask.stray);
        if state.open.is_empty() {
            state.session = None;
        }
        drop(state);
        self.changed.notify_one();
        orphans
    }

    /// Nobody will answer any more: what another call may wait for, and in which session.
    pub(super) fn abandon(&self) -> Option<(Arc<Agreed>, Vec<Orphan>)> {
        let mut state = self.state();
        state.over = true;
        let orphans = state.take(|ask| ask.stray);
        let session = state.session.take()?;
        (!orphans.is_empty()).then_some((session, orphans))
    }

    /// Whether the call stands still until its client has answered.
    pub(super) fn waits(&self) -> bool {
        !self.state().open.is_empty()
    }

    /// Whether nobody can be asked through it any more.
    pub(super) fn is_over(&self) -> bool {
        self.state().over
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().outcome.is_some()
    }

    /// Hands on an event, or keeps it while nobody waits; the oldest make room.
    pub(super) async fn put(&self, event: CallEvent) {
        let events = self.state().events.clone();
        if let Some(events) = events {
            let Err(unsent) = events.send(event).await else {
                return;
            };
            self.keep(unsent.0);
        } else {
            self.keep(event);
        }
    }

    /// As [`put`](Self::put), but waits for nobody.
    pub(super) fn offer(&self, event: CallEvent) {
        let events = self.state().events.clone();
        match events {
            Some(events) => drop(events.try_send(event)),
            None => self.keep(event),
        }
    }

    fn keep(&self, event: CallEvent) {
        let mut state = self.state();
        state.kept_bytes += weight(&event);
        state.kept.push_back(event);
        while state.kept_bytes > self.max_bytes {
            let Some(oldest) = state.kept.pop_front() else {
                break;
            };
            state.kept_bytes -= weight(&oldest);
        }
    }

    /// Waits until the call has ended or something is asked.
    pub(super) async fn turn(&self) -> Turn {
        loop {
            if let Some(turn) = self.now() {
                return turn;
            }
            self.changed.notified().await;
            // A server may ask several things together: they are told together.
            while self.waits() && !self.has_ended() {
                let more = tokio::time::timeout(QUIET, self.changed.notified());
                if more.await.is_err() {
                    break;
                }
            }
        }
    }

    fn now(&self) -> Option<Turn> {
        let mut state = self.state();
        if let Some(outcome) = &state.outcome {
            return Some(Turn::Ended(outcome.clone()));
        }
        if state.open.is_empty() {
            return None;
        }
        let mut requests = BytesMut::new();
        for ask in &mut state.open {
            ask.told = true;
            requests.put_u8(if requests.is_empty() { b'{' } else { b',' });
            requests.put_u8(b'"');
            requests.put_slice(ask.key.as_bytes());
            requests.put_slice(b"\":");
            requests.put_slice(&ask.request);
        }
        requests.put_u8(b'}');
        Some(Turn::Asked(InputRequired {
            requests: Some(requests.freeze()),
            state: None,
            meta: None,
        }))
    }

    /// Nobody waits from now on: events are kept.
    pub(super) fn leave(&self) {
        self.state().events = None;
    }

    /// Somebody waits again: what was kept comes first.
    pub(super) async fn return_to(&self, events: Option<&Events>) {
        let kept = {
            let mut state = self.state();
            state.kept_bytes = 0;
            state.events = events.cloned();
            std::mem::take(&mut state.kept)
        };
        if let Some(events) = events {
            for event in kept {
                if events.send(event).await.is_err() {
                    return;
                }
            }
        }
    }

    /// What `responses`, by key, are for the server; their questions are closed with that. Keys
    /// that nobody asked for are left alone. The session comes with them: the call may end right
    /// after, and what it was asked for another call is still to be answered.
    ///
    /// # Errors
    /// An answer is no JSON object: nothing is closed.
    pub(super) fn answers(&self, responses: Option<&[u8]>) -> Result<Answers, Malformed> {
        let Some(responses) = responses else {
            return Ok(Answers {
                session: None,
                messages: Vec::new(),
            });
        };
        let text = std::str::from_utf8(responses).map_err(|_| Malformed)?;
        let given = mcp::members(text).map_err(|_| Malformed)?;
        let mut state = self.state();
        let mut messages = Vec::new();
        let mut answered = Vec::new();
        for (key, answer) in &given {
            let Some(ask) = state.open.iter().find(|ask| ask.key == *key) else {
                continue;
            };
            if answered.contains(&ask.id) {
                return Err(Malformed);
            }
            messages.push(response(&ask.id, answer)?);
            answered.push(ask.id.clone());
        }
        state.open.retain(|ask| !answered.contains(&ask.id));
        Ok(Answers {
            session: state.session.clone(),
            messages,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

/// The response with the server's own id: an error where the client answered with one.
pub(super) fn response(id: &str, answer: &RawValue) -> Result<Bytes, Malformed> {
    let members = mcp::members(answer.get()).map_err(|_| Malformed)?;
    let (kind, content) = match &members[..] {
        [(name, error)] if name == "error" => {
            super::answer::rpc_error(error).map_err(|_| Malformed)?;
            ("error", error.get())
        }
        _ => ("result", answer.get()),
    };
    Ok(Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"{kind}":{content}}}"#
    )))
}

/// Bytes that an event takes while it waits.
fn weight(event: &CallEvent) -> usize {
    const ENTRY: usize = std::mem::size_of::<CallEvent>();
    ENTRY
        + match event {
            CallEvent::Progress(bytes)
            | CallEvent::Log(bytes)
            | CallEvent::Task(bytes)
            | CallEvent::ElicitationComplete(bytes) => bytes.len(),
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The question may be another call's, and that one waits for the answer.
    #[tokio::test]
    async fn an_answer_has_its_session_though_the_call_that_was_asked_ends_now() {
        let mut profile = ClientProfile::default();
        profile.capabilities.sampling = true;
        let board = Board::new(Arc::new(profile), None, 1024);
        board.is_in(&Agreed::bare());
        let input = Input {
            method: "sampling/createMessage".into(),
            params: None,
        };
        board.ask("7", &input, true).unwrap();
        assert!(matches!(board.turn().await, Turn::Asked(_)));

        let answers = board.answers(Some(br#"{"input-1":{"model":"m"}}"#));
        let result = Outcome::Result(Bytes::from_static(b"{}"));
        assert!(board.end(result).is_empty());

        let Ok(Answers { session, messages }) = answers else {
            panic!("the answer is an object");
        };
        assert!(session.is_some());
        assert_eq!(
            messages,
            [r#"{"jsonrpc":"2.0","id":7,"result":{"model":"m"}}"#]
        );
        // What was read afterwards was nothing.
        assert!(board.session().is_none());
    }
}
