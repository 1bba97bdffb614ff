//! Figures of coding tools: Copilot's reports and seats, and the shape that all tools share.

use serde_json::{Value, json};
use testkit::provider::Reply;

use crate::stage::Stage;
use crate::support::texts;

fn day(day: &str, suggestions: u64, acceptances: u64) -> Value {
    let row = |key: &str, name: &str, part: u64| {
        json!({
            key: name, "user_initiated_interaction_count": part, "code_generation_activity_count": suggestions,
            "code_acceptance_activity_count": acceptances, "loc_suggested_to_add_sum": 10, "loc_added_sum": 4,
        })
    };
    json!({
        "day": day, "daily_active_users": 5, "monthly_active_chat_users": 9, "user_initiated_interaction_count": 7,
        "code_generation_activity_count": suggestions + 100, "code_acceptance_activity_count": acceptances + 1,
        "loc_suggested_to_add_sum": 30, "loc_added_sum": 12,
        "totals_by_feature": [row("feature", "code_completion", 0), row("feature", "chat_panel_ask_mode", 3), row("feature", "agent_edit", 2)],
        "totals_by_ide": [row("ide", "vscode", 1)],
        "totals_by_language_feature": [row("language", "rust", 1), row("language", "go", 1), row("language", "rust", 1)],
        "totals_by_model_feature": [row("model", "m1", 6)],
        "pull_requests": { "total_created": 4, "total_created_by_copilot": 1, "median_minutes_to_merge": 3.5 },
    })
}

/// Copilot with a report of three days in one line.
async fn copilot() -> Stage {
    let stage = Stage::of("copilot", []).await;
    let links = json!({ "download_links": [format!("{}/report", stage.provider.elsewhere())] });
    stage.provider.script([Reply::json(200, &links)]);
    let days = [
        day("2026-01-03", 10, 5),
        day("2026-01-01", 20, 2),
        day("2026-01-02", 30, 3),
    ];
    let report = json!({ "report_start_day": "2026-01-01", "day_totals": days });
    stage
        .provider
        .offer_download(Reply::text(200, "application/x-ndjson", report.to_string()));
    stage
}

async fn summary(tool: &str) -> Value {
    let stage = copilot().await;
    let found = stage
        .call(tool, json!({ "org": "o", "since": "2026-01-02" }))
        .await
        .structured();
    assert_eq!(
        stage.targets(),
        ["GET /orgs/o/copilot/metrics/reports/organization-28-day/latest"]
    );
    assert_eq!(stage.provider.violations(), [""; 0]);
    assert_eq!(
        (&found["from"], &found["to"], &found["days"]),
        (&json!("2026-01-02"), &json!("2026-01-03"), &json!(2))
    );
    found
}

#[tokio::test]
async fn acceptance_is_that_of_completions_in_the_days_that_are_asked_for() {
    let found = summary("copilot_get_acceptance_rate").await;

    assert_eq!(
        (&found["suggestions"], &found["acceptances"]),
        (&json!(40), &json!(8))
    );
    assert_eq!(found["acceptance_rate"], 0.2);
    assert_eq!(found["by_day"][0]["day"], "2026-01-02");
    assert_eq!(found["by_day"][1]["acceptance_rate"], 0.5);
}

#[tokio::test]
async fn usage_is_grouped_by_language_editor_chat_and_pull_requests() {
    let languages = summary("copilot_get_usage_by_language").await["languages"].clone();
    assert_eq!(
        (&languages[0]["language"], &languages[0]["suggestions"]),
        (&json!("rust"), &json!(80))
    );
    assert_eq!(
        (&languages[1]["language"], &languages[1]["lines_accepted"]),
        (&json!("go"), &json!(8))
    );

    let editors = summary("copilot_get_usage_by_editor").await["editors"].clone();
    assert_eq!(
        (&editors[0]["ide"], &editors[0]["acceptances"]),
        (&json!("vscode"), &json!(8))
    );

    let chat = summary("copilot_get_chat_usage").await;
    assert_eq!(
        (&chat["requests"], &chat["monthly_active_chat_users"]),
        (&json!(10), &json!(9))
    );
    assert_eq!(
        (&chat["by_kind"][0]["kind"], &chat["by_kind"][0]["requests"]),
        (&json!("agent_edit"), &json!(4))
    );

    let pulls = summary("copilot_get_pr_summary_usage").await;
    assert_eq!(
        pulls["pull_requests"],
        json!({ "created": 8, "created_by_copilot": 2 })
    );
}

#[tokio::test]
async fn a_report_without_days_says_so() {
    let stage = copilot().await;

    let result = stage
        .call(
            "copilot_get_acceptance_rate",
            json!({ "org": "o", "since": "2027-01-01" }),
        )
        .await
        .ok();

    assert_eq!(result["structuredContent"]["days"], 0);
    assert!(texts(&result).ends_with("The report has no day in this range."));
}

