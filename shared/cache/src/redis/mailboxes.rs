//! Mailboxes over Redis. A mailbox is in the memory of the node that waits, and its names are
//! listed in Redis. What another node sends lies in Redis until that node has taken it. While
//! Redis is away a mailbox is reached on its own node only; its names are listed when Redis is
//! back.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use redis::{Cmd, FromRedisValue, Value};
use runtime::IdGen;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::courier::Told;
use super::link::{Link, args};
use super::script::{MAIL_CLOSE, MAIL_OPEN, MAIL_SEND, MAIL_SEND_ALL, MAIL_TAKE, Script};
use crate::{CacheError, MAILBOX_MAX, Mailbox, Mailboxes, SessionId};

/// How long names stay listed, and messages lie, when their node says nothing.
const KEPT: Duration = Duration::from_secs(60);
/// How often it says something.
const RENEWED: Duration = Duration::from_secs(20);
/// How soon what found no room is tried again.
const AGAIN: Duration = Duration::from_millis(100);
/// Names of one session; mailboxes beyond are reached on their own node only.
const NAMES: usize = 4_096;
/// Mailboxes that are seen to at once.
const AT_ONCE: usize = 32;

type MailboxId = Uuid;

pub(super) struct RedisMailboxes {
    link: Arc<Link>,
    ids: Arc<dyn IdGen>,
    desk: Arc<Desk>,
}

/// The mailboxes of this node.
#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    /// There is mail to fetch, or there are mailboxes that have been closed.
    work: Notify,
}

#[derive(Default)]
struct State {
    open: HashMap<MailboxId, Open>,
    names: HashMap<SessionId, Vec<(Box<str>, MailboxId)>>,
    closed: Vec<(MailboxId, Closed)>,
    /// There may be mail in Redis for these.
    marked: HashSet<MailboxId>,
}

struct Closed {
    session: SessionId,
    names: Box<[Box<str>]>,
}

struct Open {
    session: SessionId,
    names: Box<[Box<str>]>,
    sender: mpsc::Sender<Bytes>,
    /// The id of the message that was fetched last.
    last: String,
}

/// Closes a mailbox when dropped.
struct Registration {
    desk: Arc<Desk>,
    id: MailboxId,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = self.desk.state.lock().expect("no panic while held");
        let Some(open) = state.open.remove(&self.id) else {
            return;
        };
        if let Some(names) = state.names.get_mut(&open.session) {
            names.retain(|(_, mailbox)| *mailbox != self.id);
            if names.is_empty() {
                state.names.remove(&open.session);
            }
        }
        let closed = Closed {
            session: open.session,
            names: open.names,
        };
        state.closed.push((self.id, closed));
        self.desk.work.notify_one();
    }
}

impl Desk {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }

    fn open(&self, id: MailboxId, session: SessionId, names: &[&str]) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(MAILBOX_MAX);
        let names: Box<[Box<str>]> = names.iter().map(|&name| name.into()).collect();
        let mut state = self.state();
        let have = state.names.entry(session).or_default();
        have.retain(|(name, _)| !names.contains(name));
        have.extend(names.iter().map(|name| (name.clone(), id)));
        let open = Open {
            session,
            names,
            sender,
            last: "0-0".to_owned(),
        };
        state.open.insert(id, open);
        receiver
    }

    fn by_name(&self, session: SessionId, name: &str) -> Option<MailboxId> {
        let state = self.state();
        let names = state.names.get(&session)?;
        let found = names.iter().find(|(other, _)| **other == *name);
        found.map(|(_, mailbox)| *mailbox)
    }

    fn of_session(&self, session: SessionId) -> Vec<MailboxId> {
        let state = self.state();
        let names = state.names.get(&session).map_or(&[][..], Vec::as_slice);
        let mut mailboxes: Vec<MailboxId> = names.iter().map(|(_, mailbox)| *mailbox).collect();
        mailboxes.sort_unstable();
        mailboxes.dedup();
        mailboxes
    }

    fn put(&self, mailbox: MailboxId, message: Bytes) -> bool {
        let sender = match self.state().open.get(&mailbox) {
            Some(open) => open.sender.clone(),
            None => return false,
        };
        sender.try_send(message).is_ok()
    }

    fn mark(&self, mailbox: MailboxId) {
        let mut state = self.state();
        if state.open.contains_key(&mailbox) {
            state.marked.insert(mailbox);
            self.work.notify_one();
        }
    }
}

