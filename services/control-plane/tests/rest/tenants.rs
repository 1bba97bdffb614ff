use axum::body::Body;
use fabric::{LeaseError, Leases};
use http::Request;
use serde_json::{Value, json};
use storage::testing::each_storage;

use crate::harness::Plane;

#[tokio::test]
async fn a_tenant_is_created_read_changed_and_deleted() {
    for storage in each_storage().await {
        let plane = Plane::on(storage).await;

        let body = json!({"slug": "acme", "name": "Acme", "contact_email": "a@b.example"});
        let created = plane.ask("POST", "/tenants", body).await;
        assert_eq!(created.header("etag"), Some("\"1\""));
        let created = created.expect(201);
        let wanted = json!({
            "id": created["id"], "slug": "acme", "name": "Acme", "description": "",
            "contact_email": "a@b.example", "state": "active",
            "created_at": "2026-01-01T00:00:00.123456Z",
            "updated_at": "2026-01-01T00:00:00.123456Z", "version": 1,
        });
        assert_eq!(created, wanted);
        assert_eq!(plane.get("/tenants/acme").await.expect(200), wanted);

        let patch = json!({"description": "makers", "contact_email": null});
        let changed = plane.ask("PATCH", "/tenants/acme", patch).await;
        assert_eq!(changed.header("etag"), Some("\"2\""));
        let changed = changed.expect(200);
        assert_eq!(
            (&changed["description"], &changed["contact_email"]),
            (&json!("makers"), &json!(""))
        );
        assert_eq!(plane.get("/tenants/acme").await.expect(200), changed);

        let same = plane
            .ask("PATCH", "/tenants/acme", json!({"description": "makers"}))
            .await;
        assert_eq!(
            same.expect(200)["version"],
            2,
            "a patch that changes nothing is no change"
        );

        plane
            .ask("DELETE", "/tenants/acme", Value::Null)
            .await
            .expect(204);
        plane
            .get("/tenants/acme")
            .await
            .expect_problem(404, "tenant-not-found");
        plane
            .ask("DELETE", "/tenants/acme", Value::Null)
            .await
            .expect_problem(404, "tenant-not-found");
    }
}

#[tokio::test]
async fn each_wrong_field_of_a_new_tenant_is_named() {
    let plane = Plane::new().await;
    let long = "x".repeat(101);
    for (body, fields) in [
        (json!({"slug": "Acme", "name": ""}), vec!["slug", "name"]),
        (
            json!({"slug": "admin", "name": "x", "contact_email": "nobody"}),
            vec!["slug", "contact_email"],
        ),
        (json!({"slug": "acme", "name": long}), vec!["name"]),
        (
            json!({"slug": "acme", "name": "x", "colour": 1}),
            vec!["colour"],
        ),
        (json!({"slug": "acme"}), vec!["name"]),
        (json!({"slug": 7, "name": "x"}), vec!["slug"]),
        (json!([]), vec![""]),
        // Not even with all its fields in the order that they are declared in.
        (json!(["acme", "Acme", "", ""]), vec![""]),
    ] {
        let refused = plane.ask("POST", "/tenants", body.clone()).await;
        refused.expect_problem(400, "invalid-request");
        assert_eq!(refused.fields(), fields, "{body}: {}", refused.text);
    }
    plane.tenant("acme").await;
    let again = plane
        .ask("POST", "/tenants", json!({"slug": "acme", "name": "x"}))
        .await;
    again.expect_problem(409, "slug-taken");
    let nameless = plane
        .ask("PATCH", "/tenants/acme", json!({"name": null}))
        .await;
    nameless.expect_problem(400, "invalid-request");
    assert_eq!(nameless.fields(), ["name"]);
    let array = plane.ask("PATCH", "/tenants/acme", json!([])).await;
    array.expect_problem(400, "invalid-request");
    assert_eq!(array.body["detail"], "the body must be an object");
}

#[tokio::test]
async fn bodies_that_cannot_be_read_get_their_own_answers() {
    let plane = Plane::new().await;
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    let large = format!("\"{}\"", "x".repeat(4 * 1024 * 1024));
    for (content_type, body, status, name) in [
        ("application/json", "{".to_owned(), 400, "invalid-json"),
        ("application/json", "{} x".to_owned(), 400, "invalid-json"),
        ("application/json", String::new(), 400, "invalid-json"),
        ("application/json", deep, 400, "invalid-json"),
        ("application/json", large, 413, "body-too-large"),
        ("text/plain", "{}".to_owned(), 415, "unsupported-media-type"),
        (
            "application/json; charset=latin1",
            "{}".to_owned(),
            415,
            "unsupported-media-type",
        ),
        ("", "{}".to_owned(), 415, "unsupported-media-type"),
    ] {
        let request = Request::post("/api/v1/admin/tenants")
            .header("authorization", format!("Bearer {}", plane.admin))
            .header("content-type", content_type)
            .body(Body::from(body))
            .unwrap();
        plane.send(request).await.expect_problem(status, name);
    }
    plane.tenant("acme").await;
    let merge = Request::patch("/api/v1/admin/tenants/acme")
        .header("authorization", format!("Bearer {}", plane.admin))
        .header(
            "content-type",
            "application/merge-patch+json; charset=UTF-8",
        )
        .body(Body::from("{\"name\": \"b\"}"))
        .unwrap();
    assert_eq!(plane.send(merge).await.expect(200)["name"], "b");
}

