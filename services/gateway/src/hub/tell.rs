//! Who is told of what: after a change of configuration, and after an event of an upstream.

use std::collections::HashMap;
use std::sync::Arc;

use ::mcp::notification;
use bytes::Bytes;
use cache::EventStreams;
use domain::Scope;
use fabric::{CallEvent, ConfigListener, List, Subject};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::missed::just_before;
use super::moving::Unsaid;
use super::uses::Uses;
use super::watches::{Audience, Change, Wanted, Watched, Watches};
use super::{Inner, Sink, Task, message};
use crate::access::Keys;
use crate::core::task_state;
use crate::hub::registry::Listener;
use crate::snapshot::{Endpoint, Snapshot, Upstream};

/// One message on its way to one listener.
pub(super) struct Post {
    listener: u64,
    sink: Sink,
    message: Bytes,
    /// What it tells of, where that is the tools.
    tools_digest: Option<u64>,
}

impl Post {
    pub(super) fn to((id, listener): (u64, &Listener), message: Bytes) -> Self {
        Self {
            listener: id,
            sink: listener.sink.clone(),
            message,
            tools_digest: None,
        }
    }
}

impl ConfigListener for Inner {
    fn changed(&self, subject: &Subject, _revision: i64) {
        let slugs: Vec<Arc<str>> = match subject {
            Subject::Tenant(slug) => vec![Arc::from(slug.as_str())],
            // A platform key may listen at any tenant.
            Subject::Platform => self.state().tenants.keys().cloned().collect(),
        };
        for slug in slugs {
            self.look_at(&slug);
        }
    }
}

impl Inner {
    /// Has a tenant looked at soon; once for all who want it meanwhile. Never waits.
    pub(super) fn look_at(&self, slug: &Arc<str>) {
        let Some(this) = self.this.upgrade() else {
            return;
        };
        {
            let mut state = self.state();
            let Some(tenant) = state.tenants.get_mut(slug) else {
                return;
            };
            if !tenant.look.ask() {
                return;
            }
        }
        let slug = slug.clone();
        let tasks = self.parts.process.tasks.clone();
        tasks.disposable("look at listeners", async move {
            while this.begin_look(&slug) {
                this.look(&slug).await;
            }
            Ok(())
        });
    }

    /// Whether a look is due. From here on a further change asks for a further one.
    fn begin_look(&self, slug: &str) -> bool {
        let mut state = self.state();
        let Some(tenant) = state.tenants.get_mut(slug) else {
            return false;
        };
        let is_due = tenant.look.begin();
        state.forget_if_idle(slug);
        is_due
    }

