//! Postgres that stops, pauses, refuses changes and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto::RootKey;
use secrecy::SecretString;
use storage::{Storage, StorageConfig, StorageError};
use testkit::cutting_proxy::{CuttingProxy, Network};
use testkit::postgres::Private;

use crate::fixtures::{connector, new_connector, new_tenant, tenant, token};

/// Longer than any single answer may take, and what it waits for first.
const BOUND: Duration = Duration::from_secs(20);

async fn open(url: String) -> Storage {
    let url = SecretString::from(url);
    let root = Arc::new(RootKey::generate());
    let config = StorageConfig::postgres(url);
    Storage::open(&config, root).await.unwrap()
}

#[tokio::test]
async fn while_postgres_is_stopped_everything_fails_clearly_and_afterwards_nothing_does() {
    let mut server = Private::start();
    let storage = open(server.url()).await;
    new_tenant(&storage, 1, "before").await;

    for end in [Private::stop, Private::kill] {
        end(&mut server);
        let start = Instant::now();
        let during = tenant(2, "during");
        let write = storage.create_tenant(&during, None);
        let (write, read) = tokio::join!(write, storage.find_tenant("before"));
        assert!(start.elapsed() < BOUND);
        assert!(
            matches!(write, Err(StorageError::Unavailable(_))),
            "{write:?}"
        );
        assert!(
            matches!(read, Err(StorageError::Unavailable(_))),
            "{read:?}"
        );

        server.restart();
        assert!(storage.find_tenant("before").await.unwrap().is_some());
        assert!(storage.find_tenant("during").await.unwrap().is_none());
    }
    new_tenant(&storage, 2, "after").await;
    assert_eq!(storage.last_revision().await.unwrap(), 2, "without gaps");
}

#[tokio::test]
async fn changes_under_way_when_postgres_is_killed_happen_as_a_whole_or_not_at_all() {
    let mut server = Private::start();
    let storage = open(server.url()).await;
    let acme = new_tenant(&storage, 1, "acme").await;
    let mut writers = tokio::task::JoinSet::new();
    let (told, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    for writer in 0..4_u128 {
        let (storage, told) = (storage.clone(), told.clone());
        writers.spawn(async move {
            for number in 1_u128.. {
                let id = writer * 10_000 + number + 100;
                let slug = format!("c{id}");
                let own = storage.tenant(acme);
                let stored = connector(acme, id, &slug);
                match own.create_connector(&stored, &token("t"), None).await {
                    Ok(revision) => told.send((slug, revision)).unwrap(),
                    Err(StorageError::Unavailable(_) | StorageError::InDoubt(_)) => return,
                    Err(other) => panic!("{other:?}"),
                }
            }
        });
    }
    let mut kept = Vec::new();
    while kept.len() < 60 {
        kept.push(acknowledged.recv().await.unwrap());
    }

    server.kill();
    writers.join_all().await;
    server.restart();

    while let Ok(more) = acknowledged.try_recv() {
        kept.push(more);
    }
    for (slug, _) in &kept {
        let found = storage.tenant(acme).find_connector(slug).await.unwrap();
        let found = found.unwrap_or_else(|| panic!("{slug} was acknowledged"));
        let secrets = storage.tenant(acme).secrets(found.id).await.unwrap();
        assert_eq!(secrets, Some(token("t")));
    }
    let whole =
        "SELECT (SELECT COUNT(*) FROM connectors), (SELECT COUNT(*) FROM connector_secrets),
        (SELECT COUNT(*) - 1 FROM config_changes), (SELECT last - 1 FROM revision_counter)";
    let counts = server.psql(whole);
    let counts: Vec<usize> = counts
        .trim()
        .split('|')
        .map(|n| n.parse().unwrap())
        .collect();
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    assert!(counts[0] >= kept.len());
    new_connector(&storage, acme, 99, "after").await;
}

#[tokio::test]
async fn a_read_only_postgres_is_read_and_says_so_to_who_writes() {
    let server = Private::start();
    let storage = open(server.url()).await;
    let acme = new_tenant(&storage, 1, "acme").await;

    server.set_read_only(true);
    let (stored, lasts) = (connector(acme, 10, "gh"), Duration::from_secs(1));
    for refused in [
        storage.create_tenant(&tenant(2, "other"), None).await,
        storage
            .tenant(acme)
            .create_connector(&stored, &token("t"), None)
            .await,
        storage
            .lead("job", uuid::Uuid::from_u128(1), lasts)
            .await
            .map(|_| 0),
    ] {
        assert!(
            matches!(refused, Err(StorageError::ReadOnly(_))),
            "{refused:?}"
        );
    }
    assert!(storage.find_tenant("acme").await.unwrap().is_some());
    assert!(storage.tenant_config("acme").await.unwrap().is_some());

    server.set_read_only(false);
    new_connector(&storage, acme, 10, "gh").await;
}

#[tokio::test]
async fn a_postgres_that_hangs_holds_nobody_longer_than_the_bound() {
    let server = Private::start();
    let storage = open(server.url()).await;
    new_tenant(&storage, 1, "acme").await;

    server.pause();
    let start = Instant::now();
    let write = storage.create_tenant(&tenant(2, "during"), None).await;
    let took = start.elapsed();
    server.resume();

    assert!(took < 3 * StorageConfig::PATIENCE, "{took:?}");
    assert!(
        matches!(write, Err(StorageError::Unavailable(_))),
        "{write:?}"
    );
    new_tenant(&storage, 3, "after").await;
}

/// More transactions than there are connections, all cut off in the middle: their places come
/// free, and what they held in Postgres too.
#[tokio::test]
async fn a_network_that_goes_silent_takes_no_connection_for_good() {
    let server = Private::start();
    let proxy = CuttingProxy::start(server.address()).await;
    let storage = open(server.url_behind(proxy.address())).await;
    new_tenant(&storage, 1, "acme").await;

    for network in [Network::HalfOpen, Network::Stalled] {
        proxy.set(network);
        let mut cut_off = tokio::task::JoinSet::new();
        let start = Instant::now();
        for _ in 0..20 {
            let storage = storage.clone();
            cut_off.spawn(async move { storage.find_tenant("acme").await });
        }
        for outcome in cut_off.join_all().await {
            assert!(
                matches!(outcome, Err(StorageError::Unavailable(_))),
                "{outcome:?}"
            );
        }
        assert!(
            start.elapsed() < BOUND,
            "{network:?}: {:?}",
            start.elapsed()
        );
        proxy.set(Network::Cut);
        proxy.set(Network::Fine);
        assert!(storage.find_tenant("acme").await.unwrap().is_some());
    }
}
