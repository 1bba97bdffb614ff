//! Who is asking.

mod uses;

use crypto::ApiToken;
use domain::{Action, ApiKey, Principal, TenantState, authorize};
use storage::Storage;

use crate::catalog::ConnectorType;
use crate::error::Error;
use crate::keys::KeyView;
use crate::operations::Operations;

pub(crate) mod api;
pub(crate) use uses::KeyUses;

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub key: ApiKey,
}

impl Caller {
    /// Who it is to [`domain::authorize`].
    pub fn principal(&self) -> Principal {
        Principal::from(&self.key)
    }
}

impl Operations {
    /// Finds out whose API key `token` is. `None`: the caller sent none.
    ///
    /// # Errors
    /// `Unauthenticated` when it is unknown, wrong, revoked or expired, or its tenant inactive:
    /// all the same to the caller.
    pub async fn authenticate(&self, token: Option<&str>) -> Result<Caller, Error> {
        let Some(text) = token else {
            return Err(Error::Unauthenticated { token_sent: false });
        };
        let refused = || Error::Unauthenticated { token_sent: true };
        let token = ApiToken::parse(text).ok_or_else(refused)?;

        let stored = self.storage().find_key(token.id()).await;
        let stored = stored.map_err(Error::storage("find a key"))?;
        // An unknown id is compared all the same, so that it takes no less time.
        let hash = stored.as_ref().map_or([0; 32], |stored| stored.hash);
        let proven = self.hasher().matches(token.secret(), &hash);
        let key = stored.filter(|_| proven).ok_or_else(refused)?.key;

        if !key.is_live(self.now()) || !owner_is_active(self.storage(), &key).await? {
            return Err(refused());
        }
        self.uses().note(key.id);
        Ok(Caller { key })
    }

    /// The caller's own key, for any live key.
    pub async fn whoami(&self, caller: &Caller) -> Result<KeyView, Error> {
        self.key_view(&caller.key).await
    }

    /// What can be connected, for administrators of any kind.
    pub fn connector_types(&self, caller: &Principal) -> Result<Vec<ConnectorType>, Error> {
        authorize(
            caller,
            caller
                .tenant
                .map_or(Action::ManagePlatform, Action::ReadTenant),
        )?;
        let known = self.catalog().types().into_iter();
        let native = known.map(|known| ConnectorType::native(self.catalog(), known));
        Ok(native.chain(ConnectorType::mcp()).collect())
    }
}

/// Whether the key's tenant, if it has one, is there and active.
async fn owner_is_active(storage: &Storage, key: &ApiKey) -> Result<bool, Error> {
    let Some(tenant) = key.tenant else {
        return Ok(true);
    };
    let found = storage
        .find_tenant_by_id(tenant)
        .await
        .map_err(Error::storage("find a tenant"))?;
    Ok(found.is_some_and(|tenant| tenant.state == TenantState::Active))
}
