use domain::KeyId;
use storage::testing::each_storage;
use storage::{Constraint, REMEMBERED_FOR, Remembered, Storage, StorageError};
use time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixtures::{answer, at, connector, new_tenant, tenant, token};

async fn find(storage: &Storage, answer: &Remembered) -> Option<Remembered> {
    let Remembered {
        caller,
        operation,
        key,
        ..
    } = answer;
    storage
        .find_remembered(*caller, operation, key, at(-60))
        .await
        .unwrap()
}

#[tokio::test]
async fn an_answer_is_remembered_with_what_it_answers() {
    for mut storage in each_storage().await {
        let first = answer("k", r#"{"secret":"s3cret"}"#);

        storage
            .create_tenant(&tenant(1, "acme"), Some(&first))
            .await
            .unwrap();
        storage.reopen().await;

        assert_eq!(find(&storage, &first).await.as_ref(), Some(&first));
        let (caller, operation) = (first.caller, first.operation.as_str());
        let other = KeyId::new(Uuid::from_u128(901));
        for absent in [
            storage
                .find_remembered(other, operation, "k", at(-60))
                .await,
            storage
                .find_remembered(caller, "keys.create", "k", at(-60))
                .await,
            storage
                .find_remembered(caller, operation, "K", at(-60))
                .await,
            storage.find_remembered(caller, operation, "k", at(1)).await,
        ] {
            assert_eq!(absent.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn a_change_that_fails_is_not_remembered() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let of_tenant = answer("c", "{}");
        let connector = connector(acme, 10, "gh");
        storage
            .tenant(acme)
            .create_connector(&connector, &token("x"), None)
            .await
            .unwrap();

        let taken = storage
            .create_tenant(&tenant(2, "acme"), Some(&answer("k", "{}")))
            .await;
        let again = storage.tenant(acme);
        let again = again
            .create_connector(&connector, &token("x"), Some(&of_tenant))
            .await;

        assert!(matches!(
            taken,
            Err(StorageError::Conflict(Constraint::SlugTaken))
        ));
        assert!(matches!(again, Err(StorageError::Conflict(_))));
        assert_eq!(find(&storage, &answer("k", "{}")).await, None);
        assert_eq!(find(&storage, &of_tenant).await, None);
    }
}

#[tokio::test]
async fn a_key_used_again_changes_nothing_until_its_day_is_over() {
    for storage in each_storage().await {
        let first = answer("k", "first");
        storage
            .create_tenant(&tenant(1, "acme"), Some(&first))
            .await
            .unwrap();

        let soon = Remembered {
            created_at: at(60),
            ..answer("k", "second")
        };
        let refused = storage
            .create_tenant(&tenant(2, "other"), Some(&soon))
            .await;
        let expected = Err(Constraint::IdempotencyKeyTaken);
        assert_eq!(conflict(refused), expected);
        assert_eq!(find(&storage, &first).await.unwrap().response, b"first");
        assert_eq!(storage.find_tenant("other").await.unwrap(), None);

        let later = Remembered {
            created_at: at(0) + REMEMBERED_FOR,
            ..answer("k", "third")
        };
        storage
            .create_tenant(&tenant(2, "other"), Some(&later))
            .await
            .unwrap();
        assert_eq!(find(&storage, &first).await, Some(later));
    }
}

#[tokio::test]
async fn of_equal_requests_at_once_one_counts_and_the_others_learn_that_they_repeat_it() {
    for storage in each_storage().await {
        let mut requests = JoinSet::new();
        for number in 1..=6 {
            let storage = Storage::clone(&storage);
            requests.spawn(async move {
                let tenant = tenant(number, "acme");
                conflict(
                    storage
                        .create_tenant(&tenant, Some(&answer("k", "{}")))
                        .await,
                )
            });
        }
        let outcomes = requests.join_all().await;

        let counted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let repeated = Err(Constraint::IdempotencyKeyTaken);
        let repeated = outcomes
            .iter()
            .filter(|outcome| **outcome == repeated)
            .count();
        assert_eq!(
            (counted, repeated),
            (1, 5),
            "on {}: {outcomes:?}",
            storage.backend()
        );
    }
}

#[tokio::test]
async fn old_answers_are_purged() {
    for storage in each_storage().await {
        let old = answer("old", "{}");
        let new = Remembered {
            created_at: at(0) + Duration::HOUR,
            ..answer("new", "{}")
        };
        storage
            .create_tenant(&tenant(1, "a"), Some(&old))
            .await
            .unwrap();
        storage
            .create_tenant(&tenant(2, "b"), Some(&new))
            .await
            .unwrap();

        assert_eq!(storage.purge_remembered(at(60)).await.unwrap(), 1);

        assert_eq!(find(&storage, &old).await, None);
        assert_eq!(find(&storage, &new).await, Some(new));
    }
}

fn conflict(outcome: Result<i64, StorageError>) -> Result<(), Constraint> {
    match outcome {
        Ok(_) => Ok(()),
        Err(StorageError::Conflict(constraint)) => Err(constraint),
        Err(other) => panic!("{other}"),
    }
}
