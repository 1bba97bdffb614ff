//! A GET: the stream of what happens without a request, and streams taken up again.

use ::mcp::codes;
use axum::response::{IntoResponse, Response};
use cache::{EventStreams, Reader, StreamId};
use http::{HeaderMap, HeaderName, StatusCode};

use super::accept::Accepts;
use super::endpoints::{legacy_only, session};
use super::event_id;
use super::inbound::not_acceptable;
use super::respond::{lasting_events, whole};
use super::tail::{Holds, Tail};
use crate::core::{Answer, Caller, Client};
use crate::hub::{Filter, Listening, Place, Sink, TooMany};
use crate::websocket::crowded;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(super) async fn serve(caller: Caller, headers: &HeaderMap) -> Response {
    match stream(&caller, headers).await {
        Ok(tail) => lasting_events(tail.events()),
        Err(response) => *response,
    }
}

async fn stream(caller: &Caller, headers: &HeaderMap) -> Result<Tail, Box<Response>> {
    let refuse = |answer: Answer| Box::new(whole(answer));
    legacy_only(headers)?;
    if !Accepts::of(headers).stream {
        let message = "Not Acceptable: accept text/event-stream";
        return Err(refuse(not_acceptable(message)));
    }
    let client = session(caller, headers, "null").await.map_err(refuse)?;
    let (session, version) = (client.session.id, client.session.version);
    let client = Client::Legacy(client);
    let mut ids = headers.get_all(LAST_EVENT_ID).iter();
    // An empty one is what a browser has before the first event.
    let Some(id) = ids.next().filter(|id| !id.is_empty()) else {
        let (reader, listening) = standalone(caller, &client).await?;
        let app = caller.app.clone();
        let holds = Holds::Standalone(listening);
        return Ok(Tail::begin(app, reader, version, holds));
    };
    let id = id.to_str().ok().filter(|_| ids.next().is_none());
    // Whether it is malformed, foreign, forged or expired is not told.
    let unknown = || {
        refuse(Answer::bad_request(
            "null",
            codes::INVALID_REQUEST,
            UNKNOWN_ID,
        ))
    };
    let (stream, after) = id.and_then(event_id::read).ok_or_else(unknown)?;
    let attached = caller.app.streams.attach(session, stream, after).await;
    let attached = attached.map_err(|error| refuse(Answer::unavailable("null", &error)))?;
    let reader = attached.ok_or_else(unknown)?;
    let holds = match reader.standalone {
        true => Holds::Standalone(listen(caller, &client, stream).await.map_err(too_many)?),
        false => Holds::Answer,
    };
    Ok(Tail::resume(
        caller.app.clone(),
        reader,
        version,
        after,
        holds,
    ))
}

const UNKNOWN_ID: &str = "Unknown event id";

/// Opens a stream for what happens without a request. The one before ends.
async fn standalone(
    caller: &Caller,
    client: &Client,
) -> Result<(Reader, Listening), Box<Response>> {
    let app = &caller.app;
    let stream = app.ids.next();
    let session = client
        .legacy()
        .expect("a session is of a legacy client")
        .session
        .id;
    let unavailable = |error| Box::new(whole(Answer::unavailable("null", &error)));
    let begun = app.streams.begin(session, stream, None).await;
    let Some(reader) = begun.map_err(unavailable)? else {
        let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, codes::INTERNAL_ERROR);
        let message = "No stream can be kept now; try again";
        let answer = Answer::refused(status, "null", code, message, None);
        return Err(Box::new(whole(answer)));
    };
    // It may be kept under another name.
    let stream = reader.stream;
    let listening = match listen(caller, client, stream).await {
        Ok(listening) => listening,
        Err(error) => {
            app.streams
                .close(session, stream)
                .await
                .map_err(unavailable)?;
            return Err(too_many(error));
        }
    };
    let made = app.streams.make_standalone(session, stream).await;
    made.map_err(unavailable)?;
    Ok((reader, listening))
}

async fn listen(caller: &Caller, client: &Client, stream: StreamId) -> Result<Listening, TooMany> {
    let uris = client
        .legacy()
        .map(|client| client.record.subscriptions.clone());
    let filter = filter(uris.unwrap_or_default());
    let app = &caller.app;
    let place = Place {
        // Its client calls without waiting for the stream.
        is_late: true,
        ..caller.place(client)
    };
    let session = client.legacy().map(|client| client.session.id);
    let sink = Sink::Stream(session.unwrap_or(stream), stream);
    app.hub.listen_for(place, filter, sink).await
}

/// A legacy client hears of every list, and of what it subscribed to.
pub(super) fn filter(uris: Vec<Box<str>>) -> Filter {
    Filter {
        tools: true,
        prompts: true,
        resources: true,
        uris,
        tasks: Vec::new(),
    }
}

fn too_many(error: TooMany) -> Box<Response> {
    Box::new(crowded(&error).into_response())
}
