use fabric::{LeaseError, Leases};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use storage::testing::each_storage;

use crate::harness::Plane;

const ALL: &str = "/tenants/acme/connectors";

async fn plane() -> Plane {
    let plane = Plane::new().await;
    plane.tenant("acme").await;
    plane
}

#[tokio::test]
async fn a_connector_lives_from_creation_to_deletion() {
    for storage in each_storage().await {
        let plane = Plane::on(storage).await;
        plane.tenant("acme").await;

        let body = json!({
            "slug": "up", "type": "remote_mcp", "config": {"url": "https://u.example/mcp"},
            "secrets": {"token": "hunter2-marker"},
        });
        let created = plane.ask("POST", ALL, body).await;
        assert_eq!(created.header("etag"), Some("\"1\""));
        let created = created.expect(201);
        assert_eq!(
            created,
            json!({
                "id": created["id"], "slug": "up", "display_name": "up", "type": "remote_mcp",
                "enabled": true, "prefix": "up", "config": {"url": "https://u.example/mcp"},
                "credential": {"token_set": true, "header_names": [], "env_names": []},
                "on_change": "hold",
                "sync": {
                    "state": "pending", "at": null, "error": null, "tools": 0,
                    "changed": {"count": 0, "names": []},
                },
                "created_at": "2026-01-01T00:00:00.123456Z",
                "updated_at": "2026-01-01T00:00:00.123456Z", "version": 1,
            })
        );
        let synced = plane
            .ask("POST", &format!("{ALL}/up/tools/sync"), Value::Null)
            .await;
        let synced = synced.expect(200);
        assert_eq!(
            synced["sync"],
            json!({
                "state": "ok", "at": "2026-01-01T00:00:00.123456Z", "error": null, "tools": 2,
                "changed": {"count": 0, "names": []},
            })
        );
        assert_eq!(plane.get(&format!("{ALL}/up")).await.expect(200), synced);

        let patch =
            json!({"display_name": "Up", "prefix": null, "config": {"url": "https://v.example/"}});
        let changed = plane
            .ask("PATCH", &format!("{ALL}/up"), patch)
            .await
            .expect(200);
        assert_eq!(changed["config"], json!({"url": "https://v.example/"}));
        assert_eq!(
            (&changed["version"], &changed["sync"]["state"]),
            (&json!(2), &json!("pending"))
        );
        assert_eq!(plane.workers.take_released(), 1);

        let off = plane
            .ask("POST", &format!("{ALL}/up/disable"), Value::Null)
            .await
            .expect(200);
        assert_eq!(
            (&off["enabled"], &off["version"]),
            (&json!(false), &json!(3))
        );
        assert_eq!(plane.workers.take_released(), 1);
        let on = plane
            .ask("POST", &format!("{ALL}/up/enable"), Value::Null)
            .await
            .expect(200);
        assert_eq!((&on["enabled"], &on["version"]), (&json!(true), &json!(4)));

        let list = plane.get(ALL).await.expect(200);
        assert_eq!(list["connectors"].as_array().unwrap().len(), 1);
        plane
            .ask("DELETE", &format!("{ALL}/up"), Value::Null)
            .await
            .expect(204);
        let workers = &plane.workers;
        assert_eq!((workers.take_released(), workers.take_forgotten()), (0, 1));
        plane
            .get(&format!("{ALL}/up"))
            .await
            .expect_problem(404, "connector-not-found");
    }
}

#[tokio::test]
async fn a_native_connector_has_its_tools_at_once() {
    let plane = plane().await;
    let body = json!({"slug": "gh", "type": "fake", "config": {"base_url": "https://g.example"}});
    let created = plane.ask("POST", ALL, body).await.expect(201);
    assert_eq!(
        (&created["display_name"], &created["prefix"]),
        (&json!("Fake"), &json!(""))
    );
    assert_eq!(
        (&created["sync"]["state"], &created["sync"]["tools"]),
        (&json!("ok"), &json!(2))
    );
    assert_eq!(plane.get(&format!("{ALL}/gh")).await.expect(200), created);
    assert_eq!(plane.workers.times_asked(), 0);
}

