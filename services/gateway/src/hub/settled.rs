//! A request that changes what its session listens to is answered when that holds where the session
//! listens, at whichever gateway: what happens right after the answer is told by the new rule.

use std::sync::Arc;

use bytes::Bytes;
use cache::{SessionId, SessionRecord};
use fabric::RpcError;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Inner;
use super::watches::{Audience, Standing, Watched};

/// Why an upstream takes no subscription: its JSON-RPC error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) code: i64,
    pub(crate) message: String,
}

impl Refusal {
    pub(super) fn of(error: &RpcError) -> Self {
        Self {
            code: error.code,
            message: error.message.clone(),
        }
    }
}

/// What the gateway where a session listens is told of a change of its record.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Change {
    /// The resource that was subscribed to, by the client's name of it.
    subscribed: Option<String>,
    /// The mailbox of the session that waits for it to hold: for nothing, or a [`Refusal`].
    waits: String,
}

impl Inner {
    /// A session's record is another. See [`Hub::session_changed`](super::Hub::session_changed).
    pub(super) async fn session_changed(
        self: &Arc<Self>,
        session: SessionId,
        record: &SessionRecord,
        subscribed: Option<&str>,
    ) -> Result<(), Refusal> {
        if self.take_record(session, record) {
            return self.holds(session, subscribed).await;
        }
        if !self.parts.sessions.are_shared() {
            return Ok(());
        }
        let waits = self.name_of_answer();
        let mail = self.parts.mailboxes.open(session, &[&waits]).await;
        let change = Change {
            subscribed: subscribed.map(str::to_owned),
            waits,
        };
        if !self.notify_of_change(session, &change).await {
            return Ok(());
        }
        let Ok(mut mail) = mail else { return Ok(()) };
        match timeout(self.parts.settle_within, mail.next()).await {
            // What is no refusal is that it holds, or that the session has ended meanwhile.
            Ok(Some(told)) => serde_json::from_slice(&told).map_or(Ok(()), Err),
            Ok(None) => Ok(()),
            Err(_) => {
                tracing::debug!("a session's request is answered before it holds elsewhere");
                Ok(())
            }
        }
    }

    /// The record of a session that listens here was changed through another gateway, where its
    /// request waits for it.
    pub(super) async fn take_change(self: &Arc<Self>, session: SessionId, change: Change) {
        match self.parts.sessions.touch(session).await {
            Ok(Some(record)) => drop(self.take_record(session, &record)),
            Ok(None) => {}
            Err(error) => tracing::warn!("a listener's session cannot be read: {error}"),
        }
        let this = self.clone();
        let tasks = &self.parts.process.tasks;
        // Further notices do not wait for an upstream.
        tasks.disposable("say that a change holds", async move {
            let told = match this.holds(session, change.subscribed.as_deref()).await {
                Ok(()) => Bytes::new(),
                Err(refusal) => serde_json::to_vec(&refusal)?.into(),
            };
            this.parts
                .mailboxes
                .send(session, &change.waits, told)
                .await?;
            Ok(())
        });
    }

    /// Waits until a session that listens here is subscribed upstream, for as long as may be.
    async fn holds(&self, session: SessionId, uri: Option<&str>) -> Result<(), Refusal> {
        let Some(uri) = uri else { return Ok(()) };
        let settled = async {
            loop {
                let changed = self.settling.notified();
                tokio::pin!(changed);
                // From here on nothing is missed.
                changed.as_mut().enable();
                match self.standing(session, uri).await {
                    Some(Standing::Begun) => changed.await,
                    Some(Standing::Refused(refusal)) => return Err(refusal),
                    Some(Standing::Stands | Standing::Broken) | None => return Ok(()),
                }
            }
        };
        let settled = timeout(self.parts.settle_within, settled).await;
        settled.unwrap_or_else(|_| {
            tracing::debug!("a subscription is answered before its upstream has taken it");
            Ok(())
        })
    }

    /// How the watch of a session's subscription stands; nothing where it is none any more.
    async fn standing(&self, session: SessionId, uri: &str) -> Option<Standing> {
        let (slug, id) = self.state().of_session(session)?;
        let snapshot = self.parts.tenants.get(&slug).await.ok()?;
        let state = self.state();
        let tenant = state.tenants.get(&slug)?;
        let listener = tenant.listeners.get(&id)?;
        if !listener.filter.uris.iter().any(|other| **other == *uri) {
            return None;
        }
        let endpoint = (*snapshot)
            .as_ref()?
            .endpoint_of(listener.place.connector)?;
        let (upstream, own) = endpoint.resource(uri)?;
        let watched = Watched {
            connector: upstream.connector,
            uri: Some(own.into()),
            is_task: false,
            audience: Audience::of(&listener.place, upstream),
        };
        let begun = upstream.capabilities.resources_subscribe;
        let standing = tenant.watches.standing(&watched).cloned();
        standing.or(begun.then_some(Standing::Begun))
    }
}