impl RedisMailboxes {
    pub(super) fn new(link: Arc<Link>, ids: Arc<dyn IdGen>) -> Arc<Self> {
        Arc::new(Self {
            link,
            ids,
            desk: Arc::default(),
        })
    }

    async fn eval<T: FromRedisValue>(
        &self,
        script: &Script,
        session: SessionId,
        arguments: impl Fn(&mut Cmd),
    ) -> Result<T, CacheError> {
        let tag = simple(session);
        let base = self.link.base(&tag);
        self.link
            .eval(script, &tag, &[&base], |command| {
                command.arg(&self.link.channels);
                arguments(command);
            })
            .await
    }

    /// Lists the names of a mailbox; of one that is not new only those that are free.
    async fn list(
        &self,
        id: MailboxId,
        session: SessionId,
        names: &[impl AsRef<str>],
        new: bool,
    ) -> Result<(), CacheError> {
        let kept = KEPT.as_millis() as u64;
        self.eval::<Value>(&MAIL_OPEN, session, |command| {
            args(command, &[&self.link.node, &simple(id), &kept]);
            args(command, &[&NAMES, &u8::from(new)]);
            for name in names {
                command.arg(name.as_ref());
            }
        })
        .await
        .map(drop)
    }

    /// Sees to the mailboxes of this node. Never ends.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut tick = tokio::time::interval(RENEWED);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut waits = false;
        loop {
            tokio::select! {
                _ = tick.tick() => self.renew().await,
                () = self.desk.work.notified() => {}
                () = tokio::time::sleep(AGAIN), if waits => {}
            }
            self.close_closed().await;
            waits = self.fetch().await;
        }
    }

    async fn renew(&self) {
        let open: Vec<_> = {
            let state = self.desk.state();
            let open = state.open.iter();
            open.map(|(id, open)| (*id, open.session, open.names.clone()))
                .collect()
        };
        let renewals = stream::iter(open).map(|(id, session, names)| async move {
            if let Err(error) = self.list(id, session, &names, false).await {
                tracing::debug!("a mailbox is not listed for now: {error}");
            }
        });
        let renewed = renewals.buffer_unordered(AT_ONCE);
        renewed.for_each(|()| std::future::ready(())).await;
    }

    /// What cannot be told now is forgotten in time.
    async fn close_closed(&self) {
        let closed = std::mem::take(&mut self.desk.state().closed);
        let closing = stream::iter(closed).map(|(id, closed)| async move {
            let told = self.eval::<Value>(&MAIL_CLOSE, closed.session, |command| {
                command.arg(simple(id));
                for name in &closed.names {
                    command.arg(&**name);
                }
            });
            if let Err(error) = told.await {
                tracing::debug!("a closed mailbox stays listed for a while: {error}");
            }
        });
        let closing = closing.buffer_unordered(AT_ONCE);
        closing.for_each(|()| std::future::ready(())).await;
    }

    /// Fetches what has been marked; whether something is left to be tried again.
    async fn fetch(&self) -> bool {
        // Marked again while it is being fetched, one is fetched again.
        let marked = std::mem::take(&mut self.desk.state().marked);
        let fetching = stream::iter(marked).map(|id| self.fetch_one(id));
        let left = fetching.buffer_unordered(AT_ONCE);
        left.fold(false, async |left, more| left | more).await
    }

    async fn fetch_one(&self, id: MailboxId) -> bool {
        let (session, last, sender) = {
            let state = self.desk.state();
            let Some(open) = state.open.get(&id) else {
                return false;
            };
            (open.session, open.last.clone(), open.sender.clone())
        };
        if sender.is_closed() {
            return false;
        }
        let again = || {
            self.desk.state().marked.insert(id);
            true
        };
        // Not reserved: what this node's own clients send meanwhile finds its place, too.
        let room = sender.capacity();
        if room == 0 {
            return again();
        }
        let taken = self.eval::<Vec<Vec<u8>>>(&MAIL_TAKE, session, |command| {
            args(command, &[&simple(id), &last, &room]);
        });
        let Ok(taken) = taken.await else {
            return again();
        };
        let mut last = None;
        let mut more = taken.len() / 2 == room;
        for pair in taken.chunks_exact(2) {
            // What finds no place any more lies in Redis until it is fetched again.
            if sender.try_send(Bytes::copy_from_slice(&pair[1])).is_err() {
                more = true;
                break;
            }
            last = Some(String::from_utf8_lossy(&pair[0]).into_owned());
        }
        if let Some(last) = last
            && let Some(open) = self.desk.state().open.get_mut(&id)
        {
            open.last = last;
        }
        more && again()
    }
}

