//! What runs in workers for the listeners of one tenant.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ::mcp::{ClientCapabilities, ClientProfile};
use cache::SessionId;
use domain::{ConnectorId, KeyId, Principal, TenantId};
use fabric::{Affinity, Call, CallEvent, List, Method, Outcome, Request};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::settled::Refusal;
use super::{Inner, Place};
use crate::snapshot::Upstream;

/// Events of one watch that wait to be told on; beyond, the worker waits.
const EVENTS: usize = 64;
/// The pause before a watch that failed is begun again, doubled each time.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A watch has no end of its own.
const NO_DEADLINE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What is watched: a connector's lists, or one of its resources or tasks by the upstream's own
/// name of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Watched {
    pub(super) connector: ConnectorId,
    pub(super) uri: Option<Box<str>>,
    /// Whether that is the id of a task.
    pub(super) is_task: bool,
    /// For whom, where the upstream's session is not everybody's.
    pub(super) audience: Option<Audience>,
}

/// The clients that share an upstream session which may ask them back: those of one key with
/// equal capabilities, and at a legacy upstream of one session, where they have any. All others
/// share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Audience {
    key: KeyId,
    capabilities: ClientCapabilities,
    session: Option<SessionId>,
}

impl Audience {
    /// Who hears what is told of resources and tasks of an upstream.
    pub(super) fn of(place: &Place, upstream: &Upstream) -> Option<Self> {
        let capabilities = &place.profile.capabilities;
        capabilities.can_be_asked().then(|| Self {
            key: place.principal.key,
            capabilities: capabilities.clone(),
            session: place.session.filter(|_| !upstream.is_modern()),
        })
    }

    /// Who hears what is told of its lists without having called: a session that has one of its
    /// own at an upstream has it from its first call on.
    pub(super) fn of_lists(place: &Place, upstream: &Upstream) -> Option<Self> {
        Self::of(place, upstream).filter(|audience| audience.session.is_none())
    }

    pub(super) fn session(&self) -> Option<SessionId> {
        self.session
    }
}

/// What is needed to begin a watch.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) profile: Arc<ClientProfile>,
    /// The connector's version: a watch of an older one is begun anew.
    pub(super) version: i64,
    pub(super) affinity: Affinity,
    pub(super) tenant: TenantId,
    pub(super) principal: Principal,
}

/// The watches of one tenant.
#[derive(Default)]
pub(super) struct Watches(HashMap<Watched, Watch>);

struct Watch {
    version: i64,
    task: AbortHandle,
    standing: Standing,
    /// Since when nobody wants it.
    unwanted: Option<Instant>,
    /// When each list that it tells of changed last.
    changes: Vec<Change>,
}

/// A list has changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) list: List,
    pub(super) at: Instant,
    /// The newest of those who were told.
    pub(super) newest: u64,
}

