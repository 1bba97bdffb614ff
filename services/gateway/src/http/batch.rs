//! Arrays of messages, for clients of 2025-03-26 alone. Its requests are served side by side; they
//! are answered by one array, or, once one of them has more to say than its answer, by a stream.

use std::collections::HashSet;
use std::sync::Arc;

use ::mcp::batch::{join, split};
use ::mcp::{Message, ProtocolVersion, codes, header, parse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cache::StreamId;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::delivery::Delivery;
use super::endpoints::{legacy_only, session};
use super::inbound::Inbound;
use super::respond::{as_event, events, refused, whole};
use super::tail::{Holds, Tail};
use crate::core::{
    self, ANSWER_HELD, Answer, Client, Ended, LegacyClient, Reply, Step, of_a_moment,
};
use crate::metrics::{End, Era, Method};

/// What was said and is not written yet; beyond, the requests wait.
const SAID: usize = 16;

/// A batch that has been looked through: what had to be delivered is delivered.
pub(super) struct Batch {
    /// By their places among the answers.
    requests: Vec<(usize, Bytes)>,
    answers: Answers,
}

/// Answers by their places.
type Answers = Vec<Option<Bytes>>;

/// What a request of a batch says.
pub(super) enum Said {
    Message(Bytes),
    Answer(usize, Bytes),
}

/// Serves a batch over Streamable HTTP.
pub(super) async fn serve(inbound: Inbound, body: &Bytes, raw: &RawValue) -> Response {
    let client = match client(&inbound).await {
        Ok(client) => client,
        Err(response) => return *response,
    };
    let batch = match Batch::read(&inbound, &client, body, raw).await {
        Ok(batch) => batch,
        Err(answer) => return inbound.refuse(answer),
    };
    if batch.answers.is_empty() {
        return StatusCode::ACCEPTED.into_response();
    }
    let status = match batch.requests.is_empty() {
        true => StatusCode::BAD_REQUEST,
        false => StatusCode::OK,
    };
    let Batch { requests, answers } = batch;
    let inbound = Arc::new(inbound);
    let said = run(&inbound, &client, requests, inbound.accepts.stream);
    answer(&inbound, &client, status, answers, said).await
}

/// The client of a session in which batches may be sent.
async fn client(inbound: &Inbound) -> Result<Arc<LegacyClient>, Box<Response>> {
    let no_batches = || Box::new(inbound.refuse(no_batches()));
    let headers = &inbound.headers;
    if !headers.contains_key(header::SESSION_ID) || legacy_only(headers).is_err() {
        return Err(no_batches());
    }
    let client = session(&inbound.caller, headers, "null").await;
    let client = client.map_err(|answer| Box::new(inbound.refuse(answer)))?;
    match allowed(&client) {
        true => Ok(client),
        false => Err(no_batches()),
    }
}

/// Whether a session has batches: they came and went with one revision.
pub(super) fn allowed(client: &LegacyClient) -> bool {
    client.session.version == ProtocolVersion::V2025_03_26
}

pub(super) fn no_batches() -> Answer {
    let message = "Invalid Request: a batch of messages is not accepted here";
    Answer::bad_request("null", codes::INVALID_REQUEST, message)
}

impl Batch {
    /// Looks through a batch, and delivers what wants no answer.
    ///
    /// # Errors
    /// It has no messages, or too many; an answer in it cannot reach its call now.
    pub(super) async fn read(
        inbound: &Inbound,
        client: &Arc<LegacyClient>,
        body: &Bytes,
        raw: &RawValue,
    ) -> Result<Self, Answer> {
        let (app, mut ids) = (&inbound.caller.app, HashSet::new());
        let until = Instant::now() + ANSWER_HELD;
        let parts = split(raw, app.config.batch_max).map_err(|error| {
            let code = codes::INVALID_REQUEST;
            Answer::bad_request("null", code, &error.to_string())
        })?;
        let (mut requests, mut answers) = (Vec::new(), Answers::new());
        for part in parts {
            let text = part.get().as_bytes();
            let invalid = |id: &str, message: &str| {
                Some(Answer::error(id, codes::INVALID_REQUEST, message, None).body)
            };
            match parse(text, app.config.json_max_depth) {
                Ok(Message::Request { id, method, .. }) => answers.push({
                    if method == "initialize" {
                        invalid(id.raw(), "initialize must not be part of a batch")
                    } else if !ids.insert(id.raw()) {
                        invalid(
                            id.raw(),
                            "Invalid Request: the id is used twice in the batch",
                        )
                    } else {
                        requests.push((answers.len(), body.slice_ref(text)));
                        None
                    }
                }),
                Ok(Message::Notification { method, params }) => {
                    let client = Client::Legacy(client.clone());
                    core::notification(&inbound.caller, &client, &method, params).await;
                    inbound.count(Method::Notification, Era::Legacy, End::Ok);
                }
                Ok(Message::Result { id, .. } | Message::Error { id: Some(id), .. }) => {
                    let message = body.slice_ref(text);
                    let taken = core::response(app, client, id, message, until).await;
                    taken.map_err(|error| Answer::unavailable("null", &error))?;
                    inbound.count(Method::Notification, Era::Legacy, End::Ok);
                }
                Ok(Message::Error { id: None, .. }) => {}
                Ok(Message::Batch(_)) => {
                    answers.push(invalid("null", "Invalid Request: a batch within a batch"));
                }
                Err(error) => {
                    let answer = Answer::error("null", error.code(), error.message, None);
                    answers.push(Some(answer.body));
                }
            }
        }
        Ok(Self { requests, answers })
    }

    /// Serves the batch into a stream that others write to as well.
    pub(super) async fn fill(
        self,
        inbound: Arc<Inbound>,
        client: &Arc<LegacyClient>,
        stream: StreamId,
    ) -> anyhow::Result<()> {
        let app = inbound.caller.app.clone();
        let said = run(&inbound, client, self.requests, true);
        let mut delivery = Delivery::new(app, client.session.id, stream);
        write(&mut delivery, self.answers, said).await
    }
}

/// Begins the requests, a few at a time. They go on when nobody hears what they say.
fn run(
    inbound: &Arc<Inbound>,
    client: &Arc<LegacyClient>,
    requests: Vec<(usize, Bytes)>,
    can_stream: bool,
) -> mpsc::Receiver<Said> {
    let (out, said) = mpsc::channel(SAID);
    let app = &inbound.caller.app;
    let (inbound, client) = (inbound.clone(), Client::Legacy(client.clone()));
    let (at_once, shutdown) = (app.config.batch_concurrency, app.process.shutdown.clone());
    app.process.tasks.disposable("batch", async move {
        let all = stream::iter(requests).for_each_concurrent(at_once, |(place, message)| {
            one(&inbound, &client, can_stream, place, message, &out)
        });
        tokio::select! {
            biased;
            () = shutdown.ending() => {}
            () = all => {}
        }
        Ok(())
    });
    said
}

async fn one(
    inbound: &Inbound,
    client: &Client,
    can_stream: bool,
    place: usize,
    message: Bytes,
    out: &mpsc::Sender<Said>,
) {
    let depth = inbound.caller.app.config.json_max_depth;
    let Ok(Message::Request { id, method, params }) = parse(&message, depth) else {
        return;
    };
    let counted = inbound.counted(Method::of(&method), Era::Legacy);
    let reply = inbound
        .dispatch(client, id.raw(), &method, params, can_stream)
        .await;
    let answer = match reply {
        Ok(Reply::Running(mut running)) => loop {
            // Whoever was to hear it may have left.
            let step = running.step().await;
            let said = match step {
                Step::Message(message) => message,
                Step::End(ended) => {
                    while let Some(message) = running.waiting() {
                        out.send(Said::Message(message)).await.ok();
                    }
                    break match ended {
                        Ended::Answer(answer) => Some(answer),
                        Ended::Cancelled => None,
                    };
                }
            };
            out.send(Said::Message(said)).await.ok();
        },
        Ok(Reply::Message(answer)) | Err(answer) => Some(answer),
        // Only modern clients listen so.
        Ok(Reply::Listen(_)) => None,
    };
    match answer {
        Some(answer) => {
            counted(answer.end);
            out.send(Said::Answer(place, answer.body)).await.ok();
        }
        None => counted(End::Cancelled),
    }
}

/// Answers by one array when nothing else is said in good time, else by a stream.
async fn answer(
    inbound: &Inbound,
    client: &LegacyClient,
    status: StatusCode,
    mut answers: Answers,
    mut said: mpsc::Receiver<Said>,
) -> Response {
    let app = &inbound.caller.app;
    let patience = tokio::time::sleep(app.config.stream_after);
    tokio::pin!(patience);
    let message = loop {
        tokio::select! {
            biased;
            next = said.recv() => match next {
                Some(Said::Answer(place, body)) => answers[place] = Some(body),
                Some(Said::Message(message)) => break Some(message),
                None => return array(inbound, status, answers),
            },
            () = &mut patience, if inbound.accepts.stream => break None,
        }
    };
    let (session, stream) = (client.session.id, app.ids.next());
    // Some of its answers may have been given: nothing can be said for the rest.
    let reader = match app.streams.begin(session, stream, Some(Bytes::new())).await {
        Ok(Some(reader)) => reader,
        Ok(None) => return refused("The stream of this batch was dropped at once"),
        Err(error) => return whole(Answer::unavailable("null", &error)),
    };
    let (mut delivery, direct) = Delivery::with_connection(app.clone(), session, reader.stream);
    app.process
        .tasks
        .disposable("stream of a batch", async move {
            if let Some(message) = message {
                delivery.put(message).await?;
            }
            let written = write(&mut delivery, answers, said).await;
            delivery.close().await?;
            written
        });
    let tail = Tail::begin(app.clone(), reader, client.session.version, Holds::Answer);
    events(tail.or_directly(direct).events())
}

/// Writes what there is and what comes into a stream, until nothing comes or it takes no more.
async fn write(
    delivery: &mut Delivery,
    answers: Answers,
    mut said: mpsc::Receiver<Said>,
) -> anyhow::Result<()> {
    for answer in answers.into_iter().flatten() {
        delivery.put(answer).await?;
    }
    while let Some(said) = said.recv().await {
        let (Said::Message(body) | Said::Answer(_, body)) = said;
        if !delivery.put(body).await? {
            break;
        }
    }
    Ok(())
}

fn array(inbound: &Inbound, status: StatusCode, answers: Answers) -> Response {
    let answers: Vec<Bytes> = answers.into_iter().flatten().collect();
    if answers.is_empty() {
        // All of it was cancelled.
        return StatusCode::ACCEPTED.into_response();
    }
    let answer = Answer {
        status,
        body: join(&answers),
        end: End::Ok,
        again: of_a_moment(status),
    };
    match inbound.accepts.json || status != StatusCode::OK {
        true => whole(answer),
        false => as_event(answer),
    }
}
