//! Uploads to Slack, chats of Teams, limits of Cursor, queries and lists of Windsurf.

use serde_json::{Value, json};
use testkit::provider::Reply;

use crate::stage::{Stage, refusal};
use crate::support::texts;

fn form(bytes: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(bytes).into_owned().collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_file_goes_to_the_address_that_slack_names_without_the_credential() {
    let stage = Stage::of("slack", []).await;
    let address = format!("{}/upload/abc", stage.provider.elsewhere());
    stage.provider.script([
        Reply::json(
            200,
            &json!({ "ok": true, "upload_url": address, "file_id": "F1" }),
        ),
        Reply::json(200, &json!({ "ok": true, "files": [{ "id": "F1" }] })),
    ]);
    stage
        .provider
        .offer_download(Reply::text(200, "text/plain", "OK - 4"));

    let arguments = json!({ "filename": "a.bin", "content_base64": "AAEC/w==", "channel_id": "C1", "initial_comment": "Hi & bye" });
    let shared = stage
        .call("slack_files_upload", arguments)
        .await
        .structured();

    assert_eq!(shared["files"][0]["id"], "F1");
    assert_eq!(
        stage.targets(),
        [
            "POST /files.getUploadURLExternal",
            "POST /files.completeUploadExternal"
        ]
    );
    let seen = stage.provider.seen();
    assert_eq!(
        form(&seen[0].body),
        [pair("filename", "a.bin"), pair("length", "4")]
    );
    let mut completed = form(&seen[1].body);
    completed.sort();
    assert_eq!(
        completed,
        [
            pair("channel_id", "C1"),
            pair("files", r#"[{"id":"F1","title":"a.bin"}]"#),
            pair("initial_comment", "Hi & bye"),
        ]
    );
    let sent = &stage.provider.downloads()[0];
    assert_eq!(
        (sent.method.as_str(), sent.target.as_str()),
        ("POST", "/upload/abc")
    );
    assert_eq!(&sent.body[..], [0, 1, 2, 255]);
    assert_eq!(sent.headers["content-type"], "application/octet-stream");
    assert!(!sent.headers.contains_key("authorization"));
    assert_eq!(stage.provider.violations(), [""; 0]);
}

#[tokio::test]
async fn an_upload_that_stops_half_way_says_how_far_it_came() {
    let arguments = || json!({ "filename": "a.txt", "content": "text" });
    let opened = |stage: &Stage| {
        let address = format!("{}/upload", stage.provider.elsewhere());
        Reply::json(
            200,
            &json!({ "ok": true, "upload_url": address, "file_id": "F1" }),
        )
    };

    let stage = Stage::of("slack", []).await;
    stage.provider.script([opened(&stage)]);
    stage
        .provider
        .offer_download(Reply::text(500, "text/plain", "no"));
    let why = stage
        .call("slack_files_upload", arguments())
        .await
        .refused();
    assert!(
        why.contains("500") && why.ends_with("No file was shared."),
        "{why}"
    );

    let stage = Stage::of("slack", []).await;
    let not_ok = Reply::json(200, &json!({ "ok": false, "error": "not_in_channel" }));
    stage.provider.script([opened(&stage), not_ok]);
    let why = stage
        .call("slack_files_upload", arguments())
        .await
        .refused();
    assert!(why.contains("not_in_channel"), "{why}");
    assert!(
        why.ends_with("The content was uploaded as F1, but not shared."),
        "{why}"
    );

    let stage = Stage::of("slack", []).await;
    let why = stage
        .call("slack_files_upload", json!({ "filename": "a" }))
        .await
        .refused();
    assert!(
        why.contains("\"content\", \"content_base64\", \"files\" is required"),
        "{why}"
    );
    assert_eq!(stage.targets(), [""; 0]);
}

#[tokio::test]
async fn the_members_of_a_chat_are_made_of_their_ids() {
    let stage = Stage::of("teams", [json!({ "id": "19:x" })]).await;

    let arguments = json!({ "chat_type": "oneOnOne", "member_ids": ["u1", "o'neil@x.example"] });
    stage.call("teams_create_chat", arguments).await.ok();

    let member = |id: &str| {
        json!({
            "@odata.type": "#microsoft.graph.aadUserConversationMember", "roles": ["owner"],
            "user@odata.bind": format!("{}/users('{id}')", stage.provider.url()),
        })
    };
    assert_eq!(
        stage.body(0),
        json!({ "chatType": "oneOnOne", "members": [member("u1"), member("o''neil@x.example")] })
    );
}

#[tokio::test]
async fn a_chat_without_its_members_is_not_created() {
    let stage = Stage::of("teams", []).await;

    let one = stage
        .call(
            "teams_create_chat",
            json!({ "chat_type": "oneOnOne", "member_ids": ["u1"] }),
        )
        .await;
    assert!(one.refused().contains("exactly two members"));
    let none = stage
        .call("teams_create_chat", json!({ "chat_type": "group" }))
        .await;
    assert!(
        none.refused()
            .contains("\"member_ids\", \"members\" is required")
    );
    assert_eq!(stage.targets(), [""; 0]);
}

#[tokio::test]
async fn a_member_of_cursor_is_found_by_id() {
    let team = json!({ "teamMembers": [{ "id": 7, "email": "a@x.example" }, { "id": "user_8", "email": "b@x.example" }] });
    let stage = Stage::of("cursor", [team.clone(), json!({}), json!({}), team]).await;
    let set = |arguments: Value| stage.call("cursor_set_user_spend_limit", arguments);

    set(json!({ "user_id": "user_8", "limit_usd": 5 }))
        .await
        .ok();
    set(json!({ "user_email": "c@x.example", "user_id": "user_8", "limit_usd": 0 }))
        .await
        .ok();
    let why = set(json!({ "user_id": "user_9", "limit_usd": 5 }))
        .await
        .refused();

    assert!(
        why.contains("no member with the id user_9; nothing was changed"),
        "{why}"
    );
    assert_eq!(
        stage.targets(),
        [
            "GET /teams/members",
            "POST /teams/user-spend-limit",
            "POST /teams/user-spend-limit",
            "GET /teams/members"
        ]
    );
    assert_eq!(
        stage.body(1),
        json!({ "userEmail": "b@x.example", "spendLimitDollars": 5 })
    );
    assert_eq!(
        stage.body(2),
        json!({ "userEmail": "c@x.example", "spendLimitDollars": 0 })
    );
}

#[tokio::test]
async fn names_of_figures_become_queries_by_their_source() {
    let stage = Stage::of("windsurf", [json!({ "queryResults": [] })]).await;
    let ask = |metrics: Value| stage.call("windsurf_get_analytics", json!({ "metrics": metrics }));

    ask(json!([
        "chat_loc_used",
        "num_acceptances",
        "percent_code_written",
        "num_lines_accepted"
    ]))
    .await
    .ok();
    let why = ask(json!(["speed"])).await.refused();

    let sum = |name: &str| json!({ "field": name, "name": name, "aggregation_function": "QUERY_AGGREGATION_SUM" });
    assert_eq!(
        stage.body(0)["query_requests"],
        json!([
            { "data_source": "QUERY_DATA_SOURCE_USER_DATA", "selections": [sum("num_acceptances"), sum("num_lines_accepted")] },
            { "data_source": "QUERY_DATA_SOURCE_CHAT_DATA", "selections": [sum("chat_loc_used")] },
            { "data_source": "QUERY_DATA_SOURCE_PCW_DATA", "selections": [{ "field": "percent_code_written", "name": "percent_code_written" }] },
        ])
    );
    assert!(
        why.contains("holds \"speed\"; known are num_acceptances"),
        "{why}"
    );
    assert_eq!(stage.targets().len(), 1);
}

#[tokio::test]
async fn members_spending_and_seats_are_taken_out_of_windsurfs_analytics() {
    let users = json!({ "userTableStats": [{ "name": "A", "email": "a@x.example", "apiKey": "secret", "activeDays": 3 }] });
    let run = |day: &str, model: &str, used: &str| json!({ "day": format!("{day}T00:00:00Z"), "model": model, "promptsUsed": used });
    let runs = json!({ "queryResults": [{ "cascadeRuns": { "cascadeRuns": [run("2026-01-01", "m", "150"), run("2026-01-01", "n", "50"), run("2026-01-02", "m", "100")] } }] });
    let balance = json!({ "numSeats": 4, "promptCreditsPerSeat": 500, "addOnCreditsUsed": 7 });
    let stage = Stage::of(
        "windsurf",
        [users, runs, balance, json!({ "queryResults": [] })],
    )
    .await;

    let members = stage
        .call("windsurf_list_members", json!({}))
        .await
        .structured();
    assert_eq!(
        members,
        json!({ "count": 1, "members": [{ "name": "A", "email": "a@x.example", "activeDays": 3 }] })
    );
    let spent = stage
        .call("windsurf_get_spending_breakdown", json!({}))
        .await
        .structured();
    assert_eq!(
        spent,
        json!({
            "credits": 3.0,
            "by_day": [{ "day": "2026-01-01", "credits": 2.0 }, { "day": "2026-01-02", "credits": 1.0 }],
            "by_model": [{ "model": "m", "credits": 2.5 }, { "model": "n", "credits": 0.5 }],
        })
    );
    let seats = stage
        .call("windsurf_get_seat_info", json!({}))
        .await
        .structured();
    assert_eq!(
        (&seats["seats"], &seats["prompt_credits"]),
        (&json!(4), &json!(2000))
    );
    let nothing = stage
        .call("windsurf_get_spending_breakdown", json!({}))
        .await
        .ok();
    assert!(texts(&nothing).contains("the team pays by quota"));
}

#[tokio::test]
async fn a_refusal_before_anything_was_done_is_only_the_refusal() {
    let stage = Stage::answering("cursor", [refusal(401)]).await;

    let why = stage
        .call(
            "cursor_set_user_spend_limit",
            json!({ "user_id": "u", "limit_usd": 5 }),
        )
        .await
        .refused();

    assert!(why.starts_with("Cursor refused the call: 401"), "{why}");
}
