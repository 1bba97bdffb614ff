//! The tenants that a registration of the operator's serves: their nodes are told of its changes.

use fabric::{Change, Subject};

use crate::StorageError;
use crate::changes::{self, Kind};
use crate::tx::{Tx, execute, fetch_all};

/// Connectors of the kind `$1` whose tenants have no registration of their own for `$2`.
macro_rules! served {
    () => {
        "connectors.kind LIKE $1 ESCAPE '!' AND NOT EXISTS (
            SELECT 1 FROM oauth_clients own
            WHERE own.tenant_id = connectors.tenant_id AND own.provider = $2)"
    };
}

const BUMP_SERVED: &str = concat!(
    "UPDATE connectors SET accounts = accounts + 1 WHERE ",
    served!()
);
const RECORD_SERVED: &str = concat!(
    "INSERT INTO config_changes (revision, tenant_id, tenant_slug, kind)
    SELECT $3 + ROW_NUMBER() OVER (ORDER BY tenants.id), tenants.id, tenants.slug, $4
    FROM tenants
    WHERE EXISTS (
        SELECT 1 FROM connectors WHERE connectors.tenant_id = tenants.id AND ",
    served!(),
    ")
    RETURNING revision, tenant_slug"
);

/// Has nodes ask for credentials anew that may be got with the operator's registration for
/// `provider`, and numbers that as a change of each tenant, in ascending order. To be called last
/// in a transaction, as [`changes::record`].
pub(crate) async fn record_served(
    tx: &mut Tx,
    provider: &str,
) -> Result<Vec<Change>, StorageError> {
    let kind = like(provider);
    execute!(
        &mut *tx,
        sqlx::query(BUMP_SERVED).bind(kind.as_str()).bind(provider)
    )?;
    // From here on nobody else commits a change, so that the numbers are without gaps.
    let last = changes::hold(tx).await?;
    let mut rows: Vec<(i64, String)> = fetch_all!(
        &mut *tx,
        sqlx::query_as(RECORD_SERVED)
            .bind(kind.as_str())
            .bind(provider)
            .bind(last)
            .bind(Kind::AccountsChanged.as_str())
    )?;
    changes::took(tx, last, rows.len()).await?;
    rows.sort_unstable();
    let changes = rows.into_iter().map(|(revision, slug)| Change {
        revision,
        subject: Subject::Tenant(slug),
    });
    Ok(changes.collect())
}

/// What the stored kind of a connector looks like that people sign in for at `provider`: its type,
/// or, of an issuer, any server elsewhere.
fn like(provider: &str) -> String {
    if provider.starts_with("issuer ") {
        return "%\"kind\":\"remote!_mcp\"%".to_owned();
    }
    let name = provider.replace('!', "!!");
    let name = name.replace('%', "!%").replace('_', "!_");
    format!("%\"catalog\":\"{name}\"%")
}
