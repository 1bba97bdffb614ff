//! Streams in Redis. Of each stream there are three keys, all with the session's hash tag: what
//! is known of it, its messages, and the time and cost of each of them. A reader is told of
//! changes by the node that makes them, through that node's one subscription; it holds a future
//! and an entry of the desk, no connection. A stream lives by the expiry of its keys: while it is
//! read, the reader's node puts that off.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use redis::{Cmd, FromRedisValue, Value};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use uuid::Uuid;

use self::desk::{Desk, Turn};
use self::ledger::{Ledger, Stage};
use super::courier::Told;
use super::link::{Link, args};
use super::script::{
    STREAM_APPEND, STREAM_ATTACH, STREAM_BEQUEATH, STREAM_BURY, STREAM_CLOSE, STREAM_DETACH,
    STREAM_DROP, STREAM_FORGET, STREAM_OPEN, STREAM_READ, STREAM_RENEW, STREAM_SHED,
    STREAM_STANDALONE, Script,
};
use crate::local::StreamLimits;
use crate::{CacheError, EventStreams, Read, Reader, SessionId, StreamId};

mod desk;
mod ledger;

/// What an event is taken to cost beside its message.
const EVENT_COST: u64 = 64;
/// Events of one read, and bytes of them unless the first alone is larger.
const AT_ONCE: usize = 64;
const BYTES_AT_ONCE: usize = 1024 * 1024;
/// Readers whose time is put off at once.
const RENEWALS: usize = 32;
/// Streams that are dropped for one message that needs room.
const DROPS: usize = 16;
/// Readers that look at once.
const LOOKS: usize = 128;
/// After how long a reader looks again although nobody has said that Redis is back.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a node says that it is there, and for how long that counts.
const BEAT: Duration = Duration::from_secs(1);
const ALIVE_FOR: Duration = Duration::from_secs(6);
/// How often in a row a node must be missing to be taken for gone.
const MISSED: u32 = 3;
/// Messages that are remembered because nobody knows whether they arrived.
const UNSURE: usize = 1_024;

pub(super) struct RedisStreams {
    link: Arc<Link>,
    limits: StreamLimits,
    desk: Desk,
    ledger: Ledger,
    /// Numbers what this node appends, so that what it had to send twice is taken once.
    sent: AtomicU64,
    /// Readers that look at once.
    looks: Semaphore,
    /// What was appended last where nobody knows whether it arrived, and when.
    unsure: Mutex<HashMap<StreamId, (u64, Bytes, Instant)>>,
}

impl RedisStreams {
    pub(super) fn new(link: Arc<Link>, limits: StreamLimits) -> Arc<Self> {
        Arc::new(Self {
            link,
            limits,
            desk: Desk::default(),
            ledger: Ledger::default(),
            sent: AtomicU64::new(1),
            looks: Semaphore::new(LOOKS),
            unsure: Mutex::default(),
        })
    }

    /// Runs a script on a session's streams.
    async fn eval<T: FromRedisValue>(
        &self,
        script: &Script,
        session: SessionId,
        arguments: impl Fn(&mut Cmd),
    ) -> Result<T, CacheError> {
        let tag = session.as_simple().to_string();
        let base = self.link.base(&tag);
        self.link
            .eval(script, &tag, &[&base], |command| {
                args(command, &[&self.link.channels, &self.link.node]);
                arguments(command);
            })
            .await
    }

    async fn append_now(
        &self,
        session: SessionId,
        stream: StreamId,
        message: Bytes,
    ) -> Result<Option<u64>, CacheError> {
        let (id, limits) = (simple(stream), &self.limits);
        let cost = message.len() as u64 + EVENT_COST;
        let (sent, again) = self.number_of(stream, &message);
        let token = format!("{}:{sent}", &self.link.node);
        let appended: Result<Option<(u64, u64, String)>, _> = self
            .eval(&STREAM_APPEND, session, |command| {
                args(command, &[&id, &&*message, &cost]);
                let age = ms(limits.age);
                args(command, &[&limits.events.max(1), &limits.bytes, &age]);
                args(command, &[&token, &u8::from(again)]);
            })
            .await;
        if appended.as_ref().is_err_and(CacheError::is_unavailable) {
            self.is_unsure(stream, sent, message);
        }
        let Some((number, bytes, reader)) = appended? else {
            self.ledger.remove(stream);
            // Whoever reads it here waits for what cannot come any more.
            self.desk.changed(stream);
            return Ok(None);
        };
        self.desk.changed(stream);
        let stage = match reader == self.link.node {
            true => Stage::Read,
            // Or it is read elsewhere, which is asked about before it is dropped.
            false => Stage::Unread,
        };
        self.ledger.note(session, stream, bytes, stage);
        self.make_room_or_say(session, stream).await;
        Ok(Some(number))
    }