#[tokio::test]
async fn a_change_with_an_old_version_is_refused_everywhere() {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    plane.remote("acme", "up").await;
    let authorization = format!("Bearer {}", plane.admin);
    for (method, path, body) in [
        ("PATCH", "/tenants/acme", json!({"name": "b"})),
        ("POST", "/tenants/acme/deactivate", Value::Null),
        ("POST", "/tenants/acme/activate", Value::Null),
        ("DELETE", "/tenants/acme", Value::Null),
        (
            "PATCH",
            "/tenants/acme/connectors/up",
            json!({"prefix": "b"}),
        ),
        ("POST", "/tenants/acme/connectors/up/disable", Value::Null),
        ("POST", "/tenants/acme/connectors/up/enable", Value::Null),
        ("DELETE", "/tenants/acme/connectors/up", Value::Null),
    ] {
        let headers = [
            ("authorization", authorization.as_str()),
            ("if-match", "\"9\""),
        ];
        plane
            .ask_with(&headers, method, path, body)
            .await
            .expect_problem(412, "version-mismatch");
    }
    let headers = [
        ("authorization", authorization.as_str()),
        ("if-match", "\"7\", \"1\""),
    ];
    let changed = plane
        .ask_with(&headers, "PATCH", "/tenants/acme", json!({"name": "b"}))
        .await;
    assert_eq!(changed.expect(200)["version"], 2);
}

#[tokio::test]
async fn lists_come_in_pages_whose_tokens_open_nothing_else() {
    let plane = Plane::new().await;
    for slug in ["a", "b", "c"] {
        plane.tenant(slug).await;
        plane.key("tenant_user", slug).await;
    }
    let slugs = |page: &Value| -> Vec<String> {
        let tenants = page["tenants"].as_array().unwrap().iter();
        tenants
            .map(|tenant| tenant["slug"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = plane.get("/tenants?page_size=2").await.expect(200);
    assert_eq!(slugs(&first), ["a", "b"]);
    let token = first["next_page_token"].as_str().unwrap();

    let last = plane
        .get(&format!("/tenants?page_size=2&page_token={token}"))
        .await
        .expect(200);
    assert_eq!(slugs(&last), ["c"]);
    assert!(last.get("next_page_token").is_none(), "{last}");
    assert_eq!(
        slugs(&plane.get("/tenants?page_size=9999999999").await.expect(200)).len(),
        3
    );

    let foreign = plane.get(&format!("/keys?page_token={token}")).await;
    foreign.expect_problem(400, "invalid-page-token");
    plane
        .get("/tenants?page_token=x")
        .await
        .expect_problem(400, "invalid-page-token");
    for size in ["0", "-1", "many", ""] {
        let refused = plane.get(&format!("/tenants?page_size={size}")).await;
        refused.expect_problem(400, "invalid-request");
        assert_eq!(refused.fields(), ["page_size"]);
    }
}

#[tokio::test]
async fn nothing_of_an_inactive_tenant_can_be_used_until_it_is_active_again() {
    let plane = Plane::new().await;
    let tenant = plane.tenant("acme").await;
    let key = plane.key("tenant_admin", "acme").await;
    let connector = plane.remote("acme", "up").await;
    let sources = plane.plane.sources();
    let lease = || {
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        sources.lease(
            id(&tenant).parse().unwrap(),
            id(&connector).parse().unwrap(),
        )
    };
    assert!(lease().await.is_ok());

    let off = plane
        .ask("POST", "/tenants/acme/deactivate", Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&off["state"], &off["version"]),
        (&json!("inactive"), &json!(2))
    );
    assert_eq!(plane.workers.take_released(), 1);
    let asked = plane.ask_as(&key, "GET", "/whoami", Value::Null).await;
    asked.expect_problem(401, "unauthenticated");
    assert!(matches!(lease().await, Err(LeaseError::Gone)));
    plane.get("/tenants/acme/connectors/up").await.expect(200);

    let again = plane
        .ask("POST", "/tenants/acme/deactivate", Value::Null)
        .await
        .expect(200);
    assert_eq!(again["version"], 2);
    plane
        .ask("POST", "/tenants/acme/activate", Value::Null)
        .await
        .expect(200);
    plane
        .ask_as(&key, "GET", "/whoami", Value::Null)
        .await
        .expect(200);
    assert!(lease().await.is_ok());

    plane
        .ask("DELETE", "/tenants/acme", Value::Null)
        .await
        .expect(204);
    assert_eq!(plane.workers.take_forgotten(), 1);
    assert!(matches!(lease().await, Err(LeaseError::Gone)));
}
