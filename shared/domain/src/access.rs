//! The one authorisation function. REST, gRPC and the MCP edge all ask it, and nothing else
//! compares scopes.

use crate::{ApiKey, KeyId, Scope, TenantId};

/// Who asks: an authenticated key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    pub key: KeyId,
    pub scope: Scope,
    /// Always set for tenant scopes.
    pub tenant: Option<TenantId>,
}

impl From<&ApiKey> for Principal {
    fn from(key: &ApiKey) -> Self {
        Self {
            key: key.id,
            scope: key.scope,
            tenant: key.tenant,
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create, list, change or delete tenants; manage platform keys.
    ManagePlatform,
    /// Read one tenant.
    ReadTenant(TenantId),
    /// Change one tenant's connectors, tools and keys.
    ManageTenant(TenantId),
    /// List and call one tenant's tools over MCP.
    UseTools(TenantId),
}

/// Why not. A caller learns of another tenant's things only that they are not there for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The tenant is not the caller's: to the caller it does not exist.
    #[error("no such tenant")]
    ForeignTenant,
    #[error("the key's scope does not allow this")]
    Scope,
}

/// Says whether `principal` may do `action`.
pub fn authorize(principal: &Principal, action: Action) -> Result<(), Denied> {
    if principal.scope == Scope::PlatformAdmin {
        return Ok(());
    }
    let tenant = match action {
        Action::ManagePlatform => return Err(Denied::Scope),
        Action::ReadTenant(tenant) | Action::ManageTenant(tenant) | Action::UseTools(tenant) => {
            tenant
        }
    };
    if principal.tenant != Some(tenant) {
        return Err(Denied::ForeignTenant);
    }
    match (principal.scope, action) {
        (Scope::TenantAdmin, _) | (Scope::TenantUser, Action::UseTools(_)) => Ok(()),
        _ => Err(Denied::Scope),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn every_scope_gets_exactly_what_it_says() {
        let (own, other) = (
            TenantId::new(Uuid::from_u128(1)),
            TenantId::new(Uuid::from_u128(2)),
        );
        let who = |scope, tenant| Principal {
            key: KeyId::new(Uuid::nil()),
            scope,
            tenant,
        };
        let platform = who(Scope::PlatformAdmin, None);
        let admin = who(Scope::TenantAdmin, Some(own));
        let user = who(Scope::TenantUser, Some(own));
        // Cannot be stored, must not open anything all the same.
        let stray = who(Scope::TenantAdmin, None);

        use Action::{ManagePlatform, ManageTenant, ReadTenant, UseTools};
        for (action, for_platform, for_admin, for_user) in [
            (
                ManagePlatform,
                Ok(()),
                Err(Denied::Scope),
                Err(Denied::Scope),
            ),
            (ReadTenant(own), Ok(()), Ok(()), Err(Denied::Scope)),
            (ManageTenant(own), Ok(()), Ok(()), Err(Denied::Scope)),
            (UseTools(own), Ok(()), Ok(()), Ok(())),
        ] {
            assert_eq!(authorize(&platform, action), for_platform, "{action:?}");
            assert_eq!(authorize(&admin, action), for_admin, "{action:?}");
            assert_eq!(authorize(&user, action), for_user, "{action:?}");
            assert!(authorize(&stray, action).is_err(), "{action:?}");
        }
        for action in [ReadTenant(other), ManageTenant(other), UseTools(other)] {
            assert_eq!(
                authorize(&admin, action),
                Err(Denied::ForeignTenant),
                "{action:?}"
            );
            assert_eq!(
                authorize(&user, action),
                Err(Denied::ForeignTenant),
                "{action:?}"
            );
            assert_eq!(authorize(&platform, action), Ok(()), "{action:?}");
        }
    }
}
