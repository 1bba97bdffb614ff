//! Messages of the client, one a frame.

use std::sync::Arc;

use ::mcp::{
    Era, EraError, Id, Inbound, Message, Meta, Params, ProtocolVersion, batch, codes, decide,
    error_response, parse,
};
use axum::extract::ws::Message as Frame;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::close::Close;
use super::connection::Connection;
use super::flight::{self, Landed};
use super::token;
use crate::core::{self, Answer, Caller, Client, Exchange, Reply, bad_params};
use crate::hub::Filter;
use crate::metrics::{self, End};

/// The way to the client, as in `flight`.
type Outgoing = mpsc::Sender<Frame>;
/// A request that goes on, or has its answer already.
type Flight = BoxFuture<'static, Landed>;

impl Connection {
    /// Takes one frame's text.
    ///
    /// # Errors
    /// Why the connection must be closed.
    pub(super) async fn receive(&mut self, text: Bytes, outgoing: &Outgoing) -> Result<(), Close> {
        let caller = self.caller().await?;
        let depth = caller.app.config.json_max_depth;
        match parse(&text, depth) {
            Ok(Message::Batch(all)) => self.batch(&caller, all, &text, outgoing).await,
            Ok(message) => {
                if let Some(flight) = self.one(&caller, message, &text, outgoing).await? {
                    self.flights.push(flight);
                }
                Ok(())
            }
            Err(error) => {
                let refusal = error_response("null", error.code(), error.message, None);
                self.answer(refusal, outgoing).await
            }
        }
    }

    /// The caller as the configuration stands now.
    async fn caller(&mut self) -> Result<Caller, Close> {
        let (app, place) = (&self.app, &self.place);
        let snapshot = app.tenants.get(&place.slug).await.map_err(|error| {
            tracing::error!("could not load configuration: {error}");
            Close::Internal
        })?;
        let snapshot = (*snapshot).as_ref().filter(|snapshot| snapshot.active);
        let snapshot = snapshot.ok_or(Close::Unauthorized)?;
        let endpoint = snapshot.endpoint_of(place.connector);
        let lives = place.principal.tenant.is_none()
            || snapshot.keys.lives(place.principal.key, app.clock.now());
        match endpoint {
            Some(endpoint) if lives => Ok(Caller {
                app: app.clone(),
                principal: place.principal,
                slug: place.slug.clone(),
                tenant: place.tenant,
                endpoint: endpoint.clone(),
            }),
            _ => Err(Close::Unauthorized),
        }
    }

    /// An array of messages, where the session's revision has such a thing: answered by an array.
    async fn batch(
        &mut self,
        caller: &Caller,
        all: &RawValue,
        text: &Bytes,
        outgoing: &Outgoing,
    ) -> Result<(), Close> {
        let refuse = |message: &str| error_response("null", codes::INVALID_REQUEST, message, None);
        let version = self.legacy.as_ref().map(|client| client.session.version);
        if !version.is_some_and(ProtocolVersion::has_batches) {
            let message = "Invalid Request: this revision has no batches";
            return self.answer(refuse(message), outgoing).await;
        }
        let parts = match batch::split(all, caller.app.config.batch_max) {
            Ok(parts) => parts,
            Err(error) => {
                let message = format!("Invalid Request: {error}");
                return self.answer(refuse(&message), outgoing).await;
            }
        };
        let mut flights = Vec::new();
        for part in parts {
            let part = text.slice_ref(part.get().as_bytes());
            match parse(&part, caller.app.config.json_max_depth) {
                Ok(Message::Batch(_)) => {
                    flights.push(landed(refuse("Invalid Request: a batch in a batch")))
                }
                Ok(Message::Request { id, method, .. }) if method == "initialize" => {
                    let message = "Invalid Request: initialize cannot be part of a batch";
                    let code = codes::INVALID_REQUEST;
                    flights.push(landed(error_response(id.raw(), code, message, None)));
                }
                Ok(message) => flights.extend(self.one(caller, message, &part, outgoing).await?),
                Err(error) => flights.push(landed(error_response(
                    "null",
                    error.code(),
                    error.message,
                    None,
                ))),
            }
        }
        if flights.is_empty() {
            return Ok(());
        }
        self.flights.push(
            async move {
                let landed = join_all(flights).await;
                let answers: Vec<Bytes> = landed.into_iter().filter_map(|one| one.answer).collect();
                let answer = (!answers.is_empty()).then(|| batch::join(&answers));
                Landed {
                    id: "".into(),
                    answer,
                }
            }
            .boxed(),
        );
        Ok(())
    }

