use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::Scope;
use fabric::Change;
use fabric::Subject;
use storage::Changes;
use storage::testing::{each_storage, postgres};
use tokio::task::JoinSet;

use crate::fixtures::{at, key, new_connector, new_tenant, raw, tenant};

fn of(revision: i64, slug: &str) -> Change {
    let subject = Subject::Tenant(slug.to_owned());
    Change { revision, subject }
}

#[tokio::test]
async fn each_change_is_told_in_order_to_whoever_knows_an_earlier_one() {
    for storage in each_storage().await {
        assert_eq!(storage.last_revision().await.unwrap(), 0);
        let acme = new_tenant(&storage, 1, "acme").await;
        let platform = key(11, Scope::PlatformAdmin, None);
        storage.create_platform_key(&platform, None).await.unwrap();
        let id = new_connector(&storage, acme, 10, "gh").await;
        storage.delete_tenant(acme, None).await.unwrap();
        let refused = storage.tenant(acme).sync_failed(id, "x", at(1)).await;
        assert!(refused.is_err(), "what is refused is no change");

        let all = [
            of(1, "acme"),
            Change {
                revision: 2,
                subject: Subject::Platform,
            },
            of(3, "acme"),
            of(4, "acme"),
        ];
        let since = |changes: &[Change]| Changes::Since {
            changes: changes.to_vec(),
            last: 4,
        };
        let told = storage.changes_since(0, 100).await.unwrap();
        assert_eq!(told, since(&all), "on {}", storage.backend());
        let told = storage.changes_since(1, 2).await.unwrap();
        assert_eq!(told, since(&all[1..3]));
        assert_eq!(storage.changes_since(4, 2).await.unwrap(), since(&[]));
        assert_eq!(storage.last_revision().await.unwrap(), 4);
    }
}

#[tokio::test]
async fn who_knows_less_than_is_kept_or_more_than_there_is_must_read_everything_anew() {
    for storage in each_storage().await {
        for number in 1..=5_u8 {
            new_tenant(&storage, number.into(), &format!("t{number}")).await;
        }
        raw(&storage, "DELETE FROM config_changes WHERE revision <= 3").await;

        let unknown = Changes::Unknown { last: 5 };
        for revision in [-1, 0, 2, 6] {
            let told = storage.changes_since(revision, 10).await.unwrap();
            assert_eq!(told, unknown, "since {revision} on {}", storage.backend());
        }
        let told = storage.changes_since(3, 10).await.unwrap();
        let changes = vec![of(4, "t4"), of(5, "t5")];
        assert_eq!(told, Changes::Since { changes, last: 5 });

        raw(&storage, "DELETE FROM config_changes").await;
        assert_eq!(storage.changes_since(4, 10).await.unwrap(), unknown);
        let none = Changes::Since {
            changes: Vec::new(),
            last: 5,
        };
        assert_eq!(storage.changes_since(5, 10).await.unwrap(), none);
    }
}

/// Whoever follows by "what is after the last that I saw" would miss for good what appears below.
#[tokio::test]
async fn a_follower_misses_no_change_of_many_writers_at_once() {
    const WRITERS: u128 = 6;
    const EACH: u128 = 15;
    let storage = Arc::new(postgres().await);
    let done = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let storage = Arc::clone(&storage);
        writers.spawn(async move {
            for number in 0..EACH {
                let number = writer * EACH + number + 1;
                let stored = tenant(number, &format!("t{number}"));
                storage.create_tenant(&stored, None).await.unwrap();
            }
        });
    }
    let mut follower = JoinSet::new();
    let (followed, finished) = (Arc::clone(&storage), Arc::clone(&done));
    follower.spawn(async move {
        let (mut seen, mut slugs) = (0, Vec::new());
        loop {
            let is_last = finished.load(Ordering::Acquire);
            let told = followed.changes_since(seen, 1000).await.unwrap();
            let Changes::Since { changes, last } = told else {
                panic!("nothing was trimmed: {told:?}");
            };
            for change in changes {
                assert_eq!(change.revision, seen + 1, "without gaps");
                seen = change.revision;
                slugs.push(change.subject);
            }
            assert_eq!(seen, last);
            if is_last {
                return slugs;
            }
        }
    });

    writers.join_all().await;
    done.store(true, Ordering::Release);

    let slugs = follower.join_all().await.remove(0);
    assert_eq!(slugs.len() as u128, WRITERS * EACH);
}
