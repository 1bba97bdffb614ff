//! A POST: its messages, their era, and who answers them.

use ::mcp::{
    Era, EraError, Id, Message, Meta, Params, ProtocolVersion, codes, decide, header, parse,
};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::endpoints::{VERSION_TWICE, session};
use super::inbound::{Inbound, check_form, not_acceptable, read};
use super::{batch, modern};
use crate::core::{self, ANSWER_HELD, Answer, Caller, Client, Exchange, Reply, bad_params};
use crate::metrics::{self, End, Method};

/// Serves a POST.
pub(super) async fn serve(caller: Caller, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let inbound = Inbound::new(caller, parts);
    if let Err(answer) = check_form(&inbound.headers) {
        return inbound.refuse(answer);
    }
    if inbound.accepts.nothing() {
        let message = "Not Acceptable: accept application/json and text/event-stream";
        return inbound.refuse(not_acceptable(message));
    }
    let config = &inbound.caller.app.config;
    let body = match read(&inbound.headers, body, config).await {
        Ok(body) => body,
        Err(answer) => return inbound.refuse(answer),
    };
    match parse(&body, config.json_max_depth) {
        Ok(Message::Request { id, method, params }) => {
            inbound.request(id.raw(), &method, params).await
        }
        Ok(Message::Notification { method, params }) => inbound.notification(&method, params).await,
        Ok(Message::Result { id, .. } | Message::Error { id: Some(id), .. }) => {
            inbound.response(Some(id), &body).await
        }
        Ok(Message::Error { id: None, .. }) => inbound.response(None, &body).await,
        Ok(Message::Batch(raw)) => batch::serve(inbound, &body, raw).await,
        Err(error) => {
            let answer = Answer::bad_request("null", error.code(), error.message);
            inbound.refuse(answer)
        }
    }
}

impl Inbound {
    async fn notification(&self, method: &str, raw_params: Option<&RawValue>) -> Response {
        let params = Params::parse(raw_params).unwrap_or_default();
        let meta = Meta::parse(params.meta).unwrap_or_default();
        match self.era("null", Some(method), &meta, false) {
            Err(answer) => return self.refuse(answer),
            // A modern client cancels by closing a stream; it has nothing else to tell.
            Ok(Era::Modern(_)) => {
                self.count(Method::Notification, metrics::Era::Modern, End::Ok);
            }
            Ok(_) => match session(&self.caller, &self.headers, "null").await {
                Ok(client) => {
                    let client = Client::Legacy(client);
                    core::notification(&self.caller, &client, method, raw_params).await;
                    self.count(Method::Notification, metrics::Era::Legacy, End::Ok);
                }
                Err(answer) => return self.refuse(answer),
            },
        }
        StatusCode::ACCEPTED.into_response()
    }

    /// An answer of a client's, to something that it was asked.
    async fn response(&self, id: Option<Id<'_>>, message: &Bytes) -> Response {
        match self.era("null", None, &Meta::default(), false) {
            Err(answer) => return self.refuse(answer),
            Ok(Era::Modern(_)) => {
                let message = "Invalid Request: this revision has no responses of clients";
                let answer = Answer::bad_request("null", codes::INVALID_REQUEST, message);
                return self.refuse(answer);
            }
            Ok(_) => {}
        }
        let client = match session(&self.caller, &self.headers, "null").await {
            Ok(client) => client,
            Err(answer) => return self.refuse(answer),
        };
        if let Some(id) = id {
            let (app, message) = (&self.caller.app, message.clone());
            let until = Instant::now() + ANSWER_HELD;
            if let Err(error) = core::response(app, &client, id, message, until).await {
                return self.refuse(Answer::unavailable("null", &error));
            }
        }
        self.count(Method::Notification, metrics::Era::Legacy, End::Ok);
        StatusCode::ACCEPTED.into_response()
    }

