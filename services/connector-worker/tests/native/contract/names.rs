//! Providers whose newest description says names, or less.

use serde_json::json;
use testkit::provider::Reply;

use super::held::{Setup, hold};

#[tokio::test]
async fn zoom() {
    hold(Setup {
        specs: vec!["zoom.openapi.json", "zoom.endpoints-2026.json"],
        ..Setup::bearer("zoom", "zoom.openapi.json", 33)
    })
    .await;
}

#[tokio::test]
async fn notion() {
    let database = json!({ "data_sources": [{ "id": "1", "name": "All" }] });
    // Types of the OpenAPI file are known to be wrong.
    hold(Setup {
        specs: vec!["notion.openapi.json", "notion.sdk-endpoints.json"],
        names_only: true,
        // Notion takes 100 blocks at once; the rest goes in a second request.
        values: vec![(
            "notion_create_page",
            "content",
            json!("word\n\n".repeat(120)),
        )],
        answers: vec![
            ("retrieve-a-database", Reply::json(200, &database)),
            ("post-page", Reply::json(200, &json!({ "id": "1" }))),
        ],
        headers: vec!["accept", "user-agent", "notion-version"],
        ..Setup::bearer("notion", "notion.openapi.json", 30)
    })
    .await;
}

#[tokio::test]
async fn slack() {
    let address = json!({ "ok": true, "upload_url": "{elsewhere}/upload", "file_id": "F1" });
    hold(Setup {
        answers: vec![("files.getUploadURLExternal", Reply::json(200, &address))],
        specs: vec!["slack.openapi.json", "slack.sdk-arguments.json"],
        ..Setup::bearer("slack", "slack.openapi.json", 48)
    })
    .await;
}
