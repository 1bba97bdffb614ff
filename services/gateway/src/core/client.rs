//! The client behind a request: how it wants its answers dressed, and what it can do.

use std::sync::Arc;

use ::mcp::{ClientCapabilities, ClientProfile, Meta, ProtocolVersion, codes, keys};
use cache::SessionRecord;

use super::answer::Answer;
use super::session::Session;

/// A client of either era. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    /// What the request itself declared.
    Modern(Arc<ClientProfile>),
    Legacy(Arc<LegacyClient>),
}

/// A client with a session.
#[derive(Debug)]
pub(crate) struct LegacyClient {
    pub(crate) session: Session,
    pub(crate) profile: Arc<ClientProfile>,
    pub(crate) record: Arc<SessionRecord>,
}

impl Client {
    /// The session's client, if it has one.
    pub(crate) fn legacy(&self) -> Option<&Arc<LegacyClient>> {
        match self {
            Self::Legacy(client) => Some(client),
            Self::Modern(_) => None,
        }
    }

    pub(crate) fn is_modern(&self) -> bool {
        matches!(self, Self::Modern(_))
    }

    pub(crate) fn version(&self) -> ProtocolVersion {
        match self {
            Self::Modern(_) => ProtocolVersion::LATEST,
            Self::Legacy(client) => client.session.version,
        }
    }

    pub(crate) fn profile(&self) -> &Arc<ClientProfile> {
        match self {
            Self::Modern(profile) => profile,
            Self::Legacy(client) => &client.profile,
        }
    }

    /// The profile for a request whose answer can (not) be preceded by messages: a legacy client
    /// that takes one JSON document only cannot be asked anything, nor told.
    pub(crate) fn profile_for(&self, can_stream: bool) -> Arc<ClientProfile> {
        let profile = self.profile();
        match self {
            Self::Legacy(_) if !can_stream => Arc::new(ClientProfile {
                capabilities: ClientCapabilities {
                    ui: profile.capabilities.ui.clone(),
                    ..ClientCapabilities::default()
                },
                ..ClientProfile::default()
            }),
            Self::Modern(_) if !can_stream && profile.log_level.is_some() => {
                Arc::new(ClientProfile {
                    log_level: None,
                    ..ClientProfile::clone(profile)
                })
            }
            _ => profile.clone(),
        }
    }
}

/// The client that a modern request says it is from (2026-07-28, "Request metadata").
///
/// # Errors
/// The answer, HTTP 400 with -32602: what the metadata must say is missing or wrong.
pub(crate) fn modern_client(id: &str, meta: &Meta<'_>) -> Result<Client, Answer> {
    let wrong = |what: &str| Answer::bad_request(id, codes::INVALID_PARAMS, what);
    let capabilities = meta.client_capabilities.map(ClientCapabilities::parse);
    let Some(Ok(capabilities)) = capabilities else {
        let name = keys::CLIENT_CAPABILITIES;
        let message = format!("_meta[\"{name}\"] must be an object of objects");
        return Err(wrong(&message));
    };
    let log_level = match meta.log_level.as_deref().map(str::parse) {
        None => None,
        Some(Ok(level)) => Some(level),
        Some(Err(())) => {
            let name = keys::LOG_LEVEL;
            return Err(wrong(&format!("_meta[\"{name}\"] is no log level")));
        }
    };
    Ok(Client::Modern(Arc::new(ClientProfile {
        capabilities,
        log_level,
        log_default: false,
    })))
}

/// What a client of `version` can have declared by its handshake: members of later revisions mean
/// nothing, and tasks of 2026-07-28 have no place in a session.
pub(super) fn as_of(
    version: ProtocolVersion,
    capabilities: ClientCapabilities,
) -> ClientCapabilities {
    let latest = version >= ProtocolVersion::V2025_11_25;
    let forms = version >= ProtocolVersion::V2025_06_18;
    ClientCapabilities {
        sampling_tools: latest && capabilities.sampling_tools,
        sampling_context: latest && capabilities.sampling_context,
        elicitation_url: latest && capabilities.elicitation_url,
        elicitation_form: forms && capabilities.elicitation_form,
        tasks: false,
        ..capabilities
    }
}
