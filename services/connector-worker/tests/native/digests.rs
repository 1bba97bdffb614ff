//! How much is shown of the JSON that code hooks make.

use catalog::closed::{Hook, HookAnswer};
use catalog::{Catalog, Target};
use serde_json::json;

use crate::stage::Stage;
use crate::support::texts;

fn field(name: &str, value: &str) -> serde_json::Value {
    json!({ "name": name, "value": value })
}

#[tokio::test]
async fn of_a_list_that_a_hook_makes_the_caller_names_the_members_of_each_item() {
    let list = json!({ "messages": [{ "id": "m1" }, { "id": "m2" }], "nextPageToken": "p2" });
    let hit = |id: &str| {
        let headers = [field("Subject", "Lunch"), field("From", "ada@x.example")];
        json!({ "id": id, "snippet": "at noon", "payload": { "headers": headers } })
    };
    let gmail = Stage::of("gmail", [list, hit("m1"), hit("m2")]).await;
    let named = json!({ "query": "lunch", "fields": ["id", "headers.Subject"] });

    let found = gmail
        .call("gmail_search_messages", named)
        .await
        .structured();

    let hit = |id: &str| json!({ "id": id, "headers": { "Subject": "Lunch" } });
    assert_eq!(found["messages"], json!([hit("m1"), hit("m2")]));
    assert_eq!(found["next_page"], json!({ "page_token": "p2" }));
    assert!(
        gmail
            .targets()
            .iter()
            .all(|target| !target.contains("fields"))
    );

    let people = json!({ "userTableStats": [
        { "name": "Ada", "email": "ada@x.example", "role": "admin", "apiKey": "k" },
    ] });
    let windsurf = Stage::of("windsurf", [people.clone(), people]).await;
    let call = async |fields: &str| {
        let arguments = json!({ "fields": fields });
        windsurf.call("windsurf_list_members", arguments).await.ok()
    };
    let members = call("email").await["structuredContent"]["members"].clone();
    assert_eq!(members, json!([{ "email": "ada@x.example" }]));
    let nothing = call("apiKey").await;
    let note = "No member has the name apiKey: call without fields";
    assert!(texts(&nothing).contains(note), "{nothing}");
}

#[tokio::test]
async fn a_digest_can_be_had_whole() {
    let mail = json!({
        "id": "m1", "threadId": "t1", "classificationLabelValues": [{ "labelId": "secret" }],
        "payload": {
            "mimeType": "text/plain", "body": { "data": "aGk=" },
            "headers": [field("Subject", "Lunch"), field("X-Spam-Score", "0.1")],
        },
    });
    let gmail = Stage::of("gmail", [mail.clone(), mail]).await;
    let call = async |full: bool| {
        let arguments = json!({ "message_id": "m1", "full": full });
        gmail
            .call("gmail_get_message", arguments)
            .await
            .structured()
    };

    let (brief, whole) = (call(false).await, call(true).await);

    assert_eq!(brief["headers"], json!({ "Subject": "Lunch" }));
    assert_eq!(brief.get("classificationLabelValues"), None);
    assert_eq!(whole["headers"]["X-Spam-Score"], "0.1");
    assert_eq!(whole["classificationLabelValues"][0]["labelId"], "secret");
    assert_eq!(
        (&brief["text"], &whole["text"]),
        (&json!("hi"), &json!("hi"))
    );
    assert_eq!(whole.get("payload"), None, "its text is there");

    let profile = json!({ "login": "ada", "bio": "counts", "public_repos": 1 });
    let github = Stage::of("github", [profile, json!([])]).await;
    let arguments = json!({ "username": "ada", "full": true, "fields": "user.bio, stars" });
    let stats = github.call("github_get_user_stats", arguments).await;
    assert_eq!(
        stats.structured(),
        json!({ "user": { "bio": "counts" }, "stars": 0 })
    );
}

#[tokio::test]
async fn a_list_by_name_has_further_pages_and_its_items_are_trimmed_by_their_members() {
    let page = json!({
        "data": {
            "ada@x.example": [{ "event_date": "2026-01-01", "total_lines_accepted": 9 }],
            "ben@x.example": [{ "event_date": "2026-01-01", "total_lines_accepted": 4 }],
        },
        "pagination": { "page": 1, "pageSize": 2, "totalUsers": 3, "hasNextPage": true },
        "params": { "metric": "agent-edits" },
    });
    let mut last = page.clone();
    last["pagination"]["hasNextPage"] = json!(false);
    let cursor = Stage::of("cursor", [page.clone(), last, page]).await;
    let call = async |arguments| {
        let found = cursor.call("cursor_get_user_agent_edits", arguments).await;
        found.structured()
    };

    let first = call(json!({ "fields": "total_lines_accepted" })).await;
    assert_eq!(first["next_page"], json!({ "page": 2 }));
    let lines = |lines: u64| json!([{ "total_lines_accepted": lines }]);
    assert_eq!(
        first["data"],
        json!({ "ada@x.example": lines(9), "ben@x.example": lines(4) })
    );
    let second = call(json!({ "page": 2 })).await;
    assert_eq!(second.get("next_page"), None);
    assert_eq!(
        second["data"]["ben@x.example"][0]["total_lines_accepted"],
        4
    );
    let arguments = json!({ "fields": "colour" });
    let nothing = cursor.call("cursor_get_user_agent_edits", arguments).await;
    let note = "No member has the name colour: call without fields";
    assert!(texts(&nothing.ok()).contains(note));
}

#[test]
fn tools_that_answer_in_text_do_not_ask_for_members() {
    let mut offers = std::collections::BTreeMap::new();
    for connector in Catalog::builtin().connectors() {
        for tool in &connector.tools {
            let Some(answer) = tool.hook.map(Hook::answer) else {
                continue;
            };
            // Some providers have an argument of that name themselves.
            let has = |name: &str, target: &Target| {
                let mut args = tool.args.iter();
                args.any(|arg| arg.target == *target || arg.name == name)
            };
            let has = (has("fields", &Target::Fields), has("full", &Target::Full));
            let wanted = match answer {
                HookAnswer::Provider | HookAnswer::Digest => (true, true),
                HookAnswer::Figures => (true, false),
                HookAnswer::Text => (false, false),
            };
            assert_eq!(has, wanted, "{}", tool.name);
            *offers.entry(format!("{answer:?}")).or_insert(0) += 1;
        }
    }
    assert_eq!(offers.len(), 4, "{offers:?}");
}
