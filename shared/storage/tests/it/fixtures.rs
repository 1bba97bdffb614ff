//! Things to store, and a look at what is really in the database.

use std::collections::BTreeMap;

use domain::{
    Account, AccountId, AccountMethod, AccountOwner, AccountSecrets, AccountState, ApiKey,
    ChangedTools, Connector, ConnectorId, ConnectorKind, ConnectorSecrets, CredentialInfo, KeyId,
    KeyState, OnChange, Scope, SyncState, SyncStatus, Tenant, TenantId, TenantState,
    ToolDefinition,
};
use fabric::StoredKey;
use secrecy::SecretString;
use serde_json::value::RawValue;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, Row};
use storage::testing::TestStorage;
use storage::{ConnectFlow, FlowStatus, NewAccount, OAuthClientRow, Remembered, Storage};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// So many seconds into the test's day.
pub(crate) fn at(seconds: i64) -> OffsetDateTime {
    time::macros::datetime!(2026-03-01 12:00 UTC) + Duration::seconds(seconds)
}

pub(crate) fn tenant(number: u128, slug: &str) -> Tenant {
    Tenant {
        id: TenantId::new(Uuid::from_u128(number)),
        slug: slug.parse().unwrap(),
        name: format!("{slug} Ltd"),
        description: "makes \"things\"; ü".to_owned(),
        contact_email: "it@example.com".to_owned(),
        state: TenantState::Active,
        created_at: at(0),
        updated_at: at(0),
        version: 1,
    }
}

/// A tenant that is stored.
pub(crate) async fn new_tenant(storage: &Storage, number: u128, slug: &str) -> TenantId {
    let tenant = tenant(number, slug);
    storage.create_tenant(&tenant, None).await.unwrap();
    tenant.id
}

pub(crate) fn connector(tenant: TenantId, number: u128, slug: &str) -> Connector {
    Connector {
        id: ConnectorId::new(Uuid::from_u128(number)),
        tenant,
        slug: slug.parse().unwrap(),
        display_name: "GitHub".to_owned(),
        kind: ConnectorKind::Native {
            catalog: "github".to_owned(),
            base_url: None,
        },
        enabled: true,
        prefix: String::new(),
        credential: CredentialInfo::default(),
        on_change: OnChange::Accept,
        sync: SyncStatus {
            state: SyncState::Pending,
            at: None,
            error: None,
            tools: 0,
            changed: ChangedTools::default(),
        },
        created_at: at(0),
        updated_at: at(0),
        version: 1,
    }
}

/// A connector that is stored, with a token.
pub(crate) async fn new_connector(
    storage: &Storage,
    tenant: TenantId,
    number: u128,
    slug: &str,
) -> ConnectorId {
    let connector = connector(tenant, number, slug);
    let secrets = token("a token");
    storage
        .tenant(tenant)
        .create_connector(&connector, &secrets, None)
        .await
        .unwrap();
    connector.id
}

pub(crate) fn token(token: &str) -> ConnectorSecrets {
    ConnectorSecrets {
        token: Some(token.to_owned()),
        ..ConnectorSecrets::default()
    }
}

pub(crate) fn key(number: u128, scope: Scope, tenant: Option<TenantId>) -> StoredKey {
    let key = ApiKey {
        id: KeyId::new(Uuid::from_u128(number)),
        name: format!("key {number}"),
        scope,
        tenant,
        state: KeyState::Active,
        created_at: at(0),
        expires_at: None,
        last_used_at: None,
    };
    StoredKey { key, hash: [7; 32] }
}

/// A key of a tenant that is stored.
pub(crate) async fn new_key(storage: &Storage, tenant: TenantId, number: u128) -> KeyId {
    let key = key(number, Scope::TenantUser, Some(tenant));
    storage.tenant(tenant).create_key(&key, None).await.unwrap();
    key.key.id
}

