//! Messages that want no answer.

use std::sync::Arc;
use std::time::Duration;

use ::mcp::{Id, Params};
use bytes::Bytes;
use cache::CacheError;
use fabric::{Call, Method, Outcome, Request};
use futures_util::future::join_all;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

use super::caller::Caller;
use super::client::{Client, LegacyClient};
use super::line;
use crate::service::App;

/// How long the request that brings an answer may be held while that cannot be told to other
/// nodes.
pub(crate) const ANSWER_HELD: Duration = Duration::from_secs(5);
/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Takes a notification. A legacy `notifications/cancelled` reaches the request it names, on
/// whichever node that runs; a modern client cancels by its transport. Servers that hold roots of
/// a legacy client are told that they have changed.
pub(crate) async fn notification(
    caller: &Caller,
    client: &Client,
    method: &str,
    params: Option<&RawValue>,
) {
    let Client::Legacy(client) = client else {
        return;
    };
    match method {
        "notifications/cancelled" => cancelled(&caller.app, client, params).await,
        "notifications/initialized" | "notifications/roots/list_changed"
            if client.profile.capabilities.roots =>
        {
            roots_changed(caller, client);
        }
        _ => {}
    }
}

async fn cancelled(app: &App, client: &LegacyClient, params: Option<&RawValue>) {
    let Ok(read) = Params::parse(params) else {
        return;
    };
    let (Some(request), Some(params)) = (read.request_id, params) else {
        return;
    };
    let message = ::mcp::notification("notifications/cancelled", params.get().as_bytes());
    send(app, client, &line::of_request(request.get()), message).await;
}

/// Tells the endpoint's servers, in the background. It counts as one of the key's requests under
/// way: a client that has too many is not heard.
fn roots_changed(caller: &Caller, client: &Arc<LegacyClient>) {
    let Ok(flight) = caller.app.flights.begin(caller.principal.key, None) else {
        return;
    };
    let (caller, client) = (caller.clone(), client.clone());
    let tasks = caller.app.process.tasks.clone();
    tasks.disposable("tell of changed roots", async move {
        let _flight = flight;
        let request_id = caller.app.ids.next().to_string();
        let upstreams = caller.endpoint.upstreams().iter();
        let told = upstreams.filter(|up| up.is_server()).map(|upstream| {
            let call = Call {
                tenant: caller.tenant,
                connector: upstream.connector,
                version: upstream.version,
                accounts: upstream.accounts,
                request: Request::new(Method::RootsChanged, None),
                client: client.profile.clone(),
                principal: caller.principal,
                session: Some(client.session.id),
                user_token: None,
                deadline: caller.app.config.list_timeout,
                request_id: request_id.clone(),
                affinity: upstream.affinity,
            };
            caller.app.workers.execute(call, None)
        });
        for outcome in join_all(told).await {
            if let Outcome::Failed(failure) = outcome {
                tracing::debug!("a server was not told of changed roots: {failure}");
            }
        }
        Ok(())
    });
}

/// Takes a legacy client's answer to something that it was asked: it reaches the call that asked,
/// which must be of the same session, on whichever node that runs. An answer to nothing is nothing.
/// While no other node can be reached it waits for that until `until`.
///
/// # Errors
/// The call does not wait here, and no other node can be reached: the client may answer again.
pub(crate) async fn response(
    app: &App,
    client: &LegacyClient,
    id: Id<'_>,
    message: Bytes,
    until: Instant,
) -> Result<(), CacheError> {
    let Ok(id) = serde_json::from_str::<String>(id.raw()) else {
        return Ok(());
    };
    let Some((call, _)) = id.split_once(':') else {
        return Ok(());
    };
    let (session, name) = (client.session.id, line::of_call(call));
    loop {
        let left = app.mailboxes.leave(session, &name, message.clone()).await;
        match left {
            Ok(true) => return Ok(()),
            Ok(false) => {
                tracing::debug!("an answer that no request waits for");
                return Ok(());
            }
            Err(error) if !error.is_unavailable() || Instant::now() + PAUSE > until => {
                return Err(error);
            }
            Err(error) => tokio::select! {
                () = app.process.shutdown.ending() => return Err(error),
                () = sleep(PAUSE) => {}
            },
        }
    }
}

async fn send(app: &App, client: &LegacyClient, name: &str, message: Bytes) {
    let sent = app.mailboxes.send(client.session.id, name, message).await;
    match sent {
        Ok(true) => {}
        Ok(false) => tracing::debug!("a message for a request that does not wait for it"),
        Err(error) if error.is_unavailable() => {
            tracing::warn!("a message reaches requests of this gateway alone: {error}");
        }
        Err(error) => tracing::error!("mailboxes fail: {error}"),
    }
}
