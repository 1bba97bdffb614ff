//! Sessions of legacy clients: how one begins, and how its messages find it again.

use std::sync::Arc;

use ::mcp::{ClientCapabilities, ClientProfile, ProtocolVersion, codes};
use bytes::Bytes;
use cache::{CacheError, EventStreams, SessionId, SessionOwner};
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{Answer, bad_params};
use super::caller::Caller;
use super::client::{Client, LegacyClient, as_of};
use super::facts::{Carrier, Facts};
use super::session::Session;
use crate::hub::end_call;
use crate::kept::Held;
use crate::service::App;

/// What the handshake must say.
#[derive(Deserialize)]
struct Initialize<'a> {
    #[serde(rename = "protocolVersion")]
    protocol_version: String,
    #[serde(borrow)]
    capabilities: &'a RawValue,
    #[serde(rename = "clientInfo")]
    _client_info: serde_json::Map<String, serde_json::Value>,
}

/// A session that has begun.
pub(crate) struct Begun {
    pub(crate) session: Session,
    pub(crate) facts: Bytes,
    /// What `initialize` is answered with.
    pub(crate) result: Bytes,
}

/// Begins a session.
///
/// # Errors
/// The answer to a handshake that lacks what it must say, or that nobody can remember now.
pub(crate) async fn initialize(
    caller: &Caller,
    id: &str,
    params: Option<&RawValue>,
) -> Result<Begun, Answer> {
    let session = caller.app.ids.next();
    initialize_as(caller, session, Carrier::Any, id, params).await
}

/// As [`initialize`], for a session that has an id before it has a version.
pub(crate) async fn initialize_as(
    caller: &Caller,
    session: SessionId,
    carrier: Carrier,
    id: &str,
    params: Option<&RawValue>,
) -> Result<Begun, Answer> {
    let text = params.map_or("{}", |params| params.get());
    let asked: Initialize<'_> =
        serde_json::from_str(text).map_err(|error| bad_params(id, &error))?;
    let capabilities = ClientCapabilities::parse(asked.capabilities);
    let capabilities = capabilities.map_err(|error| bad_params(id, &error))?;
    // Asked for something that has no handshake, or that nobody knows: our latest, never an
    // error; the client decides whether it can go on.
    let version = asked.protocol_version.parse::<ProtocolVersion>().ok();
    let version = version
        .filter(|version| !version.is_modern())
        .unwrap_or(ProtocolVersion::LATEST_LEGACY);

    // Kept in our own words: they are shorter than a client may be.
    let capabilities = as_of(version, capabilities).to_json(ProtocolVersion::LATEST_LEGACY);
    let facts = Facts::write(version, &capabilities, carrier);
    let session = new(caller, session, version);
    let begun = caller
        .app
        .sessions
        .begin(session.id, owner(caller), facts.clone());
    let begun = begun.await;
    begun.map_err(|error| Answer::unavailable(id, &error))?;
    count(&caller.app);
    let result = caller.endpoint.initialize_result(version).into();
    Ok(Begun {
        session,
        facts,
        result,
    })
}

/// Begins a session of which nothing is agreed yet, and that has one stream by its own name.
pub(crate) async fn begin_unagreed(
    caller: &Caller,
    session: SessionId,
) -> Result<Session, CacheError> {
    let (sessions, facts) = (&caller.app.sessions, Facts::UNAGREED.into());
    let session = sessions.begin_with_stream(session, owner(caller), facts);
    let session = session.await?;
    count(&caller.app);
    // The version stands for none; what counts is the record's.
    Ok(new(caller, session, ProtocolVersion::V2024_11_05))
}

fn new(caller: &Caller, id: SessionId, version: ProtocolVersion) -> Session {
    let (app, now) = (&caller.app, caller.app.clock.now());
    let age = i64::try_from(app.config.session_age.as_secs()).unwrap_or(i64::MAX / 2);
    let begun = i64::try_from(now.unix_timestamp_nanos() / 1_000_000);
    Session {
        id,
        bound: caller.bound(),
        version,
        begun: begun.unwrap_or(i64::MAX),
        expires: now.unix_timestamp().saturating_add(age),
    }
}

fn owner(caller: &Caller) -> SessionOwner {
    SessionOwner {
        tenant: caller.tenant,
        key: caller.principal.key,
    }
}

fn count(app: &App) {
    app.metrics.sessions.set(app.sessions.count() as i64);
}

/// Ends a session, and all that is kept and runs for it alone.
///
/// # Errors
/// The store cannot be told. What runs and is kept here has ended nevertheless.
pub(crate) async fn end_session(app: &App, session: SessionId) -> Result<(), CacheError> {
    app.hub.session_ended(session);
    let ended = app.sessions.end(session).await;
    count(app);
    app.streams.forget(session).await?;
    ended.map(drop)
}

