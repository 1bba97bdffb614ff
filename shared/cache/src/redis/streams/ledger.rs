//! What this node has put into streams: what the bound on bytes is kept with. Each node keeps to
//! the bound for itself; what a node that is gone had put in goes by its age.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::{SessionId, StreamId};

/// What a stream is taken to cost beside its events.
const STREAM_COST: u64 = 512;

#[derive(Default)]
pub(super) struct Ledger(Mutex<State>);

#[derive(Default)]
struct State {
    entries: HashMap<StreamId, Entry>,
    /// Of each stage, since when. They go in the order of the stages.
    order: [BTreeSet<(Instant, StreamId)>; 3],
    bytes: u64,
}

struct Entry {
    session: SessionId,
    bytes: u64,
    place: (Stage, Instant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Ended,
    Unread,
    Read,
}

impl State {
    fn remove(&mut self, id: StreamId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        let (stage, since) = entry.place;
        self.order[stage as usize].remove(&(since, id));
        self.bytes -= entry.bytes;
        Some(entry)
    }
}

impl Ledger {
    /// Notes that a stream has so many bytes of events, and how it stands.
    pub(super) fn note(&self, session: SessionId, id: StreamId, bytes: u64, stage: Stage) {
        let mut state = self.0.lock().expect("no panic while held");
        let before = state.remove(id);
        let since = match before {
            Some(before) if before.place.0 == stage && stage == Stage::Unread => before.place.1,
            _ => Instant::now(),
        };
        let bytes = bytes + STREAM_COST;
        let place = (stage, since);
        state.entries.insert(
            id,
            Entry {
                session,
                bytes,
                place,
            },
        );
        state.order[stage as usize].insert((since, id));
        state.bytes += bytes;
    }

    /// Notes how a stream stands now, if it is ours. One that has ended stays so.
    pub(super) fn stage(&self, id: StreamId, stage: Stage) {
        let mut state = self.0.lock().expect("no panic while held");
        if let Some(mut entry) = state.remove(id) {
            if entry.place.0 != Stage::Ended {
                entry.place = (stage, Instant::now());
            }
            let (stage, _) = entry.place;
            state.order[stage as usize].insert((entry.place.1, id));
            state.bytes += entry.bytes;
            state.entries.insert(id, entry);
        }
    }

    pub(super) fn remove(&self, id: StreamId) {
        self.0.lock().expect("no panic while held").remove(id);
    }

    /// Forgets what Redis has forgotten by its age.
    pub(super) fn expire(&self, age: Duration, unread: Duration) {
        let now = Instant::now();
        let mut state = self.0.lock().expect("no panic while held");
        let limits = [
            (Stage::Ended, age),
            (Stage::Unread, unread),
            // What is read here is noted again and again; what was read elsewhere is not.
            (Stage::Read, 2 * unread),
        ];
        for (stage, limit) in limits {
            while let Some(&(since, id)) = state.order[stage as usize].first()
                && now.duration_since(since) >= limit
            {
                state.remove(id);
            }
        }
    }

    /// How many bytes are too many.
    pub(super) fn excess(&self, most: u64) -> u64 {
        let state = self.0.lock().expect("no panic while held");
        state.bytes.saturating_sub(most)
    }

    /// The stream that goes first, if any may go.
    pub(super) fn first_to_go(&self) -> Option<(SessionId, StreamId)> {
        let state = self.0.lock().expect("no panic while held");
        let [ended, unread, _] = &state.order;
        let (_, id) = ended.first().or_else(|| unread.first())?;
        Some((state.entries.get(id)?.session, *id))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.lock().expect("no panic while held").bytes
    }
}
