//! Where streams stand, who goes first when there is no room, and what is dropped.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::local::StreamLimits;
use crate::{Reader, SessionId, StreamId};

/// What a stream is taken to cost beside its events, and an event beside its message.
const STREAM_COST: usize = 512;
const EVENT_COST: usize = 64;
/// Events of one read.
const AT_ONCE: usize = 64;

pub(super) struct Shelf {
    limits: StreamLimits,
    streams: HashMap<StreamId, Stream>,
    sessions: HashMap<SessionId, OfSession>,
    /// Since when, of streams that have ended and of open ones that nobody reads: in the order in
    /// which they go.
    ended: BTreeSet<(Instant, StreamId)>,
    unread: BTreeSet<(Instant, StreamId)>,
    bytes: u64,
}

#[derive(Default)]
struct OfSession {
    /// In the order of their opening.
    streams: VecDeque<StreamId>,
    standalone: Option<StreamId>,
}

pub(super) struct Stream {
    session: SessionId,
    /// The newest ones; the last is number `last`.
    events: VecDeque<Event>,
    last: u64,
    /// Of the events, with what they cost.
    bytes: usize,
    pub(super) ended: bool,
    /// Since when it is ended, or unread.
    since: Instant,
    /// Of the newest reader; 0 before the first.
    pub(super) turn: u64,
    read: bool,
    pub(super) changed: Arc<Notify>,
}

struct Event {
    at: Instant,
    message: Bytes,
}

impl Stream {
    /// Events behind number `after`; `None` when some of them are not kept, or it is a number
    /// that there never was.
    pub(super) fn behind(&self, after: u64) -> Option<Vec<(u64, Bytes)>> {
        let kept = self.events.len() as u64;
        let wanted = self.last.checked_sub(after)?;
        let skip = kept.checked_sub(wanted)?;
        let events = self.events.iter().skip(usize::try_from(skip).ok()?);
        let numbered = (after + 1..).zip(events.map(|event| event.message.clone()));
        Some(numbered.take(AT_ONCE).collect())
    }

    /// Drops the oldest event; returns what it cost.
    fn drop_oldest(&mut self) -> usize {
        let cost = self.events.pop_front().map_or(0, |event| event.cost());
        self.bytes -= cost;
        cost
    }
}

impl Event {
    fn cost(&self) -> usize {
        EVENT_COST + self.message.len()
    }
}

