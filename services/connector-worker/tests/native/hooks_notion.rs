//! Notion's pages as text, and texts as its blocks.

use serde_json::{Value, json};
use testkit::provider::Reply;

use crate::stage::{Stage, refusal, text};
use crate::support::texts;

fn block(id: &str, text: &str, has_children: bool) -> Value {
    json!({ "id": id, "type": "toggle", "has_children": has_children, "toggle": { "rich_text": [{ "plain_text": text }] } })
}

fn list(results: Value, next: Option<&str>) -> Value {
    json!({ "results": results, "has_more": next.is_some(), "next_cursor": next })
}

fn page() -> Value {
    json!({ "properties": { "Name": { "type": "title", "title": [{ "plain_text": "Home" }] } } })
}

#[tokio::test]
async fn a_page_is_read_with_its_title_and_what_is_nested() {
    let child_page = json!({ "id": "p2", "type": "child_page", "has_children": true, "child_page": { "title": "Other" } });
    let stage = Stage::of(
        "notion",
        [
            page(),
            list(json!([block("a", "one", true), child_page]), None),
            list(json!([block("b", "two", false)]), Some("c1")),
            list(json!([block("c", "three", false)]), None),
        ],
    )
    .await;

    let read = stage
        .call(
            "notion_get_page_content",
            json!({ "page_id": "p1", "format": "markdown" }),
        )
        .await;

    assert_eq!(
        text(read),
        "# Home\n\n- one\n   - two\n   - three\n\n[page: Other (p2)]\n"
    );
    assert_eq!(
        stage.targets(),
        [
            "GET /v1/pages/p1",
            "GET /v1/blocks/p1/children?page_size=100",
            "GET /v1/blocks/a/children?page_size=100",
            "GET /v1/blocks/a/children?page_size=100&start_cursor=c1",
        ]
    );
}

#[tokio::test]
async fn a_page_of_blocks_tells_where_the_next_begins() {
    let stage = Stage::of(
        "notion",
        [list(json!([block("a", "one", true)]), Some("c9"))],
    )
    .await;

    let arguments = json!({ "page_id": "p1", "start_cursor": "c8", "recursive": false, "format": "structured" });
    let found = stage
        .call("notion_get_page_content", arguments)
        .await
        .structured();

    assert_eq!(
        stage.targets(),
        ["GET /v1/blocks/p1/children?page_size=100&start_cursor=c8"]
    );
    assert_eq!(
        found["blocks"],
        json!([{ "id": "a", "type": "toggle", "text": "one" }])
    );
    assert_eq!(found["next_page"], json!({ "start_cursor": "c9" }));
}

#[tokio::test]
async fn blocks_that_nest_without_end_are_left_and_it_is_said() {
    let stage = Stage::of("notion", [page()]).await;
    stage.provider.forever(Reply::json(
        200,
        &list(json!([block("x", "again", true)]), None),
    ));

    let deep = stage
        .call("notion_get_page_content", json!({ "page_id": "p1" }))
        .await
        .ok();
    // The title, the page's own blocks, eight levels below.
    assert_eq!(stage.targets().len(), 10);
    assert!(texts(&deep).contains("Left out is what is nested in the blocks x."));

    let stage = Stage::of("notion", [page()]).await;
    let wide: Value = (0..60)
        .map(|id| block(&format!("b{id}"), "wide", true))
        .collect();
    stage.provider.forever(Reply::json(200, &list(wide, None)));
    let wide = stage
        .call("notion_get_page_content", json!({ "page_id": "p1" }))
        .await
        .ok();
    assert!(stage.targets().len() <= 102, "{}", stage.targets().len());
    assert!(texts(&wide).contains("Left out is what is nested"));
}

#[tokio::test]
async fn the_rows_of_a_database_are_those_of_its_first_data_source() {
    let database = json!({ "data_sources": [{ "id": "ds1", "name": "Main" }, { "id": "ds2", "name": "Old" }] });
    let rows = || list(json!([{ "id": "row" }]), Some("c2"));
    let stage = Stage::of(
        "notion",
        [database, rows(), rows(), json!({ "data_sources": [] })],
    )
    .await;

    let first = stage
        .call("notion_query_database", json!({ "database_id": "db" }))
        .await
        .ok();
    assert_eq!(
        first["structuredContent"]["next_page"],
        json!({ "start_cursor": "c2" })
    );
    assert!(texts(&first).contains("Main was taken. The others: Old (ds2)."));
    stage
        .call(
            "notion_query_database",
            json!({ "database_id": "db", "data_source_id": "ds2", "page_size": 5 }),
        )
        .await
        .ok();
    let none = stage
        .call("notion_query_database", json!({ "database_id": "db" }))
        .await
        .refused();

    assert!(none.contains("no data source"), "{none}");
    assert_eq!(
        stage.targets(),
        [
            "GET /v1/databases/db",
            "POST /v1/data_sources/ds1/query",
            "POST /v1/data_sources/ds2/query",
            "GET /v1/databases/db"
        ]
    );
    assert_eq!(
        (stage.body(1), stage.body(2)),
        (json!({ "page_size": 20 }), json!({ "page_size": 5 }))
    );
}