impl Told for RedisMailboxes {
    fn stream(&self, _: Uuid) {}

    fn mail(&self, mailbox: Uuid) {
        self.desk.mark(mailbox);
    }

    fn anything(&self) {
        let mut state = self.desk.state();
        state.marked = state.open.keys().copied().collect();
        self.desk.work.notify_one();
    }
}

fn simple(id: Uuid) -> String {
    id.as_simple().to_string()
}

impl Mailboxes for RedisMailboxes {
    fn open<'a>(
        &'a self,
        session: SessionId,
        names: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Mailbox, CacheError>> {
        Box::pin(async move {
            let id = self.ids.next();
            let receiver = self.desk.open(id, session, names);
            let registration = Registration {
                desk: self.desk.clone(),
                id,
            };
            let mailbox = Mailbox::new(receiver, Box::new(registration));
            if let Err(error) = self.list(id, session, names, true).await {
                tracing::debug!("a mailbox is reached on its own node only: {error}");
            }
            Ok(mailbox)
        })
    }

    fn send<'a>(
        &'a self,
        session: SessionId,
        name: &'a str,
        message: Bytes,
    ) -> BoxFuture<'a, Result<bool, CacheError>> {
        Box::pin(async move {
            let kept = KEPT.as_millis() as u64;
            let sent = self.eval::<Value>(&MAIL_SEND, session, |command| {
                args(command, &[&self.link.node, &name, &&*message]);
                args(command, &[&MAILBOX_MAX, &kept]);
            });
            let own = self.desk.by_name(session, name);
            match (sent.await, own) {
                (Ok(Value::Int(sent)), _) => Ok(sent == 1),
                (Ok(Value::BulkString(id)), own) => {
                    let listed = Uuid::try_parse_ascii(&id).ok().or(own);
                    Ok(listed.is_some_and(|id| self.desk.put(id, message)))
                }
                // Nobody is listed, or nobody can be asked.
                (_, Some(own)) => Ok(self.desk.put(own, message)),
                (Ok(_), None) => Ok(false),
                (Err(error), None) => Err(error),
            }
        })
    }

    fn send_all(
        &self,
        session: SessionId,
        message: Bytes,
    ) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move {
            let kept = KEPT.as_millis() as u64;
            let sent = self.eval::<Value>(&MAIL_SEND_ALL, session, |command| {
                args(command, &[&self.link.node, &&*message]);
                args(command, &[&MAILBOX_MAX, &kept]);
            });
            let sent = sent.await.map(drop);
            for own in self.desk.of_session(session) {
                self.desk.put(own, message.clone());
            }
            sent
        })
    }

    fn count(&self) -> usize {
        self.desk.state().names.values().map(Vec::len).sum()
    }
}