pub(crate) fn account(
    (tenant, connector): (TenantId, ConnectorId),
    number: u128,
    owner: AccountOwner,
    name: &str,
) -> NewAccount {
    let account = Account {
        id: AccountId::new(Uuid::from_u128(number)),
        tenant,
        connector,
        owner,
        name: name.to_owned(),
        method: AccountMethod::OAuth,
        state: AccountState::Connected,
        preferred: true,
        subject: Some("octocat".to_owned()),
        scopes: vec!["repo".to_owned()],
        variables: BTreeMap::from([("cloudId".to_owned(), "c1".to_owned())]),
        generation: 1,
        expires_at: Some(at(3_600)),
        problem: None,
        created_at: at(0),
        updated_at: at(0),
        refreshed_at: None,
    };
    NewAccount {
        account,
        secrets: pair(name),
        oauth_client: None,
        refresh_at: Some(at(3_000)),
    }
}

/// Tokens that say which they are.
pub(crate) fn pair(which: &str) -> AccountSecrets {
    AccountSecrets {
        access_token: Some(format!("access {which}")),
        refresh_token: Some(format!("refresh {which}")),
        ..AccountSecrets::default()
    }
}

pub(crate) fn flow(
    (tenant, connector): (TenantId, ConnectorId),
    number: u8,
    owner: AccountOwner,
) -> ConnectFlow {
    ConnectFlow {
        id: Uuid::from_u128(u128::from(number)),
        tenant,
        connector,
        owner,
        nonce_hash: [number; 32],
        state_hash: None,
        browser_hash: None,
        status: FlowStatus::Offered,
        account: None,
        details: SecretString::from("details"),
        problem: None,
        created_at: at(0),
        expires_at: at(600),
    }
}

pub(crate) fn client(number: u128, tenant: Option<TenantId>, provider: &str) -> OAuthClientRow {
    OAuthClientRow {
        id: Uuid::from_u128(number),
        tenant,
        provider: provider.to_owned(),
        client_id: format!("client {number}"),
        secret: Some(SecretString::from("client secret")),
        registration: None,
        settings: serde_json::json!({"variables": {"tenant": "common"}}),
        created_at: at(0),
        updated_at: at(0),
        version: 1,
    }
}

pub(crate) fn answer(key: &str, response: &str) -> Remembered {
    Remembered {
        caller: KeyId::new(Uuid::from_u128(900)),
        operation: "tenants.create".to_owned(),
        key: key.to_owned(),
        request_hash: [3; 32],
        status: 201,
        response: response.as_bytes().to_vec(),
        created_at: at(0),
    }
}

pub(crate) fn tool(name: &str, title: &str) -> ToolDefinition {
    let json = format!(r#"{{"name":"{name}","title":"{title}","inputSchema":{{}}}}"#);
    ToolDefinition::parse(RawValue::from_string(json).unwrap()).unwrap()
}

/// Runs a statement past all rules and returns the first column of what it gives.
pub(crate) async fn raw(storage: &TestStorage, sql: &str) -> Vec<String> {
    if let Some(database) = storage.database() {
        return database.psql(sql).lines().map(str::to_owned).collect();
    }
    let path = storage.file().unwrap();
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(path))
        .await
        .unwrap();
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned()))
        .fetch_all(&pool)
        .await
        .unwrap();
    pool.close().await;
    let text = |row: &sqlx::sqlite::SqliteRow| {
        row.try_get::<String, _>(0)
            .or_else(|_| row.try_get::<i64, _>(0).map(|number| number.to_string()))
            .unwrap()
    };
    rows.iter().map(text).collect()
}

/// Everything that lies in the database, as one heap of bytes; those of Postgres in hexadecimal
/// too, as its dump has them.
pub(crate) fn at_rest(storage: &TestStorage) -> Vec<u8> {
    if let Some(database) = storage.database() {
        return database.dump().into_bytes();
    }
    let file = storage.file().unwrap();
    let mut heap = std::fs::read(&file).unwrap();
    let mut log = file.into_os_string();
    log.push("-wal");
    heap.extend(std::fs::read(log).unwrap_or_default());
    heap
}

/// Whether a text lies in a heap, as it is or in hexadecimal.
pub(crate) fn holds(heap: &[u8], text: &[u8]) -> bool {
    let hex: String = text.iter().map(|byte| format!("{byte:02x}")).collect();
    let is_in = |needle: &[u8]| heap.windows(needle.len()).any(|window| window == needle);
    is_in(text) || is_in(hex.as_bytes())
}
