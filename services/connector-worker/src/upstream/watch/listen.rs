//! One `subscriptions/listen` (2026-07-28) for all who watch a server. It asks for what is wanted
//! together, and is opened anew when that changes, or when it ends.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use egress::Deadline;
use fabric::{Failure, FailureKind, Outcome};
use futures_util::FutureExt as _;
use mcp::{ClientProfile, Message, codes};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::told::{Accepted, Told, subscription_in};
use super::wants::{Filter, Want, Wants};
use super::{PAUSE, PAUSE_MAX, Refused, What, gone};
use crate::failure::sent;
use crate::upstream::agree::{Agreed, Era};
use crate::upstream::answer::{garbage, parse, rpc_error};
use crate::upstream::notices::{Notice, Notices};
use crate::upstream::peer::Peer;
use crate::upstream::rejected::Refusal;
use crate::upstream::task_end::knowing;
use crate::upstream::{Exchange, Hold as Kept, Outgoing, Rejected, Transport, Wire, message};

/// How long a server may take to accept.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(30);
/// How long one listen is read. Then it is opened anew, so that a connection that has died unseen
/// is not waited on for ever.
const LIFE: Duration = Duration::from_secs(60 * 60);
/// How long telling a server of the end may take.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Listens of one server: at most one is read.
#[derive(Default)]
pub(super) struct Listens(Arc<Wants>);

/// One of those who want something, until it is dropped.
pub(super) struct Hold {
    wants: Arc<Wants>,
    want: Want,
    /// A hosted server is not idle while a resource is watched.
    _kept: Option<Kept>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.wants.leave(&self.want);
    }
}

impl Drop for Listens {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Listens {
    /// Hears of a resource, or of the lists, and resolves when the server has accepted that.
    pub(super) async fn hold(&self, peer: &Arc<Peer>, what: What<'_>) -> Result<Hold, Refused> {
        let want = match what {
            What::Lists => Want::Lists,
            What::Resource(uri) => Want::Resource(uri.to_owned()),
            What::Task(id) => Want::Task(id.to_owned()),
        };
        let most = peer.config.watched_resources_per_peer;
        let full = |failure| Refused::Ever(Outcome::Failed(failure));
        self.0.enter(&want, most).map_err(full)?;
        let hold = Hold {
            wants: self.0.clone(),
            want,
            _kept: match what {
                What::Lists => None,
                What::Resource(_) | What::Task(_) => peer.link.transport.hold(),
            },
        };
        self.drive(peer);
        match self.0.settled(&hold.want).await {
            Ok(()) => Ok(hold),
            Err(Outcome::Failed(failure)) => Err(failure.into()),
            Err(outcome) => Err(Refused::Ever(outcome)),
        }
    }

    pub(super) fn hear_of_tools(&self, peer: &Arc<Peer>) {
        if !self.0.is_wanted(&Want::Tools) && self.0.enter(&Want::Tools, usize::MAX).is_ok() {
            self.drive(peer);
        }
    }

