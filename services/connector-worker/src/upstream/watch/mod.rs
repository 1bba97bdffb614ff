//! Watching a server's lists and resources: one subscription upstream for each resource, and one
//! `subscriptions/listen` for all of them, however many watch.

mod legacy;
mod listen;
mod told;
mod wants;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use egress::Deadline;
use fabric::{Call, CallEvent, Events, Failure, FailureKind, List, Method, Outcome, RpcError};
use mcp::codes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::agree::{Agreed, Era};
use super::call::Trouble;
use super::notices::Notice;
use super::peer::{Caller, Peer};
use super::sink::Sink;
use super::task_end::knowing;
use super::tasks::about;
use crate::failure::unsent;
use legacy::Subscriptions;
use listen::Listens;
use told::{Told, concerns};

/// How long one attempt to subscribe may take, a handshake included.
const WITHIN: Duration = Duration::from_secs(60);
/// The pause before the next attempt; doubled each time.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What is watched of one server, by all together.
#[derive(Default)]
pub(super) struct Watches {
    count: Arc<AtomicUsize>,
    subscriptions: Arc<Subscriptions>,
    listens: Listens,
}

/// One who watches, until it is dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Watches {
    fn enter(&self, most: usize) -> Result<Place, Failure> {
        let place = Place(self.count.clone());
        if self.count.fetch_add(1, Ordering::Relaxed) < most {
            return Ok(place);
        }
        Err(unsent(
            FailureKind::Busy,
            format!("the connector is watched {most} times already, no more at once"),
        ))
    }
}

impl Peer {
    /// Keeps a modern server's news of its tools coming while this peer lives. Cheap where that is
    /// so already; a server that tells none is asked once.
    pub(super) fn hear_of_tools(self: &Arc<Self>) {
        self.watches.listens.hear_of_tools(self);
    }
}

/// Watches what `call` names: one resource, one task, or the lists. Runs until it is dropped, or until the
/// server refuses or is gone for good: `peer` is of no use any more then, and another may be tried
/// with `again`, which tells of what may have been missed in between.
pub(super) async fn run(peer: &Arc<Peer>, call: &Call, events: &Events, again: bool) -> Outcome {
    let notices = peer.notices.subscribe();
    run_from(peer, call, events, again, notices).await
}

/// As [`run`], telling `notices` first, which may have come before.
pub(super) async fn run_from(
    peer: &Arc<Peer>,
    call: &Call,
    events: &Events,
    again: bool,
    notices: Receiver<Notice>,
) -> Outcome {
    let what = match (call.request.method, call.request.name.as_deref()) {
        (_, None) => What::Lists,
        (Method::WatchTask, Some(id)) => What::Task(id),
        (_, Some(uri)) => What::Resource(uri),
    };
    let watching = Watching {
        peer,
        what,
        call,
        events,
    };
    match watching.run(again, notices).await {
        Err(over) => over,
        Ok(never) => match never {},
    }
}

/// Why nothing is heard.
enum Refused {
    /// It may pass by itself.
    Now(Failure),
    Ever(Outcome),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        if is_temporary(&failure) {
            Self::Now(failure)
        } else {
            Self::Ever(Outcome::Failed(failure))
        }
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Error(error) => Self::Ever(Outcome::Error(error)),
            Trouble::Failed(failure) => failure.into(),
        }
    }
}

/// What keeps a subscription upstream until it is dropped, in the way of the server's era. None
/// for the lists of a legacy server, which tells of them unasked.
type Hold = Option<Box<dyn Send + Sync>>;

/// What is watched, by the server's own names.
#[derive(Clone, Copy, Debug)]
enum What<'a> {
    Lists,
    Resource(&'a str),
    Task(&'a str),
}

struct Watching<'a> {
    peer: &'a Arc<Peer>,
    what: What<'a>,
    call: &'a Call,
    events: &'a Events,
}

enum Never {}