    async fn look(self: &Arc<Self>, slug: &Arc<str>) {
        let snapshot = match self.parts.tenants.get(slug).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::warn!("cannot read what changed for listeners: {error}");
                return;
            }
        };
        let platform = self.parts.tenants.platform_keys().await.ok();
        let (posts, unwanted) = self.compare(slug, (*snapshot).as_ref(), platform.as_deref());
        if !posts.is_empty() {
            // The next look does not wait for a store.
            let (this, slug) = (self.clone(), slug.clone());
            let tasks = &self.parts.process.tasks;
            tasks.disposable("tell listeners", async move {
                this.deliver(&slug, posts).await;
                Ok(())
            });
        }
        if unwanted {
            let (this, slug) = (Arc::downgrade(self), slug.clone());
            let linger = self.parts.limits.linger;
            let tasks = self.parts.process.tasks.clone();
            let shutdown = self.parts.process.shutdown.clone();
            tasks.disposable("end unused watches", async move {
                tokio::select! {
                    () = tokio::time::sleep(linger) => {}
                    () = shutdown.draining() => return Ok(()),
                }
                if let Some(this) = this.upgrade() {
                    this.look_at(&slug);
                }
                Ok(())
            });
        }
    }

    /// Compares what listeners were offered with what they are offered now. Those that may not
    /// listen any more are dropped.
    fn compare(
        self: &Arc<Self>,
        slug: &Arc<str>,
        snapshot: Option<&Snapshot>,
        platform: Option<&Keys>,
    ) -> (Vec<Post>, bool) {
        let now = self.parts.clock.now();
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(tenant) = state.tenants.get_mut(slug) else {
            return (Vec::new(), false);
        };
        let mut posts = Vec::new();
        let mut barred = Vec::new();
        let mut wanted = HashMap::new();
        let mut expiry: Option<OffsetDateTime> = None;
        for (id, listener) in &mut tenant.listeners {
            let principal = listener.place.principal;
            let endpoint = snapshot
                .filter(|snapshot| snapshot.active)
                .filter(|snapshot| match principal.scope {
                    Scope::PlatformAdmin => {
                        platform.is_none_or(|keys| keys.lives(principal.key, now))
                    }
                    _ => snapshot.keys.lives(principal.key, now),
                })
                .and_then(|snapshot| snapshot.endpoint_of(listener.place.connector));
            let Some(endpoint) = endpoint else {
                barred.push((*id, listener.sink.clone()));
                continue;
            };
            let keys = match principal.scope {
                Scope::PlatformAdmin => platform,
                _ => snapshot.map(|snapshot| &snapshot.keys),
            };
            let expires = keys.and_then(|keys| keys.expires_at(principal.key));
            expiry = expiry.into_iter().chain(expires).min();
            for Unsaid {
                message,
                tools_digest,
            } in std::mem::take(&mut listener.unsaid)
            {
                posts.push(Post {
                    tools_digest,
                    ..Post::to((*id, listener), message)
                });
            }
            let digest = endpoint.tools_digest();
            let before = std::mem::replace(&mut listener.place.tools_digest, digest);
            if listener.filter.tools && before != digest {
                let message = message::list_changed(List::Tools, &listener.dress);
                posts.push(Post {
                    tools_digest: Some(digest),
                    ..Post::to((*id, listener), message)
                });
            }
            if std::mem::take(&mut listener.is_new)
                && listener.place.is_late
                && let Some(snapshot) = snapshot
            {
                let messages = just_before((*id, listener), &tenant.watches, snapshot);
                let to_it = |message| Post::to((*id, listener), message);
                posts.extend(messages.into_iter().map(to_it));
            }
            want(&mut wanted, listener, endpoint, &state.uses);
        }
        self.look_at_expiry(slug, tenant, expiry);
        let unwanted = tenant.watches.reconcile(self, slug, wanted);
        self.settling.notify_waiters();
        let mut streams = Vec::new();
        for (id, sink) in barred {
            // A channel ends with its sender.
            if let Sink::Stream(session, stream) = sink {
                streams.push((session, stream));
            }
            state.remove(slug, id);
        }
        drop(guard);
        self.close_streams(streams);
        (posts, unwanted)
    }

    /// Tells the listeners concerned of an event of a watch.
    pub(super) async fn tell(
        self: &Arc<Self>,
        slug: &Arc<str>,
        watched: &Watched,
        event: CallEvent,
    ) {
        let Ok(snapshot) = self.parts.tenants.get(slug).await else {
            return;
        };
        let Some(snapshot) = (*snapshot).as_ref() else {
            return;
        };
        let posts = self.posts(slug, snapshot, watched, &event);
        self.deliver(slug, posts).await;
    }

    fn posts(
        &self,
        slug: &str,
        snapshot: &Snapshot,
        watched: &Watched,
        event: &CallEvent,
    ) -> Vec<Post> {
        let mut state = self.state();
        let newest = state.newest();
        let Some(tenant) = state.tenants.get_mut(slug) else {
            return Vec::new();
        };
        if let CallEvent::ListChanged(list) = event {
            let change = Change {
                list: *list,
                at: Instant::now(),
                newest,
            };
            tenant.watches.note(watched, change);
        }
        let mut posts = Vec::new();
        for (id, listener) in &tenant.listeners {
            let messages = messages_for(listener, &tenant.watches, snapshot, watched, event);
            let to_it = |message| Post::to((*id, listener), message);
            posts.extend(messages.into_iter().map(to_it));
        }
        posts
    }

    /// Hands messages over. Who does not take his is no listener any more.
    pub(super) async fn deliver(self: &Arc<Self>, slug: &Arc<str>, posts: Vec<Post>) {
        for Post {
            listener,
            sink,
            message,
            tools_digest,
        } in posts
        {
            let taken = match sink {
                Sink::Channel(sender) => sender.try_send(message).is_ok(),
                Sink::Stream(session, stream) => {
                    let streams = &self.parts.streams;
                    match streams.append(session, stream, message.clone()).await {
                        Ok(Some(_)) => true,
                        // The one stream of a session, which is over with it.
                        Ok(None) if session == stream => false,
                        Err(error) if !error.is_unavailable() => {
                            tracing::warn!("a notification is lost: {error}");
                            true
                        }
                        not_now => {
                            if not_now.is_err() {
                                self.parts.sessions.note_away();
                            }
                            let unsaid = Unsaid {
                                message,
                                tools_digest,
                            };
                            self.keep(session, stream, unsaid);
                            continue;
                        }
                    }
                }
            };
            if !taken {
                tracing::debug!("a listener that reads too slowly, or is gone, is dropped");
                self.remove(slug, listener);
            } else if let Some(digest) = tools_digest
                && let Some(listener) = self.state().listener_mut(slug, listener)
            {
                listener.told = digest;
            }
        }
    }

    fn close_streams(&self, streams: Vec<(cache::SessionId, cache::StreamId)>) {
        for (session, stream) in streams {
            let keeper = self.parts.streams.clone();
            self.parts
                .process
                .tasks
                .disposable("end a stream", async move {
                    keeper.close(session, stream).await?;
                    Ok(())
                });
        }
    }
}

