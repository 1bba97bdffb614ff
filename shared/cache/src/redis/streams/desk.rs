//! The readers that are attached at this node: who waits for what, without asking Redis again
//! while nothing has changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use uuid::Uuid;

use crate::{Reader, StreamId};

#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    /// There are readers whose leaving has to be told.
    pub(super) left: Notify,
}

#[derive(Default)]
struct State {
    attached: HashMap<StreamId, Attached>,
    leaving: Vec<Reader>,
}

struct Attached {
    reader: Reader,
    changed: Arc<Notify>,
    /// Counts what was heard of the stream.
    version: u64,
    /// Behind this number there was nothing, as of that version.
    quiet: Option<(u64, u64)>,
    /// The other node that was to add something when that was seen.
    producer: Option<Box<str>>,
}

/// What a reader may do now.
pub(super) enum Turn {
    /// Look; nothing that happens from now on is missed by waiting with this. The version is for
    /// [`Desk::quiet`].
    Look(u64, OwnedNotified),
    /// There is nothing since it looked last.
    Wait(OwnedNotified),
    /// The reader has left, or another of this node has taken over.
    Over,
}

impl Desk {
    pub(super) fn attach(&self, reader: Reader) {
        let attached = Attached {
            reader,
            changed: Arc::default(),
            version: 0,
            quiet: None,
            producer: None,
        };
        let mut state = self.state.lock().expect("no panic while held");
        let held = state.attached.get(&reader.stream);
        // Answers may overtake each other; the later turn stays.
        if held.is_some_and(|held| held.reader.turn > reader.turn) {
            return;
        }
        if let Some(before) = state.attached.insert(reader.stream, attached) {
            before.changed.notify_waiters();
        }
    }

    pub(super) fn turn(&self, reader: Reader, after: u64) -> Turn {
        let state = self.state.lock().expect("no panic while held");
        match state.attached.get(&reader.stream) {
            Some(held) if held.reader.turn == reader.turn => {
                let changed = held.changed.clone().notified_owned();
                match held.quiet == Some((held.version, after)) {
                    true => Turn::Wait(changed),
                    false => Turn::Look(held.version, changed),
                }
            }
            _ => Turn::Over,
        }
    }

    /// The reader found nothing behind `after`, having looked at this version; `producer` is to add
    /// what comes, where that is another node.
    pub(super) fn quiet(
        &self,
        reader: Reader,
        version: u64,
        after: u64,
        producer: Option<Box<str>>,
    ) {
        let mut state = self.state.lock().expect("no panic while held");
        if let Some(held) = state.attached.get_mut(&reader.stream)
            && held.reader.turn == reader.turn
        {
            held.quiet = Some((version, after));
            held.producer = producer;
        }
    }

    /// Who waits for another node to add something, by that node.
    pub(super) fn waiting(&self) -> HashMap<Box<str>, Vec<Reader>> {
        let state = self.state.lock().expect("no panic while held");
        let mut waiting: HashMap<Box<str>, Vec<Reader>> = HashMap::new();
        for held in state.attached.values() {
            if let Some(producer) = &held.producer {
                waiting
                    .entry(producer.clone())
                    .or_default()
                    .push(held.reader);
            }
        }
        waiting
    }

    pub(super) fn detach(&self, reader: Reader) {
        let mut state = self.state.lock().expect("no panic while held");
        let held = state.attached.get(&reader.stream);
        if held.is_some_and(|held| held.reader == reader) {
            state.attached.remove(&reader.stream);
            state.leaving.push(reader);
            self.left.notify_one();
        }
    }

    pub(super) fn readers(&self) -> Vec<Reader> {
        let state = self.state.lock().expect("no panic while held");
        state.attached.values().map(|held| held.reader).collect()
    }

    pub(super) fn take_left(&self) -> Vec<Reader> {
        std::mem::take(&mut self.state.lock().expect("no panic while held").leaving)
    }

    pub(super) fn changed(&self, stream: Uuid) {
        let mut state = self.state.lock().expect("no panic while held");
        if let Some(held) = state.attached.get_mut(&stream) {
            held.version += 1;
            held.changed.notify_waiters();
        }
    }

    pub(super) fn all_changed(&self) {
        let mut state = self.state.lock().expect("no panic while held");
        for held in state.attached.values_mut() {
            held.version += 1;
            held.changed.notify_waiters();
        }
    }
}
