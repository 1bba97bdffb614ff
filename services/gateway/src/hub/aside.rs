//! What a server asks outside any call: real requests on the stream of the one session that they
//! are meant for, whose answers any connection of that session may bring.

use std::sync::Arc;

use ::mcp::mrtr::{InputRequest, input_requests, request_for_legacy};
use ::mcp::rename::{Shape, rename};
use ::mcp::{Message, ProtocolVersion, codes, notification, parse};
use bytes::Bytes;
use cache::{CacheError, EventStreams, SessionId};
use fabric::{Call, InputRequired, Inputs, Method, Outcome, Request};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::watches::{Audience, Wanted, Watched, call};
use super::{Inner, Sink, TELL_WITHIN};
use crate::core::mail_of;

/// Things that one server asks at once; it is told one at a time as a rule.
const ASKED_MAX: usize = 32;

/// Questions on their way to a client and back.
struct Asking {
    inner: Arc<Inner>,
    session: SessionId,
    version: ProtocolVersion,
    /// Nowhere, where nobody listens any more.
    sink: Option<Sink>,
    /// `inputRequests` under the endpoint's names.
    requests: Bytes,
    /// What hands the answers back.
    reply: Call,
}

struct Question {
    /// The worker's key, as a JSON string.
    key: String,
    /// The id of our request, raw; none for what the client is not bothered with.
    id: Option<String>,
    /// Raw JSON.
    answer: Option<Bytes>,
}

impl Inner {
    /// Puts what an upstream asks to the session that is watched for; who does not listen any
    /// more cannot be asked.
    pub(super) async fn ask(
        self: &Arc<Self>,
        slug: &str,
        watched: &Watched,
        wanted: &Wanted,
        asked: InputRequired,
    ) {
        let Some(session) = watched.audience.as_ref().and_then(Audience::session) else {
            return;
        };
        let mut reply = call(watched, wanted);
        reply.request = Request::new(Method::Reply, None);
        reply.deadline = TELL_WITHIN;
        reply.request_id = "answers".to_owned();
        reply.request.inputs = Some(Inputs {
            responses: None,
            state: asked.state,
        });
        let raw = asked.requests.unwrap_or_default();
        let found = self.listener(slug, session);
        let asking = Asking {
            inner: self.clone(),
            session,
            version: found
                .as_ref()
                .map_or(ProtocolVersion::LATEST_LEGACY, |(_, version, _)| *version),
            requests: self.exposed(slug, watched, found.as_ref(), &raw).await,
            sink: found.map(|(sink, _, _)| sink),
            reply,
        };
        let shutdown = self.parts.process.shutdown.clone();
        let tasks = &self.parts.process.tasks;
        tasks.disposable("ask outside a call", async move {
            tokio::select! {
                done = asking.run() => Ok(done?),
                () = shutdown.draining() => Ok(()),
            }
        });
    }

    fn listener(&self, slug: &str, session: SessionId) -> Option<Found> {
        let state = self.state();
        let (of, id) = state.of_session(session)?;
        let listener = state.tenants.get(&*of)?.listeners.get(&id)?;
        let place = &listener.place;
        (*of == *slug).then(|| (listener.sink.clone(), place.version, place.connector))
    }

    /// What is asked, under the names of the endpoint that listens.
    async fn exposed(
        &self,
        slug: &str,
        watched: &Watched,
        found: Option<&Found>,
        raw: &Bytes,
    ) -> Bytes {
        let Ok(snapshot) = self.parts.tenants.get(slug).await else {
            return raw.clone();
        };
        let endpoint = (*snapshot).as_ref().zip(found);
        let endpoint = endpoint.and_then(|(snapshot, found)| snapshot.endpoint_of(found.2));
        let mut all = endpoint.into_iter().flat_map(|all| all.upstreams());
        let upstream = all.find(|upstream| upstream.connector == watched.connector);
        let upstream = upstream.filter(|upstream| !upstream.is_bare());
        let renamed = upstream.and_then(|upstream| {
            let renamed = rename(Shape::InputRequests, raw, upstream.rename());
            renamed.ok()
        });
        renamed.unwrap_or_else(|| raw.clone())
    }
}

/// Who listens: where to, in which revision, and at which connector's endpoint.
type Found = (Sink, ProtocolVersion, Option<domain::ConnectorId>);

