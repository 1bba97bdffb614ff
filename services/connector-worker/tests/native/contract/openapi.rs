//! Providers that publish OpenAPI.

use std::io::Write as _;

use serde_json::json;
use testkit::provider::{Credential, Reply};

use super::held::{Setup, Together, hold};

#[tokio::test]
async fn github() {
    hold(Setup {
        headers: vec!["accept", "user-agent", "x-github-api-version"],
        // GitHub's description marks these parameters as spanning segments.
        spanning: vec![
            "/repos/{owner}/{repo}/contents/{path}",
            "/repos/{owner}/{repo}/git/refs/{ref}",
        ],
        ..Setup::bearer("github", "github.openapi.json", 84)
    })
    .await;
}

#[tokio::test]
async fn gitlab() {
    hold(Setup::bearer("gitlab", "gitlab.openapi.json", 55)).await;
}

#[tokio::test]
async fn bitbucket() {
    let why =
        "every object of the description wants its type, which Bitbucket's own examples leave out";
    let optional = [
        ("PUT /repositories/{workspace}/{repo_slug}", "project.type"),
        ("POST /repositories/{workspace}/{repo_slug}", "project.type"),
        (
            "POST /repositories/{workspace}/{repo_slug}/pullrequests",
            "reviewers.[].type",
        ),
        (
            "POST /repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/comments",
            "parent.type",
        ),
    ];
    let pipelines = "GET /repositories/{workspace}/{repo_slug}/pipelines";
    let reversed = "a minus reverses every order of Bitbucket's";
    let backwards = ["-created_on", "-run_creation_date", "-creator.uuid"];
    let backwards = backwards.map(|value| (pipelines, "sort", value, reversed));
    // Bitbucket's own redirect, to a list of the same host; that of files is not described.
    let diffstat =
        "GET /repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/diffstat";
    let moved = Reply::text(302, "text/plain", "").with("location", "/repositories/w/r/refs/tags");
    hold(Setup {
        spanning: vec!["/repositories/{workspace}/{repo_slug}/src/{commit}/{path}"],
        answers: vec![(diffstat, moved)],
        optional: optional
            .map(|(operation, member)| (operation, member, why))
            .to_vec(),
        further: backwards.to_vec(),
        ..Setup::bearer("bitbucket", "bitbucket.openapi.json", 40)
    })
    .await;
}

#[tokio::test]
async fn jira() {
    hold(Setup::bearer("jira", "jira.openapi.json", 47)).await;
}

#[tokio::test]
async fn confluence() {
    hold(Setup::bearer("confluence", "confluence.openapi.json", 32)).await;
}

#[tokio::test]
async fn discord() {
    let credential = Credential::Header("authorization", "Bot the-token".to_owned());
    hold(Setup {
        credentials: vec![("/", credential)],
        // An event outside of Discord has a place and an end, one inside has a channel.
        together: vec![
            Together {
                tool: "discord_create_scheduled_event",
                argument: "entity_type",
                value: json!(3),
                with: vec!["location", "scheduled_end_time"],
                without: vec!["channel_id"],
            },
            Together {
                tool: "discord_create_scheduled_event",
                argument: "entity_type",
                value: json!(1),
                with: vec!["channel_id"],
                without: vec!["location"],
            },
        ],
        ..Setup::bearer("discord", "discord.openapi.json", 41)
    })
    .await;
}

#[tokio::test]
async fn outlook() {
    hold(Setup::bearer("outlook", "outlook.openapi.json", 35)).await;
}

#[tokio::test]
async fn teams() {
    hold(Setup {
        // A chat of two has both as members, said in one way.
        together: vec![Together {
            tool: "teams_create_chat",
            argument: "chat_type",
            value: json!("oneOnOne"),
            with: vec!["member_ids"],
            without: vec!["members"],
        }],
        values: vec![(
            "teams_create_chat",
            "member_ids",
            json!(["anna@example.com", "ben@example.com"]),
        )],
        ..Setup::bearer("teams", "teams.openapi.json", 31)
    })
    .await;
}

#[tokio::test]
async fn excel() {
    hold(Setup::bearer("excel", "excel.openapi.json", 31)).await;
}

#[tokio::test]
async fn powerpoint() {
    let file = Reply::text(200, PPTX, presentation());
    let operation = "drives.item.items.item.content.content.get";
    let other_drive = "drives.item.items.item.content.content.get~2";
    hold(Setup {
        answers: vec![(operation, file.clone()), (other_drive, file)],
        ..Setup::bearer("powerpoint", "powerpoint.openapi.json", 19)
    })
    .await;
}

#[tokio::test]
async fn copilot() {
    hold(Setup {
        headers: vec!["accept", "user-agent", "x-github-api-version"],
        ..Setup::bearer("copilot", "copilot.openapi.json", 28)
    })
    .await;
}

#[tokio::test]
async fn claude_code() {
    let credential = Credential::Header("x-api-key", "the-token".to_owned());
    hold(Setup {
        credentials: vec![("/", credential)],
        headers: vec!["accept", "user-agent", "anthropic-version"],
        ..Setup::bearer("claude_code", "claude_code.openapi.json", 28)
    })
    .await;
}

#[tokio::test]
async fn codex() {
    hold(Setup::bearer("codex", "codex.openapi.json", 26)).await;
}

const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";

/// A presentation of one slide.
fn presentation() -> Vec<u8> {
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let slide = "<p:sld xmlns:p=\"p\" xmlns:a=\"a\"><a:p><a:r><a:t>Hello</a:t></a:r></a:p></p:sld>";
    let files = [
        (
            "ppt/presentation.xml",
            format!(
                "<p:presentation xmlns:p=\"p\" xmlns:r=\"{relations}\"><p:sldIdLst>\
                 <p:sldId id=\"256\" r:id=\"rId1\"/></p:sldIdLst></p:presentation>"
            ),
        ),
        (
            "ppt/_rels/presentation.xml.rels",
            format!(
                "<Relationships><Relationship Id=\"rId1\" Type=\"{relations}/slide\" \
                 Target=\"slides/slide1.xml\"/></Relationships>"
            ),
        ),
        ("ppt/slides/slide1.xml", slide.to_owned()),
    ];
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