#[tokio::test]
async fn seats_are_read_to_the_end_and_the_longest_unused_come_first() {
    let seat = |login: &str, last: Option<&str>| json!({ "assignee": { "login": login }, "last_activity_at": last, "created_at": "2025-01-01T00:00:00Z" });
    let stage = Stage::of("copilot", []).await;
    let next = format!(
        "<{}/orgs/o/copilot/billing/seats?per_page=100&page=2>; rel=\"next\"",
        stage.provider.url()
    );
    stage.provider.script([
        Reply::json(200, &json!({ "seats": [seat("fresh", Some("2026-01-01T00:00:00Z")), seat("old", Some("2025-11-01T00:00:00Z"))] })).with("link", next),
        Reply::json(200, &json!({ "seats": [seat("older", Some("2025-10-01T00:00:00+02:00")), seat("never", None)] })),
    ]);

    let found = stage
        .call("copilot_list_inactive_seats", json!({ "org": "o" }))
        .await
        .structured();

    assert_eq!(
        stage.targets()[0],
        "GET /orgs/o/copilot/billing/seats?per_page=100"
    );
    assert_eq!(
        (&found["seats_read"], &found["inactive"], &found["complete"]),
        (&json!(4), &json!(3), &json!(true))
    );
    let logins: Vec<&Value> = found["seats"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seat| &seat["login"])
        .collect();
    assert_eq!(logins, ["never", "older", "old"]);
    assert_eq!(found["seats"][2]["days_inactive"], 62);
}

#[tokio::test]
async fn copilot_has_the_shape_that_all_tools_share() {
    let stage = copilot().await;
    stage.provider.script([Reply::json(
        200,
        &json!({ "seat_breakdown": { "total": 12 } }),
    )]);

    let found = stage
        .call("copilot_get_normalized_metrics", json!({ "org": "o" }))
        .await
        .structured();

    assert_eq!(stage.targets()[1], "GET /orgs/o/copilot/billing");
    assert_eq!(
        (&found["tool"], &found["from"], &found["to"]),
        (
            &json!("copilot"),
            &json!("2026-01-01"),
            &json!("2026-01-03")
        )
    );
    assert_eq!(
        found["users"],
        json!({ "seats": 12, "members": null, "active": null })
    );
    assert_eq!(
        found["totals"],
        json!({
            "active_users": 5, "requests": 21, "suggestions": 360, "acceptances": 13, "lines_suggested": 90,
            "lines_accepted": 36, "acceptance_rate": 0.036,
        })
    );
    assert_eq!(found["models"][0]["requests"], 18);
    assert_eq!(
        found["unknown"],
        json!(["input_tokens", "output_tokens", "cost"])
    );
}

#[tokio::test]
async fn claude_code_is_asked_for_each_day_and_all_pages() {
    let row = |day: &str, who: &str| {
        json!({
            "date": format!("{day}T00:00:00Z"), "actor": { "type": "user_actor", "email_address": who },
            "core_metrics": { "num_sessions": 2, "lines_of_code": { "added": 30, "removed": 1 } },
            "tool_actions": { "edit_tool": { "accepted": 3, "rejected": 1 }, "write_tool": { "accepted": 1, "rejected": 0 } },
            "model_breakdown": [{ "model": "m", "tokens": { "input": 100, "output": 10 }, "estimated_cost": { "currency": "USD", "amount": 150 } }],
        })
    };
    let stage = Stage::of("claude_code", [
        json!({ "data": [row("2026-01-01", "a@x.example")], "has_more": true, "next_page": "p2" }),
        json!({ "data": [row("2026-01-01", "b@x.example")], "has_more": false, "next_page": null }),
        json!({ "data": [row("2026-01-02", "a@x.example")], "has_more": false }),
        json!({ "data": [{ "id": "u1" }, { "id": "u2" }], "has_more": true, "last_id": "u2" }),
        json!({ "data": [{ "id": "u3" }], "has_more": false, "last_id": "u3" }),
    ]).await;

    let arguments = json!({ "start_date": "2026-01-01", "end_date": "2026-01-02" });
    let found = stage
        .call("claude_code_get_normalized_metrics", arguments)
        .await
        .structured();

    let report = "GET /v1/organizations/usage_report/claude_code?starting_at=";
    assert_eq!(
        stage.targets(),
        [
            format!("{report}2026-01-01&limit=1000"),
            format!("{report}2026-01-01&limit=1000&page=p2"),
            format!("{report}2026-01-02&limit=1000"),
            "GET /v1/organizations/users?limit=1000".to_owned(),
            "GET /v1/organizations/users?limit=1000&after_id=u2".to_owned(),
        ]
    );
    assert_eq!(
        found["users"],
        json!({ "seats": null, "members": 3, "active": 2 })
    );
    assert_eq!(
        found["totals"],
        json!({
            "active_users": 2, "requests": 6, "suggestions": 15, "acceptances": 12, "lines_accepted": 90,
            "input_tokens": 300, "output_tokens": 30, "acceptance_rate": 0.8, "cost": 4.5, "currency": "USD",
        })
    );
}

