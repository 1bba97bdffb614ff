use std::sync::Arc;

use crypto::RootKey;
use secrecy::SecretString;
use storage::{Changes, Storage, StorageConfig, StorageError};
use testkit::postgres::{PgBouncer, Private};
use tokio::task::JoinSet;

use crate::fixtures::{new_connector, new_tenant, token};

fn postgres(url: &str) -> StorageConfig {
    let url = SecretString::from(url);
    StorageConfig::postgres(url)
}

/// Two connections for eight that work at once: each transaction gets whichever is free, and what
/// the last one left on it.
#[tokio::test]
async fn everything_works_behind_a_pooler_that_shares_connections_between_transactions() {
    let database = testkit::postgres::database();
    let pooler = PgBouncer::start(&database, 2);
    let config = postgres(&pooler.url(&database));
    let root = Arc::new(RootKey::generate());

    let mut processes = JoinSet::new();
    for number in 1..=8_u128 {
        let (config, root) = (config.clone(), Arc::clone(&root));
        processes.spawn(async move {
            let process = Storage::open(&config, root).await.unwrap();
            let slug = format!("t{number}");
            let tenant = new_tenant(&process, number, &slug).await;
            let own = process.tenant(tenant);
            for connector in 1..=5_u128 {
                let id = number * 100 + connector;
                let id = new_connector(&process, tenant, id, &format!("c{connector}")).await;
                assert_eq!(own.secrets(id).await.unwrap(), Some(token("a token")));
                let seen = own.list_connectors(None, 100).await.unwrap();
                assert!(seen.iter().all(|seen| seen.tenant == tenant));
                assert_eq!(seen.len() as u128, connector);
            }
            let lasts = std::time::Duration::from_secs(60);
            let holder = uuid::Uuid::from_u128(number);
            let lead = process.lead("job", holder, lasts).await.unwrap();
            lead.is_some()
        });
    }
    let leads = processes.join_all().await;

    assert_eq!(leads.into_iter().filter(|leads| *leads).count(), 1);
    let storage = Storage::open(&config, root).await.unwrap();
    let told = storage.changes_since(0, 1000).await.unwrap();
    let Changes::Since { changes, last } = told else {
        panic!("nothing was trimmed");
    };
    assert_eq!((changes.len(), last), (48, 48));
    let log = pooler.log();
    assert!(!log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn postgres_is_spoken_to_in_tls_and_only_when_it_is_the_right_one() {
    let server = Private::with_tls();
    let root = Arc::new(RootKey::generate());

    let storage = Storage::open(&postgres(&server.url()), Arc::clone(&root)).await;
    let storage = storage.unwrap();
    new_tenant(&storage, 1, "acme").await;
    let encrypted = server.psql(
        "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE application_name = 'turnbuckle'",
    );
    assert_eq!(encrypted, "t\n");

    let other = testkit::certificates::Certificates::of_loopback();
    let (url, ca) = (server.url(), other.ca());
    let without_ca = url.split("&sslrootcert=").next().unwrap();
    for refused in [
        format!("{without_ca}&sslrootcert={}", ca.display()),
        without_ca.to_owned(),
        url.replace("@localhost", "@127.0.0.2"),
        url.replace("verify-full", "disable"),
    ] {
        let refused = Storage::open(&postgres(&refused), Arc::clone(&root)).await;
        assert!(
            matches!(refused, Err(StorageError::Unavailable(_))),
            "{refused:?}"
        );
    }
}
