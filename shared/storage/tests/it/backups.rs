use std::sync::Arc;

use secrecy::SecretString;
use storage::testing::postgres;
use storage::{Changes, Storage, StorageConfig};

use crate::fixtures::{new_connector, new_tenant, token};

#[tokio::test]
async fn a_backup_of_postgres_by_its_plain_owner_brings_everything_back() {
    let storage = postgres().await;
    let acme = new_tenant(&storage, 1, "acme").await;
    let id = new_connector(&storage, acme, 10, "gh").await;
    let backup = storage.database().unwrap().backup();
    new_tenant(&storage, 2, "later").await;
    storage.close().await;

    let restored = testkit::postgres::database();
    restored.restore(&backup);

    let url = SecretString::from(restored.url());
    let root = storage.root();
    let storage = Storage::open(&StorageConfig::postgres(url), Arc::clone(&root)).await;
    let storage = storage.unwrap();
    let own = storage.tenant(acme);
    assert_eq!(own.secrets(id).await.unwrap(), Some(token("a token")));
    // A node that knew the change that is lost must start anew.
    let told = storage.changes_since(3, 10).await.unwrap();
    assert_eq!(told, Changes::Unknown { last: 2 });
    let walled = "SET ROLE turnbuckle; SELECT COUNT(*) FROM tenants";
    assert_eq!(restored.psql(walled), "0\n", "the second wall stands again");
}