    /// One message that is no batch: what comes of it, if it wants an answer.
    async fn one(
        &mut self,
        caller: &Caller,
        message: Message<'_>,
        text: &Bytes,
        outgoing: &Outgoing,
    ) -> Result<Option<Flight>, Close> {
        match message {
            Message::Request { id, method, params } => {
                self.request(caller, id, &method, params, outgoing).await
            }
            Message::Notification { method, params } => {
                self.notification(caller, &method, params).await;
                Ok(None)
            }
            Message::Result { id, .. } | Message::Error { id: Some(id), .. } => {
                // A modern client is asked nothing that it could answer so.
                if let Some(client) = &self.legacy {
                    let (app, now) = (&caller.app, Instant::now());
                    // Whoever asks through this connection waits at this gateway.
                    if let Err(error) = core::response(app, client, id, text.clone(), now).await {
                        tracing::warn!("an answer of a client is lost: {error}");
                    }
                }
                Ok(None)
            }
            Message::Error { id: None, .. } | Message::Batch(_) => Ok(None),
        }
    }

    async fn notification(&mut self, caller: &Caller, method: &str, params: Option<&RawValue>) {
        let read = Params::parse(params).unwrap_or_default();
        // What is in `cancels` is of modern requests; a legacy one has a mailbox for this.
        if method == "notifications/cancelled"
            && let Some(cancel) = read.request_id.and_then(|id| self.cancels.remove(id.get()))
        {
            cancel.send(()).ok();
            return;
        }
        if let Some(client) = &self.legacy {
            let client = Client::Legacy(client.clone());
            core::notification(caller, &client, method, params).await;
        }
    }

