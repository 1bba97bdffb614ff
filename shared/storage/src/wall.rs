//! Proof of the second wall: what Postgres lets through of statements that are wrong.

use domain::{ApiKey, KeyId, KeyState, Scope, Tenant, TenantId, TenantState};
use fabric::StoredKey;
use sqlx::AssertSqlSafe;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::testing::{self, TestStorage};
use crate::tx::{execute, fetch_all, fetch_optional};
use crate::{Remembered, StorageError};

/// Tables that hold rows of tenants, and the column that says whose.
const WALLED: &[(&str, &str)] = &[
    ("tenants", "id"),
    ("data_keys", "tenant_id"),
    ("connectors", "tenant_id"),
    ("connector_secrets", "tenant_id"),
    ("tools", "tenant_id"),
    ("api_keys", "tenant_id"),
    ("remembered", "tenant_id"),
    ("config_changes", "tenant_id"),
    ("oauth_clients", "tenant_id"),
    ("accounts", "tenant_id"),
    ("connect_flows", "tenant_id"),
];

/// A tenant with a row in each table.
#[expect(
    clippy::unwrap_used,
    reason = "a test's helper may fail as the test itself may"
)]
async fn furnished(storage: &TestStorage, number: u128, slug: &str) -> TenantId {
    let at = OffsetDateTime::UNIX_EPOCH;
    let tenant = Tenant {
        id: TenantId::new(Uuid::from_u128(number)),
        slug: slug.parse().unwrap(),
        name: slug.to_owned(),
        description: String::new(),
        contact_email: String::new(),
        state: TenantState::Active,
        created_at: at,
        updated_at: at,
        version: 1,
    };
    storage.create_tenant(&tenant, None).await.unwrap();
    let key = ApiKey {
        id: KeyId::new(Uuid::from_u128(number + 1)),
        name: String::new(),
        scope: Scope::TenantUser,
        tenant: Some(tenant.id),
        state: KeyState::Active,
        created_at: at,
        expires_at: None,
        last_used_at: None,
    };
    let answer = Remembered {
        caller: key.id,
        operation: "create-key".to_owned(),
        key: "k".to_owned(),
        request_hash: [0; 32],
        status: 201,
        response: Vec::new(),
        created_at: at,
    };
    let stored = StoredKey { key, hash: [7; 32] };
    let own = storage.tenant(tenant.id);
    own.create_key(&stored, Some(&answer)).await.unwrap();
    let id = tenant.id;
    storage.database().unwrap().psql(&format!(
        "INSERT INTO connectors (id, tenant_id, slug, display_name, kind, enabled, prefix,
             credential, sync_state, sync_tools, created_at, updated_at, version)
         VALUES ('{id}', '{id}', 'c', '', '{{}}', TRUE, '', '{{}}', 'ok', 0, 0, 0, 1);
         INSERT INTO connector_secrets VALUES ('{id}', '{id}', 1, '');
         INSERT INTO tools (tenant_id, connector_id, name, definition, enabled)
         VALUES ('{id}', '{id}', 'a', '{{}}', TRUE);
         INSERT INTO oauth_clients
         VALUES ('{id}', '{id}', 'github', 'c', '{{}}', 1, '', 0, 0, 1);
         INSERT INTO accounts (id, tenant_id, connector_id, name, method, state, preferred, scopes,
             variables, token_generation, generation, sealed, created_at, updated_at)
         VALUES ('{id}', '{id}', '{id}', 'a', 'oauth', 'connected', TRUE, '[]', '{{}}', 1, 1, '',
             0, 0);
         INSERT INTO connect_flows (id, tenant_id, connector_id, nonce_hash, status, generation,
             sealed, created_at, expires_at)
         VALUES ('{id}', '{id}', '{id}', sha256('{id}'), 'offered', 1, '', 0, 0)"
    ));
    id
}

/// The statements here are what a mistake of ours would be: none says whose rows it means.
#[tokio::test]
async fn statements_that_forget_the_tenant_reach_nothing_of_anothers() {
    let storage = testing::postgres().await;
    let acme = furnished(&storage, 10, "acme").await;
    let rival = furnished(&storage, 20, "rival").await;
    let before = storage.database().unwrap().dump();

    for (table, column) in WALLED {
        let mut tx = storage.tenant(rival).read().await.unwrap();
        let whose = format!("SELECT DISTINCT {column} FROM {table}");
        let seen: Vec<(Uuid,)> =
            fetch_all!(&mut tx, sqlx::query_as(AssertSqlSafe(whose.clone()))).unwrap();
        assert_eq!(seen, [(rival.as_uuid(),)], "{table}");

        // Nor can it be asked for by name, or changed.
        let theirs = format!("SELECT {column} FROM {table} WHERE {column} = $1");
        let seen: Option<(Uuid,)> = fetch_optional!(
            &mut tx,
            sqlx::query_as(AssertSqlSafe(theirs)).bind(acme.as_uuid())
        )
        .unwrap();
        assert_eq!(seen, None, "{table}");
        let mut tx = storage.tenant(rival).write().await.unwrap();
        let delete = format!("DELETE FROM {table} WHERE {column} = $1");
        let deleted = execute!(
            &mut tx,
            sqlx::query(AssertSqlSafe(delete)).bind(acme.as_uuid())
        );
        assert_eq!(deleted.unwrap(), 0, "{table}");
        let give = format!("UPDATE {table} SET {column} = $1");
        let given = execute!(
            &mut tx,
            sqlx::query(AssertSqlSafe(give)).bind(acme.as_uuid())
        );
        assert!(
            matches!(given, Err(StorageError::Denied(_))),
            "{table}: {given:?}"
        );
        drop(tx);

        // The platform sees both, and a transaction that does not say for whom it works none.
        let mut tx = storage.read().await.unwrap();
        let seen: Vec<(Option<Uuid>,)> =
            fetch_all!(&mut tx, sqlx::query_as(AssertSqlSafe(whose.clone()))).unwrap();
        assert_eq!(seen.len(), 2, "{table}");
        let count = format!("SET ROLE turnbuckle; SELECT COUNT(*) FROM {table}");
        assert_eq!(storage.database().unwrap().psql(&count), "0\n", "{table}");
    }
    assert!(storage.database().unwrap().dump() == before);
}

/// A table of a later migration that has rows of tenants must be walled too.
#[tokio::test]
async fn every_table_that_names_a_tenant_is_walled_even_from_its_owner() {
    let storage = testing::postgres().await;
    let walled = "SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relforcerowsecurity
            AND c.relrowsecurity AND pg_get_userbyid(c.relowner) = 'turnbuckle'
        ORDER BY 1";
    let naming = "SELECT table_name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name LIKE '%tenant%'
        UNION SELECT 'tenants' GROUP BY 1 ORDER BY 1";

    let database = storage.database().unwrap();
    let (walled, naming) = (database.psql(walled), database.psql(naming));

    assert_eq!(walled, naming);
    assert_eq!(walled.lines().count(), WALLED.len());
}
