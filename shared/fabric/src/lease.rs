//! What a worker needs to run a connector, credential included, for a bounded time.

use domain::{Connector, ConnectorId, ConnectorSecrets, TenantId};
use futures_util::future::BoxFuture;
use secrecy::SecretBox;

/// A connector with its secrets in clear. Lives in a worker's memory only.
#[derive(Debug)]
pub struct Lease {
    pub connector: Connector,
    pub secrets: SecretBox<LeasedSecrets>,
}

/// Zeroised when dropped; `secrecy` asks for a type of its own.
#[derive(Clone, Default)]
pub struct LeasedSecrets(pub ConnectorSecrets);

impl secrecy::zeroize::Zeroize for LeasedSecrets {
    fn zeroize(&mut self) {
        self.0.token.zeroize();
        for value in self.0.headers.values_mut().chain(self.0.env.values_mut()) {
            value.zeroize();
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    #[error("there is no such connector, or it is disabled")]
    Gone,
    #[error("the credential cannot be opened")]
    Sealed,
    #[error("the control-plane is unavailable: {0}")]
    Unavailable(String),
}

/// Gives leases. Implemented by the control-plane, asked by workers.
pub trait Leases: Send + Sync {
    fn lease(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Result<Lease, LeaseError>>;
}
