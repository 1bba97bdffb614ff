//! What listeners may have missed. A watch begins after its listeners were accepted, and may break
//! and be begun again; a legacy client calls before it knows that its stream stands. Whatever may
//! have changed unseen is told as changed: once too often rather than not at all.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fabric::{CallEvent, List};
use tokio::time::Instant;

use super::Inner;
use super::registry::Listener;
use super::tell::{Post, messages_for};
use super::watches::{Audience, Watched, Watches};
use crate::snapshot::{Snapshot, Upstream};

/// How long before a listener that comes late a change may be that it is told of.
const JUST_BEFORE: Duration = Duration::from_secs(10);

impl Inner {
    /// Tells of what may have changed before a watch stood; where it did `again`, of all it is for.
    pub(super) async fn tell_missed(
        self: &Arc<Self>,
        slug: &Arc<str>,
        watched: &Watched,
        again: bool,
    ) {
        let Ok(snapshot) = self.parts.tenants.get(slug).await else {
            return;
        };
        let Some(snapshot) = (*snapshot).as_ref() else {
            return;
        };
        let posts = self.missed(slug, snapshot, watched, again);
        self.deliver(slug, posts).await;
    }

    fn missed(&self, slug: &str, snapshot: &Snapshot, watched: &Watched, again: bool) -> Vec<Post> {
        let state = self.state();
        let Some(tenant) = state.tenants.get(slug) else {
            return Vec::new();
        };
        let mut posts = Vec::new();
        for (id, listener) in &tenant.listeners {
            if !again && !self.may_have_missed(listener, watched) {
                continue;
            }
            let endpoint = snapshot.endpoint_of(listener.place.connector);
            let mut all = endpoint.into_iter().flat_map(|all| all.upstreams());
            let Some(upstream) = all.find(|upstream| upstream.connector == watched.connector)
            else {
                continue;
            };
            for event in everything(watched, upstream) {
                let messages = messages_for(listener, &tenant.watches, snapshot, watched, &event);
                let to_it = |message| Post::to((*id, listener), message);
                posts.extend(messages.into_iter().map(to_it));
            }
        }
        posts
    }

    /// Whether a call may have changed a list since the listener began, before it was watched.
    fn may_have_missed(&self, listener: &Listener, watched: &Watched) -> bool {
        let audience = watched.audience.as_ref();
        // What a session has to itself, its worker has heard from the beginning.
        if watched.uri.is_some() || audience.and_then(Audience::session).is_some() {
            return false;
        }
        let lookback = match listener.place.is_late {
            true => JUST_BEFORE,
            false => Duration::ZERO,
        };
        let began = listener.began;
        let since = began.checked_sub(lookback).unwrap_or(began);
        // Calls through other gateways are not known here.
        self.parts.sessions.are_shared() || self.calls.any_since(watched.connector, since)
    }
}

/// All that a watch is there to tell of an upstream. The state of a task is told by its worker.
fn everything(watched: &Watched, upstream: &Upstream) -> Vec<CallEvent> {
    if watched.is_task {
        return Vec::new();
    }
    if let Some(uri) = &watched.uri {
        let params = serde_json::json!({ "uri": uri }).to_string();
        return vec![CallEvent::ResourceUpdated(params.into())];
    }
    let can = &upstream.capabilities;
    let lists = [
        (can.tools_list_changed, List::Tools),
        (can.prompts_list_changed, List::Prompts),
        (can.resources_list_changed, List::Resources),
    ];
    let lists = lists.into_iter().filter(|(of_use, _)| *of_use);
    lists
        .map(|(_, list)| CallEvent::ListChanged(list))
        .collect()
}

/// What a listener is told that has come late: of lists that changed just before.
pub(super) fn just_before(
    (id, listener): (u64, &Listener),
    watches: &Watches,
    snapshot: &Snapshot,
) -> Vec<Bytes> {
    let now = Instant::now();
    let unheard = watches
        .changes()
        .filter(|(_, change)| change.newest < id && now.duration_since(change.at) <= JUST_BEFORE);
    let messages = unheard.flat_map(|(watched, change)| {
        let event = CallEvent::ListChanged(change.list);
        messages_for(listener, watches, snapshot, watched, &event)
    });
    messages.collect()
}
