use domain::{
    Account, AccountId, AccountMethod, AccountOwner, AccountSecrets, AccountState, KeyId,
};
use storage::testing::{TestStorage, each_storage};
use storage::{Constraint, FlowStatus, NewAccount, StorageError};
use uuid::Uuid;

use crate::fixtures::{account, at, flow, new_connector, new_key, new_tenant, pair, raw};

/// How often nodes were told that the credentials of the tenant's one connector changed.
async fn told(storage: &TestStorage) -> i64 {
    let config = storage.tenant_config("acme").await.unwrap().unwrap();
    config.connectors[0].accounts
}

#[tokio::test]
async fn calls_of_a_key_use_its_own_account_before_the_tenants_and_the_one_connected_last() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let gh = new_connector(&storage, acme, 10, "gh").await;
        let (mine, theirs) = (
            new_key(&storage, acme, 20).await,
            new_key(&storage, acme, 21).await,
        );
        let own = storage.tenant(acme);
        let used = async |key| {
            let held = own.credential(gh, key).await.unwrap();
            held.map(|held| (held.account.name, held.secrets))
        };
        assert_eq!(used(mine).await, None);
        let owner = AccountOwner::Key(mine);
        let mut revisions = Vec::new();
        for (number, owner, name) in [
            (30, AccountOwner::Tenant, "shared"),
            (31, owner, "work"),
            (32, owner, "home"),
        ] {
            let new = account((acme, gh), number, owner, name);
            let connected = own.connect_account(&new, None).await.unwrap();
            assert_eq!(connected.account, new.account, "on {}", storage.backend());
            revisions.push(connected.revision);
        }
        assert_eq!(told(&storage).await, 3);
        assert!(revisions.is_sorted());

        let as_stored = |name: &str| Some((name.to_owned(), pair(name)));
        assert_eq!(used(mine).await, as_stored("home"));
        assert_eq!(used(theirs).await, as_stored("shared"));
        assert_eq!(used(KeyId::new(Uuid::nil())).await, as_stored("shared"));

        let work = AccountId::new(Uuid::from_u128(31));
        let changed = own.change_account(work, Some("job"), true, at(9)).await;
        assert_eq!(changed.unwrap().account.updated_at, at(9));
        assert_eq!(used(mine).await.unwrap().0, "job");
        let all_for = async |key, limit| {
            let held = own.credentials(gh, key, limit).await.unwrap();
            let names = held.into_iter().map(|held| held.account.name);
            names.collect::<Vec<_>>()
        };
        assert_eq!(all_for(mine, 10).await, ["job", "home", "shared"]);
        assert_eq!(all_for(mine, 1).await, ["job"]);
        assert_eq!(all_for(theirs, 10).await, ["shared"]);
        let (_, held) = own.delete_account(work).await.unwrap();
        assert_eq!(held.secrets, pair("work"), "for who tells the provider");
        assert_eq!(used(mine).await, as_stored("home"), "the last that is left");
        assert_eq!(told(&storage).await, 5);

        let listed = own.list_accounts(gh, Some(owner), None, 10).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((&*listed[0].name, listed[0].preferred), ("home", true));
        let all = own.list_accounts(gh, None, None, 10).await.unwrap();
        let shared = own.list_accounts(gh, Some(AccountOwner::Tenant), None, 10);
        assert_eq!((all.len(), shared.await.unwrap().len()), (2, 1));
        let after = own.list_accounts(gh, None, Some(all[0].id), 10).await;
        assert_eq!(after.unwrap(), [all[1].clone()]);
    }
}

