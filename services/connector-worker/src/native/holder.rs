//! Whose credential a request carries: whom quotas are counted for, and who may see an answer again.

use domain::{AccountId, ConnectorId, TenantId};
use secrecy::ExposeSecret;

use super::call::Call;
use crate::credentials::Signature;

/// A credential of one connector of one tenant. What is kept from one call to another is kept by
/// it, so that no two of them ever share any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Holder {
    tenant: TenantId,
    connector: ConnectorId,
    credential: Credential,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Credential {
    /// The connector's own secret, as this version of the connector has it.
    Own(i64),
    Account {
        account: AccountId,
        /// With a person's token, where the provider gives a bot's as well.
        is_persons: bool,
    },
    /// A caller's own token, as its hash under a key that only this process has.
    Given([u8; 32]),
}

impl Holder {
    pub(super) fn is_of(&self, tenant: TenantId, connector: ConnectorId) -> bool {
        (self.tenant, self.connector) == (tenant, connector)
    }

    /// Anything that is one and the same for all credentials of the connector.
    pub(super) const fn place(&self) -> (TenantId, ConnectorId) {
        (self.tenant, self.connector)
    }
}

impl Call<'_> {
    /// Whose requests with this signature are.
    pub(super) fn holder(&self, signature: &Signature) -> Holder {
        let connector = &self.signed.lease.connector;
        Holder {
            tenant: connector.tenant,
            connector: connector.id,
            credential: match signature {
                Signature::Own => Credential::Own(connector.version),
                Signature::Account(lease) => Credential::Account {
                    account: lease.account,
                    is_persons: self.needs_user_token(),
                },
                Signature::Given(token) => {
                    Credential::Given(self.engine.tokens.hash(token.expose_secret()))
                }
            },
        }
    }
}

#[cfg(test)]
impl Holder {
    /// The connector's own secret, with small numbers for ids.
    pub(super) fn own(tenant: u128, connector: u128, version: i64) -> Self {
        Self {
            tenant: TenantId::new(uuid::Uuid::from_u128(tenant)),
            connector: ConnectorId::new(uuid::Uuid::from_u128(connector)),
            credential: Credential::Own(version),
        }
    }
}
