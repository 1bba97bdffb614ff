//! What gateways are told of tenants and keys.

use bytes::Bytes;
use domain::{ApiKey, KeyState, Tenant, TenantState};
use fabric::{PlatformConfig, StoredKey, TenantConfig};
use proto::fabric::v1;

use super::scalars::{needed_time, parse, some_time_from};
use super::{Invalid, connector_config_from, connector_config_to, need, time_to};

pub fn tenant_config_to(config: &TenantConfig) -> v1::TenantConfig {
    v1::TenantConfig {
        revision: config.revision,
        tenant: Some(tenant_to(&config.tenant)),
        keys: config.keys.iter().map(key_to).collect(),
        connectors: config.connectors.iter().map(connector_config_to).collect(),
    }
}

/// # Errors
/// A field holds nothing that it may hold.
pub fn tenant_config_from(config: v1::TenantConfig) -> Result<TenantConfig, Invalid> {
    let (keys, connectors) = (config.keys.into_iter(), config.connectors.into_iter());
    Ok(TenantConfig {
        revision: config.revision,
        tenant: tenant_from(need(config.tenant, "tenant")?)?,
        keys: keys.map(key_from).collect::<Result<_, _>>()?,
        connectors: connectors
            .map(connector_config_from)
            .collect::<Result<_, _>>()?,
    })
}

/// The keys that gateways check and seal with are left empty.
pub fn platform_to(config: &PlatformConfig) -> v1::GetPlatformResponse {
    v1::GetPlatformResponse {
        revision: config.revision,
        keys: config.keys.iter().map(key_to).collect(),
        hashing_key: Bytes::new(),
        sealing_key: Bytes::new(),
    }
}

/// # Errors
/// A key is none.
pub fn platform_from(config: &v1::GetPlatformResponse) -> Result<PlatformConfig, Invalid> {
    let keys = config.keys.iter().cloned();
    Ok(PlatformConfig {
        revision: config.revision,
        keys: keys.map(key_from).collect::<Result<_, _>>()?,
    })
}

pub fn tenant_to(tenant: &Tenant) -> v1::Tenant {
    v1::Tenant {
        id: tenant.id.to_string(),
        slug: tenant.slug.to_string(),
        name: tenant.name.clone(),
        description: tenant.description.clone(),
        contact_email: tenant.contact_email.clone(),
        active: tenant.state == TenantState::Active,
        created_at: Some(time_to(tenant.created_at)),
        updated_at: Some(time_to(tenant.updated_at)),
        version: tenant.version,
    }
}

/// # Errors
/// A field holds nothing that it may hold.
pub fn tenant_from(tenant: v1::Tenant) -> Result<Tenant, Invalid> {
    Ok(Tenant {
        id: parse(&tenant.id, "tenant.id")?,
        slug: parse(&tenant.slug, "tenant.slug")?,
        name: tenant.name,
        description: tenant.description,
        contact_email: tenant.contact_email,
        state: if tenant.active {
            TenantState::Active
        } else {
            TenantState::Inactive
        },
        created_at: needed_time(tenant.created_at, "tenant.created_at")?,
        updated_at: needed_time(tenant.updated_at, "tenant.updated_at")?,
        version: tenant.version,
    })
}

pub fn key_to(stored: &StoredKey) -> v1::Key {
    let key = &stored.key;
    v1::Key {
        id: key.id.to_string(),
        name: key.name.clone(),
        scope: key.scope.as_str().to_owned(),
        tenant_id: key.tenant.map(|tenant| tenant.to_string()),
        revoked_at: match key.state {
            KeyState::Active => None,
            KeyState::Revoked { at } => Some(time_to(at)),
        },
        created_at: Some(time_to(key.created_at)),
        expires_at: key.expires_at.map(time_to),
        last_used_at: key.last_used_at.map(time_to),
        hash: Bytes::copy_from_slice(&stored.hash),
    }
}

/// # Errors
/// A field holds nothing that it may hold.
pub fn key_from(key: v1::Key) -> Result<StoredKey, Invalid> {
    let tenant = key.tenant_id.as_deref();
    let revoked = some_time_from(key.revoked_at)?;
    Ok(StoredKey {
        hash: key
            .hash
            .as_ref()
            .try_into()
            .map_err(|_| Invalid("key.hash"))?,
        key: ApiKey {
            id: parse(&key.id, "key.id")?,
            name: key.name,
            scope: parse(&key.scope, "key.scope")?,
            tenant: tenant
                .map(|tenant| parse(tenant, "key.tenant_id"))
                .transpose()?,
            state: revoked.map_or(KeyState::Active, |at| KeyState::Revoked { at }),
            created_at: needed_time(key.created_at, "key.created_at")?,
            expires_at: some_time_from(key.expires_at)?,
            last_used_at: some_time_from(key.last_used_at)?,
        },
    })
}
