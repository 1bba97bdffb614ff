//! Mailboxes over Redis. A mailbox is in the memory of the node that waits, and its names are
//! listed in Redis. What another node sends lies in Redis until that node has taken it. While
//! Redis is away a mailbox is reached on its own node only; its names are listed as soon as Redis
//! is back, and again when it may have forgotten them. What is left for a name that is not listed
//! lies there until it is.

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
use super::script::{MAIL_ANY, MAIL_CLOSE, MAIL_OPEN, MAIL_SEND, MAIL_SEND_ALL, MAIL_TAKE, Script};
use crate::{CacheError, MAILBOX_MAX, Mailbox, Mailboxes, SessionId};

/// How long names stay listed, and messages lie, when their node says nothing.
const KEPT: Duration = Duration::from_secs(60);
/// How often it says something: as late Redis has names that it forgot unnoticed.
const RENEWED: Duration = Duration::from_secs(5);
/// How soon is tried again what found no room, or could not be listed.
const AGAIN: Duration = Duration::from_millis(100);
/// Names of one session; mailboxes beyond are reached on their own node only.
const NAMES: usize = 4_096;
/// Bytes of a message that may wait for a mailbox that is not listed.
const LEFT_MAX: usize = 256 * 1024;
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
    /// There is mail to fetch, or there are mailboxes to be listed, or that have been closed.
    work: Notify,
}

#[derive(Default)]
struct State {
    open: HashMap<MailboxId, Open>,
    names: HashMap<SessionId, Vec<(Box<str>, MailboxId)>>,
    closed: Vec<(MailboxId, Closed)>,
    /// There may be mail in Redis for these.
    marked: HashSet<MailboxId>,
    /// Redis may not know these.
    unlisted: HashSet<MailboxId>,
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

    /// Redis has not been told of a mailbox.
    fn is_unlisted(&self, mailbox: MailboxId) {
        let mut state = self.state();
        if state.open.contains_key(&mailbox) {
            state.unlisted.insert(mailbox);
        }
    }

    fn has_unlisted(&self) -> bool {
        !self.state().unlisted.is_empty()
    }

    /// Redis may have forgotten every one.
    fn may_be_forgotten(&self) {
        let mut state = self.state();
        state.unlisted = state.open.keys().copied().collect();
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

    /// Lists the names of a mailbox; of one that is not new only those that are free. What was left
    /// for them becomes its mail.
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
            args(command, &[&NAMES, &u8::from(new), &MAILBOX_MAX]);
            for name in names {
                command.arg(name.as_ref());
            }
        })
        .await
        .map(drop)
    }

    /// Sees to the mailboxes of this node. Never ends.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut renew = tokio::time::interval(RENEWED);
        let mut again = tokio::time::interval(AGAIN);
        for timer in [&mut renew, &mut again] {
            timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        let mut waits = false;
        loop {
            let wants = waits || self.desk.has_unlisted();
            let lists = tokio::select! {
                _ = renew.tick() => {
                    self.desk.may_be_forgotten();
                    true
                }
                _ = again.tick(), if wants => true,
                () = self.desk.work.notified() => false,
            };
            self.close_closed().await;
            if lists {
                self.list_unlisted().await;
            }
            waits = self.fetch().await;
        }
    }

    /// Lists what Redis may not know.
    async fn list_unlisted(&self) {
        let unlisted = {
            let mut state = self.desk.state();
            let ids = std::mem::take(&mut state.unlisted);
            let open = ids.into_iter().filter_map(|id| {
                let open = state.open.get(&id)?;
                Some((id, open.session, open.names.clone()))
            });
            open.collect::<Vec<_>>()
        };
        let listing = stream::iter(unlisted).map(|(id, session, names)| async move {
            if self.list(id, session, &names, false).await.is_err() {
                self.desk.is_unlisted(id);
            }
        });
        let listed = listing.buffer_unordered(AT_ONCE);
        listed.for_each(|()| std::future::ready(())).await;
    }

    /// Sends a message; under a name that is given `once`, also before that is listed.
    async fn post(
        &self,
        session: SessionId,
        name: &str,
        message: Bytes,
        once: bool,
    ) -> Result<bool, CacheError> {
        let own = self.desk.by_name(session, name);
        let waits = once && own.is_none() && message.len() <= LEFT_MAX;
        let kept = KEPT.as_millis() as u64;
        let sent = self.eval::<Value>(&MAIL_SEND, session, |command| {
            args(command, &[&self.link.node, &name, &&*message]);
            args(command, &[&MAILBOX_MAX, &kept, &u8::from(waits)]);
        });
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
        {
            let mut state = self.desk.state();
            state.marked = state.open.keys().copied().collect();
        }
        self.desk.may_be_forgotten();
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
                self.desk.is_unlisted(id);
                self.desk.work.notify_one();
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
        Box::pin(self.post(session, name, message, false))
    }

    fn leave<'a>(
        &'a self,
        session: SessionId,
        name: &'a str,
        message: Bytes,
    ) -> BoxFuture<'a, Result<bool, CacheError>> {
        Box::pin(self.post(session, name, message, true))
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

    fn any<'a>(
        &'a self,
        session: SessionId,
        beginning: &'a str,
    ) -> BoxFuture<'a, Result<bool, CacheError>> {
        Box::pin(async move {
            let any = self.eval(&MAIL_ANY, session, |command| {
                command.arg(beginning);
            });
            any.await
        })
    }

    fn count(&self) -> usize {
        self.desk.state().names.values().map(Vec::len).sum()
    }
}