#[tokio::test]
async fn an_account_that_is_connected_anew_keeps_its_id_and_gets_the_next_generation() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let gh = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        let new = account((acme, gh), 30, AccountOwner::Tenant, "a");
        own.connect_account(&new, None).await.unwrap();
        let held = own.held_account(new.account.id).await.unwrap().unwrap();
        let ended = own.end_account(&held, None, "it was taken back").await;
        assert!(ended.unwrap().is_some());
        let ended = own.find_account(new.account.id).await.unwrap().unwrap();
        assert_eq!(ended.state, AccountState::NeedsReauth);
        assert_eq!(ended.problem.as_deref(), Some("it was taken back"));

        let again = NewAccount {
            secrets: pair("b"),
            ..account((acme, gh), 30, AccountOwner::Tenant, "a")
        };
        let connected = own.connect_account(&again, None).await.unwrap().account;

        assert_eq!(connected.generation, 2, "on {}", storage.backend());
        assert_eq!(
            (connected.state, connected.problem),
            (AccountState::Connected, None)
        );
        let held = own.held_account(connected.id).await.unwrap().unwrap();
        assert_eq!(held.secrets, pair("b"));
        // What was found out about the tokens before says nothing of these.
        let stale = storage::HeldAccount {
            account: new.account.clone(),
            ..held
        };
        assert_eq!(own.end_account(&stale, None, "x").await.unwrap(), None);
        assert_eq!(told(&storage).await, 3);
    }
}

#[tokio::test]
async fn an_account_is_read_with_the_method_that_it_was_stored_with() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let gh = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        let first = account((acme, gh), 30, AccountOwner::Tenant, "a");
        for method in AccountMethod::ALL {
            let secrets = AccountSecrets {
                program: method.is_programs_own().then(|| "what it has".to_owned()),
                ..pair("a")
            };
            let new = NewAccount {
                account: Account {
                    method,
                    ..first.account.clone()
                },
                secrets: secrets.clone(),
                ..account((acme, gh), 30, AccountOwner::Tenant, "a")
            };

            let stored = own.connect_account(&new, None).await.unwrap().account;

            assert_eq!(stored.method, method, "on {}", storage.backend());
            let listed = own.list_accounts(gh, None, None, 10).await.unwrap();
            assert_eq!(
                listed.as_slice(),
                std::slice::from_ref(&stored),
                "on {}",
                storage.backend()
            );
            let held = own.held_account(stored.id).await.unwrap().unwrap();
            assert_eq!((held.account, held.secrets), (stored, secrets));
        }
    }
}

#[tokio::test]
async fn an_account_is_connected_in_the_moment_its_attempt_ends_or_not_at_all() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let gh = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        let mut before = flow((acme, gh), 40, AccountOwner::Tenant);
        before.status = FlowStatus::Exchanging;
        own.create_flow(&before).await.unwrap();
        let new = account((acme, gh), 30, AccountOwner::Tenant, "a");
        let mut after = before.clone();
        after.status = FlowStatus::Connected;
        after.account = Some(new.account.id);

        let first = own.connect_account(&new, Some((&before, &after))).await;
        let second = own.connect_account(&new, Some((&before, &after))).await;

        assert!(first.is_ok(), "{first:?}");
        assert!(
            matches!(second, Err(StorageError::VersionMismatch)),
            "{second:?}"
        );
        let ended = own.find_flow(before.id).await.unwrap().unwrap();
        assert_eq!(
            (ended.status, ended.account),
            (FlowStatus::Connected, Some(new.account.id))
        );
        let account = own.find_account(new.account.id).await.unwrap().unwrap();
        assert_eq!(account.generation, 1, "once");
    }
}

