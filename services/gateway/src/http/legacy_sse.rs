//! The transport of 2024-11-05: one stream per client, opened first, and an endpoint beside it
//! that messages are posted to. All answers come on the stream, from whichever node took the
//! message; those of the node that holds it go there without the store, which may be away. The
//! session lives as long as its connection; nothing is resumed.
//!
//! Its clients may agree on a later revision: SDKs try this transport where the newer one fails.

use std::sync::Arc;

use ::mcp::{Message, ProtocolVersion, codes, header, parse};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cache::{CacheError, EventStreams, SessionId};
use http::StatusCode;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::accept::Accepts;
use super::batch::{self, Batch};
use super::delivery::Delivery;
use super::endpoints::legacy_only;
use super::get;
use super::inbound::{Inbound, check_form, not_acceptable, read};
use super::pump;
use super::respond::{lasting_events, refused, whole};
use super::tail::{Holds, Tail};
use crate::core::{
    self, ANSWER_HELD, Answer, Caller, Carrier, Client, LegacyClient, Opened, Reply, Session,
};
use crate::hub::{Listening, Sink};
use crate::metrics::{End, Era, Method};
use crate::websocket::crowded;

/// Opens the stream of a new session, whose first event says where its messages go.
pub(super) async fn connect(caller: Caller, request: Request) -> Response {
    if let Err(response) = legacy_only(request.headers()) {
        return *response;
    }
    if !Accepts::of(request.headers()).stream {
        return whole(not_acceptable("Not Acceptable: accept text/event-stream"));
    }
    let path = request.uri().path();
    let endpoint = path.strip_suffix("/sse").unwrap_or(path);
    let session = caller.app.ids.next();
    match open(&caller, endpoint, session).await {
        Ok(tail) => lasting_events(tail.events()),
        Err(response) => {
            if let Err(error) = core::end_session(&caller.app, session).await {
                tracing::debug!("a session that did not begin is left to age: {error}");
            }
            *response
        }
    }
}

/// The one connection of a session.
pub(super) struct Connection {
    pub(super) caller: Caller,
    session: Session,
    /// Whether it listens as the client that the handshake told of.
    agreed: bool,
    listening: Listening,
}

impl Connection {
    /// Listens as the client that it is, once that is known. The handshake may have come through
    /// any node.
    pub(super) async fn agree(&mut self) {
        if self.agreed {
            return;
        }
        let opened = core::find(&self.caller, self.session, None, Carrier::Sse).await;
        let Ok(Opened::Agreed(client)) = opened else {
            return;
        };
        self.agreed = true;
        let filter = get::filter(client.record.subscriptions.clone());
        let place = self.caller.place(&Client::Legacy(client));
        let sink = Sink::Stream(self.session.id, self.session.id);
        // It takes the place of the one before, so there is room for it.
        match self.caller.app.hub.listen_for(place, filter, sink).await {
            Ok(listening) => self.listening = listening,
            Err(too_many) => tracing::warn!("a connection hears of nothing: {too_many}"),
        }
    }
}

/// The stream has the session's own id, so that any node finds it.
async fn open(caller: &Caller, endpoint: &str, id: SessionId) -> Result<Tail, Box<Response>> {
    let app = &caller.app;
    let unavailable = |error: CacheError| Box::new(whole(Answer::unavailable("null", &error)));
    let begun = core::begin_unagreed(caller, id).await;
    let session = begun.map_err(unavailable)?;
    let id = session.id;
    app.streams.open(id, id).await.map_err(unavailable)?;
    let reader = app.streams.attach(id, id, 0).await.map_err(unavailable)?;
    let dropped = || {
        unavailable(CacheError::Full(
            "the stream was dropped at once".to_owned(),
        ))
    };
    let reader = reader.ok_or_else(dropped)?;
    // With its own messages it goes on while other gateways cannot be heard.
    let near = match app.sessions.is_shared(id) {
        true => Some(app.streams.begin_near(id).await.map_err(unavailable)?),
        false => None,
    };
    let filter = get::filter(Vec::new());
    // What the client can do is not known yet; what counts until then is that it has a place.
    let place = caller.place_in(Some(id), Arc::default());
    let listening = app.hub.listen_for(place, filter, Sink::Stream(id, id));
    let listening = listening
        .await
        .map_err(|too_many| Box::new(crowded(&too_many).into_response()))?;
    let sealed = session.seal(b"", &app.sealer);
    let first = format!("event: endpoint\ndata: {endpoint}/messages?sessionId={sealed}\n\n");
    let holds = Holds::Session(Box::new(Connection {
        caller: caller.clone(),
        session,
        agreed: false,
        listening,
    }));
    Ok(Tail::new(app.clone(), reader, 0, first.into(), holds).and_near(near))
}

