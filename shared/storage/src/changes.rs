//! Every change of configuration takes a number and leaves a row that nodes can follow.

use domain::TenantId;

use crate::StorageError;
use crate::tx::{Tx, execute, fetch_one};

/// What happened; for people who read the table, and for nodes that need not reload everything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    TenantCreated,
    TenantSaved,
    TenantDeleted,
    ConnectorCreated,
    ConnectorSaved,
    ConnectorDeleted,
    ToolsReplaced,
    ToolsSwitched,
    ToolsApproved,
    SyncFailed,
    KeyCreated,
    KeyRevoked,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TenantCreated => "tenant_created",
            Self::TenantSaved => "tenant_saved",
            Self::TenantDeleted => "tenant_deleted",
            Self::ConnectorCreated => "connector_created",
            Self::ConnectorSaved => "connector_saved",
            Self::ConnectorDeleted => "connector_deleted",
            Self::ToolsReplaced => "tools_replaced",
            Self::ToolsSwitched => "tools_switched",
            Self::ToolsApproved => "tools_approved",
            Self::SyncFailed => "sync_failed",
            Self::KeyCreated => "key_created",
            Self::KeyRevoked => "key_revoked",
        }
    }
}

/// Changes that are kept; a node that is further behind reads everything anew.
const KEPT: i64 = 100_000;

const NEXT_REVISION: &str =
    "UPDATE revision_counter SET last = last + 1 WHERE one_row = 1 RETURNING last";
const LAST_REVISION: &str = "SELECT last FROM revision_counter WHERE one_row = 1";
const RECORD_CHANGE: &str = "
    INSERT INTO config_changes (revision, tenant_id, tenant_slug, kind)
    VALUES ($1, $2, COALESCE($3, (SELECT slug FROM tenants WHERE id = $2)), $4)";
const TRIM_CHANGES: &str = "DELETE FROM config_changes WHERE revision <= $1";

/// Numbers a change of the platform (`None`) or of a tenant, which must still be there.
///
/// To be called last in a transaction: others that change something wait from here until its
/// commit, which is what makes the numbers appear in order. Whoever waited for a row after this
/// could wait for one who waits for the number.
pub(crate) async fn record(
    tx: &mut Tx,
    tenant: Option<TenantId>,
    kind: Kind,
) -> Result<i64, StorageError> {
    record_with_slug(tx, tenant, None, kind).await
}

/// Numbers the deletion of a tenant, which is gone already. To be called last, as [`record`].
pub(crate) async fn record_tenant_deleted(
    tx: &mut Tx,
    tenant: TenantId,
    slug: &str,
) -> Result<i64, StorageError> {
    record_with_slug(tx, Some(tenant), Some(slug), Kind::TenantDeleted).await
}

async fn record_with_slug(
    tx: &mut Tx,
    tenant: Option<TenantId>,
    slug: Option<&str>,
    kind: Kind,
) -> Result<i64, StorageError> {
    let (revision,): (i64,) = fetch_one!(&mut *tx, sqlx::query_as(NEXT_REVISION))?;
    execute!(
        &mut *tx,
        sqlx::query(RECORD_CHANGE)
            .bind(revision)
            .bind(tenant.map(|id| id.as_uuid()))
            .bind(slug)
            .bind(kind.as_str())
    )?;
    execute!(&mut *tx, sqlx::query(TRIM_CHANGES).bind(revision - KEPT))?;
    Ok(revision)
}

/// The number of the last change that this transaction sees.
pub(crate) async fn last(tx: &mut Tx) -> Result<i64, StorageError> {
    let (revision,): (i64,) = fetch_one!(tx, sqlx::query_as(LAST_REVISION))?;
    Ok(revision)
}
