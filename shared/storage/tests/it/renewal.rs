use std::time::Duration;

use domain::{AccountOwner, AccountState, TenantId};
use storage::testing::{TestStorage, each_storage};
use storage::{Claim, Claimed, HeldAccount, Kept, NewAccount, RenewedTokens, TenantStorage};
use uuid::Uuid;

use crate::fixtures::{account, at, new_connector, new_tenant, pair};

const LONG: Duration = Duration::from_secs(3_600);

async fn connected(storage: &TestStorage) -> (TenantId, NewAccount) {
    let acme = new_tenant(storage, 1, "acme").await;
    let gh = new_connector(storage, acme, 10, "gh").await;
    let new = account((acme, gh), 30, AccountOwner::Tenant, "first");
    let own = storage.tenant(acme);
    own.connect_account(&new, None).await.unwrap();
    (acme, new)
}

async fn claim(own: TenantStorage<'_>, new: &NewAccount, by: u128, lasts: Duration) -> Claimed {
    let (id, by) = (new.account.id, Uuid::from_u128(by));
    let generation = held(own, new).await.account.generation;
    own.claim_renewal(id, generation, by, lasts).await.unwrap()
}

async fn taken(own: TenantStorage<'_>, new: &NewAccount, by: u128, lasts: Duration) -> Claim {
    loop {
        match claim(own, new, by, lasts).await {
            Claimed::Taken(claim) => return claim,
            Claimed::Busy => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    }
}

async fn held(own: TenantStorage<'_>, new: &NewAccount) -> HeldAccount {
    own.held_account(new.account.id).await.unwrap().unwrap()
}

fn renewed(which: &str) -> RenewedTokens {
    RenewedTokens {
        secrets: pair(which),
        scopes: vec!["repo".to_owned(), "user".to_owned()],
        expires_at: Some(at(7_200)),
        refresh_at: Some(at(6_000)),
        at: at(60),
    }
}

fn stored(generation: i64) -> Kept {
    Kept::Stored {
        generation,
        revived: None,
    }
}

#[tokio::test]
async fn one_refreshes_a_generation_and_the_others_find_what_it_stored() {
    for storage in each_storage().await {
        let (acme, new) = connected(&storage).await;
        let own = storage.tenant(acme);
        let revision = storage.last_revision().await.unwrap();

        let first = taken(own, &new, 1, LONG).await;
        assert_eq!(claim(own, &new, 2, LONG).await, Claimed::Busy);
        assert_eq!(claim(own, &new, 1, LONG).await, Claimed::Busy, "not twice");
        let during = held(own, &new).await;
        assert!(during.is_being_renewed());
        assert_eq!(during.renewing.unwrap().by, Uuid::from_u128(1));
        assert_eq!(storage.list_due_renewals(9).await.unwrap(), []);
        let kept = own.store_renewed(&first, &renewed("second")).await.unwrap();

        assert_eq!(kept, stored(2), "on {}", storage.backend());
        let after = held(own, &new).await;
        assert_eq!((&after.secrets, after.failures), (&pair("second"), 0));
        assert_eq!(after.account.scopes, ["repo", "user"]);
        assert_eq!(after.account.refreshed_at, Some(at(60)));
        assert!(after.renewing.is_none());
        let late = own.claim_renewal(new.account.id, 1, Uuid::nil(), LONG);
        assert_eq!(late.await.unwrap(), Claimed::Changed);
        let again = own.store_renewed(&first, &renewed("twice")).await.unwrap();
        assert_eq!(again, Kept::Superseded);
        assert_eq!(held(own, &new).await.secrets, pair("second"));
        assert_eq!(
            storage.last_revision().await.unwrap(),
            revision,
            "a refresh concerns no node"
        );
    }
}

#[tokio::test]
async fn what_a_provider_gave_late_counts_unless_somebody_who_came_after_has_something_too() {
    for storage in each_storage().await {
        let (acme, new) = connected(&storage).await;
        let own = storage.tenant(acme);

        // Over, and nobody came after.
        let first = taken(own, &new, 1, Duration::from_millis(1)).await;
        let second = taken(own, &new, 2, LONG).await;
        assert!(second.fence > first.fence);
        let early = own.store_renewed(&first, &renewed("first's")).await;
        assert_eq!(early.unwrap(), Kept::Busy, "the other is at it");
        own.renewal_failed(&second, Some(at(100))).await.unwrap();
        let failed = held(own, &new).await;
        assert_eq!((failed.failures, failed.refresh_at), (1, Some(at(100))));
        let kept = own.store_renewed(&first, &renewed("first's")).await;
        assert_eq!(kept.unwrap(), stored(2), "on {}", storage.backend());

        // Somebody came after and has stored.
        let slow = taken(own, &new, 1, Duration::from_millis(1)).await;
        let fast = taken(own, &new, 2, LONG).await;
        let kept = own.store_renewed(&fast, &renewed("fast's")).await;
        assert_eq!(kept.unwrap(), stored(3));
        let kept = own.store_renewed(&slow, &renewed("slow's")).await;
        assert_eq!(kept.unwrap(), Kept::Superseded);
        own.renewal_failed(&slow, Some(at(9))).await.unwrap();
        let after = held(own, &new).await;
        assert_eq!((after.secrets, after.failures), (pair("fast's"), 0));
    }
}

#[tokio::test]
async fn a_refusal_ends_only_the_tokens_that_were_refused_and_a_pair_in_hand_revives_them() {
    for storage in each_storage().await {
        let (acme, new) = connected(&storage).await;
        let own = storage.tenant(acme);
        let old = held(own, &new).await;
        let first = taken(own, &new, 1, Duration::from_millis(1)).await;
        let second = taken(own, &new, 2, LONG).await;

        let late = own.end_account(&old, Some(first.fence), "no").await;
        assert_eq!(late.unwrap(), None, "another refreshes by now");
        let outside = own.end_account(&old, None, "no").await;
        assert_eq!(outside.unwrap(), None, "another refreshes by now");
        let ended = own.end_account(&old, Some(second.fence), "no").await;
        assert!(ended.unwrap().is_some(), "on {}", storage.backend());
        assert_eq!(claim(own, &new, 3, LONG).await, Claimed::Changed);
        assert_eq!(storage.list_due_renewals(9).await.unwrap(), []);
        let counted = storage.count_accounts().await.unwrap();
        assert_eq!(counted, [(AccountState::NeedsReauth, 1)]);

        // The first had an answer all the time, and could not store it.
        let revision = storage.last_revision().await.unwrap();
        let kept = own.store_renewed(&first, &renewed("b")).await.unwrap();
        let revived = Some(revision + 1);
        assert_eq!(
            kept,
            Kept::Stored {
                generation: 2,
                revived
            }
        );
        let after = held(own, &new).await.account;
        assert_eq!(after.state, AccountState::Connected);
        assert_eq!(after.problem, None);
        let stale = own.end_account(&old, None, "no").await.unwrap();
        assert_eq!(stale, None, "these are newer tokens");

        own.delete_account(new.account.id).await.unwrap();
        let gone = own.store_renewed(&first, &renewed("c")).await.unwrap();
        assert_eq!(gone, Kept::Gone);
        let gone = own.claim_renewal(new.account.id, 2, Uuid::nil(), LONG);
        assert_eq!(gone.await.unwrap(), Claimed::Gone);
    }
}

#[tokio::test]
async fn accounts_are_due_when_their_time_has_come_the_longest_due_first() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let gh = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        let future = time::macros::datetime!(2999-01-01 0:00 UTC);
        for (number, refresh_at) in [
            (30, Some(at(20))),
            (31, None),
            (32, Some(at(10))),
            (33, Some(future)),
        ] {
            let name = number.to_string();
            let mut new = account((acme, gh), number, AccountOwner::Tenant, &name);
            new.refresh_at = refresh_at;
            own.connect_account(&new, None).await.unwrap();
        }

        let due = storage.list_due_renewals(9).await.unwrap();

        let ids: Vec<_> = due
            .iter()
            .map(|due| due.account.as_uuid().as_u128())
            .collect();
        assert_eq!(ids, [32, 30], "on {}", storage.backend());
        assert_eq!((due[0].tenant, due[0].connector), (acme, gh));
        assert_eq!(storage.list_due_renewals(1).await.unwrap().len(), 1);
    }
}