/// Takes a message. What it is answered with comes on the stream.
pub(super) async fn message(caller: Caller, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().map(str::to_owned);
    let inbound = Inbound::new(caller, parts);
    let headers = &inbound.headers;
    if let Err(answer) = check_form(headers) {
        return inbound.refuse(answer);
    }
    let version = headers.get(header::PROTOCOL_VERSION);
    let version = version.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    if version.is_some_and(ProtocolVersion::is_modern) {
        return refused("Invalid Request: this transport is of revisions with a handshake");
    }
    let Some(sealed) = query.as_deref().and_then(session_id) else {
        return refused(
            "Bad Request: one sessionId is needed; begin with GET of the endpoint that ends in /sse",
        );
    };
    let opened = match core::open_on(&inbound.caller, sealed, Carrier::Sse).await {
        Ok(opened) => opened,
        Err(gone) => return inbound.refuse(gone.answer("null")),
    };
    let config = &inbound.caller.app.config;
    let body = match read(headers, body, config).await {
        Ok(body) => body,
        Err(answer) => return inbound.refuse(answer),
    };
    let message = match parse(&body, config.json_max_depth) {
        Ok(message) => message,
        Err(error) => {
            let answer = Answer::bad_request("null", error.code(), error.message);
            return inbound.refuse(answer);
        }
    };
    let taken = match opened {
        Opened::Agreed(client) => take(Arc::new(inbound), &client, message, &body).await,
        Opened::Unagreed(session) => take_first(&inbound, &session, message).await,
    };
    match taken {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(answer) => whole(answer),
    }
}

fn session_id(query: &str) -> Option<&str> {
    let pairs = query.split('&');
    let mut ids = pairs.filter_map(|pair| pair.strip_prefix("sessionId="));
    ids.next().filter(|_| ids.next().is_none())
}

/// Takes a message of a client that has yet to say `initialize`.
async fn take_first(
    inbound: &Inbound,
    session: &Session,
    message: Message<'_>,
) -> Result<(), Answer> {
    let (id, method, params) = match message {
        Message::Request { id, method, params } => (id, method, params),
        Message::Batch(_) => return Err(batch::no_batches()),
        // Nothing that matters can be told or answered yet.
        _ => return Ok(()),
    };
    let caller = &inbound.caller;
    let answer = match &*method {
        "initialize" => {
            let (session, raw) = (session.id, id.raw());
            let begun = core::initialize_as(caller, session, Carrier::Sse, raw, params).await;
            begun.map_or_else(|answer| answer, |begun| Answer::result(raw, &begun.result))
        }
        "ping" => Answer::result(id.raw(), b"{}"),
        _ => {
            let message = "Invalid Request: initialize comes first";
            Answer::error(id.raw(), codes::INVALID_REQUEST, message, None)
        }
    };
    inbound.count(Method::of(&method), Era::Legacy, answer.end);
    append(inbound, session.id, answer.body).await
}

/// Takes a message of a session.
async fn take(
    inbound: Arc<Inbound>,
    client: &Arc<LegacyClient>,
    message: Message<'_>,
    body: &Bytes,
) -> Result<(), Answer> {
    let app = inbound.caller.app.clone();
    match message {
        Message::Request { id, method, params } => {
            return request(&inbound, client, id.raw(), &method, params).await;
        }
        Message::Notification { method, params } => {
            let client = Client::Legacy(client.clone());
            core::notification(&inbound.caller, &client, &method, params).await;
        }
        Message::Result { id, .. } | Message::Error { id: Some(id), .. } => {
            let until = Instant::now() + ANSWER_HELD;
            let taken = core::response(&app, client, id, body.clone(), until).await;
            taken.map_err(|error| Answer::unavailable("null", &error))?;
        }
        Message::Error { id: None, .. } => {}
        Message::Batch(_) if !batch::allowed(client) => return Err(batch::no_batches()),
        Message::Batch(raw) => {
            let batch = Batch::read(&inbound, client, body, raw).await?;
            let client = client.clone();
            app.process
                .tasks
                .disposable("batch of a connection", async move {
                    batch.fill(inbound, &client, client.session.id).await
                });
            return Ok(());
        }
    }
    inbound.count(Method::Notification, Era::Legacy, End::Ok);
    Ok(())
}

async fn request(
    inbound: &Inbound,
    client: &Arc<LegacyClient>,
    id: &str,
    method: &str,
    params: Option<&RawValue>,
) -> Result<(), Answer> {
    let (app, stream) = (&inbound.caller.app, client.session.id);
    let counted = inbound.counted(Method::of(method), Era::Legacy);
    let reply = if method == "initialize" {
        let message = "Invalid Request: the session is initialized already";
        Err(Answer::error(id, codes::INVALID_REQUEST, message, None))
    } else {
        let client = Client::Legacy(client.clone());
        inbound.dispatch(&client, id, method, params, true).await
    };
    match reply {
        Ok(Reply::Message(answer)) | Err(answer) => {
            counted(answer.end);
            append(inbound, stream, answer.body).await
        }
        Ok(Reply::Running(running)) => {
            let app = app.clone();
            let tasks = app.process.tasks.clone();
            tasks.disposable("request of a connection", async move {
                let mut delivery = Delivery::new(app.clone(), stream, stream);
                pump::fill(&app, &mut delivery, running, None, counted).await
            });
            Ok(())
        }
        // Only modern clients listen so.
        Ok(Reply::Listen(_)) => Ok(()),
    }
}

/// Puts an answer into the session's stream; a session without one is over.
async fn append(inbound: &Inbound, stream: SessionId, message: Bytes) -> Result<(), Answer> {
    match inbound
        .caller
        .app
        .streams
        .append(stream, stream, message)
        .await
    {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(core::SessionGone::Gone.answer("null")),
        Err(error) => Err(Answer::unavailable("null", &error)),
    }
}
