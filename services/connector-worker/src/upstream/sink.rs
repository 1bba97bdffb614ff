//! Where what a server says in mid-call goes.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use fabric::{CallEvent, Events};
use mcp::{ClientProfile, LogLevel};
use serde::Deserialize;
use serde_json::value::RawValue;

use uuid::Uuid;

use super::board::Board;
use super::inputs::{Input, Undeclared, undeclared};
use super::related::without_task;

/// Where what a server says in mid-call goes. Cheap to clone.
#[derive(Clone)]
pub(super) enum Sink {
    Nobody,
    /// To a caller who cannot be asked anything.
    Caller {
        events: Events,
        /// The least grave log messages that are wanted.
        log_level: Option<LogLevel>,
    },
    /// To a caller who can, and may be away meanwhile.
    Board(Arc<Board>),
}

impl Sink {
    pub(super) fn caller(events: Option<&Events>, client: &ClientProfile) -> Self {
        match events {
            None => Self::Nobody,
            Some(events) => Self::Caller {
                events: events.clone(),
                log_level: client.log_level,
            },
        }
    }

    /// Whether anything may be for it that comes outside its call.
    pub(super) const fn wants_strays(&self) -> bool {
        match self {
            Self::Nobody => false,
            Self::Caller { log_level, .. } => log_level.is_some(),
            Self::Board(_) => true,
        }
    }

    pub(super) fn is_askable(&self) -> bool {
        matches!(self, Self::Board(board) if !board.is_over())
    }

    /// Whether its call is at work: it neither stands still for its client nor is over.
    pub(super) fn runs(&self) -> bool {
        match self {
            Self::Board(board) => !board.waits() && !board.is_over(),
            Self::Nobody | Self::Caller { .. } => true,
        }
    }

    /// The client session of its call, as far as that matters.
    pub(super) fn session(&self) -> Option<Uuid> {
        match self {
            Self::Board(board) => board.of_session(),
            _ => None,
        }
    }

    /// Whether its call stands still until its client has answered.
    pub(super) fn waits(&self) -> bool {
        matches!(self, Self::Board(board) if board.waits())
    }

    /// Hands on an event, waiting for a slow reader.
    pub(super) async fn put(&self, event: CallEvent) {
        match self {
            Self::Nobody => {}
            // A receiver that is gone wants none.
            Self::Caller { events, .. } => drop(events.send(event).await),
            Self::Board(board) => board.put(event).await,
        }
    }

    /// Hands on an event if there is room.
    fn offer(&self, event: CallEvent) {
        match self {
            Self::Nobody => {}
            Self::Caller { events, .. } => drop(events.try_send(event)),
            Self::Board(board) => board.offer(event),
        }
    }

    /// Hands on the params of a log message that is grave enough.
    pub(super) async fn log(&self, params: &RawValue, text: &Bytes) {
        if self.wants_log(params) {
            let params = without_task(text.slice_ref(params.get().as_bytes()));
            self.put(CallEvent::Log(params)).await;
        }
    }

    /// As [`log`](Self::log), but waits for nobody.
    pub(super) fn stray_log(&self, params: &RawValue, text: &Bytes) {
        if self.wants_log(params) {
            let params = without_task(text.slice_ref(params.get().as_bytes()));
            self.offer(CallEvent::Log(params));
        }
    }

    /// Puts a request of the server to the client; `id` is the server's, raw. A stray one may be
    /// another call's.
    ///
    /// # Errors
    /// The client did not declare that it can be asked this, or the call is over: what the server
    /// is to be told.
    pub(super) fn ask(&self, id: &str, input: &Input<'_>, stray: bool) -> Result<(), Undeclared> {
        match self {
            Self::Board(board) => board.ask(id, input, stray),
            _ => Err(undeclared(input)),
        }
    }

    /// The page that the server names is done with; told to the client that was asked to open it.
    pub(super) async fn completed(&self, params: &RawValue, text: &Bytes) {
        if let Self::Board(board) = self
            && board.opened(params)
        {
            let params = text.slice_ref(params.get().as_bytes());
            self.put(CallEvent::ElicitationComplete(params)).await;
        }
    }

    /// As [`completed`](Self::completed), for a notification outside the call: tells whether the
    /// page is this client's. Waits for nobody.
    pub(super) fn stray_completed(&self, params: &RawValue, text: &Bytes) -> bool {
        let own = matches!(self, Self::Board(board) if board.opened(params));
        if own {
            let params = text.slice_ref(params.get().as_bytes());
            self.offer(CallEvent::ElicitationComplete(params));
        }
        own
    }

    /// The server takes a request back.
    pub(super) fn withdraw(&self, id: &str) {
        if let Self::Board(board) = self {
            board.withdraw(id);
        }
    }

    fn wants_log(&self, params: &RawValue) -> bool {
        let wanted = match self {
            Self::Nobody => None,
            Self::Caller { log_level, .. } => *log_level,
            Self::Board(board) => board.log_level(),
        };
        is_wanted(wanted, level_of(params))
    }
}

/// The level of a log message, by its params.
pub(super) fn level_of(params: &RawValue) -> Option<LogLevel> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        level: Cow<'a, str>,
    }
    let head = serde_json::from_str::<Head<'_>>(params.get()).ok()?;
    head.level.parse().ok()
}

/// Whether a message of `level` is for somebody who wants those from `wanted` up.
pub(super) fn is_wanted(wanted: Option<LogLevel>, level: Option<LogLevel>) -> bool {
    match (wanted, level) {
        (Some(wanted), Some(level)) => level >= wanted,
        // Whoever wants all of them gets those of levels that nobody knows as well.
        (wanted, None) => wanted == Some(LogLevel::Debug),
        (None, _) => false,
    }
}
