//! Finding out which era a server speaks, and agreeing on a legacy session where it needs one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::UpstreamInfo;
use egress::Deadline;
use fabric::{Effect, Failure, FailureKind, RpcError};
use http::{HeaderMap, HeaderName, HeaderValue};
use mcp::{ProtocolVersion, codes, header};
use runtime::Tasks;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{Answer, Reader, garbage};
use super::offers::Offers;
use super::peer::{Link, Refused};
use super::rejected::{Refusal, is_modern_code};
use super::sink::Sink;
use super::{Outgoing, Rejected, Transport, Wire, message};
use crate::failure::sent;

/// How long the end of a session may take to tell.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Redirects within one server that are followed.
const REDIRECTS: usize = 3;

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static(header::PROTOCOL_VERSION);
const SESSION_ID: HeaderName = HeaderName::from_static(header::SESSION_ID);
pub(super) const METHOD: HeaderName = HeaderName::from_static(header::METHOD);
pub(super) const NAME: HeaderName = HeaderName::from_static(header::NAME);

/// How a server wants to be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// A handshake first, and a session where the server names one.
    Legacy,
    /// Each request stands for itself.
    Modern,
}

/// What holds between us and a server until one side forgets it. When the last call that uses it
/// is over and nobody keeps it, a session in it is ended.
pub(super) struct Agreed {
    pub(super) era: Era,
    /// What every message carries.
    pub(super) headers: HeaderMap,
    /// What the server said of itself.
    pub(super) info: UpstreamInfo,
    /// The capabilities in `info`, as far as they matter here.
    pub(super) offers: Offers,
    session: Option<Session>,
}

struct Session {
    transport: Arc<dyn Transport>,
    tasks: Tasks,
    /// The server has forgotten it already.
    lost: AtomicBool,
}

