//! The line between a running request and its client: messages out, and for a legacy client its
//! mail, which any connection of its session may have brought.

use std::collections::VecDeque;

use ::mcp::{Message, parse};
use bytes::Bytes;
use cache::{CacheError, Mailbox, Mailboxes, SessionId};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Messages on their way to a client that reads slowly; then the request itself waits.
const MESSAGES: usize = 16;

/// One end of the line. The other is the [`Running`](super::Running) that is read.
pub(super) struct Line {
    out: Option<mpsc::Sender<Bytes>>,
    mail: Option<Mailbox>,
    /// Names the request in the ids of what it asks its client.
    call: Uuid,
    asked: u64,
    /// Answers that came while something else was being said.
    early: VecDeque<Heard>,
    json_depth: usize,
}

/// What a legacy client sent.
#[derive(Debug)]
pub(super) enum Heard {
    Cancelled,
    /// The answer to the question of that number: a raw result, or a raw error.
    Answer(u64, Result<Bytes, Bytes>),
}

/// The client has cancelled the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cancelled;

/// What the names of the mailboxes of requests begin with.
pub(crate) const OF_REQUESTS: &str = "r:";

/// The mailbox of the request with this raw id.
pub(super) fn of_request(raw_id: &str) -> String {
    format!("{OF_REQUESTS}{raw_id}")
}

/// The mailbox of the call with this id.
pub(crate) fn of_call(call: &str) -> String {
    format!("c:{call}")
}

impl Line {
    /// A line to a client that hears nothing, or to a modern one, which has no mail.
    pub(super) fn one_way(call: Uuid, talks: bool) -> (Self, Option<mpsc::Receiver<Bytes>>) {
        let (out, messages) = match talks {
            true => {
                let (out, messages) = mpsc::channel(MESSAGES);
                (Some(out), Some(messages))
            }
            false => (None, None),
        };
        let line = Self {
            out,
            mail: None,
            call,
            asked: 0,
            early: VecDeque::new(),
            json_depth: 0,
        };
        (line, messages)
    }

    /// A line to nobody.
    pub(super) fn silent() -> Self {
        Self::one_way(Uuid::nil(), false).0
    }

    /// Takes the mail of a legacy session for this request.
    pub(super) async fn open_mail(
        &mut self,
        mailboxes: &dyn Mailboxes,
        session: SessionId,
        raw_id: &str,
        json_depth: usize,
    ) -> Result<(), CacheError> {
        let request = of_request(raw_id);
        let call = of_call(&self.call.as_simple().to_string());
        let mail = mailboxes.open(session, &[&request, &call]).await?;
        self.mail = Some(mail);
        self.json_depth = json_depth;
        Ok(())
    }

    /// Whether what is said can reach the client.
    pub(super) fn talks(&self) -> bool {
        self.out.as_ref().is_some_and(|out| !out.is_closed())
    }

    /// Says something; waits while the client reads slowly. To a client that left it is lost.
    pub(super) async fn say(&mut self, message: Bytes) -> Result<(), Cancelled> {
        let Some(out) = self.out.clone() else {
            return Ok(());
        };
        let said = out.send(message);
        tokio::pin!(said);
        loop {
            tokio::select! {
                biased;
                sent = &mut said => {
                    if sent.is_err() {
                        self.out = None;
                    }
                    return Ok(());
                }
                heard = next(&mut self.mail, self.call, self.json_depth) => match heard {
                    Heard::Cancelled => return Err(Cancelled),
                    Heard::Answer(number, answer) => self.keep(number, answer),
                },
            }
        }
    }

    /// Keeps an answer for later; one to each question, so that nobody fills our memory.
    fn keep(&mut self, number: u64, answer: Result<Bytes, Bytes>) {
        let same = |heard: &Heard| matches!(heard, Heard::Answer(other, _) if *other == number);
        if (1..=self.asked).contains(&number) && !self.early.iter().any(same) {
            self.early.push_back(Heard::Answer(number, answer));
        }
    }

    /// The id of the next question to the client, raw JSON, and its number.
    pub(super) fn next_question(&mut self) -> (u64, String) {
        self.asked += 1;
        (
            self.asked,
            format!("\"{}:{}\"", self.call.as_simple(), self.asked),
        )
    }

    /// Waits for mail; forever where none can come.
    pub(super) async fn heard(&mut self) -> Heard {
        match self.early.pop_front() {
            Some(heard) => heard,
            None => next(&mut self.mail, self.call, self.json_depth).await,
        }
    }

    /// Waits for a cancellation. Answers that come now answer nothing that is asked.
    pub(super) async fn cancelled(&mut self) {
        self.early.clear();
        while !matches!(self.heard().await, Heard::Cancelled) {}
    }
}

async fn next(mail: &mut Option<Mailbox>, call: Uuid, json_depth: usize) -> Heard {
    loop {
        let message = match mail {
            Some(open) => open.next().await,
            None => std::future::pending().await,
        };
        let Some(message) = message else {
            *mail = None;
            continue;
        };
        let prefix = call.as_simple().to_string();
        let number = |id: &str| -> Option<u64> {
            let id: String = serde_json::from_str(id).ok()?;
            id.strip_prefix(&prefix)?.strip_prefix(':')?.parse().ok()
        };
        let raw = |text: &str| message.slice_ref(text.as_bytes());
        match parse(&message, json_depth) {
            Ok(Message::Notification { .. }) => return Heard::Cancelled,
            Ok(Message::Result { id, result }) => {
                if let Some(number) = number(id.raw()) {
                    return Heard::Answer(number, Ok(raw(result.get())));
                }
            }
            Ok(Message::Error {
                id: Some(id),
                error,
            }) => {
                if let Some(number) = number(id.raw()) {
                    return Heard::Answer(number, Err(raw(error.get())));
                }
            }
            // Only what was checked is put into a mailbox.
            _ => {}
        }
    }
}
