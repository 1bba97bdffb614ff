//! Providers that publish Google discovery documents.

use serde_json::json;
use testkit::provider::Reply;

use super::held::{Setup, hold};

/// Where Drive is, which the editors' tools call too.
const SHARED: &str = "https://www.googleapis.com";

fn with_drive(connector: &'static str, spec: &'static str, tools: usize) -> Setup {
    Setup {
        specs: vec![spec, "google_drive.discovery.json"],
        origins: vec![SHARED],
        ..Setup::bearer(connector, spec, tools)
    }
}

#[tokio::test]
async fn gmail() {
    let field = |name: &str, value: &str| json!({ "name": name, "value": value });
    let message = json!({
        "id": "1",
        "threadId": "1",
        "payload": {
            "mimeType": "text/plain",
            "headers": [
                field("From", "Anna <anna@example.com>"),
                field("Subject", "Hi"),
                field("Message-ID", "<1@example.com>"),
            ],
            "body": { "data": "SGk" },
        },
        // From: anna@example.com, Subject: Hi, and one word.
        "raw": "RnJvbTogYW5uYUBleGFtcGxlLmNvbQ0KU3ViamVjdDogSGkNCg0KSGk",
    });
    hold(Setup {
        answers: vec![("gmail.users.messages.get", Reply::json(200, &message))],
        ..Setup::bearer("gmail", "gmail.discovery.json", 36)
    })
    .await;
}

#[tokio::test]
async fn google_calendar() {
    let me = json!({ "email": "anna@example.com", "self": true });
    let event = json!({ "id": "1", "etag": "\"1\"", "attendees": [me] });
    hold(Setup {
        answers: vec![("calendar.events.get", Reply::json(200, &event))],
        ..Setup::bearer("google_calendar", "google_calendar.discovery.json", 29)
    })
    .await;
}

#[tokio::test]
async fn google_docs() {
    hold(with_drive("google_docs", "google_docs.discovery.json", 25)).await;
}

#[tokio::test]
async fn google_sheets() {
    hold(with_drive(
        "google_sheets",
        "google_sheets.discovery.json",
        28,
    ))
    .await;
}

#[tokio::test]
async fn google_slides() {
    hold(with_drive(
        "google_slides",
        "google_slides.discovery.json",
        27,
    ))
    .await;
}
