use domain::limits::KEYS_PER_OWNER;
use domain::{KeyId, KeyState, Scope};
use storage::testing::each_storage;
use storage::{Constraint, StorageError};
use uuid::Uuid;

use crate::fixtures::{at, key, new_tenant, raw};

#[tokio::test]
async fn keys_come_back_with_their_hash_and_are_listed_for_whom_they_concern() {
    for mut storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let mut platform = key(10, Scope::PlatformAdmin, None);
        platform.key.expires_at = Some(at(3600));
        let admin = key(11, Scope::TenantAdmin, Some(acme));
        let user = key(12, Scope::TenantUser, Some(acme));

        storage.create_platform_key(&platform, None).await.unwrap();
        storage.tenant(acme).create_key(&admin, None).await.unwrap();
        storage.tenant(acme).create_key(&user, None).await.unwrap();
        storage.reopen().await;

        for stored in [&platform, &admin, &user] {
            let found = storage.find_key(stored.key.id).await.unwrap().unwrap();
            assert_eq!((&found.key, found.hash), (&stored.key, stored.hash));
        }
        let (p, a, u) = (platform.key, admin.key, user.key);
        let all = storage.list_keys(None, 10).await.unwrap();
        assert_eq!(all, [p.clone(), a.clone(), u.clone()]);
        assert_eq!(
            storage.list_keys(Some(p.id), 1).await.unwrap(),
            std::slice::from_ref(&a)
        );
        let own = storage.tenant(acme);
        assert_eq!(
            own.list_keys(None, 10).await.unwrap(),
            [a.clone(), u.clone()]
        );
        assert_eq!(own.list_keys(Some(a.id), 10).await.unwrap(), [u]);
        assert_eq!(
            own.find_key(a.id).await.unwrap().map(|found| found.key),
            Some(a)
        );
        assert!(own.find_key(p.id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_key_whose_scope_and_tenant_do_not_fit_is_refused() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let nobody = crate::fixtures::tenant(5, "nobody").id;
        let own = storage.tenant(acme);
        let refusals = [
            storage
                .create_platform_key(&key(10, Scope::TenantAdmin, None), None)
                .await,
            storage
                .create_platform_key(&key(11, Scope::PlatformAdmin, Some(acme)), None)
                .await,
            own.create_key(&key(12, Scope::PlatformAdmin, Some(acme)), None)
                .await,
            own.create_key(&key(13, Scope::TenantUser, None), None)
                .await,
        ];

        for refused in refusals {
            let expected = matches!(refused, Err(StorageError::Conflict(Constraint::KeyOwner)));
            assert!(expected, "{refused:?}");
        }
        let key = key(14, Scope::TenantUser, Some(nobody));
        let absent = storage.tenant(nobody).create_key(&key, None).await;
        assert!(matches!(absent, Err(StorageError::NotFound)), "{absent:?}");
    }
}

#[tokio::test]
async fn a_key_is_revoked_once_and_for_good() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let of_tenant = key(10, Scope::TenantUser, Some(acme));
        let of_platform = key(11, Scope::PlatformAdmin, None);
        storage
            .tenant(acme)
            .create_key(&of_tenant, None)
            .await
            .unwrap();
        storage
            .create_platform_key(&of_platform, None)
            .await
            .unwrap();

        storage
            .tenant(acme)
            .revoke_key(of_tenant.key.id, at(10))
            .await
            .unwrap();
        storage
            .revoke_key(of_platform.key.id, at(10))
            .await
            .unwrap();
        storage.revoke_key(of_tenant.key.id, at(99)).await.unwrap();

        for id in [of_tenant.key.id, of_platform.key.id] {
            let found = storage.find_key(id).await.unwrap().unwrap();
            assert_eq!(found.key.state, KeyState::Revoked { at: at(10) });
        }
        let unknown = storage
            .revoke_key(KeyId::new(Uuid::from_u128(77)), at(10))
            .await;
        assert!(matches!(unknown, Err(StorageError::NotFound)));
    }
}

#[tokio::test]
async fn the_last_use_only_moves_forward() {
    for storage in each_storage().await {
        let platform = key(10, Scope::PlatformAdmin, None);
        storage.create_platform_key(&platform, None).await.unwrap();
        let id = platform.key.id;
        let unknown = KeyId::new(Uuid::from_u128(77));

        storage.keys_used(&[unknown, id, id], at(20)).await.unwrap();
        storage.keys_used(&[id], at(10)).await.unwrap();
        storage.keys_used(&[], at(30)).await.unwrap();

        let found = storage.find_key(id).await.unwrap().unwrap();
        assert_eq!(found.key.last_used_at, Some(at(20)));
    }
}

#[tokio::test]
async fn living_keys_are_limited_and_dead_ones_do_not_count() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let own = storage.tenant(acme);
        let mut first = key(1000, Scope::TenantUser, Some(acme));
        first.key.expires_at = Some(at(50));
        own.create_key(&first, None).await.unwrap();
        let id = if storage.backend() == "sqlite" {
            "randomblob(16)"
        } else {
            "gen_random_uuid()"
        };
        let fill = format!(
            "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {KEYS_PER_OWNER})
             INSERT INTO api_keys (id, tenant_id, name, scope, hash, created_at)
             SELECT {id}, tenant_id, name, scope, hash, created_at FROM api_keys, n"
        );
        raw(&storage, &fill).await;

        let mut more = key(9000, Scope::TenantUser, Some(acme));
        let refused = own.create_key(&more, None).await;
        assert!(matches!(
            refused,
            Err(StorageError::Conflict(Constraint::LimitReached))
        ));

        more.key.created_at = at(60);
        own.create_key(&more, None).await.unwrap();
    }
}
