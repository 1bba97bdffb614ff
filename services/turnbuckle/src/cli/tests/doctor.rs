//! `turnbuckle doctor`.

use serde_json::{Value, json};

use super::{Server, World};

fn node(role: &str, state: &str, enforced: i64, version: &str) -> Value {
    json!({
        "id": role, "role": role, "state": state, "version": version,
        "enforced_revision": enforced, "last_seen_at": "2026-11-21T09:00:00Z",
    })
}

const LINE: &str = "GET /api/v1/admin/nodes?page_size=500";

#[tokio::test]
async fn a_platform_that_is_well_is_said_to_be() {
    let server = Server::start().await;
    let nodes = [node("all-in-one", "ready", 7, "1.0.0")];
    server.on(LINE, 200, &json!({"newest_revision": 7, "nodes": nodes}));

    let ran = server.run(&["doctor"]).await;

    let wanted = "\
ok  platform        answers
ok  control-planes  1 is ready
ok  gateways        1 is ready
ok  workers         1 is ready
";
    assert_eq!((ran.code, ran.out.as_str()), (0, wanted), "{}", ran.err);
}

#[tokio::test]
async fn what_is_wrong_with_a_platform_fails_and_says_how_to_mend_it() {
    let server = Server::start().await;
    let nodes = [
        node("control-plane", "ready", 7, "1.0.0"),
        node("gateway", "ready", 6, "1.0.0"),
        node("worker", "silent", 7, "1.1.0"),
    ];
    server.on(LINE, 200, &json!({"newest_revision": 7, "nodes": nodes}));

    let ran = server.run(&["doctor"]).await;

    let wanted = "\
ok    platform        answers
ok    control-planes  1 is ready
ok    gateways        1 is ready
fail  workers         none is ready: start `turnbuckle worker`
warn  revision        gateway gateway enforces 6 of 7: ask again, and look at its log if it stays
warn  silent node     worker worker was last heard of at 2026-11-21T09:00:00Z: look at its log
warn  versions        several run: 1.0.0, 1.1.0: end the upgrade
";
    assert_eq!((ran.code, ran.out.as_str()), (1, wanted), "{}", ran.err);
    assert_eq!(ran.err, "error: 1 check failed, shown above\n");
}

#[tokio::test]
async fn what_a_role_lacks_is_found_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let config = at("control-plane.toml");
    std::fs::write(at("database.url"), "postgres://nobody@127.0.0.1:1/none").unwrap();
    std::fs::write(at("root.key"), "no key").unwrap();
    let text = format!(
        "listen = \"127.0.0.1:0\"\ngrpc_listen = \"127.0.0.1:0\"\nfabric_listen = \"127.0.0.1:0\"\n\
         admin_listen = \"127.0.0.1:0\"\ndatabase_url_file = {:?}\nroot_key_file = {:?}\n\
         admin_key_file = {:?}\n",
        at("database.url"),
        at("root.key"),
        at("admin.key"),
    );
    std::fs::write(&config, text).unwrap();
    let words = [
        "doctor",
        "--role",
        "control-plane",
        "-o",
        "json",
        "--config",
        config.to_str().unwrap(),
    ];

    let ran = World::default().run(&words).await;

    assert_eq!(ran.code, 1, "{}", ran.err);
    let checks = ran.json()["checks"].clone();
    let level = |what: &str| {
        let all = checks.as_array().unwrap().iter();
        let found = all.rev().find(|check| check["what"] == what);
        found.map(|check| check["level"].as_str().unwrap().to_owned())
    };
    assert_eq!(level("configuration").as_deref(), Some("ok"));
    assert_eq!(level("root key").as_deref(), Some("fail"));
    assert_eq!(level("trust").as_deref(), Some("fail"), "{checks}");
    assert_eq!(level("NATS").as_deref(), Some("warn"));
    assert_eq!(level("listen").as_deref(), Some("ok"));

    std::fs::write(&config, "nonsense = 1\n").unwrap();
    let ran = World::default().run(&words).await;
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("nonsense"), "{}", ran.out);
}
