//! Every change of configuration takes a number and leaves a row that nodes can follow.

use domain::TenantId;
use fabric::{Change, Subject};
use uuid::Uuid;

use crate::row::corrupt;
use crate::tx::{Scope, Tx, execute, fetch_all, fetch_one};
use crate::{Storage, StorageError};

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
    /// What credentials there are for calls of a connector; not the refresh of one.
    AccountsChanged,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
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
            Self::AccountsChanged => "accounts_changed",
        }
    }
}

/// Changes that are kept; a node that is further behind reads everything anew.
const KEPT: i64 = 100_000;

const NEXT_REVISION: &str =
    "UPDATE revision_counter SET last = last + 1 WHERE one_row = 1 RETURNING last";
/// Touches the counter so that it stays as it is until the transaction ends.
const HOLD_REVISION: &str =
    "UPDATE revision_counter SET last = last WHERE one_row = 1 RETURNING last";
const TAKE_REVISIONS: &str = "UPDATE revision_counter SET last = $1 WHERE one_row = 1";
const LAST_REVISION: &str = "SELECT last FROM revision_counter WHERE one_row = 1";
const RECORD_CHANGE: &str = "
    INSERT INTO config_changes (revision, tenant_id, tenant_slug, kind)
    VALUES ($1, $2, COALESCE($3, (SELECT slug FROM tenants WHERE id = $2)), $4)";
const TRIM_CHANGES: &str = "DELETE FROM config_changes WHERE revision <= $1";
const FIND_OLDEST: &str = "SELECT MIN(revision) FROM config_changes";
const LIST_CHANGES: &str = "
    SELECT revision, tenant_id, tenant_slug FROM config_changes
    WHERE revision > $1
    ORDER BY revision
    LIMIT $2";

/// What happened since a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// In the order of their commits, without gaps, as many as were asked for.
    Since {
        changes: Vec<Change>,
        /// The number of the last change there is.
        last: i64,
    },
    /// It cannot be told any more, or the revision is none of this database, as after the return
    /// to a backup: all that is known must be read anew.
    Unknown { last: i64 },
}

impl Storage {
    /// The number of the last change. One small read, for those who ask again and again.
    pub async fn last_revision(&self) -> Result<i64, StorageError> {
        last(&mut self.read().await?).await
    }

    /// The changes after `revision`, at most `limit` of them.
    pub async fn changes_since(&self, revision: i64, limit: u32) -> Result<Changes, StorageError> {
        let mut tx = self.read().await?;
        let last = last(&mut tx).await?;
        if revision == last {
            let changes = Vec::new();
            return Ok(Changes::Since { changes, last });
        }
        let (oldest,): (Option<i64>,) = fetch_one!(&mut tx, sqlx::query_as(FIND_OLDEST))?;
        let floor = oldest.map_or(last, |oldest| oldest - 1);
        if !(floor..last).contains(&revision) {
            return Ok(Changes::Unknown { last });
        }
        let rows: Vec<(i64, Option<Uuid>, Option<String>)> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_CHANGES)
                .bind(revision)
                .bind(i64::from(limit))
        )?;
        let changes = rows.into_iter().map(change).collect::<Result<_, _>>()?;
        Ok(Changes::Since { changes, last })
    }
}

fn change(row: (i64, Option<Uuid>, Option<String>)) -> Result<Change, StorageError> {
    let (revision, tenant, slug) = row;
    let subject = match (tenant, slug) {
        (None, _) => Subject::Platform,
        (Some(_), Some(slug)) => Subject::Tenant(slug),
        (Some(tenant), None) => return Err(corrupt("change", &format!("of {tenant}"))),
    };
    Ok(Change { revision, subject })
}

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
    // The log is the platform's, of whomever it tells.
    tx.enter(Scope::Platform).await?;
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

/// The number of the last change, and no other from here until this transaction's end: for several
/// changes at once, to be followed by [`took`]. To be called last, as [`record`].
pub(crate) async fn hold(tx: &mut Tx) -> Result<i64, StorageError> {
    tx.enter(Scope::Platform).await?;
    let (last,): (i64,) = fetch_one!(tx, sqlx::query_as(HOLD_REVISION))?;
    Ok(last)
}

/// Says how many numbers after `last`, which is held, were given.
pub(crate) async fn took(tx: &mut Tx, last: i64, changes: usize) -> Result<(), StorageError> {
    let last = last + i64::try_from(changes).unwrap_or(KEPT);
    execute!(&mut *tx, sqlx::query(TAKE_REVISIONS).bind(last))?;
    execute!(tx, sqlx::query(TRIM_CHANGES).bind(last - KEPT))?;
    Ok(())
}

/// The number of the last change that this transaction sees.
pub(crate) async fn last(tx: &mut Tx) -> Result<i64, StorageError> {
    let (revision,): (i64,) = fetch_one!(tx, sqlx::query_as(LAST_REVISION))?;
    Ok(revision)
}
