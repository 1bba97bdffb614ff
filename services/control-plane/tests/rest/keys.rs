use serde_json::{Value, json};
use storage::testing::each_storage;

use crate::harness::Plane;

#[tokio::test]
async fn a_key_is_created_shown_once_listed_and_revoked() {
    for storage in each_storage().await {
        let plane = Plane::on(storage).await;
        plane.tenant("acme").await;
        let body = json!({"name": "laptop", "scope": "tenant_user", "tenant": "acme"});
        let created = plane.ask("POST", "/keys", body).await;
        assert_eq!(created.header("cache-control"), Some("no-store"));
        let mut created = created.expect(201);
        let secret = created.as_object_mut().unwrap().remove("secret").unwrap();
        let secret = secret.as_str().unwrap();
        let id = created["id"].as_str().unwrap().to_owned();
        assert!(
            secret.starts_with(&format!("tb_tu_{}_", id.replace('-', ""))),
            "the form of a key"
        );
        assert_eq!(
            created,
            json!({
                "id": id, "name": "laptop", "scope": "tenant_user", "tenant": "acme",
                "state": "active", "created_at": "2026-01-01T00:00:00.123456Z",
                "expires_at": null, "revoked_at": null, "last_used_at": null,
            })
        );
        let path = format!("/keys/{id}");
        assert_eq!(plane.get(&path).await.expect(200), created);
        let listed = plane.get("/keys?tenant=acme").await.expect(200);
        assert_eq!(listed, json!({"keys": [created]}));
        assert_eq!(
            plane.get("/keys").await.expect(200)["keys"]
                .as_array()
                .unwrap()
                .len(),
            2
        );

        plane
            .ask_as(secret, "GET", "/whoami", Value::Null)
            .await
            .expect(200);
        let revoked = plane.ask("DELETE", &path, Value::Null).await.expect(200);
        assert_eq!(revoked["state"], "revoked");
        assert_eq!(revoked["revoked_at"], "2026-01-01T00:00:00.123456Z");
        let after = plane.ask_as(secret, "GET", "/whoami", Value::Null).await;
        after.expect_problem(401, "unauthenticated");
        assert_eq!(
            plane.ask("DELETE", &path, Value::Null).await.expect(200),
            revoked
        );

        for unknown in ["/keys/0190b6b5-0000-7000-8000-000000000000", "/keys/none"] {
            plane
                .get(unknown)
                .await
                .expect_problem(404, "key-not-found");
        }
    }
}

#[tokio::test]
async fn a_tenant_admin_makes_and_sees_its_own_tenants_keys_only() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    plane.tenant("other").await;
    let foreign = plane.key("tenant_user", "other").await;
    let foreign = plane
        .ask_as(&foreign, "GET", "/whoami", Value::Null)
        .await
        .expect(200);
    let admin = plane.key("tenant_admin", "acme").await;
    let make = |body: Value| plane.ask_as(&admin, "POST", "/keys", body);

    let own = make(json!({"name": "k", "scope": "tenant_admin"}))
        .await
        .expect(201);
    assert_eq!(own["tenant"], "acme");
    make(json!({"name": "k", "scope": "tenant_user", "tenant": "acme"}))
        .await
        .expect(201);
    for tenant in ["other", "nowhere"] {
        let refused = make(json!({"name": "k", "scope": "tenant_user", "tenant": tenant})).await;
        refused.expect_problem(404, "tenant-not-found");
    }
    make(json!({"name": "k", "scope": "platform_admin"}))
        .await
        .expect_problem(403, "forbidden");

    let seen = plane
        .ask_as(&admin, "GET", "/keys", Value::Null)
        .await
        .expect(200);
    let tenants: Vec<&Value> = seen["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["tenant"])
        .collect();
    assert_eq!(tenants, ["acme", "acme", "acme"]);
    let path = format!("/keys/{}", foreign["key"]["id"].as_str().unwrap());
    for method in ["GET", "DELETE"] {
        let refused = plane.ask_as(&admin, method, &path, Value::Null).await;
        refused.expect_problem(404, "key-not-found");
    }
    let path = format!("/keys/{}", own["id"].as_str().unwrap());
    plane
        .ask_as(&admin, "DELETE", &path, Value::Null)
        .await
        .expect(200);
}

#[tokio::test]
async fn each_wrong_field_of_a_new_key_is_named() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    for (body, field) in [
        (json!({"name": "k", "scope": "root"}), "scope"),
        (json!({"name": "k", "scope": "tenant_user"}), "tenant"),
        (
            json!({"name": "k", "scope": "platform_admin", "tenant": "acme"}),
            "tenant",
        ),
        (json!({"name": "", "scope": "platform_admin"}), "name"),
        (
            json!({"name": "k", "scope": "platform_admin", "expires_at": "2025-12-31T23:59:59Z"}),
            "expires_at",
        ),
        (
            json!({"name": "k", "scope": "platform_admin", "expires_at": "9999-12-31T23:59:59-01:00"}),
            "expires_at",
        ),
        (
            json!({"name": "k", "scope": "platform_admin", "expires_at": 7}),
            "expires_at",
        ),
        (
            json!({"name": "k", "scope": "platform_admin", "expires_at": "soon"}),
            "expires_at",
        ),
        (
            json!({"name": "k", "scope": "platform_admin", "secret": "x"}),
            "secret",
        ),
    ] {
        let refused = plane.ask("POST", "/keys", body.clone()).await;
        refused.expect_problem(400, "invalid-request");
        assert_eq!(refused.fields(), [field], "{body}: {}", refused.text);
        assert!(!refused.text.contains("OffsetDateTime"), "{}", refused.text);
    }
}

#[tokio::test]
async fn an_expiry_is_answered_as_it_is_kept() {
    let plane = Plane::new().await;
    let body = json!({
        "name": "k", "scope": "platform_admin",
        "expires_at": "2026-06-01T02:00:00.123456789+02:00",
    });
    let created = plane.ask("POST", "/keys", body).await.expect(201);
    assert_eq!(created["expires_at"], "2026-06-01T00:00:00.123456Z");
    let path = format!("/keys/{}", created["id"].as_str().unwrap());
    let read = plane.get(&path).await.expect(200);
    assert_eq!(read["expires_at"], created["expires_at"]);
}

#[tokio::test]
async fn when_a_key_was_used_is_written_at_the_end_at_the_latest() {
    let plane = Plane::new().await;
    let me = plane.get("/whoami").await.expect(200);
    assert_eq!(me["key"]["last_used_at"], Value::Null);

    plane.trigger.drain();
    plane.process.tasks.finished().await;

    let id = me["key"]["id"].as_str().unwrap().parse().unwrap();
    let stored = plane.storage.find_key(id).await.unwrap().unwrap();
    let used = stored.key.last_used_at.unwrap();
    assert_eq!(used.unix_timestamp(), crate::harness::NOW.unix_timestamp());
}
