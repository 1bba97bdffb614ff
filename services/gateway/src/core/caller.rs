//! Who sends a message, and to which endpoint.

use std::sync::Arc;

use ::mcp::{ClientProfile, ProtocolVersion};
use cache::{SessionId, SessionOwner};
use domain::{Principal, TenantId};

use super::client::Client;
use super::parked::Owner;
use super::session::Bound;
use crate::hub::Place;
use crate::kept::Held;
use crate::service::App;
use crate::snapshot::Endpoint;

/// An authenticated sender at one endpoint of a tenant, as the configuration stood when it was
/// let in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) app: Arc<App>,
    pub(crate) principal: Principal,
    /// The tenant's slug.
    pub(crate) slug: Arc<str>,
    pub(crate) tenant: TenantId,
    pub(crate) endpoint: Arc<Endpoint>,
}

impl Caller {
    /// What everything that is handed to this caller, and taken back from it, is bound to.
    pub(crate) fn bound(&self) -> Bound {
        Bound {
            tenant: self.tenant,
            connector: self.endpoint.connector,
            key: self.principal.key,
        }
    }

    /// Where this caller listens.
    pub(crate) fn place(&self, client: &Client) -> Place {
        let session = client.legacy().map(|client| client.session.id);
        Place {
            version: client.version(),
            held: client.legacy().map(|client| Held {
                id: client.session.id,
                owner: SessionOwner {
                    tenant: self.tenant,
                    key: self.principal.key,
                },
                begun: client.session.begun,
                facts: Some(client.record.facts.clone()),
            }),
            ..self.place_in(session, client.profile().clone())
        }
    }

    /// Where this caller listens before it is known which client it is.
    pub(crate) fn place_in(
        &self,
        session: Option<SessionId>,
        profile: Arc<ClientProfile>,
    ) -> Place {
        Place {
            slug: self.slug.clone(),
            tenant: self.tenant,
            connector: self.endpoint.connector,
            principal: self.principal,
            profile,
            version: ProtocolVersion::LATEST_LEGACY,
            session,
            held: None,
            is_late: false,
            tools_digest: self.endpoint.tools_digest(),
        }
    }

    /// How long a modern client may keep what it is given, in milliseconds.
    pub(super) fn ttl_ms(&self) -> u64 {
        u64::try_from(self.app.config.list_ttl.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whose parked calls are counted.
    pub(super) fn owner(&self) -> Owner {
        Owner {
            tenant: self.tenant,
            key: self.principal.key,
        }
    }

    /// Unix seconds.
    pub(super) fn now(&self) -> i64 {
        self.app.clock.now().unix_timestamp()
    }
}