/// Ends a session whose client said so, wherever it is listened for and runs something.
///
/// # Errors
/// As [`end_session`]; or others cannot be told.
pub(crate) async fn end_for_good(
    caller: &Caller,
    client: &Arc<LegacyClient>,
) -> Result<(), CacheError> {
    let (app, session) = (&caller.app, client.session.id);
    if app.sessions.are_shared() && client.profile.capabilities.can_be_asked() {
        // Which of them other gateways have called for it is not known here.
        let place = caller.place(&Client::Legacy(client.clone()));
        let all = caller.endpoint.upstreams().iter();
        let own = all.filter(|upstream| upstream.is_server() && !upstream.is_modern());
        let calls = own.map(|upstream| end_call(&place, upstream, session));
        app.hub.session_ended_at(session, calls.collect());
    }
    let ended = end_session(app, session).await;
    let cancelled = cancel_all(app, session).await;
    ended.and(cancelled)
}

/// Cancels what runs for a session whose client said that it needs it no more. A client that is
/// only gone has not said so.
async fn cancel_all(app: &App, session: SessionId) -> Result<(), CacheError> {
    let cancelled = ::mcp::notification("notifications/cancelled", b"{}");
    app.mailboxes.send_all(session, cancelled).await
}

/// Why a session cannot be taken up.
#[derive(Debug)]
pub(crate) enum SessionGone {
    /// Unknown, ended, expired or another's: which of them is not told.
    Gone,
    Unavailable(CacheError),
}

impl SessionGone {
    pub(crate) fn answer(&self, id: &str) -> Answer {
        match self {
            Self::Gone => {
                let message = "Session not found; begin again with initialize";
                let (status, code) = (StatusCode::NOT_FOUND, codes::INVALID_REQUEST);
                Answer::refused(status, id, code, message, None)
            }
            Self::Unavailable(error) => Answer::unavailable(id, error),
        }
    }
}

/// The client of a session, by what the client holds of it. Its idle time starts anew.
pub(crate) async fn open_session(
    caller: &Caller,
    sealed: &str,
) -> Result<Arc<LegacyClient>, SessionGone> {
    match open_on(caller, sealed, Carrier::Any).await? {
        Opened::Agreed(client) => Ok(client),
        Opened::Unagreed(_) => Err(SessionGone::Gone),
    }
}

/// A session that was found.
pub(crate) enum Opened {
    Agreed(Arc<LegacyClient>),
    /// Its client has yet to say `initialize`.
    Unagreed(Session),
}

/// As [`open_session`], for a session of `carrier` and of no other.
pub(crate) async fn open_on(
    caller: &Caller,
    sealed: &str,
    carrier: Carrier,
) -> Result<Opened, SessionGone> {
    let app = &caller.app;
    let session = Session::open(sealed, &app.sealer, caller.bound(), app.clock.now());
    let (session, facts) = session.ok_or(SessionGone::Gone)?;
    find(caller, session, facts, carrier).await
}

/// The client of a session that the caller has just begun.
pub(crate) async fn take_up(
    caller: &Caller,
    begun: Begun,
) -> Result<Arc<LegacyClient>, SessionGone> {
    match find(caller, begun.session, Some(begun.facts), Carrier::Any).await? {
        Opened::Agreed(client) => Ok(client),
        Opened::Unagreed(_) => Err(SessionGone::Gone),
    }
}

/// A session that is known to be the caller's, if it is of `carrier`. `facts` are those that the
/// client's own copy of its id carries.
pub(crate) async fn find(
    caller: &Caller,
    session: Session,
    facts: Option<Bytes>,
    carrier: Carrier,
) -> Result<Opened, SessionGone> {
    let app = &caller.app;
    let held = Held {
        id: session.id,
        owner: owner(caller),
        begun: session.begun,
        facts,
    };
    let record = app.sessions.find(&held).await;
    let record = record.map_err(SessionGone::Unavailable)?;
    let record = record.ok_or(SessionGone::Gone)?;
    let facts = Facts::read(&record.facts).filter(|facts| facts.carrier() == carrier);
    let facts = facts.ok_or(SessionGone::Gone)?;
    let Some(version) = facts.version() else {
        return Ok(Opened::Unagreed(session));
    };
    let session = Session { version, ..session };
    let capabilities = facts.capabilities();
    let level = record
        .log_level
        .as_deref()
        .and_then(|level| level.parse().ok());
    let profile = ClientProfile {
        capabilities,
        // A client that never set a level leaves the choice to the server (2025-11-25,
        // "Setting Log Level").
        log_level: Some(level.unwrap_or(app.config.log_level)),
        log_default: level.is_none(),
    };
    Ok(Opened::Agreed(Arc::new(LegacyClient {
        session,
        profile: Arc::new(profile),
        record,
    })))
}