impl Agreed {
    pub(super) fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Notes that the server knows nothing of it any more.
    pub(super) fn lose(&self) {
        if let Some(session) = &self.session {
            session.lost.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
impl Agreed {
    /// An agreement that nothing hangs on.
    pub(super) fn bare() -> Arc<Self> {
        Arc::new(Self {
            era: Era::Legacy,
            headers: HeaderMap::new(),
            info: unknown(),
            offers: Offers::default(),
            session: None,
        })
    }
}

impl Drop for Agreed {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        if session.lost.load(Ordering::Relaxed) || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let headers = std::mem::take(&mut self.headers);
        let transport = session.transport;
        session
            .tasks
            .disposable("end an upstream session", async move {
                transport
                    .end_session(headers, Deadline::after(END_WITHIN))
                    .await;
                Ok(())
            });
    }
}

/// What the answer to `server/discover` says of a server.
enum Probe {
    Modern(UpstreamInfo),
    Legacy,
    /// Nothing: it may be a slow server of either era.
    Unclear,
}

impl Link {
    /// Finds out what the server speaks, `hint` tried first, and agrees with it.
    pub(super) async fn agree(
        &self,
        hint: Option<Era>,
        deadline: Deadline,
    ) -> Result<Agreed, Failure> {
        let old_wire = self.transport.wire() == Wire::Sse;
        if hint == Some(Era::Legacy) || old_wire {
            match self.initialize(deadline).await {
                // It may have changed: ask from the start.
                Err(Refused::Status(_)) if !old_wire => {}
                Ok(agreed) => return Ok(agreed),
                Err(Refused::Status(refusal)) => return Err(refusal.failure()),
                Err(Refused::Failed(failure)) => return Err(failure),
            }
        }
        let probe = match self.discover(deadline).await? {
            Probe::Modern(info) => return Ok(self.modern(info)),
            probe => probe,
        };
        match self.initialize(deadline).await {
            Ok(agreed) => Ok(agreed),
            Err(Refused::Status(refusal)) if refusal.is_modern() => Ok(self.modern(unknown())),
            Err(Refused::Status(refusal))
                if matches!(probe, Probe::Unclear) && refuses_handshake(&refusal) =>
            {
                Ok(self.modern(unknown()))
            }
            // 2025-03-26, "Backwards Compatibility": a server that takes no POST may be an older one.
            Err(Refused::Status(refusal))
                if refusal.has_no_endpoint() && self.transport.fall_back().await =>
            {
                match self.initialize(deadline).await {
                    Ok(agreed) => Ok(agreed),
                    Err(Refused::Status(refusal)) => Err(refusal.failure()),
                    Err(Refused::Failed(failure)) => Err(failure),
                }
            }
            Err(Refused::Status(refusal)) => Err(refusal.failure()),
            Err(Refused::Failed(failure)) => Err(failure),
        }
    }

    /// Asks again what the server speaks, for a legacy agreement that is in doubt.
    pub(super) async fn is_modern_now(&self, deadline: Deadline) -> bool {
        matches!(self.discover(deadline).await, Ok(Probe::Modern(_)))
    }

    fn modern(&self, info: UpstreamInfo) -> Agreed {
        Agreed {
            era: Era::Modern,
            headers: self.modern_headers(),
            offers: Offers::of(&info),
            info,
            session: None,
        }
    }

    fn modern_headers(&self) -> HeaderMap {
        let mut headers = self.transport.headers();
        if self.transport.wire() == Wire::Http {
            let version = HeaderValue::from_static(ProtocolVersion::LATEST.as_str());
            headers.insert(PROTOCOL_VERSION, version);
        }
        headers
    }

    async fn discover(&self, deadline: Deadline) -> Result<Probe, Failure> {
        let id = self.next_id();
        let mut headers = self.modern_headers();
        if self.transport.wire() == Wire::Http {
            headers.insert(METHOD, HeaderValue::from_static("server/discover"));
        }
        let probing = deadline.within(self.probe_timeout);
        match self
            .handshake(id, message::discover(id), headers, probing)
            .await
        {
            Ok((result, _)) => Ok(probe_of_result(&result)),
            Err(Refused::Status(refusal)) => probe_of_refusal(&refusal),
            Err(Refused::Failed(failure)) => match failure.kind {
                FailureKind::Garbage => Ok(Probe::Legacy),
                FailureKind::Timeout if failure.effect == Effect::Possible => Ok(Probe::Unclear),
                FailureKind::Died if self.transport.wire() == Wire::Http => Ok(Probe::Unclear),
                _ => Err(failure),
            },
        }
    }

    async fn initialize(&self, deadline: Deadline) -> Result<Agreed, Refused> {
        let id = self.next_id();
        let mut headers = self.transport.headers();
        let (result, session) = self
            .handshake(
                id,
                message::initialize(id, &self.capabilities),
                headers.clone(),
                deadline,
            )
            .await?;
        let (version, info) = legacy_info(&result)?;
        let wire = self.transport.wire();
        // The header came with 2025-06-18; what came before may not know it.
        if wire == Wire::Http && version >= ProtocolVersion::V2025_06_18 {
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(version.as_str()));
        }
        let session = session.map(|mut session_id| {
            session_id.set_sensitive(true);
            headers.insert(SESSION_ID, session_id);
            Session {
                transport: self.transport.clone(),
                tasks: self.tasks.clone(),
                lost: AtomicBool::new(false),
            }
        });
        let agreed = Agreed {
            era: Era::Legacy,
            headers,
            offers: Offers::of(&info),
            info,
            session,
        };
        let initialized = bytes::Bytes::from_static(message::INITIALIZED);
        let told = self
            .transport
            .notify(initialized, agreed.headers.clone(), deadline)
            .await;
        match told {
            // Some servers refuse the notification, and serve all the same.
            Err(failure) if failure.kind == FailureKind::Garbage => {
                tracing::debug!("the MCP server refused notifications/initialized");
            }
            told => told?,
        }
        tracing::debug!(protocol.version = %version, "agreed on a legacy session");
        Ok(agreed)
    }

    /// Sends a request before anything is agreed. Never cancelled: the protocol forbids it for
    /// `initialize`. Returns the result, and the session that the server names with it.
    async fn handshake(
        &self,
        id: u64,
        body: bytes::Bytes,
        headers: HeaderMap,
        deadline: Deadline,
    ) -> Result<(bytes::Bytes, Option<HeaderValue>), Refused> {
        let work = async {
            let mut redirects = 0;
            let mut exchange = loop {
                let (body, headers) = (body.clone(), headers.clone());
                let refused = self
                    .transport
                    .request(Outgoing {
                        id,
                        body,
                        headers,
                        deadline,
                    })
                    .await;
                let refusal = match refused {
                    Ok(exchange) => break exchange,
                    Err(Rejected::Failed(failure)) => return Err(Refused::Failed(failure)),
                    Err(Rejected::Status {
                        status,
                        body,
                        retry_after,
                    }) => Refusal::read(status, &body, retry_after),
                };
                redirects += 1;
                if redirects > REDIRECTS || !self.transport.has_moved() {
                    return Err(Refused::Status(refusal));
                }
            };
            let reader = Reader {
                id,
                sink: &Sink::Nobody,
                replies: None,
                notices: None,
                deadline,
            };
            match reader.read(&mut *exchange).await? {
                Answer::Error(error) => Err(Refused::Status(Refusal::of_error(error))),
                Answer::Result(result) => {
                    let session = exchange
                        .headers()
                        .and_then(|all| all.get(SESSION_ID))
                        .cloned();
                    exchange.finish();
                    Ok((result, session))
                }
            }
        };
        // A pipe knows no deadline of its own.
        match tokio::time::timeout_at(deadline.instant(), work).await {
            Ok(ended) => ended,
            Err(_) => Err(Refused::Failed(sent(
                FailureKind::Timeout,
                "the MCP server did not answer the handshake in time",
            ))),
        }
    }
}

fn probe_of_result(result: &[u8]) -> Probe {
    #[derive(Deserialize)]
    struct Discovered<'a> {
        #[serde(default, rename = "supportedVersions")]
        supported: Vec<String>,
        #[serde(borrow, default)]
        capabilities: Option<&'a RawValue>,
        #[serde(default)]
        instructions: Option<String>,
    }
    match serde_json::from_slice::<Discovered<'_>>(result) {
        Ok(discovered) if speaks_modern(&discovered.supported) => Probe::Modern(info(
            ProtocolVersion::LATEST,
            discovered.capabilities,
            discovered.instructions,
        )),
        _ => Probe::Legacy,
    }
}

