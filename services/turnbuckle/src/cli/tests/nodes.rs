//! `turnbuckle nodes`.

use serde_json::json;

use super::Server;

#[tokio::test]
async fn the_nodes_are_a_table_that_shows_how_far_each_is() {
    let server = Server::start().await;
    let worker = json!({
        "id": "0190", "role": "worker", "state": "ready", "version": "1.2.3",
        "address": "10.0.0.7:9300", "enforced_revision": 11, "load": 3, "capacity": 256,
        "started_at": "2026-11-21T08:00:00Z", "last_seen_at": "2026-11-21T09:00:00.123456Z",
    });
    let alone = json!({
        "id": "0191", "role": "all-in-one", "state": "draining", "version": "1.2.3",
        "address": null, "enforced_revision": 12, "load": null, "capacity": null,
        "started_at": "2026-11-21T08:00:00Z", "last_seen_at": "2026-11-21T09:00:00Z",
    });
    let list = json!({"newest_revision": 12, "nodes": [worker, alone]});
    server.on("GET /api/v1/admin/nodes?page_size=500", 200, &list);

    let table = server.run(&["nodes"]).await;
    let document = server.run(&["nodes", "-o", "json"]).await;

    let wanted = "\
ROLE        NODE  STATE     VERSION  ADDRESS        REVISION  LOAD   LAST SEEN
worker      0190  ready     1.2.3    10.0.0.7:9300  11/12     3/256  2026-11-21T09:00:00Z
all-in-one  0191  draining  1.2.3    -              12/12     -      2026-11-21T09:00:00Z
";
    assert_eq!(
        (table.code, table.out.as_str()),
        (0, wanted),
        "{}",
        table.err
    );
    assert_eq!(document.json(), list);
}