impl Watching<'_> {
    async fn run(&self, again: bool, mut notices: Receiver<Notice>) -> Result<Never, Outcome> {
        let config = &self.peer.config;
        let _place = self.peer.watches.enter(config.watches_per_peer);
        let _place = _place.map_err(Outcome::Failed)?;
        // Released when this ends.
        let (mut agreed, mut hold) = self.subscribe(None).await?;
        self.send(CallEvent::Watching).await?;
        if again || matches!(self.what, What::Task(_)) {
            self.missed(&agreed).await?;
        }
        loop {
            match notices.recv().await {
                Ok(Notice::Message(message)) => self.tell(&message).await?,
                Ok(Notice::Gap) | Err(RecvError::Lagged(_)) => {
                    notices = notices.resubscribe();
                    (agreed, hold) = self.subscribe(hold).await?;
                    self.missed(&agreed).await?;
                }
                Err(RecvError::Closed) => return Err(Outcome::Failed(gone())),
            }
        }
    }

    /// Asks the server for what is watched, again and again while it is away. What was `held` is
    /// let go when there is something in its place.
    async fn subscribe(&self, held: Hold) -> Result<(Arc<Agreed>, Hold), Outcome> {
        let mut pause = PAUSE;
        loop {
            let failure = match self.try_to_subscribe().await {
                Ok(subscribed) => {
                    drop(held);
                    return Ok(subscribed);
                }
                Err(Refused::Now(failure)) => failure,
                Err(Refused::Ever(outcome)) => return Err(outcome),
            };
            if self.peer.is_closed() {
                return Err(Outcome::Failed(failure));
            }
            tracing::debug!("could not watch an MCP server, will retry: {failure}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn try_to_subscribe(&self) -> Result<(Arc<Agreed>, Hold), Refused> {
        if self.peer.is_closed() {
            return Err(gone().into());
        }
        let deadline = Deadline::after(WITHIN);
        let agreed = self.peer.agreed(deadline).await?;
        let watches = &self.peer.watches;
        if agreed.era == Era::Modern {
            let hold = watches.listens.hold(self.peer, self.what).await?;
            return Ok((agreed, Some(Box::new(hold))));
        }
        self.peer.listen(&agreed).await;
        let What::Resource(uri) = self.what else {
            return Ok((agreed, None));
        };
        if !offers(&agreed)
            .resources
            .is_some_and(|resources| resources.subscribe)
        {
            return Err(Refused::Ever(no_subscriptions()));
        }
        let (agreed, hold) =
            legacy::subscribe(&watches.subscriptions, self.peer, uri, deadline).await?;
        Ok((agreed, Some(Box::new(hold))))
    }

    async fn tell(&self, message: &Bytes) -> Result<(), Outcome> {
        match (Told::read(message), self.what) {
            (Some(Told::ListChanged(list)), What::Lists) => {
                self.send(CallEvent::ListChanged(list)).await
            }
            (Some(Told::Task { id, params }), What::Task(watched)) if id == watched => {
                let state = match self.peer.link.agreed.load_full() {
                    // It says less than a state of the extension does.
                    Some(agreed) if agreed.era == Era::Legacy => self.task_state(&agreed).await,
                    _ => Some(params),
                };
                match state {
                    Some(state) => self.send(CallEvent::Task(state)).await,
                    None => Ok(()),
                }
            }
            (Some(Told::ResourceUpdated { uri, params }), What::Resource(watched))
                if concerns(&uri, watched) =>
            {
                self.send(CallEvent::ResourceUpdated(params)).await
            }
            _ => Ok(()),
        }
    }

    /// Tells of everything that may have changed unseen.
    async fn missed(&self, agreed: &Agreed) -> Result<(), Outcome> {
        match self.what {
            What::Resource(uri) => {
                let params = serde_json::json!({ "uri": uri }).to_string();
                return self.send(CallEvent::ResourceUpdated(params.into())).await;
            }
            What::Task(_) => {
                let state = self.task_state(agreed).await;
                return match state.filter(|state| !is_working(state)) {
                    Some(state) => self.send(CallEvent::Task(state)).await,
                    None => Ok(()),
                };
            }
            What::Lists => {}
        }
        let offers = offers(agreed);
        for (offered, list) in [
            (offers.tools.is_some(), List::Tools),
            (offers.prompts.is_some(), List::Prompts),
            (offers.resources.is_some(), List::Resources),
        ] {
            if offered {
                self.send(CallEvent::ListChanged(list)).await?;
            }
        }
        Ok(())
    }

    /// The whole state of the watched task, if it can be had.
    async fn task_state(&self, agreed: &Agreed) -> Option<Bytes> {
        let What::Task(id) = self.what else {
            return None;
        };
        let (client, deadline) = (&*self.call.client, Deadline::after(WITHIN));
        let state = match agreed.era {
            Era::Legacy => {
                let caller = Caller {
                    principal: Some(self.call.principal.key),
                    sink: Sink::Nobody,
                };
                self.peer.task(id, client, &caller, deadline).await
            }
            Era::Modern => {
                let (get, client) = (about(Method::GetTask, id), knowing(client));
                let build =
                    |agreed: &Agreed| self.peer.client_request(&get, &client, false, agreed);
                let asked = self.peer.ask(build, &Caller::OURS, deadline).await;
                asked.map(|(_, state)| state)
            }
        };
        match state {
            Ok(state) => Some(state),
            Err(trouble) => {
                tracing::debug!("could not look at a task: {trouble:?}");
                None
            }
        }
    }

    async fn send(&self, event: CallEvent) -> Result<(), Outcome> {
        let nobody = |_| Outcome::Failed(unsent(FailureKind::Gone, "nobody listens any more"));
        self.events.send(event).await.map_err(nobody)
    }
}

/// The capabilities of a server that matter to those who watch it.
#[derive(Default, Deserialize)]
struct Offers {
    #[serde(default)]
    tools: Option<IgnoredAny>,
    #[serde(default)]
    prompts: Option<IgnoredAny>,
    #[serde(default)]
    resources: Option<Resources>,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    subscribe: bool,
}

fn offers(agreed: &Agreed) -> Offers {
    serde_json::from_str(agreed.info.capabilities.get()).unwrap_or_default()
}

/// Whether a task has nothing to tell yet.
fn is_working(state: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head {
        status: String,
    }
    serde_json::from_slice::<Head>(state).is_ok_and(|head| head.status == "working")
}

fn no_subscriptions() -> Outcome {
    Outcome::Error(RpcError {
        code: codes::METHOD_NOT_FOUND,
        message: "Method not found: the server offers no subscriptions to resources".to_owned(),
        data: None,
        raw: None,
    })
}

/// Whether it may pass by itself.
fn is_temporary(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::Unreachable | FailureKind::Timeout | FailureKind::Died | FailureKind::Busy
    )
}

fn gone() -> Failure {
    unsent(
        FailureKind::Died,
        "the connection to the MCP server has ended",
    )
}