    /// The number of a message, and whether it is the one before again, of which nobody knows
    /// whether it arrived.
    fn number_of(&self, stream: StreamId, message: &Bytes) -> (u64, bool) {
        let mut unsure = self.unsure.lock().expect("no panic while held");
        match unsure.remove(&stream) {
            Some((sent, before, _)) if before == *message => (sent, true),
            _ => (self.sent.fetch_add(1, Ordering::Relaxed), false),
        }
    }

    fn is_unsure(&self, stream: StreamId, sent: u64, message: Bytes) {
        let mut unsure = self.unsure.lock().expect("no panic while held");
        // Nobody tries for longer than a stream may be unread; some never do again.
        unsure.retain(|_, (_, _, since)| since.elapsed() < self.limits.unread);
        if unsure.len() < UNSURE {
            unsure.insert(stream, (sent, message, Instant::now()));
        }
    }

    /// What is too much now is found again with the next message.
    async fn make_room_or_say(&self, session: SessionId, grows: StreamId) {
        if let Err(error) = self.make_room(session, grows).await {
            tracing::debug!("streams keep more than they may for a while: {error}");
        }
    }

    /// Keeps to the bytes of all; `grows` is what gives way when nothing else can.
    async fn make_room(&self, session: SessionId, grows: StreamId) -> Result<(), CacheError> {
        let most = self.limits.total_bytes;
        self.ledger.expire(self.limits.age, self.limits.unread);
        for _ in 0..DROPS {
            if self.ledger.excess(most) == 0 {
                return Ok(());
            }
            let Some((session, goes)) = self.ledger.first_to_go() else {
                break;
            };
            let id = simple(goes);
            // One that another node reads stays; it is not ours to count until we add to it again.
            self.eval::<Value>(&STREAM_DROP, session, |command| args(command, &[&id]))
                .await?;
            self.ledger.remove(goes);
        }
        let excess = self.ledger.excess(most);
        if excess > 0 {
            let id = simple(grows);
            let left: u64 = self
                .eval(&STREAM_SHED, session, |command| {
                    args(command, &[&id, &excess]);
                })
                .await?;
            self.ledger.note(session, grows, left, Stage::Read);
        }
        Ok(())
    }

    /// Who reads waits while Redis is away: what is to be read comes when it is back.
    async fn read_now(&self, reader: Reader, after: u64) -> Result<Read, CacheError> {
        loop {
            let back = self.link.back.notified();
            let (version, changed) = match self.desk.turn(reader, after) {
                Turn::Look(version, changed) => (version, changed),
                Turn::Wait(changed) => {
                    changed.await;
                    continue;
                }
                // Redis knows whether it was taken over, or never was.
                Turn::Over => return self.look(reader, after).await.map(or_taken_over),
            };
            // When something may have been missed all want to look at once.
            let permit = self.looks.acquire().await;
            let found = self.look(reader, after).await;
            drop(permit);
            match found {
                Ok(Found::Read(read)) => return Ok(read),
                Ok(Found::Nothing(producer)) => {
                    self.desk.quiet(reader, version, after, producer);
                    changed.await;
                }
                Err(CacheError::Unavailable(_)) => tokio::select! {
                    () = back => {}
                    () = changed => {}
                    () = tokio::time::sleep(PATIENCE) => {}
                },
                Err(error) => return Err(error),
            }
        }
    }

    /// What there is to read; nothing when there is nothing yet.
    async fn look(&self, reader: Reader, after: u64) -> Result<Found, CacheError> {
        let id = simple(reader.stream);
        let found: Value = self
            .eval(&STREAM_READ, reader.session, |command| {
                args(command, &[&id, &reader.turn, &after]);
                args(command, &[&AT_ONCE, &BYTES_AT_ONCE]);
            })
            .await?;
        Ok(match found {
            Value::Array(messages) => {
                let messages = messages.into_iter().filter_map(|message| match message {
                    Value::BulkString(bytes) => Some(Bytes::from(bytes)),
                    _ => None,
                });
                Found::Read(Read::Events((after + 1..).zip(messages).collect()))
            }
            Value::BulkString(word) => match word.as_slice() {
                b"wait" => Found::Nothing(None),
                b"end" => Found::Read(Read::End),
                b"taken" => Found::Read(Read::TakenOver),
                b"unknown" => Found::Read(Read::Unknown),
                word => match word.strip_prefix(b"wait") {
                    Some(node) => Found::Nothing(Some(String::from_utf8_lossy(node).into())),
                    None => Found::Read(Read::Lost),
                },
            },
            _ => Found::Read(Read::Lost),
        })
    }

