//! A POST: one message, its era, and who answers it.

use ::mcp::{
    Era, EraError, Inbound, Message, Meta, Params, ProtocolVersion, codes, decide, header, parse,
};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use cache::SessionOwner;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use web::RequestId;

use super::accept::Accepts;
use super::dispatch::{Client, Exchange};
use super::http::Caller;
use super::modern;
use super::reply::Answer;
use super::send::{self, whole};
use super::session::Session;
use crate::metrics::{self, End};

/// A message that is being read, and what is known of it.
pub(super) struct Received<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) accepts: Accepts,
    pub(super) request_id: &'a str,
    pub(super) begun: Instant,
}

impl Caller<'_> {
    pub(super) async fn post(&self, request: Request) -> Response {
        let begun = Instant::now();
        let (parts, body) = request.into_parts();
        let request_id = match parts.extensions.get::<RequestId>() {
            Some(id) => id.clone(),
            None => RequestId::of(&parts.headers, self.app.ids.as_ref()),
        };
        let received = Received {
            headers: &parts.headers,
            accepts: Accepts::of(&parts.headers),
            request_id: request_id.as_str(),
            begun,
        };
        if let Err(answer) = send::acceptable(&parts.headers, received.accepts) {
            return self.refuse(&received, answer);
        }
        let body = match send::read(&parts.headers, body, &self.app.config).await {
            Ok(body) => body,
            Err(answer) => return self.refuse(&received, answer),
        };
        match parse(&body, self.app.config.json_max_depth) {
            Ok(Message::Request { id, method, params }) => {
                self.request(&received, id.raw(), &method, params).await
            }
            Ok(Message::Notification { method, params }) => {
                self.one_way(&received, Some(&method), params).await
            }
            Ok(Message::Result { .. } | Message::Error { .. }) => {
                self.one_way(&received, None, None).await
            }
            Ok(Message::Batch(_)) => {
                let message = "Invalid Request: a batch of messages is not accepted here";
                self.refuse(
                    &received,
                    Answer::bad_request("null", codes::INVALID_REQUEST, message),
                )
            }
            Err(error) => self.refuse(
                &received,
                Answer::bad_request("null", error.code(), error.message),
            ),
        }
    }

    /// A notification, or (without a method) an answer of the client's.
    async fn one_way(
        &self,
        received: &Received<'_>,
        method: Option<&str>,
        params: Option<&RawValue>,
    ) -> Response {
        let params = Params::parse(params).unwrap_or_default();
        let meta = Meta::parse(params.meta).unwrap_or_default();
        let client = match era(received, method, &meta, false) {
            Err(error) => return self.refuse(received, era_answer("null", &error)),
            Ok(Era::Modern(_)) if method.is_some() => Client::Modern,
            Ok(Era::Modern(_)) => {
                let message = "Invalid Request: this revision has no responses of clients";
                let answer = Answer::bad_request("null", codes::INVALID_REQUEST, message);
                return self.refuse(received, answer);
            }
            Ok(_) => match self.session(received.headers, "null").await {
                Ok(session) => Client::Legacy(session.version),
                Err(answer) => return self.refuse(received, answer),
            },
        };
        self.count(
            received,
            metrics::Method::Notification,
            Some(client),
            End::Ok,
        );
        StatusCode::ACCEPTED.into_response()
    }

    async fn request(
        &self,
        received: &Received<'_>,
        id: &str,
        method: &str,
        raw_params: Option<&RawValue>,
    ) -> Response {
        let params = match Params::parse(raw_params) {
            Ok(params) => params,
            Err(error) => return self.refuse(received, bad_params(id, &error)),
        };
        let meta = match Meta::parse(params.meta) {
            Ok(meta) => meta,
            Err(error) => return self.refuse(received, bad_params(id, &error)),
        };
        let client = match era(received, Some(method), &meta, true) {
            Err(error) => return self.refuse(received, era_answer(id, &error)),
            Ok(Era::Initialize) => return self.initialize(received, id, raw_params).await,
            Ok(Era::Modern(_)) => {
                let headers = received.headers;
                match modern::check_request(headers, id, method, &params, &meta) {
                    Ok(()) => Client::Modern,
                    Err(answer) => return self.refuse(received, answer),
                }
            }
            Ok(Era::LegacySession | Era::LegacyWithoutSession) => {
                match self.session(received.headers, id).await {
                    Ok(session) => Client::Legacy(session.version),
                    Err(answer) => return self.refuse(received, answer),
                }
            }
        };
        let exchange = Exchange {
            app: self.app,
            principal: self.principal,
            endpoint: self.endpoint,
            tenant: self.snapshot.tenant,
            client,
            id,
            can_stream: received.accepts.stream,
            request_id: received.request_id,
        };
        let reply = exchange.dispatch(method, &params, &meta, received.headers);
        self.send(received, metrics::Method::of(method), client, reply)
            .await
    }

    /// The legacy handshake: begins a session.
    async fn initialize(
        &self,
        received: &Received<'_>,
        id: &str,
        params: Option<&RawValue>,
    ) -> Response {
        let text = params.map_or("{}", |params| params.get());
        let asked = match serde_json::from_str::<Initialize>(text) {
            Ok(asked) => asked.protocol_version.parse::<ProtocolVersion>(),
            Err(error) => return self.refuse(received, bad_params(id, &error)),
        };
        // Asked for something that has no handshake, or that nobody knows: our latest, never an
        // error; the client decides whether it can go on.
        let version = asked.ok().filter(|version| !version.is_modern());
        let version = version.unwrap_or(ProtocolVersion::LATEST_LEGACY);

        let age = i64::try_from(self.app.config.session_age.as_secs()).unwrap_or(i64::MAX / 2);
        let session = Session {
            id: self.app.ids.next(),
            bound: self.bound(),
            version,
            expires: self.app.clock.now().unix_timestamp().saturating_add(age),
        };
        let owner = SessionOwner {
            tenant: self.snapshot.tenant,
            key: self.principal.key,
        };
        if let Err(error) = self.app.sessions.begin(session.id, owner).await {
            return send::sessions_unavailable(&error, id);
        }
        self.app
            .metrics
            .sessions
            .set(self.app.sessions.count() as i64);

        let result = self.endpoint.server.initialize_result(version);
        let client = Client::Legacy(version);
        self.count(received, metrics::Method::Initialize, Some(client), End::Ok);
        let mut response = whole(Answer::result(id, result.as_bytes()));
        let sealed = HeaderValue::try_from(session.seal(&self.app.sealer));
        let sealed = sealed.expect("a seal is visible ASCII");
        response.headers_mut().insert(header::SESSION_ID, sealed);
        response
    }

    /// The legacy session of a message.
    ///
    /// # Errors
    /// 400 without one; 404 for one that is unknown, ended, expired or another's, all alike.
    pub(super) async fn session(&self, headers: &HeaderMap, id: &str) -> Result<Session, Answer> {
        let mut values = headers.get_all(header::SESSION_ID).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            let message = "Bad Request: one Mcp-Session-Id is needed; begin with initialize";
            return Err(Answer::bad_request(id, codes::INVALID_REQUEST, message));
        };
        let text = value.to_str().unwrap_or_default();
        let now = self.app.clock.now();
        if let Some(session) = Session::open(text, &self.app.sealer, self.bound(), now) {
            match self.app.sessions.touch(session.id).await {
                Ok(true) => return Ok(session),
                Ok(false) => {}
                Err(error) => return Err(send::unavailable(&error, id)),
            }
        }
        let (status, code) = (StatusCode::NOT_FOUND, codes::INVALID_REQUEST);
        Err(Answer::refused(
            status,
            id,
            code,
            "Session not found; begin again with initialize",
            None,
        ))
    }
}

