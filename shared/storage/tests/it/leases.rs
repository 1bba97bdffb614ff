use std::time::Duration;

use storage::testing::each_storage;
use storage::{Storage, StorageConfig};
use tokio::task::JoinSet;
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(3600);

fn holder(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

#[tokio::test]
async fn one_leads_until_it_lets_go_and_the_next_has_a_higher_fence() {
    for storage in each_storage().await {
        let mut first = storage.lead("job", holder(1), LONG).await.unwrap().unwrap();
        assert!(first.is_held());
        assert!(
            storage
                .lead("job", holder(2), LONG)
                .await
                .unwrap()
                .is_none()
        );
        let other_job = storage.lead("other", holder(2), LONG).await.unwrap();
        assert!(other_job.is_some(), "on {}", storage.backend());
        assert!(first.renew().await.unwrap());
        let again = storage.lead("job", holder(1), LONG).await.unwrap().unwrap();
        assert_eq!(again.fence(), first.fence(), "it leads already");

        first.release().await.unwrap();
        let second = storage.lead("job", holder(2), LONG).await.unwrap().unwrap();

        assert!(second.fence() > again.fence());
        assert!(
            storage
                .lead("job", holder(1), LONG)
                .await
                .unwrap()
                .is_none()
        );
        again.release().await.unwrap();
        assert!(
            storage
                .lead("job", holder(1), LONG)
                .await
                .unwrap()
                .is_none(),
            "a former leader lets go of nothing"
        );
    }
}

#[tokio::test]
async fn the_lead_of_one_that_was_killed_passes_on_when_its_time_is_over() {
    for storage in each_storage().await {
        let short = Duration::from_millis(300);
        let mut killed = storage
            .lead("job", holder(1), short)
            .await
            .unwrap()
            .unwrap();

        let second = loop {
            match storage.lead("job", holder(2), LONG).await.unwrap() {
                Some(second) => break second,
                None => tokio::task::yield_now().await,
            }
        };

        assert!(!killed.is_held(), "it believes to have less than it has");
        assert!(second.fence() > killed.fence());
        assert!(!killed.renew().await.unwrap(), "on {}", storage.backend());
        assert!(!killed.is_held());
    }
}

#[tokio::test]
async fn of_many_that_want_to_lead_at_once_one_does() {
    let database = testkit::postgres::database();
    let url = secrecy::SecretString::from(database.url());
    let config = StorageConfig::postgres(url);
    let root = std::sync::Arc::new(crypto::RootKey::generate());
    let mut contenders = JoinSet::new();
    for number in 0..4 {
        let (config, root) = (config.clone(), std::sync::Arc::clone(&root));
        contenders.spawn(async move {
            let process = Storage::open(&config, root).await.unwrap();
            let lead = process.lead("job", holder(number), LONG).await.unwrap();
            lead.is_some()
        });
    }

    let leads = contenders.join_all().await;

    assert_eq!(leads.iter().filter(|leads| **leads).count(), 1, "{leads:?}");
}
