use std::time::Duration;

use serde_json::{Value, json};
use storage::testing::each_storage;

use crate::harness::{Answer, Plane};

async fn create(plane: &Plane, key: &str, path: &str, body: Value) -> Answer {
    let authorization = format!("Bearer {}", plane.admin);
    let headers = [
        ("authorization", authorization.as_str()),
        ("idempotency-key", key),
    ];
    plane.ask_with(&headers, "POST", path, body).await
}

#[tokio::test]
async fn an_equal_creation_with_the_same_key_happens_once() {
    for storage in each_storage().await {
        let plane = Plane::on(storage).await;
        plane.tenant("base").await;
        for (path, body, list, count) in [
            (
                "/tenants",
                json!({"slug": "acme", "name": "Acme"}),
                "/tenants",
                2,
            ),
            (
                "/tenants/base/connectors",
                json!({"slug": "gh", "type": "fake", "secrets": {"token": "t"}}),
                "/tenants/base/connectors",
                1,
            ),
            (
                "/keys",
                json!({"name": "k", "scope": "tenant_user", "tenant": "base"}),
                "/keys",
                2,
            ),
        ] {
            let first = create(&plane, "abc", path, body.clone()).await;
            assert_eq!(
                (first.status.as_u16(), first.header("idempotent-replayed")),
                (201, None),
                "{}",
                first.text
            );
            let again = create(&plane, "abc", path, body.clone()).await;
            assert_eq!(again.header("idempotent-replayed"), Some("true"));
            assert_eq!((again.status, &again.text), (first.status, &first.text));
            assert_eq!(again.header("etag"), first.header("etag"));

            let mut other = body.clone();
            other["name"] = json!("else");
            if path.ends_with("connectors") {
                other = json!({"slug": "gh", "type": "fake", "secrets": {"token": "u"}});
            }
            let reused = create(&plane, "abc", path, other).await;
            reused.expect_problem(422, "idempotency-key-reused");

            let listed = plane.get(list).await.expect(200);
            let items = listed.as_object().unwrap().values().next().unwrap();
            assert_eq!(items.as_array().unwrap().len(), count, "{list}");
        }
    }
}

#[tokio::test]
async fn an_idempotency_key_is_the_callers_own_and_ends_after_a_day() {
    let plane = Plane::new().await;
    let body = json!({"name": "k", "scope": "platform_admin"});
    let first = create(&plane, "abc", "/keys", body.clone())
        .await
        .expect(201);

    let other = format!("Bearer {}", first["secret"].as_str().unwrap());
    let headers = [
        ("authorization", other.as_str()),
        ("idempotency-key", "abc"),
    ];
    let theirs = plane
        .ask_with(&headers, "POST", "/keys", body.clone())
        .await
        .expect(201);
    assert_ne!(theirs["id"], first["id"]);

    plane.clock.advance(Duration::from_secs(24 * 3600 + 1));
    let later = create(&plane, "abc", "/keys", body).await;
    assert_eq!(later.header("idempotent-replayed"), None);
    assert_ne!(later.expect(201)["id"], first["id"]);
}

#[tokio::test]
async fn what_is_no_idempotency_key_is_refused() {
    let plane = Plane::new().await;
    let long = "x".repeat(256);
    for key in ["", "a b", "ä", &long] {
        let refused = create(&plane, key, "/tenants", json!({"slug": "a", "name": "a"})).await;
        refused.expect_problem(400, "invalid-request");
        assert_eq!(refused.fields(), ["Idempotency-Key"]);
    }
}

#[tokio::test]
async fn equal_creations_at_once_make_one() {
    let plane = Plane::new().await;
    let body = json!({"slug": "acme", "name": "Acme"});
    let all = (0..8).map(|_| create(&plane, "abc", "/tenants", body.clone()));
    let answers = futures_util::future::join_all(all).await;
    let first = &answers[0].text;
    assert!(
        answers.iter().all(|a| a.status == 201 && a.text == *first),
        "{answers:?}"
    );
    let fresh = answers
        .iter()
        .filter(|a| a.header("idempotent-replayed").is_none())
        .count();
    assert_eq!(fresh, 1);
}