/// How a watch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its upstream has yet to say anything.
    Begun,
    /// Its upstream tells what happens.
    Stands,
    /// It is begun again and again.
    Broken,
    /// Its upstream takes no such watch.
    Refused(Refusal),
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watches {
    /// Whether the upstream session of a client's own tells of its lists.
    pub(super) fn has_own(&self, connector: ConnectorId, audience: Option<Audience>) -> bool {
        let lists = Watched {
            connector,
            uri: None,
            is_task: false,
            audience,
        };
        self.standing(&lists) == Some(&Standing::Stands)
    }

    /// How a watch stands; nothing where none was begun.
    pub(super) fn standing(&self, watched: &Watched) -> Option<&Standing> {
        self.0.get(watched).map(|watch| &watch.standing)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes that a list has changed.
    pub(super) fn note(&mut self, watched: &Watched, change: Change) {
        if let Some(watch) = self.0.get_mut(watched) {
            watch.changes.retain(|known| known.list != change.list);
            watch.changes.push(change);
        }
    }

    /// What has changed last of all lists that are watched.
    pub(super) fn changes(&self) -> impl Iterator<Item = (&Watched, Change)> {
        let all = self.0.iter();
        all.flat_map(|(watched, watch)| watch.changes.iter().map(move |change| (watched, *change)))
    }

    /// Begins what is wanted and not there, and ends what nobody has wanted for `linger`. Tells
    /// whether something is left that nobody wants now.
    pub(super) fn reconcile(
        &mut self,
        inner: &Arc<Inner>,
        slug: &Arc<str>,
        wanted: HashMap<Watched, Wanted>,
    ) -> bool {
        let (now, linger) = (Instant::now(), inner.parts.limits.linger);
        let mut outdated = HashSet::new();
        self.0.retain(|watched, watch| match wanted.get(watched) {
            Some(wanted) => {
                watch.unwanted = None;
                let is_current = watch.version == wanted.version;
                if !is_current {
                    outdated.insert(watched.clone());
                }
                is_current
            }
            None => {
                let unwanted = now.duration_since(*watch.unwanted.get_or_insert(now));
                unwanted < linger && !matches!(watch.standing, Standing::Refused(_))
            }
        });
        for (watched, wanted) in wanted {
            self.0.entry(watched.clone()).or_insert_with(|| {
                let version = wanted.version;
                let again = outdated.contains(&watched);
                let run = run(Arc::downgrade(inner), slug.clone(), watched, wanted, again);
                // Nobody is told anything any more once the process drains.
                let shutdown = inner.parts.process.shutdown.clone();
                let run = async move {
                    tokio::select! {
                        () = run => {}
                        () = shutdown.draining() => {}
                    }
                };
                let task = inner.parts.process.tasks.joinable(run).abort_handle();
                Watch {
                    version,
                    task,
                    standing: Standing::Begun,
                    unwanted: None,
                    changes: Vec::new(),
                }
            });
        }
        self.0.values().any(|watch| watch.unwanted.is_some())
    }
}

impl Inner {
    /// Notes how a watch stands.
    fn stands(&self, slug: &str, watched: &Watched, standing: Standing) {
        if let Some(tenant) = self.state().tenants.get_mut(slug)
            && let Some(watch) = tenant.watches.0.get_mut(watched)
        {
            watch.standing = standing;
        }
        self.settling.notify_waiters();
    }
}

/// Watches until the task is aborted, or the upstream refuses for good. `again`: it was watched
/// before, and something may have been missed since.
async fn run(hub: Weak<Inner>, slug: Arc<str>, watched: Watched, wanted: Wanted, mut again: bool) {
    let mut pause = PAUSE_MIN;
    loop {
        let Some(workers) = hub.upgrade().map(|hub| hub.parts.workers.clone()) else {
            return;
        };
        let (sender, mut events) = mpsc::channel(EVENTS);
        let mut stands = false;
        let mut watch = workers.execute(call(&watched, &wanted), Some(sender));
        let outcome = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => {
                    let Some(hub) = hub.upgrade() else { return };
                    if tells_of_it(&event) && !std::mem::replace(&mut stands, true) {
                        hub.stands(&slug, &watched, Standing::Stands);
                    }
                    match event {
                        CallEvent::Asked(asked) => hub.ask(&slug, &watched, &wanted, asked).await,
                        CallEvent::Watching => {
                            pause = PAUSE_MIN;
                            hub.tell_missed(&slug, &watched, std::mem::take(&mut again)).await;
                        }
                        event => hub.tell(&slug, &watched, event).await,
                    }
                }
                outcome = &mut watch => break outcome,
            }
        };
        let standing = match &outcome {
            Outcome::Error(error) => Standing::Refused(Refusal::of(error)),
            _ => Standing::Broken,
        };
        if let Some(hub) = hub.upgrade() {
            hub.stands(&slug, &watched, standing);
        }
        match outcome {
            Outcome::Failed(failure) => tracing::debug!("a watch ended: {failure}"),
            // A refusal: the upstream knows no such resource, or no subscriptions at all.
            Outcome::Error(error) => {
                tracing::debug!(error.code, "a watch was refused: {}", error.message);
                return;
            }
            Outcome::Result(_) | Outcome::InputRequired(_) => {}
        }
        again = true;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Whether an event shows that an upstream tells of what is watched. What else is said in a
/// session does not: its lists may be told of elsewhere.
const fn tells_of_it(event: &CallEvent) -> bool {
    matches!(
        event,
        CallEvent::Watching
            | CallEvent::ListChanged(_)
            | CallEvent::ResourceUpdated(_)
            | CallEvent::Task(_)
    )
}

pub(super) fn call(watched: &Watched, wanted: &Wanted) -> Call {
    let method = match watched.is_task {
        true => Method::WatchTask,
        false => Method::Watch,
    };
    Call {
        tenant: wanted.tenant,
        connector: watched.connector,
        version: wanted.version,
        // Whatever its worker holds: a watch begins before anybody asks for more.
        accounts: 0,
        request: Request::new(method, watched.uri.as_deref().map(str::to_owned)),
        client: wanted.profile.clone(),
        principal: wanted.principal,
        session: watched.audience.as_ref().and_then(Audience::session),
        user_token: None,
        deadline: NO_DEADLINE,
        request_id: "watch".to_owned(),
        affinity: wanted.affinity,
    }
}