#[tokio::test]
async fn each_wrong_field_of_a_connector_is_named() {
    let plane = plane().await;
    let connector = |r#type: &str, config: Value, secrets: Value| json!({"slug": "x", "type": r#type, "config": config, "secrets": secrets});
    let url = json!({"url": "https://u.example"});
    let command = json!({"command": ["x"]});
    let many: Vec<String> = vec!["x".to_owned(); 65];
    for (body, field) in [
        (json!({"slug": "mcp", "type": "fake"}), "slug"),
        (connector("nope", json!({}), json!({})), "type"),
        (connector("remote_mcp", json!({}), json!({})), "config.url"),
        (
            connector("remote_mcp", json!({"url": "no url"}), json!({})),
            "config.url",
        ),
        (
            connector("remote_mcp", json!({"url": "file:///etc/x"}), json!({})),
            "config.url",
        ),
        (
            connector("remote_mcp", json!({"url": "http://u:p@h/"}), json!({})),
            "config.url",
        ),
        (
            connector("remote_mcp", url.clone(), json!({"env": {"A": "b"}})),
            "secrets.env",
        ),
        (
            connector("remote_mcp", url.clone(), json!({"headers": {"host": "b"}})),
            "secrets.headers",
        ),
        (
            connector("remote_mcp", url.clone(), json!({"headers": {"a b": "b"}})),
            "secrets.headers",
        ),
        (
            connector(
                "remote_mcp",
                url.clone(),
                json!({"headers": {"a": "b\r\nc: d"}}),
            ),
            "secrets.headers",
        ),
        (
            connector(
                "remote_mcp",
                url.clone(),
                json!({"token": "t", "headers": {"Authorization": "b"}}),
            ),
            "secrets.token",
        ),
        (
            connector("remote_mcp", url.clone(), json!({"token": "a\nb"})),
            "secrets.token",
        ),
        (
            connector("hosted_mcp", json!({}), json!({})),
            "config.command",
        ),
        (
            connector("hosted_mcp", json!({"command": many}), json!({})),
            "config.command",
        ),
        (
            connector("hosted_mcp", command.clone(), json!({"token": "t"})),
            "secrets.token",
        ),
        (
            connector("hosted_mcp", command.clone(), json!({"env": {"A=B": "t"}})),
            "secrets.env",
        ),
        (
            connector(
                "hosted_mcp",
                json!({"command": ["x"], "working_directory": "y"}),
                json!({}),
            ),
            "config.working_directory",
        ),
        (connector("fake", url.clone(), json!({})), "config.url"),
        // The provider has one address for each site: there is none that would do.
        (connector("sited", json!({}), json!({})), "config.base_url"),
        (
            connector("fake", json!({"base_url": "ftp://x"}), json!({})),
            "config.base_url",
        ),
        (
            connector("fake", json!({"base_url": "https://x/?token=t"}), json!({})),
            "config.base_url",
        ),
        (
            connector(
                "remote_mcp",
                url.clone(),
                json!({"headers": {"X-Key": "a", "x-key": "b"}}),
            ),
            "secrets.headers",
        ),
        (connector("fake", json!([]), json!({})), "config"),
        (connector("fake", json!({}), json!([])), "secrets"),
        (json!({"slug": "x"}), "type"),
        (
            connector("fake", json!({"token": "t"}), json!({})),
            "config.token",
        ),
        (
            connector("fake", json!({}), json!({"password": "t"})),
            "secrets.password",
        ),
        (
            json!({"slug": "x", "type": "fake", "prefix": "A"}),
            "prefix",
        ),
        (
            json!({"slug": "x", "type": "fake", "on_change": "hold"}),
            "on_change",
        ),
        (
            json!({"slug": "x", "type": "remote_mcp", "config": {"url": "http://u/"},
                   "on_change": "ask"}),
            "on_change",
        ),
        (
            json!({"slug": "x", "type": "fake", "display_name": " "}),
            "display_name",
        ),
    ] {
        let refused = plane.ask("POST", ALL, body.clone()).await;
        refused.expect_problem(400, "invalid-request");
        assert_eq!(refused.fields(), [field], "{body}: {}", refused.text);
    }
    let odd = format!("{ALL}?wait=perhaps");
    let odd = plane
        .ask("POST", &odd, json!({"slug": "x", "type": "fake"}))
        .await;
    odd.expect_problem(400, "invalid-request");
    assert_eq!(plane.get(ALL).await.expect(200), json!({"connectors": []}));
}

