//! Mailboxes in this process' memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::mpsc;

use crate::{CacheError, MAILBOX_MAX, Mailbox, Mailboxes, SessionId};

/// Mailboxes in memory.
#[derive(Default)]
pub struct LocalMailboxes {
    open: Arc<Mutex<HashMap<SessionId, Names>>>,
}

/// The open mailboxes of one session: by name, so few that a map would cost more.
type Names = Vec<(Box<str>, mpsc::Sender<Bytes>)>;

/// Closes a mailbox when dropped.
struct Registration {
    open: Arc<Mutex<HashMap<SessionId, Names>>>,
    session: SessionId,
    sender: mpsc::Sender<Bytes>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut open = self.open.lock().expect("no panic while held");
        if let Some(names) = open.get_mut(&self.session) {
            names.retain(|(_, sender)| !sender.same_channel(&self.sender));
            if names.is_empty() {
                open.remove(&self.session);
            }
        }
    }
}

impl Mailboxes for LocalMailboxes {
    fn open<'a>(
        &'a self,
        session: SessionId,
        names: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Mailbox, CacheError>> {
        let (sender, receiver) = mpsc::channel(MAILBOX_MAX);
        let mut open = self.open.lock().expect("no panic while held");
        let have = open.entry(session).or_default();
        have.retain(|(name, _)| !names.contains(&&**name));
        have.extend(names.iter().map(|&name| (name.into(), sender.clone())));
        drop(open);
        let registration = Registration {
            open: self.open.clone(),
            session,
            sender,
        };
        let mailbox = Mailbox::new(receiver, Box::new(registration));
        Box::pin(ready(Ok(mailbox)))
    }

    fn send<'a>(
        &'a self,
        session: SessionId,
        name: &'a str,
        message: Bytes,
    ) -> BoxFuture<'a, Result<bool, CacheError>> {
        let open = self.open.lock().expect("no panic while held");
        let names = open.get(&session).map_or(&[][..], Vec::as_slice);
        let found = names.iter().find(|(other, _)| **other == *name);
        let sent = found.is_some_and(|(_, sender)| sender.try_send(message).is_ok());
        Box::pin(ready(Ok(sent)))
    }

    /// Here a mailbox is known from the moment on that it is open.
    fn leave<'a>(
        &'a self,
        session: SessionId,
        name: &'a str,
        message: Bytes,
    ) -> BoxFuture<'a, Result<bool, CacheError>> {
        self.send(session, name, message)
    }

    fn send_all(
        &self,
        session: SessionId,
        message: Bytes,
    ) -> BoxFuture<'_, Result<(), CacheError>> {
        let open = self.open.lock().expect("no panic while held");
        let names = open.get(&session).map_or(&[][..], Vec::as_slice);
        for (at, (_, sender)) in names.iter().enumerate() {
            let same = |(_, other): &(Box<str>, _)| sender.same_channel(other);
            if !names[..at].iter().any(same) {
                sender.try_send(message.clone()).ok();
            }
        }
        Box::pin(ready(Ok(())))
    }

    fn any<'a>(
        &'a self,
        session: SessionId,
        beginning: &'a str,
    ) -> BoxFuture<'a, Result<bool, CacheError>> {
        let open = self.open.lock().expect("no panic while held");
        let names = open.get(&session).map_or(&[][..], Vec::as_slice);
        let any = names.iter().any(|(name, _)| name.starts_with(beginning));
        Box::pin(ready(Ok(any)))
    }

    fn count(&self) -> usize {
        let open = self.open.lock().expect("no panic while held");
        open.values().map(Vec::len).sum()
    }
}
