//! What single providers want that others do not.

use serde_json::{Value, json};

use crate::stage::Stage;

/// The value of a parameter of a request's query.
fn asked(stage: &Stage, at: usize, name: &str) -> Option<String> {
    let target = stage.targets()[at].clone();
    let (_, path) = target.split_once(' ').unwrap();
    let url = url::Url::parse(&format!("http://provider{path}")).unwrap();
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_search_of_outlook_is_quoted_whatever_stands_in_it() {
    let searches = [
        ("from:anna subject:offer", r#""from:anna subject:offer""#),
        (
            r#"subject:"quarterly report" a\b"#,
            r#""subject:\"quarterly report\" a\\b""#,
        ),
        // The caller knows the rule.
        (r#""from:anna \"x\"""#, r#""from:anna \"x\"""#),
        // Two quoted texts are not one.
        (r#""a" OR "b""#, r#""\"a\" OR \"b\"""#),
        (r#""a\""#, r#""\"a\\\"""#),
    ];
    let answers = searches.map(|_| json!({ "value": [] }));
    let outlook = Stage::of("outlook", answers).await;
    for (at, (given, wanted)) in searches.into_iter().enumerate() {
        let arguments = json!({ "query": given });
        outlook
            .call("outlook_search_messages", arguments)
            .await
            .ok();
        let sent = asked(&outlook, at, "$search");
        assert_eq!(sent.as_deref(), Some(wanted), "{given}");
    }
}

#[tokio::test]
async fn what_belongs_to_somebody_can_be_made_to_belong_to_nobody() {
    let jira = Stage::of("jira", [json!({}), json!({}), json!({})]).await;
    for (at, (given, sent)) in [
        ("none", Value::Null),
        ("-1", json!("-1")),
        ("5b10", json!("5b10")),
    ]
    .into_iter()
    .enumerate()
    {
        let arguments = json!({ "issue_key": "ENG-1", "account_id": given });
        jira.call("jira_assign_issue", arguments).await.ok();
        assert_eq!(jira.body(at), json!({ "accountId": sent }));
    }

    let done = json!({ "data": { "issueUpdate": { "success": true } } });
    let linear = Stage::of("linear", [done]).await;
    let arguments = json!({ "id": "ENG-1", "assigneeId": "none", "dueDate": "2026-01-31" });
    linear.call("linear_update_issue", arguments).await.ok();
    assert_eq!(
        linear.body(0)["variables"]["input"],
        json!({ "assigneeId": null, "dueDate": "2026-01-31" })
    );
}

#[tokio::test]
async fn a_mail_written_whole_needs_nothing_beside_it_and_one_that_is_not_needs_all() {
    let gmail = Stage::of("gmail", [json!({ "id": "m1" })]).await;
    let raw = json!({ "raw": "VG86IGE" });
    gmail.call("gmail_send_message", raw.clone()).await.ok();
    assert_eq!(gmail.body(0), raw);

    let parts = json!({ "to": "ada@x.example", "subject": "Lunch" });
    let refused = gmail.call("gmail_send_message", parts).await.refused();
    assert!(refused.contains(r#""body", "raw""#), "{refused}");
    assert_eq!(gmail.targets().len(), 1, "nothing was sent");
}

#[tokio::test]
async fn the_newest_pipelines_come_first_and_all_steps_of_one_at_once() {
    let bitbucket = Stage::of("bitbucket", [json!({ "values": [] })]).await;
    let place = |more: Value| {
        let mut arguments = json!({ "workspace": "w", "repo_slug": "r" });
        let members = arguments.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        arguments
    };
    let call = bitbucket.call("bitbucket_list_pipelines", place(json!({})));
    call.await.ok();
    assert_eq!(asked(&bitbucket, 0, "sort").as_deref(), Some("-created_on"));

    let uuid = "{5b10ac8d-82e0-5b22-cc7d-4ef500000000}";
    let path = format!("/repositories/w/r/pipelines/{uuid}/steps");
    let next = format!("{}{path}?page=2", bitbucket.provider.url());
    let step = |name: &str| json!({ "name": name });
    bitbucket.provider.script([
        testkit::provider::Reply::json(200, &json!({ "values": [step("build")], "next": next })),
        testkit::provider::Reply::json(200, &json!({ "values": [step("test")] })),
    ]);
    let arguments = place(json!({ "pipeline_uuid": uuid }));
    let steps = bitbucket.call("bitbucket_list_pipeline_steps", arguments);
    assert_eq!(
        steps.await.structured(),
        json!({ "items": [step("build"), step("test")] })
    );
}
