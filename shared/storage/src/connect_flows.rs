//! Attempts of people to connect an account, from the link that they are given to the provider's
//! answer. What a browser carries is kept as a hash; the rest is sealed.

use domain::limits::CONNECT_FLOWS_PER_OWNER;
use domain::{AccountId, AccountOwner, ConnectorId, TenantId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accounts::{owner, owner_column};
use crate::error::Constraint;
use crate::row::{corrupt, digest, micros, time, word};
use crate::sealed::CONNECT_FLOW_DETAILS;
use crate::tx::{Tx, execute, fetch_all, fetch_one, fetch_optional};
use crate::{Storage, StorageError, TenantStorage};

macro_rules! flows {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant_id, connector_id, owner, nonce_hash, state_hash, browser_hash, ",
            "status, account_id, generation, sealed, problem, created_at, expires_at ",
            "FROM connect_flows ",
            $rest
        )
    };
}

const CREATE_FLOW: &str = "
    INSERT INTO connect_flows (tenant_id, id, connector_id, owner, nonce_hash, state_hash,
                               browser_hash, status, account_id, generation, sealed, problem,
                               created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
const COUNT_OPEN: &str = "
    SELECT COUNT(*) FROM connect_flows
    WHERE tenant_id = $1 AND connector_id = $2 AND owner IS NOT DISTINCT FROM $3
        AND status NOT IN ('connected', 'failed') AND expires_at > $4";
const FIND_FLOW: &str = flows!("WHERE tenant_id = $1 AND id = $2");
const FIND_BY_NONCE: &str = flows!("WHERE nonce_hash = $1");
const FIND_BY_STATE: &str = flows!("WHERE state_hash = $1");
const LIST_UNUSED: &str = flows!(
    "WHERE tenant_id = $1 AND connector_id = $2 AND owner IS NOT DISTINCT FROM $3
       AND status IN ('offered', 'opened') AND expires_at > $4
     ORDER BY id DESC
     LIMIT $5"
);
const ADVANCE_FLOW: &str = "
    UPDATE connect_flows
    SET state_hash = $5, browser_hash = $6, status = $7, account_id = $8, generation = $9,
        sealed = $10, problem = $11, expires_at = $12
    WHERE tenant_id = $1 AND id = $2 AND status = $3 AND state_hash IS NOT DISTINCT FROM $4";
const SWEEP: &str = "DELETE FROM connect_flows WHERE expires_at < $1";

/// An attempt to connect an account.
#[derive(Clone, Debug)]
pub struct ConnectFlow {
    pub id: Uuid,
    pub tenant: TenantId,
    pub connector: ConnectorId,
    /// For whom.
    pub owner: AccountOwner,
    /// Of what the link carries.
    pub nonce_hash: [u8; 32],
    /// Of what the provider is asked to give back; none before it is asked.
    pub state_hash: Option<[u8; 32]>,
    /// Of what the browser was given that opened it; none before that.
    pub browser_hash: Option<[u8; 32]>,
    pub status: FlowStatus,
    /// The account that is to be connected anew, or the one that came of it.
    pub account: Option<AccountId>,
    /// What else must be known later, secrets among it. Sealed at rest; storage does not look into
    /// it.
    pub details: SecretString,
    /// Why it failed, in words for the person.
    pub problem: Option<String>,
    pub created_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowStatus {
    /// There is a link.
    Offered,
    /// A browser has it.
    Opened,
    /// The browser was sent to the provider.
    Redirected,
    /// The provider's code is being exchanged; it can be once.
    Exchanging,
    /// There are several sites to choose from.
    Choosing,
    Connected,
    Failed,
}

impl FlowStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Opened => "opened",
            Self::Redirected => "redirected",
            Self::Exchanging => "exchanging",
            Self::Choosing => "choosing",
            Self::Connected => "connected",
            Self::Failed => "failed",
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    tenant_id: Uuid,
    connector_id: Uuid,
    owner: Option<Uuid>,
    nonce_hash: Vec<u8>,
    state_hash: Option<Vec<u8>>,
    browser_hash: Option<Vec<u8>>,
    status: String,
    account_id: Option<Uuid>,
    generation: i64,
    sealed: Vec<u8>,
    problem: Option<String>,
    created_at: i64,
    expires_at: i64,
}

impl Storage {
    /// The attempt, of whichever tenant, whose link carries what hashes to this.
    pub async fn find_flow_by_nonce(
        &self,
        hash: &[u8; 32],
    ) -> Result<Option<ConnectFlow>, StorageError> {
        self.find_flow_by(FIND_BY_NONCE, hash).await
    }

    /// The attempt, of whichever tenant, that a provider answers with this state.
    pub async fn find_flow_by_state(
        &self,
        hash: &[u8; 32],
    ) -> Result<Option<ConnectFlow>, StorageError> {
        self.find_flow_by(FIND_BY_STATE, hash).await
    }

    /// Forgets attempts that ended before a time; says how many.
    pub async fn sweep_flows(&self, ended_before: OffsetDateTime) -> Result<u64, StorageError> {
        let mut tx = self.write().await?;
        let swept = execute!(&mut tx, sqlx::query(SWEEP).bind(micros(ended_before)))?;
        tx.commit().await?;
        Ok(swept)
    }

    async fn find_flow_by(
        &self,
        how: &'static str,
        hash: &[u8; 32],
    ) -> Result<Option<ConnectFlow>, StorageError> {
        let mut tx = self.read().await?;
        let row: Option<Row> = fetch_optional!(&mut tx, sqlx::query_as(how).bind(hash.as_slice()))?;
        match row {
            Some(row) => self.open_flow(&mut tx, row).await.map(Some),
            None => Ok(None),
        }
    }

    async fn open_flow(&self, tx: &mut Tx, row: Row) -> Result<ConnectFlow, StorageError> {
        let tenant = TenantId::new(row.tenant_id);
        let key = self.opening_key(tx, Some(tenant), row.generation).await?;
        let plain = key.open(&CONNECT_FLOW_DETAILS, &row.id.to_string(), &row.sealed)?;
        let details = std::str::from_utf8(&plain)
            .map_err(|_| corrupt("attempt to connect an account", "its details are no text"))?;
        let hash = |stored: Option<Vec<u8>>| {
            let read = stored.map(|bytes| digest("hash of an attempt to connect", &bytes));
            read.transpose()
        };
        Ok(ConnectFlow {
            id: row.id,
            tenant,
            connector: ConnectorId::new(row.connector_id),
            owner: owner(row.owner),
            nonce_hash: digest("hash of an attempt to connect", &row.nonce_hash)?,
            state_hash: hash(row.state_hash)?,
            browser_hash: hash(row.browser_hash)?,
            status: word("status of an attempt to connect", &row.status)?,
            account: row.account_id.map(AccountId::new),
            details: SecretString::from(details),
            problem: row.problem,
            created_at: time(row.created_at)?,
            expires_at: time(row.expires_at)?,
        })
    }

    async fn seal_flow(
        &self,
        tx: &mut Tx,
        flow: &ConnectFlow,
    ) -> Result<(i64, Vec<u8>), StorageError> {
        let key = self.sealing_key(tx, Some(flow.tenant)).await?;
        let plain = flow.details.expose_secret().as_bytes();
        let sealed = key.seal(&CONNECT_FLOW_DETAILS, &flow.id.to_string(), plain);
        Ok((i64::from(key.generation), sealed))
    }
}

impl TenantStorage<'_> {
    /// Begins an attempt. No change of configuration.
    ///
    /// # Errors
    /// `NotFound` without such a connector, or when the owner's key is revoked or another
    /// tenant's; `Conflict` with `LimitReached`.
    pub async fn create_flow(&self, flow: &ConnectFlow) -> Result<(), StorageError> {
        if flow.tenant != self.tenant {
            return Err(StorageError::NotFound);
        }
        let mut tx = self.write().await?;
        self.check_owner_lives(&mut tx, flow.owner).await?;
        let (count,): (i64,) = fetch_one!(
            &mut tx,
            sqlx::query_as(COUNT_OPEN)
                .bind(self.tenant.as_uuid())
                .bind(flow.connector.as_uuid())
                .bind(owner_column(flow.owner))
                .bind(micros(flow.created_at))
        )?;
        if usize::try_from(count).is_ok_and(|count| count >= CONNECT_FLOWS_PER_OWNER) {
            return Err(StorageError::Conflict(Constraint::LimitReached));
        }
        let (generation, sealed) = self.storage.seal_flow(&mut tx, flow).await?;
        execute!(
            &mut tx,
            sqlx::query(CREATE_FLOW)
                .bind(self.tenant.as_uuid())
                .bind(flow.id)
                .bind(flow.connector.as_uuid())
                .bind(owner_column(flow.owner))
                .bind(flow.nonce_hash.as_slice())
                .bind(flow.state_hash.as_ref().map(<[u8; 32]>::as_slice))
                .bind(flow.browser_hash.as_ref().map(<[u8; 32]>::as_slice))
                .bind(flow.status.as_str())
                .bind(flow.account.map(|id| id.as_uuid()))
                .bind(generation)
                .bind(sealed)
                .bind(flow.problem.as_deref())
                .bind(micros(flow.created_at))
                .bind(micros(flow.expires_at))
        )?;
        tx.commit().await
    }

    pub async fn find_flow(&self, id: Uuid) -> Result<Option<ConnectFlow>, StorageError> {
        let mut tx = self.read().await?;
        let row: Option<Row> = fetch_optional!(
            &mut tx,
            sqlx::query_as(FIND_FLOW)
                .bind(self.tenant.as_uuid())
                .bind(id)
        )?;
        match row {
            Some(row) => self.storage.open_flow(&mut tx, row).await.map(Some),
            None => Ok(None),
        }
    }

    /// Attempts of one owner for a connector that were not sent to the provider yet and are not
    /// over, the newest first.
    pub async fn list_unused_flows(
        &self,
        connector: ConnectorId,
        owner: AccountOwner,
        now: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<ConnectFlow>, StorageError> {
        let mut tx = self.read().await?;
        let rows: Vec<Row> = fetch_all!(
            &mut tx,
            sqlx::query_as(LIST_UNUSED)
                .bind(self.tenant.as_uuid())
                .bind(connector.as_uuid())
                .bind(owner_column(owner))
                .bind(micros(now))
                .bind(i64::from(limit))
        )?;
        let mut flows = Vec::with_capacity(rows.len());
        for row in rows {
            flows.push(self.storage.open_flow(&mut tx, row).await?);
        }
        Ok(flows)
    }

    /// Has an attempt that is as `before` says (its status and state) be as `after` says from now
    /// on; what it is for stays. `false`: it is not so any more, somebody was faster.
    pub async fn advance_flow(
        &self,
        before: &ConnectFlow,
        after: &ConnectFlow,
    ) -> Result<bool, StorageError> {
        let mut tx = self.write().await?;
        let advanced = self.advance_in(&mut tx, before, after).await?;
        tx.commit().await?;
        Ok(advanced)
    }

    pub(crate) async fn advance_in(
        &self,
        tx: &mut Tx,
        before: &ConnectFlow,
        after: &ConnectFlow,
    ) -> Result<bool, StorageError> {
        if before.id != after.id || after.tenant != self.tenant {
            return Err(StorageError::NotFound);
        }
        let (generation, sealed) = self.storage.seal_flow(tx, after).await?;
        let advanced = execute!(
            &mut *tx,
            sqlx::query(ADVANCE_FLOW)
                .bind(self.tenant.as_uuid())
                .bind(before.id)
                .bind(before.status.as_str())
                .bind(before.state_hash.as_ref().map(<[u8; 32]>::as_slice))
                .bind(after.state_hash.as_ref().map(<[u8; 32]>::as_slice))
                .bind(after.browser_hash.as_ref().map(<[u8; 32]>::as_slice))
                .bind(after.status.as_str())
                .bind(after.account.map(|id| id.as_uuid()))
                .bind(generation)
                .bind(sealed)
                .bind(after.problem.as_deref())
                .bind(micros(after.expires_at))
        )?;
        Ok(advanced == 1)
    }
}