#[tokio::test]
async fn codex_is_summed_up_from_usage_costs_and_users() {
    let row = |user: &str| json!({ "user_id": user, "model": "m", "num_model_requests": 4, "input_tokens": 50, "output_tokens": 5 });
    let bucket = |start: u64, results: Value| json!({ "start_time": start, "results": results });
    let stage = Stage::of("codex", [
        json!({ "data": [bucket(1_767_225_600, json!([row("a"), row("b")]))], "has_more": true, "next_page": "p2" }),
        json!({ "data": [bucket(1_767_312_000, json!([row("a")]))], "has_more": false }),
        json!({ "data": [bucket(1_767_225_600, json!([{ "amount": { "value": 1.25, "currency": "usd" } }]))] }),
        json!({ "data": [{ "id": "a" }, { "id": "b" }, { "id": "c" }], "has_more": false }),
    ]).await;

    let found = stage
        .call(
            "codex_get_normalized_metrics",
            json!({ "start_time": 1_767_225_600 }),
        )
        .await
        .structured();

    let usage = "GET /organization/usage/completions?start_time=1767225600&bucket_width=1d&limit=31&group_by=user_id&group_by=model";
    assert_eq!(
        stage.targets(),
        [
            usage.to_owned(),
            format!("{usage}&page=p2"),
            "GET /organization/costs?start_time=1767225600&limit=180".to_owned(),
            "GET /organization/users?limit=100".to_owned(),
        ]
    );
    assert_eq!(
        found["users"],
        json!({ "seats": null, "members": 3, "active": 2 })
    );
    assert_eq!(
        found["days"][0],
        json!({ "day": "2026-01-01", "active_users": 2, "requests": 8, "input_tokens": 100, "output_tokens": 10, "cost": 1.25, "currency": "USD" })
    );
    assert_eq!(found["totals"]["requests"], 12);
}

#[tokio::test]
async fn cursor_and_windsurf_have_the_same_shape() {
    let stage = Stage::of("cursor", [
        json!({ "data": [{ "date": "2026-01-01", "dau": 4 }] }),
        json!({ "data": [{ "date": "2026-01-01", "model_breakdown": { "m": { "messages": 9, "users": 2 } } }] }),
        json!({ "teamMemberSpend": [{ "spendCents": 250 }], "totalPages": 2 }),
        json!({ "teamMemberSpend": [{ "spendCents": 50 }], "totalPages": 2 }),
        json!({ "teamMembers": [{ "id": 1 }, { "id": 2 }] }),
    ]).await;
    let found = stage
        .call(
            "cursor_get_normalized_metrics",
            json!({ "start_date": "2026-01-01" }),
        )
        .await
        .structured();
    assert_eq!(
        stage.targets(),
        [
            "GET /analytics/team/dau?startDate=2026-01-01",
            "GET /analytics/team/models?startDate=2026-01-01",
            "POST /teams/spend",
            "POST /teams/spend",
            "GET /teams/members"
        ]
    );
    assert_eq!(stage.body(3), json!({ "page": 2, "pageSize": 100 }));
    assert_eq!(found["users"]["members"], 2);
    assert_eq!(
        found["totals"],
        json!({ "active_users": 4, "requests": 9, "cost": 3.0, "currency": "USD" })
    );
    assert_eq!(found["models"][0], json!({ "model": "m", "requests": 9 }));

    let lines = json!({ "cascadeLines": { "cascadeLines": [{ "day": "2026-01-01T00:00:00Z", "linesSuggested": "40", "linesAccepted": "10" }] } });
    let runs = json!({ "cascadeRuns": { "cascadeRuns": [{ "day": "2026-01-01T00:00:00Z", "model": "m", "messagesSent": "3", "promptsUsed": "150" }] } });
    let stage = Stage::of("windsurf", [json!({ "queryResults": [lines, runs] })]).await;
    let found = stage
        .call("windsurf_get_normalized_metrics", json!({}))
        .await
        .structured();
    assert_eq!(
        stage.body(0)["query_requests"],
        json!([{ "cascade_lines": {} }, { "cascade_runs": {} }])
    );
    assert_eq!(
        found["totals"],
        json!({ "requests": 3, "lines_suggested": 40, "lines_accepted": 10, "cost": 1.5, "currency": "credits" })
    );
}