    fn drive(&self, peer: &Arc<Peer>) {
        self.0.drive(|| {
            let driver = Driver {
                wants: Arc::downgrade(&self.0),
                peer: Arc::downgrade(peer),
                notices: peer.notices.clone(),
                live: None,
            };
            peer.tasks().joinable(driver.run()).abort_handle()
        });
    }
}

/// Keeps the listen in step with what is wanted.
struct Driver {
    wants: Weak<Wants>,
    /// Not kept alive by what it hears.
    peer: Weak<Peer>,
    notices: Arc<Notices>,
    live: Option<Listen>,
}

impl Driver {
    async fn run(mut self) {
        let mut pause = PAUSE;
        let mut missed = false;
        // They were read some time before the server is heard for the first time.
        let mut tools_unheard = true;
        while let (Some(wants), Some(peer)) = (self.wants.upgrade(), self.peer.upgrade()) {
            let filter = wants.filter();
            if filter.is_empty() {
                self.live = None;
                if wants.end_if_unwanted() {
                    return;
                }
            } else if peer.is_closed() {
                self.live = None;
                wants.refused(&filter, None, &Outcome::Failed(gone()));
            } else if self.live.as_ref().is_none_or(|live| live.filter != filter) {
                match self.open(&peer, &wants, &filter, &mut missed).await {
                    Ok(mut listen) => {
                        wants.accepted(&filter, &listen.accepted);
                        listen.narrow();
                        if let Some(before) = self.live.replace(listen) {
                            before.drain(&self.notices);
                        }
                        pause = PAUSE;
                        let first_of_tools = filter.tools && std::mem::take(&mut tools_unheard);
                        if std::mem::take(&mut missed) {
                            self.notices.gap();
                        } else if first_of_tools {
                            self.notices.tell_of_tools();
                        }
                    }
                    Err(Refused::Ever(outcome)) => {
                        let before = self.live.as_ref().map(|live| &live.filter);
                        wants.refused(&filter, before, &outcome);
                    }
                    Err(Refused::Now(failure)) => {
                        tracing::debug!("cannot listen to an MCP server, will retry: {failure}");
                        drop((wants, peer));
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(PAUSE_MAX);
                        continue;
                    }
                }
                // It may not be what is wanted by now.
                continue;
            }
            drop(peer);
            let changed = wants.changed.notified();
            let broken = match &mut self.live {
                Some(live) => {
                    tokio::select! {
                        () = changed => false,
                        () = live.read(&self.notices) => true,
                    }
                }
                // All that is wanted was refused.
                None => {
                    changed.await;
                    false
                }
            };
            if broken && let Some(live) = self.live.take() {
                wants.lost(&live.filter);
                missed = true;
                drop(wants);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

impl Driver {
    /// Opens another listen; the one before is read meanwhile.
    async fn open(
        &mut self,
        peer: &Arc<Peer>,
        wants: &Wants,
        filter: &Filter,
        missed: &mut bool,
    ) -> Result<Listen, Refused> {
        let mut opening = std::pin::pin!(Listen::open(peer, filter.clone()));
        if let Some(live) = &mut self.live {
            tokio::select! {
                opened = &mut opening => return opened,
                () = live.read(&self.notices) => {}
            }
            wants.lost(&live.filter);
            self.live = None;
            *missed = true;
        }
        opening.await
    }
}

/// A listen that the server has accepted.
struct Listen {
    id: u64,
    filter: Filter,
    accepted: Accepted,
    /// Over HTTP everything comes by it; over a pipe nothing but the end.
    exchange: Option<Box<dyn Exchange>>,
    /// What comes by the pipe.
    heard: Option<broadcast::Receiver<Notice>>,
    transport: Arc<dyn Transport>,
    tasks: runtime::Tasks,
}

impl Listen {
    /// # Errors
    /// The server is away, or refuses.
    async fn open(peer: &Arc<Peer>, filter: Filter) -> Result<Self, Refused> {
        let opening = Self::ask(peer, filter);
        let opened = tokio::time::timeout(ACCEPTED_WITHIN, opening).await;
        opened.unwrap_or_else(|_| {
            Err(Refused::Now(sent(
                FailureKind::Timeout,
                "the MCP server did not accept a subscription in time",
            )))
        })
    }

    async fn ask(peer: &Arc<Peer>, filter: Filter) -> Result<Self, Refused> {
        let agreed = peer.agreed(Deadline::after(ACCEPTED_WITHIN)).await?;
        if agreed.era != Era::Modern {
            // Who watches finds out by itself, and subscribes in the other era's way.
            return Err(Refused::Ever(Outcome::Failed(gone())));
        }
        let by_pipe = peer.wire() != Wire::Http;
        if by_pipe {
            peer.listen(&agreed).await;
        }
        // Before it is sent, so that nothing is missed.
        let heard = by_pipe.then(|| peer.notices.subscribe());
        let ours = ClientProfile::default();
        let ours = match filter.tasks.is_empty() {
            true => ours,
            false => knowing(&ours),
        };
        let params = filter.to_params();
        let request = peer.own_request("subscriptions/listen", &params, &ours, &agreed);
        let outgoing = Outgoing {
            id: request.id,
            body: request.body,
            headers: request.headers,
            deadline: Deadline::after(LIFE),
        };
        let exchange = match peer.link.transport.request(outgoing).await {
            Ok(exchange) => exchange,
            Err(Rejected::Failed(failure)) => return Err(failure.into()),
            Err(Rejected::Status {
                status,
                body,
                retry_after,
            }) => {
                return Err(refused(
                    peer,
                    &agreed,
                    Refusal::read(status, &body, retry_after),
                ));
            }
        };
        let mut listen = Self {
            id: request.id,
            filter,
            accepted: Accepted::default(),
            exchange: Some(exchange),
            heard,
            transport: peer.link.transport.clone(),
            tasks: peer.tasks().clone(),
        };
        listen.accepted = listen.acceptance().await?;
        let alone = listen.filter.resources.is_empty() && listen.filter.tasks.is_empty();
        if by_pipe && alone {
            // Lists alone are no reason to keep a process from being idle.
            listen.exchange = None;
        }
        Ok(listen)
    }

    /// Leaves what was not accepted out of what this is for.
    fn narrow(&mut self) {
        let accepted = &self.accepted.resources;
        self.filter.resources.retain(|uri| accepted.contains(uri));
        let accepted = &self.accepted.tasks;
        self.filter.tasks.retain(|id| accepted.contains(id));
    }

    /// Reads to the acknowledgement.
    async fn acceptance(&mut self) -> Result<Accepted, Refused> {
        loop {
            let message = match self.next().await? {
                Some(message) => message,
                None => return Err(Refused::Now(ended())),
            };
            if let Some(Told::Accepted(accepted)) = Told::read(&message)
                && self.is_ours(&accepted.subscription)
            {
                return Ok(accepted);
            }
            match parse(&message)? {
                Message::Error { error, .. } => {
                    return Err(Refused::Ever(Outcome::Error(rpc_error(error)?)));
                }
                Message::Result { .. } => return Err(Refused::Now(ended())),
                _ => {}
            }
        }
    }

    /// The next message; `None` where no more will come.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let Self {
            exchange, heard, ..
        } = self;
        let answer = async {
            match exchange {
                Some(exchange) => exchange.next().await,
                None => std::future::pending().await,
            }
        };
        let Some(heard) = heard else {
            return answer.await;
        };
        let transport = &self.transport;
        let by_pipe = async {
            loop {
                match heard.recv().await {
                    Ok(Notice::Message(message)) => return Some(message),
                    Ok(Notice::Gap) | Err(RecvError::Lagged(_)) if !transport.is_closed() => {}
                    _ => return None,
                }
            }
        };
        tokio::select! {
            answer = answer => answer,
            message = by_pipe => Ok(message),
        }
    }

    /// Hands on what comes, until no more does.
    async fn read(&mut self, notices: &Notices) {
        loop {
            match self.next().await {
                Ok(Some(message)) => {
                    if !self.hand_on(message, notices) {
                        return;
                    }
                }
                Ok(None) => return,
                Err(failure) => {
                    tracing::debug!("a subscription to an MCP server broke off: {failure}");
                    return;
                }
            }
        }
    }

    /// Hands on what has come but was not read, because another listen takes its place.
    fn drain(mut self, notices: &Notices) {
        while let Some(Ok(Some(message))) = self.next().now_or_never() {
            if !self.hand_on(message, notices) {
                return;
            }
        }
    }

    /// Tells whether the listen goes on.
    fn hand_on(&self, message: Bytes, notices: &Notices) -> bool {
        match parse(&message) {
            Ok(Message::Result { .. } | Message::Error { .. }) => return false,
            // What comes by a pipe is heard there.
            Ok(Message::Notification { .. }) if self.heard.is_none() => {}
            _ => return true,
        }
        // Servers that leave the id out can mean none but this one.
        if subscription_in(&message).is_none_or(|id| self.is_ours(&id)) {
            notices.publish(message);
        }
        true
    }

    fn is_ours(&self, subscription: &str) -> bool {
        subscription.parse() == Ok(self.id)
    }
}

/// The end of a connection says it; a pipe must be told.
impl Drop for Listen {
    fn drop(&mut self) {
        let by_pipe = self.heard.is_some() && !self.transport.is_closed();
        if !by_pipe || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (transport, body) = (self.transport.clone(), message::cancelled(self.id));
        self.tasks.disposable("end a subscription", async move {
            let headers = transport.headers();
            let told = transport.notify(body, headers, Deadline::after(END_WITHIN));
            if let Err(failure) = told.await {
                tracing::debug!("could not end a subscription: {failure}");
            }
            Ok(())
        });
    }
}

fn ended() -> Failure {
    garbage("a subscription by ending it")
}

/// What a status other than success means for a listen.
fn refused(peer: &Peer, agreed: &Arc<Agreed>, refusal: Refusal) -> Refused {
    let status = refusal.status;
    let forgotten = status.is_redirection()
        || refusal.code() == Some(codes::UNSUPPORTED_PROTOCOL_VERSION)
        || (status.is_client_error() && refusal.error.is_none() && !refusal.concerns_credential());
    if forgotten && status.as_u16() != 429 {
        // Agreed anew before it is tried again.
        peer.link.forget(agreed);
        return Refused::Now(refusal.failure());
    }
    if status.is_server_error() || status.as_u16() == 429 {
        return Refused::Now(refusal.failure());
    }
    match refusal {
        Refusal {
            error: Some(error), ..
        } => Refused::Ever(Outcome::Error(error)),
        refusal => Refused::Ever(Outcome::Failed(refusal.failure())),
    }
}