    /// Says that this node is there.
    async fn beat(&self) {
        let tag = &self.link.node;
        let mut command = redis::cmd("SET");
        command.arg(self.link.heart(tag)).arg(1);
        command.arg("PX").arg(ms(ALIVE_FOR));
        if let Err(error) = self.link.command::<Value>(tag, &command).await {
            tracing::debug!("this node may look gone for a while: {error}");
        }
    }

    async fn is_there(&self, node: &str) -> Result<bool, CacheError> {
        let mut command = redis::cmd("EXISTS");
        command.arg(self.link.heart(node));
        self.link.command(node, &command).await
    }

    /// Ends what nodes had begun that are gone: those that were missing so many times in a row while
    /// this one was not, for then it is not Redis that forgot both. How often others were missing is
    /// in `missed`. Asked for all who wait here together, for a wait may be interrupted as often as
    /// its reader has something else to do.
    async fn look_after_producers(&self, missed: &mut HashMap<Box<str>, u32>) {
        let waiting = self.desk.waiting();
        missed.retain(|producer, _| waiting.contains_key(producer));
        if waiting.is_empty() {
            return;
        }
        if self.is_there(&self.link.node).await != Ok(true) {
            missed.clear();
            return;
        }
        for (producer, readers) in waiting {
            match self.is_there(&producer).await {
                Ok(false) => {}
                Ok(true) | Err(_) => {
                    missed.remove(&producer);
                    continue;
                }
            }
            let times = missed.entry(producer.clone()).or_default();
            *times += 1;
            if *times >= MISSED {
                for reader in readers {
                    self.bury(reader, &producer).await;
                }
            }
        }
    }

    /// Ends what a node that is gone had begun.
    async fn bury(&self, reader: Reader, producer: &str) {
        let (id, age) = (simple(reader.stream), ms(self.limits.age));
        let buried = self.eval::<Value>(&STREAM_BURY, reader.session, |command| {
            args(command, &[&id, &producer, &EVENT_COST, &age]);
        });
        match buried.await {
            Ok(_) => self.desk.changed(reader.stream),
            Err(error) => tracing::debug!("a stream of a lost node stays open: {error}"),
        }
    }

    /// Says that this node is there, looks whether others are that somebody waits for here, puts off
    /// the expiry of the streams that are read here, and tells of readers that left. Never ends.
    pub(super) async fn keep(self: Arc<Self>) {
        // However long the rest takes, others must not take this node for gone.
        tokio::join!(self.look_around(), self.look_after_readers());
    }

    async fn look_around(&self) {
        let mut missed = HashMap::new();
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            // Before the beat: a Redis that has forgotten this node may have forgotten all.
            self.look_after_producers(&mut missed).await;
            self.beat().await;
        }
    }

    async fn look_after_readers(&self) {
        let mut tick = tokio::time::interval(self.limits.unread / 4);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => self.renew().await,
                () = self.desk.left.notified() => {}
            }
            let left = self.desk.take_left();
            let tell = |reader| self.tell_left(reader);
            let told = stream::iter(left).map(tell).buffer_unordered(RENEWALS);
            told.for_each(|()| std::future::ready(())).await;
        }
    }

    async fn renew(&self) {
        let readers = self.desk.readers();
        let renewals = stream::iter(readers).map(|reader| async move {
            let (id, unread) = (simple(reader.stream), ms(self.limits.unread));
            let renewed = self.eval(&STREAM_RENEW, reader.session, |command| {
                args(command, &[&id, &reader.turn, &unread]);
            });
            if let Ok(None) = renewed.await.map(|last: Option<u64>| last) {
                // It learns why when it looks.
                self.desk.changed(reader.stream);
            }
        });
        let renewed = renewals.buffer_unordered(RENEWALS);
        renewed.for_each(|()| std::future::ready(())).await;
    }

    /// A reader of which Redis does not learn that it left is missed when its time is over.
    async fn tell_left(&self, reader: Reader) {
        self.ledger.stage(reader.stream, Stage::Unread);
        let (id, unread) = (simple(reader.stream), ms(self.limits.unread));
        let told = self.eval::<Value>(&STREAM_DETACH, reader.session, |command| {
            args(command, &[&id, &reader.turn, &unread]);
        });
        if let Err(error) = told.await {
            tracing::debug!("a stream looks read for a while: {error}");
        }
    }
}

