//! What a server says and asks outside any call, on a lane that one client session has to itself.
//! It goes to whoever hears for that session; a question that nobody hears is kept for a moment,
//! for the session's next call, and is refused then.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use egress::Deadline;
use fabric::{CallEvent, Events, Failure, InputRequired};
use http::HeaderMap;
use mcp::{ClientCapabilities, LogLevel, codes};
use runtime::Tasks;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::Transport;
use super::answer::REPLY_WITHIN;
use super::board::{Board, Malformed, response};
use super::inputs::{Input, NO_METHOD, Undeclared, is_url, kind_of};
use super::park::{Abort, new_handle};
use super::sink::{is_wanted, level_of};

/// Questions of one lane that are open at once, and their bytes; a server that asks more is
/// refused.
const OPEN_MAX: usize = 32;
const OPEN_MAX_BYTES: usize = 1024 * 1024;
/// How long a question waits for somebody who hears it.
const KEPT_FOR: Duration = Duration::from_secs(15);
/// Client sessions of one lane that are told apart.
const USERS_MAX: usize = 64;
/// Pages of which it is known who was asked to open them; the oldest are forgotten.
const PAGES_MAX: usize = 256;
/// Bytes of an id of a page; longer ones are not known.
const PAGE_ID_MAX: usize = 256;
/// The key of the one question that is told at a time.
const KEY: &str = "input-1";

/// One lane's talk outside calls.
pub(super) struct Aside {
    can: ClientCapabilities,
    /// Its lane is of one client session for its whole life.
    is_own: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The client sessions that have used the lane and are not over.
    users: Vec<Uuid>,
    /// Those that are over, the newest last: a call of theirs may still be on its way.
    over: VecDeque<Uuid>,
    /// There were too many to tell apart.
    shared: bool,
    /// Whose the last call was.
    last: Option<Option<Uuid>>,
    /// The least grave log messages that the last caller wanted.
    level: Option<LogLevel>,
    heard_by: Vec<Ear>,
    ears: u64,
    open: Vec<Question>,
    /// Pages that sessions were asked to open, by the server's id.
    pages: VecDeque<(String, Uuid)>,
}

impl State {
    /// The session that has the lane to itself.
    fn only(&self) -> Option<Uuid> {
        match self.users[..] {
            [only] if !self.shared => Some(only),
            _ => None,
        }
    }

    fn events(&self, session: Uuid) -> Option<Events> {
        let ear = self.heard_by.iter().rfind(|ear| ear.session == session);
        ear.map(|ear| ear.events.clone())
    }
}

struct Ear {
    number: u64,
    session: Uuid,
    events: Events,
}

/// A question of the server that is not answered.
pub(super) struct Question {
    handle: String,
    session: Uuid,
    /// The server's id, raw.
    id: String,
    /// `{"method":…,"params":…}`.
    request: Bytes,
    /// Somebody has it.
    told: bool,
    way: Way,
    _end: Option<Abort>,
}

/// How a server is answered.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) transport: Arc<dyn Transport>,
    /// What every message of its session carries.
    pub(super) headers: HeaderMap,
}

impl Way {
    pub(super) async fn send(self, message: Bytes, deadline: Deadline) -> Result<(), Failure> {
        self.transport.notify(message, self.headers, deadline).await
    }
}

impl Question {
    /// Tells the server that there will be no answer.
    pub(super) async fn refuse(self) {
        let deadline = Deadline::after(REPLY_WITHIN);
        let (code, message) = match self.told {
            true => (
                codes::INTERNAL_ERROR,
                "Internal error: the client did not answer",
            ),
            false => (
                codes::METHOD_NOT_FOUND,
                "Method not found: the client does not listen for requests outside calls",
            ),
        };
        let refusal = mcp::error_response(&self.id, code, message, None);
        if let Err(failure) = self.way.clone().send(refusal, deadline).await {
            tracing::debug!("could not refuse a request of the MCP server: {failure}");
        }
    }
}

/// Somebody hears; ends when it is dropped.
pub(super) struct Hearing {
    aside: Arc<Aside>,
    number: u64,
}

impl Drop for Hearing {
    fn drop(&mut self) {
        let mut state = self.aside.state();
        state.heard_by.retain(|ear| ear.number != self.number);
    }
}

impl Aside {
    /// Of a lane whose server was told of `can`, and which is one client session's own or not.
    pub(super) fn new(can: ClientCapabilities, is_own: bool) -> Arc<Self> {
        Arc::new(Self {
            can,
            is_own,
            state: Mutex::default(),
        })
    }

