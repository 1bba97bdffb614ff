//! The processes of the cluster, as they reported last.

use std::time::Duration;

use fabric::Role;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::row::{corrupt, micros, time};
use crate::tx::{execute, fetch_all};
use crate::{Storage, StorageError};

/// Reports overtake each other: an older one does not take the place of a newer.
const SAVE_NODE: &str = "
    INSERT INTO nodes (id, role, version, address, started_at, last_seen, enforced, load, capacity,
                       draining)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (id) DO UPDATE SET
        role = excluded.role,
        version = excluded.version,
        address = excluded.address,
        started_at = excluded.started_at,
        last_seen = excluded.last_seen,
        enforced = excluded.enforced,
        load = excluded.load,
        capacity = excluded.capacity,
        draining = excluded.draining
    WHERE nodes.last_seen <= excluded.last_seen";
const LIST_NODES: &str = "
    SELECT id, role, version, address, started_at, last_seen, enforced, load, capacity, draining
    FROM nodes
    WHERE last_seen >= $1
    ORDER BY role, id
    LIMIT $2";
const DELETE_NODE: &str = "DELETE FROM nodes WHERE id = $1";
const DELETE_SILENT_NODE: &str = "DELETE FROM nodes WHERE id = $1 AND last_seen <= $2";
const PRUNE_NODES: &str = "DELETE FROM nodes WHERE last_seen < $1";

/// Nodes that are told of at most.
const LISTED_MAX: i64 = 10_000;

/// What a node reports of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// New for each start of a process.
    pub id: Uuid,
    pub role: Role,
    /// Of Turnbuckle.
    pub version: String,
    /// Where other nodes reach it; empty when none does.
    pub address: String,
    pub started_at: OffsetDateTime,
    /// The last change that is in force there; 0 before the first.
    pub enforced: i64,
    /// Calls under way.
    pub load: i64,
    /// Calls that it takes at once; 0 when it takes none.
    pub capacity: i64,
    /// Whether it ends what it has and takes nothing new.
    pub draining: bool,
}

/// A node that is known, and when it was heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownNode {
    pub node: Node,
    /// By the database's clock.
    pub last_seen: OffsetDateTime,
    /// How long ago that is, by the same clock.
    pub silent_for: Duration,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    role: String,
    version: String,
    address: String,
    started_at: i64,
    last_seen: i64,
    enforced: i64,
    load: i64,
    capacity: i64,
    draining: bool,
}

impl Row {
    fn known(self, now: i64) -> Result<KnownNode, StorageError> {
        let role = Role::named(&self.role);
        let silent = u64::try_from(now.saturating_sub(self.last_seen)).unwrap_or_default();
        Ok(KnownNode {
            node: Node {
                id: self.id,
                role: role.ok_or_else(|| corrupt("role of a node", &self.role))?,
                version: self.version,
                address: self.address,
                started_at: time(self.started_at)?,
                enforced: self.enforced,
                load: self.load,
                capacity: self.capacity,
                draining: self.draining,
            },
            last_seen: time(self.last_seen)?,
            silent_for: Duration::from_micros(silent),
        })
    }
}

impl Storage {
    /// Notes what nodes report, as seen now. No change of configuration.
    pub async fn save_nodes(&self, nodes: &[Node]) -> Result<(), StorageError> {
        let mut nodes: Vec<&Node> = nodes.iter().collect();
        // Everybody takes the rows in one order, so nobody waits in a circle.
        nodes.sort_unstable_by_key(|node| node.id);
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        for node in nodes {
            execute!(
                &mut tx,
                sqlx::query(SAVE_NODE)
                    .bind(node.id)
                    .bind(node.role.as_str())
                    .bind(node.version.as_str())
                    .bind(node.address.as_str())
                    .bind(micros(node.started_at))
                    .bind(now)
                    .bind(node.enforced)
                    .bind(node.load)
                    .bind(node.capacity)
                    .bind(node.draining)
            )?;
        }
        tx.commit().await
    }

    /// The nodes that were heard of within this time, by role.
    pub async fn list_nodes(&self, within: Duration) -> Result<Vec<KnownNode>, StorageError> {
        let mut tx = self.read().await?;
        let now = tx.now().await?;
        let rows: Vec<Row> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_NODES)
                .bind(before(now, within))
                .bind(LISTED_MAX)
        )?;
        rows.into_iter().map(|row| row.known(now)).collect()
    }

    /// Forgets a node that has said goodbye.
    pub async fn forget_node(&self, id: Uuid) -> Result<(), StorageError> {
        let mut tx = self.write().await?;
        execute!(&mut tx, sqlx::query(DELETE_NODE).bind(id))?;
        tx.commit().await
    }

    /// Forgets a node that was not heard of after `last_seen`; says whether that is so.
    pub async fn forget_node_since(
        &self,
        id: Uuid,
        last_seen: OffsetDateTime,
    ) -> Result<bool, StorageError> {
        let mut tx = self.write().await?;
        let forgotten = execute!(
            &mut tx,
            sqlx::query(DELETE_SILENT_NODE)
                .bind(id)
                .bind(micros(last_seen))
        )?;
        tx.commit().await?;
        Ok(forgotten == 1)
    }

    /// Forgets nodes that were not heard of for longer than this; says how many.
    pub async fn prune_nodes(&self, silent_for: Duration) -> Result<u64, StorageError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let limit = before(now, silent_for);
        let pruned = execute!(&mut tx, sqlx::query(PRUNE_NODES).bind(limit))?;
        tx.commit().await?;
        Ok(pruned)
    }
}

fn before(now: i64, by: Duration) -> i64 {
    now.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
}