/// Adds what must be watched for a listener.
fn want(
    wanted: &mut HashMap<Watched, Wanted>,
    listener: &Listener,
    endpoint: &Endpoint,
    uses: &Uses,
) {
    let place = &listener.place;
    let mut add = |upstream: &Upstream, uri: Option<Box<str>>, is_task, audience| {
        // What all together watch is no client's own.
        let is_own = Option::is_some(&audience) || !place.profile.capabilities.can_be_asked();
        let watched = Watched {
            connector: upstream.connector,
            uri,
            is_task,
            audience,
        };
        wanted.entry(watched).or_insert_with(|| Wanted {
            version: upstream.version,
            affinity: upstream.affinity,
            tenant: place.tenant,
            principal: place.principal,
            profile: match is_own {
                true => place.profile.clone(),
                false => Arc::default(),
            },
        });
    };
    let filter = &listener.filter;
    for upstream in endpoint.upstreams() {
        let can = &upstream.capabilities;
        let of_use = (filter.tools && can.tools_list_changed)
            || (filter.prompts && can.prompts_list_changed)
            || (filter.resources && can.resources_list_changed);
        if of_use {
            add(upstream, None, false, Audience::of_lists(place, upstream));
        }
        let own = Audience::of(place, upstream);
        let session = own.as_ref().and_then(Audience::session);
        if session.is_some_and(|session| uses.has(session, upstream.connector)) {
            add(upstream, None, false, own);
        }
    }
    for uri in &filter.uris {
        let Some((upstream, own)) = endpoint.resource(uri) else {
            continue;
        };
        if upstream.capabilities.resources_subscribe {
            let audience = Audience::of(place, upstream);
            add(upstream, Some(own.into()), false, audience.clone());
            if audience.as_ref().and_then(Audience::session).is_some() {
                add(upstream, None, false, audience);
            }
        }
    }
    for task in &filter.tasks {
        let mut all = endpoint.upstreams().iter();
        let Some(upstream) = all.find(|upstream| upstream.connector == task.connector) else {
            continue;
        };
        let audience = Audience::of(place, upstream);
        add(upstream, Some(task.own.clone()), true, audience);
    }
}

/// What an event is to a listener.
pub(super) fn messages_for(
    listener: &Listener,
    watches: &Watches,
    snapshot: &Snapshot,
    watched: &Watched,
    event: &CallEvent,
) -> Vec<Bytes> {
    let filter = &listener.filter;
    let Some(endpoint) = snapshot.endpoint_of(listener.place.connector) else {
        return Vec::new();
    };
    let mut all = endpoint.upstreams().iter();
    let upstream = all.find(|upstream| upstream.connector == watched.connector);
    let Some(upstream) = upstream.filter(|upstream| hears(listener, watches, watched, upstream))
    else {
        return Vec::new();
    };
    let is_own = watched.audience.as_ref().and_then(Audience::session);
    let is_own = is_own.is_some();
    match event {
        CallEvent::ListChanged(list) => {
            let wanted = match list {
                List::Tools => filter.tools,
                List::Prompts => filter.prompts,
                List::Resources => filter.resources,
            };
            let changed = || message::list_changed(*list, &listener.dress);
            wanted.then(changed).into_iter().collect()
        }
        CallEvent::Log(params) if is_own => {
            vec![notification("notifications/message", params)]
        }
        CallEvent::ElicitationComplete(params) if is_own => {
            vec![notification("notifications/elicitation/complete", params)]
        }
        CallEvent::Task(state) if watched.is_task => {
            let own = watched.uri.as_deref();
            let is_it =
                |task: &&Task| task.connector == watched.connector && Some(&*task.own) == own;
            let known = filter.tasks.iter().filter(is_it);
            let told = |task: &Task| {
                let state = task_state(state, upstream, &task.known).ok()?;
                let params = std::str::from_utf8(&state).ok()?;
                Some(message::task(params, &listener.dress))
            };
            known.filter_map(told).collect()
        }
        CallEvent::ResourceUpdated(params) => resource_updated(listener, upstream, watched, params)
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether a watch is for a listener. One whose own upstream session tells of the lists is not
/// told of them by what all watch together.
fn hears(listener: &Listener, watches: &Watches, watched: &Watched, upstream: &Upstream) -> bool {
    let own = Audience::of(&listener.place, upstream);
    if watched.audience == own {
        return true;
    }
    let of_lists = Audience::of_lists(&listener.place, upstream);
    let is_common = watched.uri.is_none() && watched.audience == of_lists;
    is_common && !watches.has_own(upstream.connector, own)
}

fn resource_updated(
    listener: &Listener,
    upstream: &Upstream,
    watched: &Watched,
    params: &Bytes,
) -> Option<Bytes> {
    // By what was subscribed to: what was updated may be a part of it.
    let exposed = upstream.rename().uri(watched.uri.as_deref()?);
    if !listener.filter.uris.iter().any(|uri| **uri == *exposed) {
        return None;
    }
    let shape = ::mcp::rename::Shape::ResourceUpdated;
    let renamed = ::mcp::rename::rename(shape, params, upstream.rename()).ok()?;
    let params = std::str::from_utf8(&renamed).ok()?;
    Some(message::resource_updated(params, &listener.dress))
}