impl Told for RedisStreams {
    fn stream(&self, stream: Uuid) {
        self.desk.changed(stream);
    }

    fn mail(&self, _: Uuid) {}

    fn anything(&self) {
        self.desk.all_changed();
    }
}

/// What a look brings.
enum Found {
    Read(Read),
    /// Not yet; with the node that produces, where that is another one.
    Nothing(Option<Box<str>>),
}

/// A reader that waits for nothing any more: it has left, or another has taken over.
fn or_taken_over(found: Found) -> Read {
    match found {
        Found::Read(read) => read,
        Found::Nothing(_) => Read::TakenOver,
    }
}

fn simple(id: Uuid) -> String {
    id.as_simple().to_string()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).map_or(u64::MAX, |ms| ms.max(1))
}

impl EventStreams for RedisStreams {
    fn open(&self, session: SessionId, stream: StreamId) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move {
            let id = simple(stream);
            let (unread, most) = (ms(self.limits.unread), self.limits.per_session.max(1));
            self.eval::<Value>(&STREAM_OPEN, session, |command| {
                args(command, &[&id, &unread, &most]);
            })
            .await?;
            self.ledger.note(session, stream, 0, Stage::Unread);
            self.make_room_or_say(session, stream).await;
            Ok(())
        })
    }

    fn bequeath(
        &self,
        session: SessionId,
        stream: StreamId,
        last_words: Bytes,
    ) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move {
            let id = simple(stream);
            let left = self.eval::<Value>(&STREAM_BEQUEATH, session, |command| {
                args(command, &[&id, &&*last_words]);
            });
            left.await.map(drop)
        })
    }

    fn append(
        &self,
        session: SessionId,
        stream: StreamId,
        message: Bytes,
    ) -> BoxFuture<'_, Result<Option<u64>, CacheError>> {
        Box::pin(self.append_now(session, stream, message))
    }

    fn close(&self, session: SessionId, stream: StreamId) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move {
            let (id, age) = (simple(stream), ms(self.limits.age));
            self.eval::<Value>(&STREAM_CLOSE, session, |command| {
                args(command, &[&id, &age]);
            })
            .await?;
            self.ledger.stage(stream, Stage::Ended);
            let mut unsure = self.unsure.lock().expect("no panic while held");
            unsure.remove(&stream);
            drop(unsure);
            self.desk.changed(stream);
            Ok(())
        })
    }

    fn attach(
        &self,
        session: SessionId,
        stream: StreamId,
        after: u64,
    ) -> BoxFuture<'_, Result<Option<Reader>, CacheError>> {
        Box::pin(async move {
            let (id, unread) = (simple(stream), ms(self.limits.unread));
            let attached: Option<(u64, bool)> = self
                .eval(&STREAM_ATTACH, session, |command| {
                    args(command, &[&id, &after, &unread]);
                })
                .await?;
            Ok(attached.map(|(turn, standalone)| {
                let reader = Reader {
                    session,
                    stream,
                    turn,
                    standalone,
                };
                self.desk.attach(reader);
                self.ledger.stage(stream, Stage::Read);
                reader
            }))
        })
    }

    fn read(&self, reader: Reader, after: u64) -> BoxFuture<'_, Result<Read, CacheError>> {
        Box::pin(self.read_now(reader, after))
    }

    fn detach(&self, reader: Reader) {
        self.desk.detach(reader);
    }

    fn make_standalone(
        &self,
        session: SessionId,
        stream: StreamId,
    ) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move {
            let (id, age) = (simple(stream), ms(self.limits.age));
            self.eval::<Value>(&STREAM_STANDALONE, session, |command| {
                args(command, &[&id, &age]);
            })
            .await?;
            Ok(())
        })
    }

    fn forget(&self, session: SessionId) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move {
            let forgotten: Vec<String> = self.eval(&STREAM_FORGET, session, |_| ()).await?;
            for stream in forgotten.iter().filter_map(|id| Uuid::try_parse(id).ok()) {
                self.ledger.remove(stream);
                self.desk.changed(stream);
            }
            Ok(())
        })
    }

    fn bytes(&self) -> u64 {
        self.ledger.expire(self.limits.age, self.limits.unread);
        self.ledger.bytes()
    }
}
