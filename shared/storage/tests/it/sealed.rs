use std::collections::BTreeMap;

use domain::{AccountOwner, Connector, ConnectorSecrets};
use secrecy::SecretString;
use storage::testing::{TestStorage, each_storage};
use storage::{SEALED_COLUMNS, StorageError};

use crate::fixtures::{
    self, account, answer, at, at_rest, client, connector, flow, holds, new_connector, new_tenant,
    raw, tenant, token,
};

#[tokio::test]
async fn no_secret_lies_readable_in_the_database() {
    for storage in each_storage().await {
        let note = answer("k", "answer-8kq");
        storage
            .create_tenant(&tenant(1, "acme"), Some(&note))
            .await
            .unwrap();
        let acme = tenant(1, "acme").id;
        let pair = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let secrets = ConnectorSecrets {
            token: Some("token-8kq".to_owned()),
            headers: pair("X-Header-Name", "header-8kq"),
            env: pair("ENV_NAME", "env-8kq"),
        };
        let own = storage.tenant(acme);
        let note = answer("c", "other-answer-8kq");
        own.create_connector(&connector(acme, 10, "gh"), &secrets, Some(&note))
            .await
            .unwrap();
        let changed = Connector {
            version: 2,
            updated_at: at(1),
            ..connector(acme, 10, "gh")
        };
        own.save_connector(&changed, Some(&token("later-8kq")), 1)
            .await
            .unwrap();

        let gh = connector(acme, 10, "gh").id;
        let mut registered = client(30, Some(acme), "github");
        registered.secret = Some(SecretString::from("client-8kq"));
        registered.registration = Some(SecretString::from("registration-8kq"));
        own.put_oauth_client(&registered, None).await.unwrap();
        let mut connected = account((acme, gh), 31, AccountOwner::Tenant, "mine");
        connected.secrets = fixtures::pair("8kq");
        own.connect_account(&connected, None).await.unwrap();
        let mut begun = flow((acme, gh), 32, AccountOwner::Tenant);
        begun.details = SecretString::from("verifier-8kq");
        own.create_flow(&begun).await.unwrap();

        let heap = at_rest(&storage);

        // The search finds what is there …
        assert!(holds(&heap, b"acme Ltd"));
        // … and every sealed column holds something.
        for sealed in SEALED_COLUMNS {
            let count = format!("SELECT COUNT({}) FROM {}", sealed.column, sealed.table);
            assert_ne!(raw(&storage, &count).await, ["0"], "{sealed:?}");
        }
        assert!(!holds(&heap, b"8kq"), "on {}", storage.backend());
    }
}

#[tokio::test]
async fn sealed_bytes_open_only_where_they_were_sealed() {
    for storage in each_storage().await {
        let (acme, rival) = (
            new_tenant(&storage, 1, "acme").await,
            new_tenant(&storage, 2, "rival").await,
        );
        let one = new_connector(&storage, acme, 10, "one").await;
        let two = new_connector(&storage, acme, 11, "two").await;
        let foreign = new_connector(&storage, rival, 12, "one").await;
        let bytes = if storage.backend() == "sqlite" {
            "zeroblob(64)"
        } else {
            "repeat('x', 64)::bytea"
        };

        let own = storage.tenant(acme);
        let held = [(40, one), (41, two)].map(|(number, connector)| {
            account((acme, connector), number, AccountOwner::Tenant, "a")
        });
        for account in &held {
            own.connect_account(account, None).await.unwrap();
        }
        let tokens = "SELECT sealed FROM accounts ORDER BY id LIMIT 1";
        raw(
            &storage,
            &format!("UPDATE accounts SET sealed = ({tokens})"),
        )
        .await;
        let found = own.held_account(held[0].account.id).await.unwrap();
        assert_eq!(found.unwrap().secrets, held[0].secrets);
        let moved = own.held_account(held[1].account.id).await;
        assert!(matches!(moved, Err(StorageError::Crypto(_))), "{moved:?}");

        copy_sealed(&storage, &literal(&storage, two), &literal(&storage, one)).await;
        copy_sealed(
            &storage,
            &literal(&storage, two),
            &literal(&storage, foreign),
        )
        .await;
        assert_closed(storage.tenant(acme).secrets(one).await);
        assert_closed(storage.tenant(rival).secrets(foreign).await);
        assert_eq!(
            storage.tenant(acme).secrets(two).await.unwrap(),
            Some(token("a token"))
        );

        raw(
            &storage,
            &format!("UPDATE connector_secrets SET sealed = {bytes}"),
        )
        .await;
        assert_closed(storage.tenant(acme).secrets(two).await);

        // A data key of another tenant is none of this one's.
        let acme_key = "SELECT wrapped FROM data_keys ORDER BY tenant_id LIMIT 1";
        raw(
            &storage,
            &format!("UPDATE data_keys SET wrapped = ({acme_key})"),
        )
        .await;
        assert_closed(storage.tenant(rival).secrets(foreign).await);
    }
}

async fn copy_sealed(storage: &TestStorage, from: &str, to: &str) {
    let from = format!("SELECT sealed FROM connector_secrets WHERE connector_id = {from}");
    let sql = format!("UPDATE connector_secrets SET sealed = ({from}) WHERE connector_id = {to}");
    raw(storage, &sql).await;
}

fn literal(storage: &TestStorage, id: domain::ConnectorId) -> String {
    match storage.backend() {
        "sqlite" => format!("X'{}'", id.as_uuid().simple()),
        _ => format!("'{id}'"),
    }
}

fn assert_closed(outcome: Result<Option<ConnectorSecrets>, StorageError>) {
    assert!(
        matches!(outcome, Err(StorageError::Crypto(_))),
        "{outcome:?}"
    );
}
