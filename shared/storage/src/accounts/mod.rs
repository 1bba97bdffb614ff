//! Accounts that people connected at providers, with their sealed tokens.
//!
//! A pair of tokens has a generation, which grows by one with each that is stored: whatever is
//! decided about a generation holds only while it is the stored one.

mod connect;
mod held;
mod renewal;

use domain::{
    Account, AccountId, AccountMethod, AccountOwner, AccountSecrets, ConnectorId, KeyId, TenantId,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::row::{corrupt, from_json, optional_time, time, to_json};
use crate::sealed::ACCOUNT_TOKENS;
use crate::tx::{Tx, execute};
use crate::{Storage, StorageError};

pub use connect::{Connected, NewAccount};
pub use held::{HeldAccount, Renewing};
pub use renewal::{Claim, Claimed, DueRenewal, Kept, RenewedTokens};

/// All of a row but its tokens.
macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant_id, connector_id, owner, name, ",
            "COALESCE(minted_by, method) AS method, state, preferred, subject, ",
            "scopes, variables, token_generation, expires_at, problem, created_at, updated_at, ",
            "refreshed_at FROM accounts ",
            $rest
        )
    };
}
pub(crate) use columns;

const BUMP: &str = "UPDATE connectors SET accounts = accounts + 1 WHERE tenant_id = $1 AND id = $2";
const BUMP_ALL: &str = "UPDATE connectors SET accounts = accounts + 1 WHERE tenant_id = $1";

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    id: Uuid,
    tenant_id: Uuid,
    connector_id: Uuid,
    owner: Option<Uuid>,
    name: String,
    method: String,
    state: String,
    preferred: bool,
    subject: Option<String>,
    scopes: String,
    variables: String,
    token_generation: i64,
    expires_at: Option<i64>,
    problem: Option<String>,
    created_at: i64,
    updated_at: i64,
    refreshed_at: Option<i64>,
}

impl TryFrom<Row> for Account {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let method = row.method.parse();
        let state = row.state.parse();
        Ok(Self {
            id: AccountId::new(row.id),
            tenant: TenantId::new(row.tenant_id),
            connector: ConnectorId::new(row.connector_id),
            owner: owner(row.owner),
            name: row.name,
            method: method.map_err(|_| corrupt("method of an account", &row.method))?,
            state: state.map_err(|_| corrupt("state of an account", &row.state))?,
            preferred: row.preferred,
            subject: row.subject,
            scopes: from_json("scopes of an account", &row.scopes)?,
            variables: from_json("variables of an account", &row.variables)?,
            generation: row.token_generation,
            expires_at: optional_time(row.expires_at)?,
            problem: row.problem,
            created_at: time(row.created_at)?,
            updated_at: time(row.updated_at)?,
            refreshed_at: optional_time(row.refreshed_at)?,
        })
    }
}

/// A method as it is stored: what the tokens are, and what gets them where a program signs in by
/// itself.
pub(super) const fn method_columns(method: AccountMethod) -> (&'static str, Option<&'static str>) {
    match method.is_programs_own() {
        true => (AccountMethod::OAuth.as_str(), Some(method.as_str())),
        false => (method.as_str(), None),
    }
}

pub(crate) fn owner(stored: Option<Uuid>) -> AccountOwner {
    stored.map_or(AccountOwner::Tenant, |id| AccountOwner::Key(KeyId::new(id)))
}

pub(crate) fn owner_column(owner: AccountOwner) -> Option<Uuid> {
    owner.key().map(|key| key.as_uuid())
}

/// Has nodes ask for credentials anew: of one connector, or of all of the tenant.
pub(crate) async fn connectors_changed(
    tx: &mut Tx,
    tenant: TenantId,
    connector: Option<ConnectorId>,
) -> Result<(), StorageError> {
    let tenant = tenant.as_uuid();
    match connector {
        Some(id) => execute!(tx, sqlx::query(BUMP).bind(tenant).bind(id.as_uuid()))?,
        None => execute!(tx, sqlx::query(BUMP_ALL).bind(tenant))?,
    };
    Ok(())
}

impl Storage {
    /// A pair of tokens as it is stored: the generation of the data key, and what it sealed.
    async fn seal_tokens(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        account: AccountId,
        secrets: &AccountSecrets,
    ) -> Result<(i64, Vec<u8>), StorageError> {
        let key = self.sealing_key(tx, Some(tenant)).await?;
        let plain = Zeroizing::new(to_json(secrets));
        let sealed = key.seal(&ACCOUNT_TOKENS, &account.to_string(), plain.as_bytes());
        Ok((i64::from(key.generation), sealed))
    }

    async fn open_tokens(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        account: AccountId,
        (generation, sealed): (i64, &[u8]),
    ) -> Result<AccountSecrets, StorageError> {
        let key = self.opening_key(tx, Some(tenant), generation).await?;
        let plain = key.open(&ACCOUNT_TOKENS, &account.to_string(), sealed)?;
        // The parser's message could quote what it read.
        serde_json::from_slice(&plain)
            .map_err(|_| corrupt("account's tokens", "no such JSON document"))
    }
}