#[tokio::test]
async fn names_owners_and_numbers_of_accounts_are_held_to_their_rules() {
    for storage in each_storage().await {
        let (acme, rival) = (
            new_tenant(&storage, 1, "acme").await,
            new_tenant(&storage, 2, "rival").await,
        );
        let gh = new_connector(&storage, acme, 10, "gh").await;
        let key = new_key(&storage, acme, 20).await;
        let foreign = new_key(&storage, rival, 21).await;
        let own = storage.tenant(acme);
        let connect = async |number, owner, name: &str| {
            let new = account((acme, gh), number, owner, name);
            own.connect_account(&new, None).await.map(drop)
        };
        connect(30, AccountOwner::Tenant, "a").await.unwrap();
        connect(31, AccountOwner::Key(key), "a").await.unwrap();

        let taken = connect(32, AccountOwner::Tenant, "a").await;
        assert!(
            matches!(taken, Err(StorageError::Conflict(Constraint::NameTaken))),
            "{taken:?}"
        );
        let taken = connect(32, AccountOwner::Key(key), "a").await;
        assert!(
            matches!(taken, Err(StorageError::Conflict(Constraint::NameTaken))),
            "{taken:?}"
        );
        let others = connect(32, AccountOwner::Key(foreign), "a").await;
        assert!(matches!(others, Err(StorageError::NotFound)), "{others:?}");
        let whose = connect(30, AccountOwner::Key(key), "b").await;
        assert!(
            matches!(whose, Err(StorageError::Conflict(Constraint::IdTaken))),
            "an account does not change its owner: {whose:?}"
        );
        for number in 1..20 {
            let name = number.to_string();
            connect(100 + number, AccountOwner::Tenant, &name)
                .await
                .unwrap();
        }
        let more = connect(130, AccountOwner::Tenant, "more").await;
        assert!(
            matches!(more, Err(StorageError::Conflict(Constraint::LimitReached))),
            "{more:?}"
        );

        own.revoke_key(key, at(1)).await.unwrap();
        let dead = connect(33, AccountOwner::Key(key), "b").await;
        assert!(matches!(dead, Err(StorageError::NotFound)), "{dead:?}");
    }
}

#[tokio::test]
async fn accounts_go_with_their_key_their_connector_and_their_tenant() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let gh = new_connector(&storage, acme, 10, "gh").await;
        let other = new_connector(&storage, acme, 11, "other").await;
        let (dead, living) = (
            new_key(&storage, acme, 20).await,
            new_key(&storage, acme, 21).await,
        );
        let own = storage.tenant(acme);
        for (number, connector, key) in [(30, gh, dead), (31, other, dead), (32, gh, living)] {
            let owner = AccountOwner::Key(key);
            let new = account((acme, connector), number, owner, "a");
            own.connect_account(&new, None).await.unwrap();
            let flow = flow((acme, connector), u8::try_from(number).unwrap(), owner);
            own.create_flow(&flow).await.unwrap();
        }
        let held = own.list_held_accounts(None, None, 10).await.unwrap();
        let of_gh = own.list_held_accounts(Some(gh), None, 10).await.unwrap();
        assert_eq!((held.len(), of_gh.len()), (3, 2));

        assert_eq!(storage.list_orphaned_accounts(at(1), 9).await.unwrap(), []);
        own.revoke_key(dead, at(1)).await.unwrap();
        let orphaned = storage.list_orphaned_accounts(at(1), 9).await.unwrap();
        assert_eq!(orphaned, [(acme, dead)]);
        let (revision, gone) = own.delete_accounts_of_key(dead).await.unwrap();
        assert!(revision.is_some() && gone.len() == 2);
        let (revision, gone) = own.delete_accounts_of_key(dead).await.unwrap();
        assert!(revision.is_none() && gone.is_empty());
        assert_eq!(storage.list_orphaned_accounts(at(1), 9).await.unwrap(), []);

        assert_eq!(told(&storage).await, 3, "two connected, one gone");
        own.delete_connector(gh, None).await.unwrap();
        let left = own.list_held_accounts(None, None, 10).await.unwrap();
        assert!(left.is_empty());
        let new = account((acme, other), 33, AccountOwner::Tenant, "a");
        own.connect_account(&new, None).await.unwrap();
        storage.delete_tenant(acme, None).await.unwrap();
        for table in ["accounts", "connect_flows", "oauth_clients"] {
            let count = raw(&storage, &format!("SELECT COUNT(*) FROM {table}")).await;
            assert_eq!(count, ["0"], "{table} on {}", storage.backend());
        }
    }
}