/// What the handshake must say; capabilities and client info are read when something needs them.
#[derive(Deserialize)]
struct Initialize {
    #[serde(rename = "protocolVersion")]
    protocol_version: String,
    #[serde(rename = "capabilities")]
    _capabilities: serde_json::Map<String, serde_json::Value>,
    #[serde(rename = "clientInfo")]
    _client_info: serde_json::Map<String, serde_json::Value>,
}

fn era(
    received: &Received<'_>,
    method: Option<&str>,
    meta: &Meta<'_>,
    is_request: bool,
) -> Result<Era, EraError> {
    let mut versions = received.headers.get_all(header::PROTOCOL_VERSION).iter();
    let version = versions
        .next()
        .map(|value| value.to_str().unwrap_or("").trim());
    if versions.next().is_some() {
        return Err(EraError::HeaderMismatch);
    }
    decide(&Inbound {
        header: version,
        meta: meta.protocol_version.as_deref(),
        method,
        is_request,
        has_session: received.headers.contains_key(header::SESSION_ID),
    })
}

fn era_answer(id: &str, error: &EraError) -> Answer {
    let data = error.data();
    let (status, message) = (StatusCode::BAD_REQUEST, error.to_string());
    Answer::refused(
        status,
        id,
        error.code(),
        &message,
        data.as_deref().map(str::as_bytes),
    )
}

fn bad_params(id: &str, error: &serde_json::Error) -> Answer {
    // Where in our parser's view of the text the fault lies helps nobody.
    let text = error.to_string();
    let reason = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(reason, _)| reason);
    Answer::bad_request(
        id,
        codes::INVALID_PARAMS,
        &format!("Invalid params: {reason}"),
    )
}