    pub(super) const fn is_own(&self) -> bool {
        self.is_own
    }

    /// Notes a call. Tells whether the one before was of another client, as far as that is known.
    pub(super) fn used_by(&self, session: Option<Uuid>, level: Option<LogLevel>) -> bool {
        let mut state = self.state();
        match session {
            Some(session) if state.users.contains(&session) || state.over.contains(&session) => {}
            Some(session) if state.users.len() < USERS_MAX => state.users.push(session),
            Some(_) => state.shared = true,
            // Nobody asks anything of a client without a session once its call is over.
            None => {}
        }
        state.level = level;
        let last = state.last.replace(session);
        last.is_some_and(|last| last != session)
    }

    /// Whether a session has used the lane.
    pub(super) fn is_used_by(&self, session: Uuid) -> bool {
        self.state().users.contains(&session)
    }

    /// Whether the last call was of that session, or of a client without one like this one.
    pub(super) fn was_last(&self, session: Option<Uuid>) -> bool {
        self.state().last == Some(session)
    }

    /// Whether the lane has gone over, from whoever made a call in `session`, to the one client
    /// session that has it to itself.
    pub(super) fn has_passed_on(&self, session: Option<Uuid>) -> bool {
        let state = self.state();
        let only = state.only();
        only.is_some() && only != session && state.last == Some(only)
    }

    /// A session is over. What was asked of it is to be refused.
    pub(super) fn leave(&self, session: Uuid) -> Vec<Question> {
        let mut state = self.state();
        state.users.retain(|user| *user != session);
        if state.over.len() >= USERS_MAX {
            state.over.pop_front();
        }
        state.over.push_back(session);
        state.pages.retain(|(_, of)| *of != session);
        let its_own = |question: &mut Question| question.session == session;
        state.open.extract_if(.., its_own).collect()
    }

    /// Hears for a session from now on: first what was asked of it meanwhile.
    pub(super) fn hear(self: &Arc<Self>, session: Uuid, events: Events) -> Hearing {
        let mut state = self.state();
        state.ears += 1;
        let number = state.ears;
        for question in &mut state.open {
            if question.session == session && !question.told {
                question.told = tell(question, &events);
            }
        }
        state.heard_by.push(Ear {
            number,
            session,
            events,
        });
        Hearing {
            aside: self.clone(),
            number,
        }
    }

    /// Takes a question of the server, which it waits `ttl` for at most.
    ///
    /// # Errors
    /// There is nobody that it can be meant for, or who can be asked this: what the server is to
    /// be told.
    pub(super) fn ask(
        self: &Arc<Self>,
        id: &str,
        input: &Input<'_>,
        way: Way,
        tasks: &Tasks,
        ttl: Duration,
    ) -> Result<(), Undeclared> {
        kind_of(input, &self.can)?;
        let mut state = self.state();
        let session = state.only().ok_or(NO_METHOD)?;
        let request = input.to_json();
        let bytes: usize = state.open.iter().map(|open| open.request.len()).sum();
        if state.open.len() >= OPEN_MAX || bytes + request.len() > OPEN_MAX_BYTES {
            return Err(Undeclared {
                code: codes::INTERNAL_ERROR,
                message: "Internal error: too much is asked at once",
            });
        }
        note_page(&mut state, input, session);
        let handle = new_handle();
        let mut question = Question {
            handle: handle.clone(),
            session,
            id: id.to_owned(),
            request,
            told: false,
            way,
            _end: None,
        };
        if let Some(events) = state.events(session) {
            question.told = tell(&question, &events);
        }
        let aside = Arc::downgrade(self);
        let end = tasks.joinable(async move {
            for (pause, told_too) in [(KEPT_FOR.min(ttl), false), (ttl, true)] {
                tokio::time::sleep(pause).await;
                let Some(aside) = aside.upgrade() else { return };
                let overdue = aside.take(|open| open.handle == handle && (told_too || !open.told));
                drop(aside);
                // It holds what would end this: it is to live until the server has been told.
                if let Some(question) = overdue.into_iter().next() {
                    question.refuse().await;
                    return;
                }
            }
        });
        question._end = Some(Abort(end.abort_handle()));
        state.open.push(question);
        Ok(())
    }

    /// The server takes a question back.
    pub(super) fn withdraw(&self, id: &str) {
        drop(self.take(|open| open.id == id));
    }