    async fn request(&self, id: &str, method: &str, raw_params: Option<&RawValue>) -> Response {
        let params = match Params::parse(raw_params) {
            Ok(params) => params,
            Err(error) => return self.refuse(bad_params(id, &error)),
        };
        let meta = match Meta::parse(params.meta) {
            Ok(meta) => meta,
            Err(error) => return self.refuse(bad_params(id, &error)),
        };
        let client = match self.era(id, Some(method), &meta, true) {
            Err(answer) => Err(answer),
            Ok(Era::Initialize) => return self.initialize(id, raw_params).await,
            Ok(Era::Modern(_)) => modern::check_request(&self.headers, id, method, &params)
                .and_then(|()| core::modern_client(id, &meta)),
            Ok(Era::LegacySession | Era::LegacyWithoutSession) => {
                let client = session(&self.caller, &self.headers, id).await;
                client.map(Client::Legacy)
            }
        };
        let client = match client {
            Ok(client) => client,
            Err(answer) => return self.refuse(answer),
        };
        let read = (&params, &meta);
        match self
            .dispatch_read(&client, id, method, read, self.accepts.stream)
            .await
        {
            Ok(reply) => self.send(Method::of(method), client, reply).await,
            Err(answer) => self.refuse(answer),
        }
    }

    /// Hands a legacy client's request to the core.
    ///
    /// # Errors
    /// What it brings cannot be read.
    pub(super) async fn dispatch(
        &self,
        client: &Client,
        id: &str,
        method: &str,
        raw_params: Option<&RawValue>,
        can_stream: bool,
    ) -> Result<Reply, Answer> {
        let params = Params::parse(raw_params).map_err(|error| bad_params(id, &error))?;
        let meta = Meta::parse(params.meta).map_err(|error| bad_params(id, &error))?;
        let read = (&params, &meta);
        self.dispatch_read(client, id, method, read, can_stream)
            .await
    }

    async fn dispatch_read(
        &self,
        client: &Client,
        id: &str,
        method: &str,
        (params, meta): (&Params<'_>, &Meta<'_>),
        can_stream: bool,
    ) -> Result<Reply, Answer> {
        let exchange = Exchange {
            caller: &self.caller,
            client: client.clone(),
            id,
            can_stream,
            request_id: self.request_id.as_str(),
            user_token: self.user_token(id)?,
        };
        Ok(exchange
            .dispatch(method, params, meta, Some(&self.headers))
            .await)
    }

    /// The legacy handshake: begins a session.
    async fn initialize(&self, id: &str, params: Option<&RawValue>) -> Response {
        let begun = match core::initialize(&self.caller, id, params).await {
            Ok(begun) => begun,
            Err(answer) => return self.refuse(answer),
        };
        let answer = Answer::result(id, &begun.result);
        let mut response = self.send_answer(Method::Initialize, metrics::Era::Legacy, answer);
        let sealed = begun.session.seal(&begun.facts, &self.caller.app.sealer);
        let sealed = HeaderValue::try_from(sealed);
        let sealed = sealed.expect("a seal is visible ASCII");
        response.headers_mut().insert(header::SESSION_ID, sealed);
        response
    }

    /// The era of a message of ours.
    ///
    /// # Errors
    /// HTTP 400, with the code that the decision table names.
    fn era(
        &self,
        id: &str,
        method: Option<&str>,
        meta: &Meta<'_>,
        is_request: bool,
    ) -> Result<Era, Answer> {
        let versions = self.headers.get_all(header::PROTOCOL_VERSION).iter();
        let mut versions = versions.map(|value| value.to_str().unwrap_or("").trim());
        let version = versions.next();
        let mut others = versions.peekable();
        if others.peek().is_some() {
            let modern = |text: &str| text.parse().is_ok_and(ProtocolVersion::is_modern);
            let is_modern = meta.protocol_version.is_some()
                || version.is_some_and(modern)
                || others.any(modern);
            // The code for headers is known to modern clients alone.
            return Err(match is_modern {
                true => era_answer(id, &EraError::HeaderMismatch),
                false => Answer::bad_request(id, codes::INVALID_REQUEST, VERSION_TWICE),
            });
        }
        decide(&::mcp::Inbound {
            header: version,
            meta: meta.protocol_version.as_deref(),
            method,
            is_request,
            has_session: self.headers.contains_key(header::SESSION_ID),
        })
        .map_err(|error| era_answer(id, &error))
    }
}

pub(super) fn era_answer(id: &str, error: &EraError) -> Answer {
    let data = error.data();
    let (status, message) = (StatusCode::BAD_REQUEST, error.to_string());
    let data = data.as_deref().map(str::as_bytes);
    Answer::refused(status, id, error.code(), &message, data)
}
