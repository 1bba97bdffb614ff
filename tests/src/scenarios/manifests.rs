//! Connectors of the operator's own, from a folder that changes while the platform runs.

use std::fs;
use std::time::Duration;

use serde_json::json;
use testkit::provider::{Api, Provider, Reply, Rules};

use super::Platform;
use crate::harness::eventually;

const PAGE: &str = include_str!("../../../docs/connectors/adding.md");
const SOON: Duration = Duration::from_secs(10);

/// The connector that the documentation walks through.
fn parcels() -> &'static str {
    let (_, rest) = PAGE.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

#[tokio::test]
async fn a_connector_of_the_folder_comes_changes_breaks_and_goes_while_the_platform_runs() {
    let (files, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = files.path().join("parcels.toml");
    let write = |text: &str| {
        let next = beside.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(&next, &file).unwrap();
    };
    let provider = Provider::start(Api::anything(), Rules::default()).await;
    provider.forever(Reply::json(200, &json!({ "parcels": [{ "id": "p_81" }] })));
    let folder = files.path().to_str().unwrap();
    let platform = Platform::start_with_env(&[
        ("TURNBUCKLE_MANIFESTS__FOLDER", folder),
        ("TURNBUCKLE_MANIFESTS__LOOK_INTERVAL", "0.1"),
    ])
    .await;
    let types = async || -> Vec<String> {
        let types = platform.admin().get("/connector-types").await.expect(200);
        let types = types["types"].as_array().unwrap().iter();
        types
            .map(|known| known["type"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(!types().await.contains(&"parcels".to_owned()));

    write(parcels());
    eventually(SOON, "the new type is there", async || {
        types().await.contains(&"parcels".to_owned()).then_some(())
    })
    .await;
    let key = platform.tenant("acme").await;
    let connector = json!({
        "slug": "post", "type": "parcels",
        "config": { "base_url": provider.url() }, "secrets": { "token": "k" },
    });
    platform.connector("acme", &connector).await;
    let mcp = platform.mcp("acme", &key);
    let list = async || mcp.call("parcels_list_parcels", json!({})).await;
    assert_eq!(
        list().await["result"]["structuredContent"]["parcels"][0]["id"],
        "p_81"
    );

    let renamed = parcels().replace("parcels_get_parcel", "parcels_find_parcel");
    write(&renamed);
    eventually(
        SOON,
        "the tools are those of the changed file",
        async || {
            let tools = mcp.tools().await;
            let is = |name: &str| tools.iter().any(|tool| tool == name);
            (is("parcels_find_parcel") && !is("parcels_get_parcel")).then_some(())
        },
    )
    .await;
    let found = mcp
        .call("parcels_find_parcel", json!({ "parcel_id": "p" }))
        .await;
    assert_eq!(found["result"]["isError"], false, "{found}");

    write(&renamed.replace("effect = \"write\"", "effect = \"wright\""));
    let health = async || platform.operator().get("/health/ready").await.expect(200);
    let broken = eventually(SOON, "readiness tells of the broken file", async || {
        let health = health().await;
        health["degraded"].get("manifests").cloned()
    })
    .await;
    assert!(
        broken.as_str().unwrap().contains("parcels.toml:"),
        "{broken}"
    );
    assert!(
        platform
            .metrics()
            .await
            .contains("turnbuckle_manifests_broken 1")
    );
    assert_eq!(
        list().await["result"]["isError"],
        false,
        "what it said before is in use"
    );

    fs::remove_file(&file).unwrap();
    let gone = eventually(SOON, "calls fail without the file", async || {
        let answer = list().await;
        (answer["result"]["isError"] != false).then_some(answer)
    })
    .await;
    assert!(
        gone.to_string().contains("there is no connector type"),
        "{gone}"
    );
    assert_eq!(health().await["degraded"].get("manifests"), None);
    let admin = platform.admin();
    let body = json!({ "slug": "again", "type": "parcels" });
    let again = admin.post("/tenants/acme/connectors", &body);
    again.await.expect_problem(400, "invalid-request");

    write(parcels());
    eventually(SOON, "the connector is back with its file", async || {
        let answer = list().await;
        (answer["result"]["isError"] == false).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_refused_at_the_start() {
    let home =
        crate::harness::Home::new().with_env("TURNBUCKLE_MANIFESTS__FOLDER", "/no/such/folder");

    let refusal = home.refused();

    assert_eq!(refusal.code, 1);
    assert!(
        refusal.text.contains("manifests.folder: /no/such/folder"),
        "{}",
        refusal.text
    );
}

#[tokio::test]
async fn resources_and_prompts_of_a_native_connector_reach_both_endpoints() {
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("parcels.toml"), parcels()).unwrap();
    let provider = Provider::start(Api::anything(), Rules::default()).await;
    provider.forever(Reply::json(200, &json!({ "parcels": [{ "id": "p_81" }] })));
    let folder = files.path().to_str().unwrap();
    let platform = Platform::start_with_env(&[("TURNBUCKLE_MANIFESTS__FOLDER", folder)]).await;
    let key = platform.tenant("acme").await;
    for slug in ["post", "rail"] {
        let connector = json!({
            "slug": slug, "type": "parcels", "prefix": if slug == "post" { "" } else { "rail" },
            "config": { "base_url": provider.url() }, "secrets": { "token": "k" },
        });
        platform.connector("acme", &connector).await;
    }

    for (mcp, scheme, prompt) in [
        (platform.mcp("acme", &key), "rail+", "rail_parcels_where_is"),
        (
            platform.connector_mcp("acme", "rail", &key),
            "",
            "parcels_where_is",
        ),
    ] {
        let ask = async |method: &str, params: serde_json::Value| {
            mcp.modern(method, params).await.response()["result"].clone()
        };
        let discovered = ask("server/discover", json!({})).await;
        for capability in ["resources", "prompts", "completions"] {
            let declared = &discovered["capabilities"][capability];
            assert!(declared.is_object(), "{capability}: {discovered}");
        }
        let templates = ask("resources/templates/list", json!({})).await.to_string();
        let template = format!("\"{scheme}parcels://parcel/{{parcel_id}}\"");
        assert!(templates.contains(&template), "{templates}");
        let listed = ask("resources/list", json!({})).await.to_string();
        let uri = format!("{scheme}parcels://parcel/p_81");
        assert!(listed.contains(&format!("\"{uri}\"")), "{listed}");
        let read = mcp
            .modern("resources/read", json!({ "uri": uri }))
            .await
            .response();
        assert_eq!(read["result"]["contents"][0]["uri"], json!(uri), "{read}");
        let prompts = ask("prompts/list", json!({})).await.to_string();
        assert!(prompts.contains(&format!("\"{prompt}\"")), "{prompts}");
        let arguments = json!({ "name": prompt, "arguments": { "parcel_id": "p_81" } });
        let got = ask("prompts/get", arguments).await;
        let text = got["messages"][0]["content"]["text"].as_str().unwrap();
        assert!(text.starts_with("Say where the parcel p_81 is"), "{text}");
        let nothing = json!({ "uri": format!("{scheme}parcels://nothing") });
        let absent = mcp
            .modern("resources/read", nothing.clone())
            .await
            .response();
        assert_eq!(absent["error"]["code"], -32602, "{absent}");

        let legacy = mcp.open().await;
        let absent = legacy.request("resources/read", nothing).await.response();
        assert_eq!(absent["error"]["code"], -32002, "{absent}");
        let read = legacy
            .request("resources/read", json!({ "uri": uri }))
            .await
            .response();
        assert_eq!(
            read["result"]["contents"][0]["mimeType"], "application/json",
            "{read}"
        );
    }
}