impl Asking {
    async fn run(mut self) -> Result<(), CacheError> {
        let parts = &self.inner.parts;
        let text = String::from_utf8_lossy(&self.requests).into_owned();
        let requests = input_requests(&text).unwrap_or_default();
        let call = parts.ids.next().as_simple().to_string();
        let mailbox = mail_of(&call);
        let names = [mailbox.as_str()];
        let mut mail = parts.mailboxes.open(self.session, &names).await?;
        let mut questions = Vec::new();
        for (number, request) in requests.iter().take(ASKED_MAX).enumerate() {
            questions.push(self.put(&call, number + 1, request).await);
        }
        let until = Instant::now() + parts.input_timeout;
        while questions.iter().any(|question| question.answer.is_none()) {
            let Ok(message) = timeout_at(until, mail.next()).await else {
                self.take_back(&mut questions).await;
                break;
            };
            let Some(message) = message else { break };
            let (id, answer) = match parse(&message, parts.json_depth) {
                Ok(Message::Result { id, result }) => {
                    (id.raw(), Bytes::copy_from_slice(result.get().as_bytes()))
                }
                Ok(Message::Error {
                    id: Some(id),
                    error,
                }) => (id.raw(), format!("{{\"error\":{}}}", error.get()).into()),
                // The session is over, and its upstream session with it.
                _ => return Ok(()),
            };
            let mut open = questions.iter_mut();
            let is_it = |question: &&mut Question| {
                question.answer.is_none() && question.id.as_deref() == Some(id)
            };
            if let Some(question) = open.find(is_it) {
                question.answer = Some(answer);
            }
        }
        if let Some(inputs) = &mut self.reply.request.inputs {
            inputs.responses = Some(responses(&questions));
        }
        let workers = self.inner.parts.workers.clone();
        if let Outcome::Failed(failure) = workers.execute(self.reply, None).await {
            tracing::debug!("answers did not reach their server: {failure}");
        }
        Ok(())
    }

    /// Sends one question, as the client's revision has it.
    async fn put(&self, call: &str, number: usize, request: &InputRequest<'_>) -> Question {
        let key = serde_json::to_string(&request.key).expect("a string is JSON");
        let refused = |code: i64, message: &str| Question {
            key: key.clone(),
            id: None,
            answer: Some(error(code, message)),
        };
        let page = self.inner.parts.ids.next().to_string();
        let Some(params) = request_for_legacy(request, self.version, &page) else {
            let message = "The client's revision of the protocol cannot be asked this";
            return refused(codes::INVALID_PARAMS, message);
        };
        let id = format!("\"{call}:{number}\"");
        let method = serde_json::to_string(&request.method).expect("a string is JSON");
        let params = String::from_utf8_lossy(&params);
        let message =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method},"params":{params}}}"#);
        if !self.inner.post(self.sink.as_ref(), message.into()).await {
            let message = "The client does not listen for requests outside calls";
            return refused(codes::METHOD_NOT_FOUND, message);
        }
        Question {
            key,
            id: Some(id),
            answer: None,
        }
    }

    /// Nobody waits for these answers any more.
    async fn take_back(&self, questions: &mut [Question]) {
        for question in questions {
            if question.answer.is_some() {
                continue;
            }
            let id = question.id.as_deref().unwrap_or("null");
            let params = format!(r#"{{"requestId":{id},"reason":"no answer in time"}}"#);
            let message = notification("notifications/cancelled", params.as_bytes());
            self.inner.post(self.sink.as_ref(), message).await;
            let message = "The client did not answer in time";
            question.answer = Some(error(codes::INTERNAL_ERROR, message));
        }
    }
}

impl Inner {
    /// Hands a message over; tells whether it was taken.
    pub(super) async fn post(&self, sink: Option<&Sink>, message: Bytes) -> bool {
        match sink {
            None => false,
            Some(Sink::Channel(sender)) => sender.try_send(message).is_ok(),
            Some(Sink::Stream(session, stream)) => {
                match self.parts.streams.append(*session, *stream, message).await {
                    Ok(number) => number.is_some(),
                    Err(error) => {
                        tracing::warn!("a message to a listener is lost: {error}");
                        true
                    }
                }
            }
        }
    }
}

fn error(code: i64, message: &str) -> Bytes {
    let error = json!({"error": {"code": code, "message": message}});
    error.to_string().into()
}

fn responses(questions: &[Question]) -> Bytes {
    let answered = |question: &Question| {
        let answer = question.answer.as_deref().unwrap_or(b"{}");
        format!("{}:{}", question.key, String::from_utf8_lossy(answer))
    };
    let all: Vec<String> = questions.iter().map(answered).collect();
    format!("{{{}}}", all.join(",")).into()
}