#[tokio::test]
async fn two_enabled_connectors_cannot_have_tools_of_the_same_name() {
    let plane = plane().await;
    let fake = |slug: &str| json!({"slug": slug, "type": "fake"});
    plane.ask("POST", ALL, fake("one")).await.expect(201);
    plane
        .ask("POST", ALL, fake("one"))
        .await
        .expect_problem(409, "slug-taken");

    let refused = plane.ask("POST", ALL, fake("two")).await;
    refused.expect_problem(409, "tool-name-collision");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(
        ["one", "two", "fake_one"]
            .iter()
            .all(|word| detail.contains(word)),
        "{detail}"
    );

    let off = json!({"slug": "two", "type": "fake", "enabled": false});
    plane.ask("POST", ALL, off).await.expect(201);
    let enable = format!("{ALL}/two/enable");
    plane
        .ask("POST", &enable, Value::Null)
        .await
        .expect_problem(409, "tool-name-collision");
    plane
        .ask("PATCH", &format!("{ALL}/two"), json!({"prefix": "b"}))
        .await
        .expect(200);
    plane.ask("POST", &enable, Value::Null).await.expect(200);
    let back = plane
        .ask("PATCH", &format!("{ALL}/two"), json!({"prefix": ""}))
        .await;
    back.expect_problem(409, "tool-name-collision");

    // Prefix and name join to the same: p_echo of one is echo of the other with prefix p.
    plane.remote("acme", "mcp-a").await;
    let same = json!({"slug": "mcp-b", "type": "remote_mcp", "config": {"url": "http://u/"}, "prefix": "mcp-a"});
    plane.ask("POST", ALL, same).await.expect(201);
    let taken = json!({"slug": "mcp-a", "type": "remote_mcp", "config": {"url": "http://u/"}});
    plane
        .ask("POST", ALL, taken)
        .await
        .expect_problem(409, "slug-taken");
}

#[tokio::test]
async fn secrets_are_patched_by_name_and_reach_workers_only() {
    let plane = plane().await;
    let tenant = plane.get("/tenants/acme").await.expect(200);
    let body = json!({
        "slug": "up", "type": "hosted_mcp", "config": {"command": ["server"]},
        "secrets": {"env": {"A": "1", "B": "2"}},
    });
    let created = plane.ask("POST", ALL, body).await.expect(201);
    let path = format!("{ALL}/up");
    let patch = json!({"secrets": {"env": {"A": null, "C": "3"}}});
    let changed = plane.ask("PATCH", &path, patch).await.expect(200);
    assert_eq!(changed["credential"]["env_names"], json!(["B", "C"]));
    assert_eq!(plane.workers.take_released(), 1);

    let sources = plane.plane.sources();
    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let lease = || sources.lease(id(&tenant).parse().unwrap(), id(&created).parse().unwrap());
    let leased = lease().await.unwrap();
    assert_eq!(leased.connector.version, 2);
    let secrets = &leased.secrets.expose_secret().0;
    assert_eq!(
        secrets.env,
        [("B".into(), "2".into()), ("C".into(), "3".into())].into()
    );

    let same = plane
        .ask("PATCH", &path, json!({"secrets": {"env": {"C": "3"}}}))
        .await
        .expect(200);
    assert_eq!(same["version"], 2, "the same secret is no change");
    let none = plane
        .ask("PATCH", &path, json!({"secrets": null}))
        .await
        .expect(200);
    assert_eq!(none["credential"]["env_names"], json!([]));

    plane
        .ask("POST", &format!("{path}/disable"), Value::Null)
        .await
        .expect(200);
    assert!(matches!(lease().await, Err(LeaseError::Gone)));
}

#[tokio::test]
async fn only_hosted_servers_have_a_process() {
    let plane = plane().await;
    plane.remote("acme", "up").await;
    for (method, path) in [
        ("GET", "process"),
        ("GET", "process/stderr"),
        ("POST", "process/restart"),
    ] {
        let refused = plane
            .ask(method, &format!("{ALL}/up/{path}"), Value::Null)
            .await;
        refused.expect_problem(409, "not-hosted");
    }

    let body = json!({"slug": "h", "type": "hosted_mcp", "config": {"command": ["server"]}});
    plane
        .ask("POST", &format!("{ALL}?wait=true"), body)
        .await
        .expect(201);
    let status = plane.get(&format!("{ALL}/h/process")).await.expect(200);
    assert_eq!(status["pid"], 42);
    let asked = plane.workers.times_asked();
    let restarted = plane
        .ask("POST", &format!("{ALL}/h/process/restart"), Value::Null)
        .await;
    assert_eq!(restarted.expect(200)["state"], "running");
    assert_eq!(
        (plane.workers.take_released(), plane.workers.times_asked()),
        (1, asked + 1)
    );

    plane
        .ask("POST", &format!("{ALL}/h/disable"), Value::Null)
        .await
        .expect(200);
    let refused = plane
        .ask("POST", &format!("{ALL}/h/process/restart"), Value::Null)
        .await;
    refused.expect_problem(409, "connector-disabled");
}