    /// The response for the server that the answer of a session to a question is, and how it is
    /// sent; `None` when that question is not open, or is another's.
    pub(super) fn answer(
        &self,
        handle: &str,
        session: Uuid,
        responses: Option<&[u8]>,
    ) -> Option<Result<(Bytes, Way), Malformed>> {
        let mut state = self.state();
        let is_it = |open: &Question| open.handle == handle && open.session == session;
        let at = state.open.iter().position(is_it)?;
        let text = responses.and_then(|responses| std::str::from_utf8(responses).ok());
        let given = text.and_then(|text| mcp::members(text).ok());
        let given = given.unwrap_or_default();
        let Some((_, answer)) = given.iter().find(|(key, _)| key == KEY) else {
            return Some(Err(Malformed));
        };
        let message = match response(&state.open[at].id, answer) {
            Ok(message) => message,
            Err(malformed) => return Some(Err(malformed)),
        };
        let question = state.open.remove(at);
        Some(Ok((message, question.way.clone())))
    }

    /// Puts what nobody has heard to a call of the session it is meant for.
    pub(super) fn hand_to(&self, board: &Board, session: Uuid) {
        let kept = self.take(|open| open.session == session && !open.told);
        for question in kept {
            let raw = serde_json::from_slice::<&RawValue>(&question.request).ok();
            if let Some(input) = raw.and_then(Input::parse)
                && board.ask(&question.id, &input, true).is_ok()
            {
                continue;
            }
            self.state().open.push(question);
        }
    }

    /// Hands on the params of a log message, if somebody hears who wants it.
    pub(super) fn log(&self, params: &RawValue, text: &Bytes) {
        let state = self.state();
        let Some(events) = state.only().and_then(|session| state.events(session)) else {
            return;
        };
        if is_wanted(state.level, level_of(params)) {
            let params = text.slice_ref(params.get().as_bytes());
            drop(events.try_send(CallEvent::Log(params)));
        }
    }

    /// Notes that a session was asked to open a page, if `input` asks that.
    pub(super) fn opens(&self, input: &Input<'_>, session: Uuid) {
        note_page(&mut self.state(), input, session);
    }

    /// Notes the pages that an error -32042 names, by its data.
    pub(super) fn must_open(&self, data: &[u8], session: Uuid) {
        #[derive(Deserialize)]
        struct Data {
            #[serde(default)]
            elicitations: Vec<Page>,
        }
        let Ok(data) = serde_json::from_slice::<Data>(data) else {
            return;
        };
        let mut state = self.state();
        for Page { id } in data.elicitations.into_iter().take(PAGES_MAX) {
            push_page(&mut state, id, session);
        }
    }

    /// The session that was asked to open the page that is done with now.
    pub(super) fn opened_by(&self, params: &RawValue) -> Option<Uuid> {
        let Page { id } = serde_json::from_str(params.get()).ok()?;
        let state = self.state();
        let mut pages = state.pages.iter();
        pages.find(|(page, _)| *page == id).map(|(_, of)| *of)
    }

    /// Tells who hears for `session` that a page is done with. False when nobody does.
    pub(super) fn completed(&self, params: &RawValue, text: &Bytes, session: Uuid) -> bool {
        let events = self.state().events(session);
        let params = text.slice_ref(params.get().as_bytes());
        events.is_some_and(|events| {
            let told = events.try_send(CallEvent::ElicitationComplete(params));
            told.is_ok()
        })
    }

    fn take(&self, which: impl Fn(&Question) -> bool) -> Vec<Question> {
        let mut state = self.state();
        state.open.extract_if(.., |open| which(open)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "elicitationId")]
    id: String,
}

fn note_page(state: &mut State, input: &Input<'_>, session: Uuid) {
    if input.method == "elicitation/create"
        && is_url(input.params)
        && let Some(params) = input.params
        && let Ok(Page { id }) = serde_json::from_str(params.get())
    {
        push_page(state, id, session);
    }
}

fn push_page(state: &mut State, id: String, session: Uuid) {
    if id.len() > PAGE_ID_MAX {
        return;
    }
    if state.pages.len() >= PAGES_MAX {
        state.pages.pop_front();
    }
    state.pages.push_back((id, session));
}

/// Tells a question; whether that was taken.
fn tell(question: &Question, events: &Events) -> bool {
    let mut requests = format!("{{\"{KEY}\":").into_bytes();
    requests.extend_from_slice(&question.request);
    requests.push(b'}');
    let asked = InputRequired {
        requests: Some(requests.into()),
        state: Some(question.handle.clone()),
        meta: None,
    };
    events.try_send(CallEvent::Asked(asked)).is_ok()
}