#[tokio::test]
async fn a_page_is_created_in_the_data_source_with_its_title_beside_the_other_properties() {
    let database = json!({ "data_sources": [{ "id": "ds1" }] });
    let stage = Stage::of("notion", [database, json!({ "id": "new" })]).await;

    let arguments = json!({ "parent_id": "db", "title": "Tasks", "content": "# Hi", "properties": { "Done": { "checkbox": true } } });
    let made = stage
        .call("notion_create_page", arguments)
        .await
        .structured();

    assert_eq!(made["id"], "new");
    let words = |text: &str| json!([{ "type": "text", "text": { "content": text } }]);
    assert_eq!(
        stage.body(1),
        json!({
            "parent": { "data_source_id": "ds1" },
            "properties": { "Done": { "checkbox": true }, "title": { "title": words("Tasks") } },
            "children": [{ "heading_1": { "rich_text": words("Hi") } }],
        })
    );
}

fn paragraphs(count: usize) -> String {
    (0..count).map(|number| format!("p{number}\n\n")).collect()
}

#[tokio::test]
async fn a_long_page_is_created_in_parts_and_a_part_that_fails_is_told() {
    let arguments = || json!({ "parent_id": "p", "parent_type": "page_id", "title": "T", "content": paragraphs(230) });
    let count = |stage: &Stage, at: usize| stage.body(at)["children"].as_array().unwrap().len();

    let stage = Stage::of(
        "notion",
        [
            json!({ "id": "new" }),
            json!({ "results": [] }),
            json!({ "results": [] }),
        ],
    )
    .await;
    stage.call("notion_create_page", arguments()).await.ok();
    assert_eq!(
        stage.targets(),
        [
            "POST /v1/pages",
            "PATCH /v1/blocks/new/children",
            "PATCH /v1/blocks/new/children"
        ]
    );
    assert_eq!(
        [count(&stage, 0), count(&stage, 1), count(&stage, 2)],
        [100, 100, 30]
    );
    assert_eq!(stage.body(0)["parent"], json!({ "page_id": "p" }));

    let created = Reply::json(200, &json!({ "id": "new" }));
    let stage = Stage::answering(
        "notion",
        [created, Reply::json(200, &json!({})), refusal(400)],
    )
    .await;
    let why = stage
        .call("notion_create_page", arguments())
        .await
        .refused();
    assert!(
        why.ends_with("The page was created with the id new and the first 200 of 230 blocks."),
        "{why}"
    );
}

#[tokio::test]
async fn text_is_appended_in_order_behind_the_block_that_is_named() {
    let ids = |from: usize, to: usize| -> Value {
        (from..to)
            .map(|id| json!({ "id": format!("b{id}"), "type": "paragraph" }))
            .collect()
    };
    let stage = Stage::of(
        "notion",
        [
            json!({ "results": ids(0, 100) }),
            json!({ "results": ids(100, 150) }),
        ],
    )
    .await;

    let arguments = json!({ "page_id": "p", "content": paragraphs(149), "children": [{ "divider": {} }], "after": "here" });
    let made = stage
        .call("notion_append_block_children", arguments)
        .await
        .structured();

    assert_eq!(stage.targets(), ["PATCH /v1/blocks/p/children"; 2]);
    assert_eq!(
        (&stage.body(0)["after"], &stage.body(1)["after"]),
        (&json!("here"), &json!("b99"))
    );
    assert_eq!(stage.body(1)["children"][49], json!({ "divider": {} }));
    assert_eq!(made["appended"], 150);
    assert_eq!(
        made["results"][149],
        json!({ "id": "b149", "type": "paragraph" })
    );
}

#[tokio::test]
async fn what_was_appended_before_a_refusal_is_told_and_too_much_is_refused() {
    let stage = Stage::answering(
        "notion",
        [Reply::json(200, &json!({ "results": [] })), refusal(403)],
    )
    .await;
    let why = stage
        .call(
            "notion_append_block_children",
            json!({ "page_id": "p", "content": paragraphs(101) }),
        )
        .await
        .refused();
    assert!(
        why.ends_with("The first 100 of 101 blocks were appended."),
        "{why}"
    );

    let stage = Stage::of("notion", []).await;
    let much = stage
        .call(
            "notion_append_block_children",
            json!({ "page_id": "p", "content": paragraphs(2_001) }),
        )
        .await;
    assert!(much.refused().contains("2001 blocks"));
    let nothing = stage
        .call(
            "notion_append_block_children",
            json!({ "page_id": "p", "content": " " }),
        )
        .await;
    assert!(nothing.refused().contains("nothing to append"));
    assert_eq!(stage.targets(), [""; 0]);
}

#[tokio::test]
async fn a_blocks_new_content_stands_under_its_type() {
    let stage = Stage::of("notion", []).await;
    let update = |arguments: Value| stage.call("notion_update_block", arguments);

    update(json!({ "block_id": "b", "type": { "to_do": { "checked": true } }, "archived": false }))
        .await
        .ok();
    let nothing = update(json!({ "block_id": "b" })).await.refused();

    assert!(
        nothing.contains("\"type\", \"archived\" is required"),
        "{nothing}"
    );
    assert_eq!(stage.targets(), ["PATCH /v1/blocks/b"]);
    assert_eq!(
        stage.body(0),
        json!({ "archived": false, "to_do": { "checked": true } })
    );
}
