//! One text that came on a stream of messages: what it holds, and whose that is.

use bytes::Bytes;
use domain::limits::JSON_MAX_DEPTH;
use fabric::FailureKind;
use mcp::{Message, ParseErrorKind};
use serde_json::value::RawValue;

use super::demux::Demux;
use super::id_scan::IdScan;
use crate::failure::sent;

/// What a text held.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Incoming {
    /// Whether any of it was a message.
    pub(crate) is_message: bool,
    /// What is to be answered at once.
    pub(crate) replies: Vec<Bytes>,
    /// What of it was no message, or an error that belongs to nothing.
    pub(crate) strays: Vec<Bytes>,
}

impl Incoming {
    /// Hands the messages of `text`, one or a batch, to whom they belong. `sender` begins the
    /// sentence for a call whose answer cannot be read.
    pub(crate) fn take(text: &Bytes, demux: &Demux, sender: &str) -> Self {
        let mut all = Self::default();
        match mcp::parse(text, JSON_MAX_DEPTH) {
            Ok(Message::Batch(batch)) => all.batch(batch, text, demux),
            Ok(message) => all.one(&message, text, demux),
            Err(error) => {
                all.strays.push(text.clone());
                // An answer to be recognised as such all the same: its call need not wait.
                if let Some(id) = IdScan::of(text) {
                    let message = format!("{sender}'s answer {}", flaw(error.kind));
                    demux.answer(id, Err(sent(FailureKind::Garbage, message)));
                }
            }
        }
        all
    }

    fn batch(&mut self, batch: &RawValue, text: &Bytes, demux: &Demux) {
        let Ok(messages) = serde_json::from_str::<Vec<&RawValue>>(batch.get()) else {
            self.strays.push(text.clone());
            return;
        };
        for message in messages {
            let one = text.slice_ref(message.get().as_bytes());
            match mcp::parse(&one, JSON_MAX_DEPTH) {
                Ok(message) => self.one(&message, &one, demux),
                Err(_) => self.strays.push(one.clone()),
            }
        }
    }

    fn one(&mut self, message: &Message<'_>, raw: &Bytes, demux: &Demux) {
        self.is_message = true;
        if let Message::Error { id: None, .. } = message {
            self.strays.push(raw.clone());
        }
        self.replies.extend(demux.deliver(message, raw.clone()));
    }
}

fn flaw(kind: ParseErrorKind) -> &'static str {
    match kind {
        ParseErrorKind::NotJson => "is no JSON",
        ParseErrorKind::TooDeep => "is nested too deeply",
        ParseErrorKind::NotAMessage => "is no JSON-RPC message",
    }
}