impl Shelf {
    pub(super) fn new(limits: StreamLimits) -> Self {
        Self {
            limits,
            streams: HashMap::new(),
            sessions: HashMap::new(),
            ended: BTreeSet::new(),
            unread: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// Takes away the streams whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(&(since, stream)) = self.ended.first()
            && now.duration_since(since) >= self.limits.age
        {
            self.remove(stream);
        }
        while let Some(&(since, stream)) = self.unread.first()
            && now.duration_since(since) >= self.limits.unread
        {
            self.remove(stream);
        }
    }

    pub(super) fn open(&mut self, session: SessionId, id: StreamId, now: Instant) {
        self.remove(id);
        self.make_room_in(session);
        self.sessions
            .entry(session)
            .or_default()
            .streams
            .push_back(id);
        let stream = Stream {
            session,
            events: VecDeque::new(),
            last: 0,
            bytes: 0,
            ended: false,
            since: now,
            turn: 0,
            read: false,
            changed: Arc::default(),
        };
        self.streams.insert(id, stream);
        self.unread.insert((now, id));
        self.bytes += STREAM_COST as u64;
        self.make_room(id);
    }

    /// One stream of a session too many: those that ended go first, then those that nobody reads.
    fn make_room_in(&mut self, session: SessionId) {
        let Some(of) = self.sessions.get(&session) else {
            return;
        };
        if of.streams.len() < self.limits.per_session.max(1) {
            return;
        }
        let first = |may_go: fn(&Stream) -> bool| {
            let mut ids = of.streams.iter().copied();
            ids.find(|id| self.streams.get(id).is_some_and(may_go))
        };
        let goes = first(|stream| stream.ended).or_else(|| first(|stream| !stream.read));
        if let Some(goes) = goes {
            self.remove(goes);
        }
    }

    pub(super) fn append(
        &mut self,
        session: SessionId,
        id: StreamId,
        message: Bytes,
        now: Instant,
    ) -> Option<u64> {
        let limits = self.limits;
        let stream = self.of(session, id).filter(|stream| !stream.ended)?;
        let event = Event { at: now, message };
        let cost = event.cost();
        stream.last += 1;
        let number = stream.last;
        stream.bytes += cost;
        stream.events.push_back(event);
        let mut dropped = 0;
        while let Some(oldest) = stream.events.front()
            && stream.events.len() > 1
            && (stream.events.len() > limits.events
                || stream.bytes > limits.bytes
                || now.duration_since(oldest.at) >= limits.age)
        {
            dropped += stream.drop_oldest();
        }
        stream.changed.notify_waiters();
        self.bytes = self.bytes + cost as u64 - dropped as u64;
        self.make_room(id);
        self.streams.contains_key(&id).then_some(number)
    }

    /// Keeps to the bytes of all; `grows` is what gives way when nothing else can.
    fn make_room(&mut self, grows: StreamId) {
        while self.bytes > self.limits.total_bytes {
            let oldest = self.ended.first().or_else(|| self.unread.first());
            match oldest {
                Some(&(_, id)) => self.remove(id),
                None => break,
            }
        }
        let Some(stream) = self.streams.get_mut(&grows) else {
            return;
        };
        while self.bytes > self.limits.total_bytes && !stream.events.is_empty() {
            self.bytes -= stream.drop_oldest() as u64;
        }
    }

    pub(super) fn close(&mut self, session: SessionId, id: StreamId, now: Instant) {
        let found = self.streams.get_mut(&id);
        let Some(stream) = found.filter(|stream| stream.session == session && !stream.ended) else {
            return;
        };
        if !stream.read {
            self.unread.remove(&(stream.since, id));
        }
        (stream.ended, stream.since) = (true, now);
        self.ended.insert((now, id));
        stream.changed.notify_waiters();
    }

    /// The stream, if it is of that session.
    pub(super) fn of(&mut self, session: SessionId, id: StreamId) -> Option<&mut Stream> {
        let found = self.streams.get_mut(&id);
        found.filter(|stream| stream.session == session)
    }

    pub(super) fn attach(
        &mut self,
        session: SessionId,
        id: StreamId,
        after: u64,
    ) -> Option<Reader> {
        let of = self.sessions.get(&session)?;
        let standalone = of.standalone == Some(id);
        let stream = self.of(session, id)?;
        stream.behind(after)?;
        stream.turn += 1;
        let turn = stream.turn;
        let waited = !stream.ended && !std::mem::replace(&mut stream.read, true);
        let since = stream.since;
        stream.changed.notify_waiters();
        if waited {
            self.unread.remove(&(since, id));
        }
        Some(Reader {
            session,
            stream: id,
            turn,
            standalone,
        })
    }

    pub(super) fn detach(&mut self, reader: Reader, now: Instant) {
        let id = reader.stream;
        let Some(stream) = self.of(reader.session, id) else {
            return;
        };
        if stream.turn == reader.turn && stream.read && !stream.ended {
            (stream.read, stream.since) = (false, now);
            self.unread.insert((now, id));
        }
    }

    pub(super) fn make_standalone(&mut self, session: SessionId, id: StreamId, now: Instant) {
        if self.of(session, id).is_none() {
            return;
        }
        let of = self.sessions.entry(session).or_default();
        if let Some(before) = of.standalone.replace(id).filter(|before| *before != id) {
            self.close(session, before, now);
        }
    }

    pub(super) fn forget(&mut self, session: SessionId) {
        let of = self.sessions.get(&session);
        let all: Vec<StreamId> = of.map_or(Vec::new(), |of| of.streams.iter().copied().collect());
        for id in all {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: StreamId) {
        let Some(stream) = self.streams.remove(&id) else {
            return;
        };
        self.ended.remove(&(stream.since, id));
        self.unread.remove(&(stream.since, id));
        self.bytes -= (stream.bytes + STREAM_COST) as u64;
        if let Some(of) = self.sessions.get_mut(&stream.session) {
            of.streams.retain(|other| *other != id);
            of.standalone.take_if(|standalone| *standalone == id);
            if of.streams.is_empty() {
                self.sessions.remove(&stream.session);
            }
        }
        // Whoever reads it learns that it is lost.
        stream.changed.notify_waiters();
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}