    async fn request(
        &mut self,
        caller: &Caller,
        id: Id<'_>,
        method: &str,
        raw_params: Option<&RawValue>,
        outgoing: &Outgoing,
    ) -> Result<Option<Flight>, Close> {
        let id = id.raw();
        if method == token::METHOD {
            let read = token::read(raw_params);
            let answer = token::answer(id, &read);
            if let Ok(user_token) = read {
                self.user_token = user_token;
            }
            return Ok(Some(landed(answer.body)));
        }
        let begun = Instant::now();
        let (params, meta) = match read(raw_params) {
            Ok(read) => read,
            Err(error) => return Ok(Some(landed(bad_params(id, &error).body))),
        };
        let client = match self.client(id, method, &meta) {
            Ok(client) => client,
            Err(Refusal::Handshake) => {
                return self.initialize(caller, id, raw_params, outgoing).await;
            }
            Err(Refusal::Era(error)) => {
                let data = error.data();
                let data = data.as_deref().map(str::as_bytes);
                let refusal = error_response(id, error.code(), &error.to_string(), data);
                return Ok(Some(landed(refusal)));
            }
            Err(Refusal::Answer(refusal)) => return Ok(Some(landed(refusal))),
            Err(Refusal::Uninitialised) => {
                let message = "Invalid Request: begin with initialize";
                let refusal = error_response(id, codes::INVALID_REQUEST, message, None);
                return Ok(Some(landed(refusal)));
            }
        };
        if self.flights.len() >= caller.app.config.websocket_requests {
            let message = "Too many requests are in flight on this connection";
            let refusal = error_response(id, codes::INTERNAL_ERROR, message, None);
            return Ok(Some(landed(refusal)));
        }
        if client.is_modern() && self.cancels.contains_key(id) {
            let message = "Invalid Request: a request with this id is in flight";
            let refusal = error_response(id, codes::INVALID_REQUEST, message, None);
            return Ok(Some(landed(refusal)));
        }
        let exchange = Exchange {
            caller,
            client: client.clone(),
            id,
            can_stream: true,
            request_id: self.request_id.as_str(),
            user_token: self.user_token.clone(),
        };
        let reply = exchange.dispatch(method, &params, &meta, None).await;
        let (metrics, counted) = (caller.app.metrics.clone(), metrics::Method::of(method));
        let era = metrics::Era::of(&client);
        let (cancel, cancelled) = oneshot::channel();
        let outgoing = outgoing.clone();
        let work: BoxFuture<'static, (Option<Bytes>, End)> = match reply {
            Reply::Message(answer) => {
                metrics.ended(counted, era, answer.end, begun.elapsed());
                return Ok(Some(landed(answer.body)));
            }
            Reply::Running(running) => flight::fly(running, outgoing, cancelled).boxed(),
            Reply::Listen(listen) => {
                match caller.app.hub.subscribe(caller.place(&client), *listen) {
                    Ok(subscription) => flight::listen(subscription, outgoing, cancelled).boxed(),
                    Err(too_many) => {
                        let message = too_many.message();
                        let refusal = error_response(id, codes::INTERNAL_ERROR, &message, None);
                        return Ok(Some(landed(refusal)));
                    }
                }
            }
        };
        let id: Box<str> = id.into();
        if client.is_modern() {
            self.cancels.insert(id.clone(), cancel);
        }
        Ok(Some(
            async move {
                let (answer, end) = work.await;
                metrics.ended(counted, era, end, begun.elapsed());
                Landed { id, answer }
            }
            .boxed(),
        ))
    }

    /// The client behind a request, by what the request says.
    fn client(&self, id: &str, method: &str, meta: &Meta<'_>) -> Result<Client, Refusal> {
        let version = meta.protocol_version.as_deref();
        let inbound = Inbound {
            // There is no header to differ from.
            header: version,
            meta: version,
            method: Some(method),
            is_request: true,
            has_session: self.legacy.is_some(),
        };
        match decide(&inbound).map_err(Refusal::Era)? {
            Era::Initialize => Err(Refusal::Handshake),
            Era::Modern(_) => {
                core::modern_client(id, meta).map_err(|answer| Refusal::Answer(answer.body))
            }
            Era::LegacySession | Era::LegacyWithoutSession => match &self.legacy {
                Some(client) => Ok(Client::Legacy(client.clone())),
                None => Err(Refusal::Uninitialised),
            },
        }
    }

    /// The legacy handshake: the connection is the session from here on.
    async fn initialize(
        &mut self,
        caller: &Caller,
        id: &str,
        params: Option<&RawValue>,
        outgoing: &Outgoing,
    ) -> Result<Option<Flight>, Close> {
        if self.legacy.is_some() {
            let message = "Invalid Request: this connection is initialised already";
            let refusal = error_response(id, codes::INVALID_REQUEST, message, None);
            return Ok(Some(landed(refusal)));
        }
        let answer = match core::initialize(caller, id, params).await {
            Ok(begun) => {
                let result = begun.result.clone();
                match core::take_up(caller, begun).await {
                    Ok(client) => {
                        self.listen(caller, &client);
                        self.legacy = Some(client);
                        Answer::result(id, &result)
                    }
                    Err(gone) => gone.answer(id),
                }
            }
            Err(answer) => answer,
        };
        self.answer(answer.body, outgoing).await?;
        Ok(None)
    }

    /// From now on the session is told of what changes.
    fn listen(&self, caller: &Caller, client: &Arc<core::LegacyClient>) {
        let filter = Filter {
            tools: true,
            prompts: true,
            resources: true,
            uris: Vec::new(),
            tasks: Vec::new(),
        };
        let place = caller.place(&Client::Legacy(client.clone()));
        self.listening.turn_to(place, filter);
    }
}

/// Why a request is not served as it is.
enum Refusal {
    Handshake,
    Era(EraError),
    Answer(Bytes),
    Uninitialised,
}

fn read(raw: Option<&RawValue>) -> Result<(Params<'_>, Meta<'_>), serde_json::Error> {
    let params = Params::parse(raw)?;
    let meta = Meta::parse(params.meta)?;
    Ok((params, meta))
}

/// A request whose answer stands already.
fn landed(answer: Bytes) -> Flight {
    std::future::ready(Landed {
        id: "".into(),
        answer: Some(answer),
    })
    .boxed()
}
