//! Subscriptions of a legacy session: `resources/subscribe` once for each resource, and
//! `resources/unsubscribe` when nobody watches it any more.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use egress::Deadline;
use fabric::{FailureKind, Outcome};
use mcp::ClientProfile;

use super::Refused;
use crate::failure::unsent;
use crate::upstream::Hold as Kept;
use crate::upstream::agree::Agreed;
use crate::upstream::call::Trouble;
use crate::upstream::peer::{Caller, Peer};

/// How long the end of a subscription may take to tell.
const END_WITHIN: Duration = Duration::from_secs(10);

/// The resources that are watched.
#[derive(Default)]
pub(super) struct Subscriptions(Mutex<HashMap<String, Watched>>);

struct Watched {
    by: usize,
    gate: Arc<Gate>,
}

/// The session in which a resource is subscribed to. Held while that is being changed, so that an
/// end and a beginning cannot overtake each other.
type Gate = tokio::sync::Mutex<Option<Weak<Agreed>>>;

/// One of those who watch a resource.
pub(super) struct Hold {
    all: Arc<Subscriptions>,
    peer: Arc<Peer>,
    uri: String,
    /// A hosted server is not idle meanwhile.
    _kept: Option<Kept>,
}

impl Subscriptions {
    fn enter(&self, uri: &str, most: usize) -> Option<Arc<Gate>> {
        let mut all = self.all();
        let full = all.len() >= most;
        match all.entry(uri.to_owned()) {
            Entry::Vacant(_) if full => None,
            entry => {
                let watched = entry.or_insert_with(|| Watched {
                    by: 0,
                    gate: Arc::default(),
                });
                watched.by += 1;
                Some(watched.gate.clone())
            }
        }
    }

    /// Notes that one watches no more. Gives the gate when it was the last.
    fn leave(&self, uri: &str) -> Option<Arc<Gate>> {
        let mut all = self.all();
        let watched = all.get_mut(uri)?;
        watched.by -= 1;
        (watched.by == 0).then(|| watched.gate.clone())
    }

    /// Whether nobody watches.
    fn is_unwatched(&self, uri: &str) -> bool {
        self.all().get(uri).is_none_or(|watched| watched.by == 0)
    }

    fn remove_unwatched(&self, uri: &str) {
        let mut all = self.all();
        if all.get(uri).is_some_and(|watched| watched.by == 0) {
            all.remove(uri);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Watched>> {
        self.0.lock().expect("no panic while held")
    }
}

/// Subscribes to a resource, unless the session has it already.
pub(super) async fn subscribe(
    all: &Arc<Subscriptions>,
    peer: &Arc<Peer>,
    uri: &str,
    deadline: Deadline,
) -> Result<(Arc<Agreed>, Hold), Refused> {
    let most = peer.config.watched_resources_per_peer;
    let gate = all.enter(uri, most).ok_or_else(|| {
        Refused::Ever(Outcome::Failed(unsent(
            FailureKind::Busy,
            format!("{most} resources of the connector are watched already, no more at once"),
        )))
    })?;
    let hold = Hold {
        all: all.clone(),
        peer: peer.clone(),
        uri: uri.to_owned(),
        _kept: peer.link.transport.hold(),
    };
    let mut session = gate.lock().await;
    let agreed = peer.agreed(deadline).await?;
    let has_it = |session: &Weak<Agreed>| session.as_ptr() == Arc::as_ptr(&agreed);
    if session.as_ref().is_some_and(has_it) {
        return Ok((agreed, hold));
    }
    let agreed = ask(peer, "resources/subscribe", uri, deadline).await?;
    *session = Some(Arc::downgrade(&agreed));
    drop(session);
    // It may be another session than before.
    peer.listen(&agreed).await;
    Ok((agreed, hold))
}

async fn ask(
    peer: &Peer,
    method: &'static str,
    uri: &str,
    deadline: Deadline,
) -> Result<Arc<Agreed>, Trouble> {
    let nobody = ClientProfile::default();
    let uri = serde_json::to_string(uri).expect("a string is JSON");
    let params = format!(r#""uri":{uri}"#);
    let build = |agreed: &Agreed| peer.own_request(method, &params, &nobody, agreed);
    let asked =
        tokio::time::timeout_at(deadline.instant(), peer.ask(build, &Caller::OURS, deadline));
    match asked.await {
        Ok(Ok((agreed, _))) => Ok(agreed),
        Ok(Err(trouble)) => Err(trouble),
        Err(_) => Err(Trouble::Failed(unsent(
            FailureKind::Timeout,
            "the MCP server did not answer the subscription in time",
        ))),
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some(gate) = self.all.leave(&self.uri) else {
            return;
        };
        // Without a runtime the process is ending, and the session with it.
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (all, peer) = (self.all.clone(), self.peer.clone());
        let uri = std::mem::take(&mut self.uri);
        self.peer
            .tasks()
            .disposable("end a subscription", async move {
                let mut session = gate.lock().await;
                // Somebody may have come meanwhile, and waits at the gate or is through.
                if all.is_unwatched(&uri) {
                    let subscribed = session.take();
                    end(&peer, subscribed, &uri).await;
                }
                drop(session);
                all.remove_unwatched(&uri);
                Ok(())
            });
    }
}

async fn end(peer: &Peer, session: Option<Weak<Agreed>>, uri: &str) {
    let current = peer.link.agreed.load_full();
    let lives = current.is_some_and(|current| {
        session.is_some_and(|session| session.as_ptr() == Arc::as_ptr(&current))
    });
    if !lives || peer.is_closed() {
        return;
    }
    let deadline = Deadline::after(END_WITHIN);
    if let Err(trouble) = ask(peer, "resources/unsubscribe", uri, deadline).await {
        tracing::debug!("could not end a subscription: {trouble:?}");
    }
}