/// What is known of a modern server that refused to describe itself.
fn unknown() -> UpstreamInfo {
    info(ProtocolVersion::LATEST, None, None)
}

fn info(
    version: ProtocolVersion,
    capabilities: Option<&RawValue>,
    instructions: Option<String>,
) -> UpstreamInfo {
    let capabilities = capabilities.filter(|raw| raw.get().starts_with('{'));
    UpstreamInfo {
        version: version.as_str().to_owned(),
        capabilities: capabilities.map_or_else(
            || RawValue::from_string("{}".to_owned()).expect("it is JSON"),
            ToOwned::to_owned,
        ),
        instructions,
        tool_list: None,
    }
}

fn probe_of_refusal(refusal: &Refusal) -> Result<Probe, Failure> {
    if let Some(error) = &refusal.error
        && is_modern_code(error.code)
    {
        let elsewhere = error.code == codes::UNSUPPORTED_PROTOCOL_VERSION && !supports_us(error);
        return Ok(if elsewhere {
            Probe::Legacy
        } else {
            Probe::Modern(unknown())
        });
    }
    let status = refusal.status;
    if refusal.concerns_credential() || status.is_redirection() || status.as_u16() == 429 {
        return Err(refusal.failure());
    }
    if matches!(status.as_u16(), 502..=504) {
        return Err(refusal.failure());
    }
    // Wrong params can mean that metadata is missed, or that the method is not known.
    let unclear = refusal.code() == Some(codes::INVALID_PARAMS);
    Ok(if unclear {
        Probe::Unclear
    } else {
        Probe::Legacy
    })
}

/// Whether a refusal of `initialize` says that there is no such thing.
fn refuses_handshake(refusal: &Refusal) -> bool {
    matches!(
        refusal.code(),
        Some(codes::METHOD_NOT_FOUND | codes::INVALID_PARAMS)
    )
}

fn supports_us(error: &RpcError) -> bool {
    #[derive(Deserialize)]
    struct Data {
        #[serde(default)]
        supported: Vec<String>,
    }
    let data = error
        .data
        .as_deref()
        .and_then(|data| serde_json::from_slice::<Data>(data).ok());
    data.is_some_and(|data| speaks_modern(&data.supported))
}

fn speaks_modern(supported: &[String]) -> bool {
    supported
        .iter()
        .any(|version| version == ProtocolVersion::LATEST.as_str())
}

fn legacy_info(result: &[u8]) -> Result<(ProtocolVersion, UpstreamInfo), Failure> {
    #[derive(Deserialize)]
    struct Initialized<'a> {
        #[serde(rename = "protocolVersion")]
        version: String,
        #[serde(borrow, default)]
        capabilities: Option<&'a RawValue>,
        #[serde(default)]
        instructions: Option<String>,
    }
    let answer: Initialized<'_> = serde_json::from_slice(result)
        .map_err(|_| garbage("the handshake without a protocol version"))?;
    match answer.version.parse::<ProtocolVersion>() {
        Ok(version) if !version.is_modern() => Ok((
            version,
            info(version, answer.capabilities, answer.instructions),
        )),
        _ => Err(garbage(
            "the handshake with a protocol version that nobody here speaks",
        )),
    }
}
