//! The connector that `docs/connectors/adding.md` walks through is one that runs.

use std::sync::Arc;

use catalog::Catalog;
use serde_json::{Value, json};
use testkit::provider::{Api, Provider, Reply, Rules};

use crate::support::{call_with, engine_with, lease_of, limits, texts};

const PAGE: &str = include_str!("../../../../docs/connectors/adding.md");

#[tokio::test]
async fn the_documented_connector_lists_gets_sends_and_is_refused() {
    let (_, rest) = PAGE.split_once("```toml\n").unwrap();
    let (manifest, _) = rest.split_once("```").unwrap();
    let catalog = Arc::new(Catalog::load([("parcels.toml", manifest)]).unwrap());
    assert!(connector_worker::native::check(&catalog.connector("parcels").unwrap()).is_empty());
    let api = Api::documented([
        ("GET", "/parcels"),
        ("GET", "/parcels/{parcel_id}"),
        ("POST", "/parcels"),
    ]);
    let provider = Provider::start(api, Rules::authorization("Bearer key-1".to_owned())).await;
    provider.script([
        Reply::json(200, &json!({ "parcels": [{ "id": "p_81" }], "next": "c2" })),
        Reply::json(200, &json!({ "id": "p_81", "state": "moving" })),
        Reply::json(201, &json!({ "id": "p_82" })),
        Reply::json(
            402,
            &json!({ "error": { "code": "no_credit", "message": "Top up first." } }),
        ),
    ]);
    let engine = engine_with(catalog, limits());
    let lease = lease_of("parcels", provider.url(), Some("key-1"));
    let call =
        async |tool: &str, arguments: Value| call_with(&engine, &lease, tool, &arguments).await;

    let list = call("parcels_list_parcels", json!({ "state": "moving" }))
        .await
        .ok();
    assert_eq!(
        list["structuredContent"]["next_page"],
        json!({ "after": "c2" })
    );
    assert!(texts(&list).contains("p_81"));
    let one = call("parcels_get_parcel", json!({ "parcel_id": "p/81" })).await;
    assert_eq!(one.structured()["state"], "moving");
    let parcel = json!({ "receiver": "Ada", "address": "1 Main St", "grams": "250" });
    assert_eq!(
        call("parcels_send_parcel", parcel.clone())
            .await
            .structured()["id"],
        "p_82"
    );
    let refused = call("parcels_send_parcel", parcel).await.refused();
    assert!(
        refused.contains("Top up first.") && refused.contains("no_credit"),
        "{refused}"
    );

    let seen = provider.seen();
    let targets: Vec<_> = seen
        .iter()
        .map(|seen| format!("{} {}", seen.method, seen.target))
        .collect();
    assert_eq!(
        targets,
        [
            "GET /parcels?state=moving&limit=20",
            "GET /parcels/p%2F81",
            "POST /parcels",
            "POST /parcels"
        ]
    );
    let body: Value = serde_json::from_slice(&seen[2].body).unwrap();
    assert_eq!(
        body,
        json!({ "to": { "name": "Ada", "address": "1 Main St" }, "weight": { "grams": 250 } })
    );
    assert_eq!(provider.violations(), Vec::<String>::new());
}
