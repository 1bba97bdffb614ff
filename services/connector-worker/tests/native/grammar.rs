//! What the format can say beyond what GitHub needs, run against a script.

use std::sync::Arc;

use catalog::Catalog;
use connector_worker::native::EngineLimits;
use fabric::Lease;
use serde_json::{Value, json};
use testkit::provider::{Api, Provider, Reply, Rules};

use crate::support::{End, call_with, engine_with, lease_of, limits, texts};

/// Every word of the format, once.
const WHOLE: &str = include_str!("../../../../shared/catalog/tests/it/whole.toml");

struct Whole {
    provider: Provider,
    catalog: Arc<Catalog>,
    lease: Lease,
}

impl Whole {
    async fn answering(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::of(WHOLE, replies).await
    }

    async fn of(manifest: &str, replies: impl IntoIterator<Item = Reply>) -> Self {
        let provider = Provider::start(Api::anything(), Rules::default()).await;
        provider.script(replies);
        let catalog = Arc::new(Catalog::load([("whole.toml", manifest)]).unwrap());
        let lease = lease_of("whole", provider.url(), Some("key"));
        Self {
            provider,
            catalog,
            lease,
        }
    }

    async fn call(&self, tool: &str, arguments: Value) -> End {
        self.call_within(limits(), tool, arguments).await
    }

    async fn call_within(&self, limits: EngineLimits, tool: &str, arguments: Value) -> End {
        let engine = engine_with(self.catalog.clone(), limits);
        call_with(&engine, &self.lease, tool, &arguments).await
    }

    fn targets(&self) -> Vec<String> {
        self.provider
            .seen()
            .into_iter()
            .map(|seen| seen.target)
            .collect()
    }

    fn body(&self, at: usize) -> Value {
        serde_json::from_slice(&self.provider.seen()[at].body).unwrap()
    }
}

fn ok(body: Value) -> Reply {
    Reply::json(200, &body)
}

#[tokio::test]
async fn a_write_lands_where_its_manifest_says() {
    let whole = Whole::answering([ok(json!({ "ok": true }))]).await;
    let arguments = json!({
        "thing_id": "a/1", "path": "x/y z", "branch": "it's", "parent": "p1", "to": "a@x.example, b@x.example",
        "names": ["one"], "reviewers": ["1-2"], "tags": ["t1", "t2"], "day": "2026-02-03", "ms": "1970-01-02",
        "keys": ["k1", "k2"], "space": "s", "reason": "naïve", "extra": { "more": 1 }, "text": "T",
        "state": "off", "note": "not sent beside parent", "old": "x",
    });

    let result = whole.call("whole_write", arguments).await.ok();

    let seen = &whole.provider.seen()[0];
    assert_eq!(
        seen.target,
        "/v2/things/a%2F1/heads/it%27s/x/y%20z?fields=a&fields=b&q=name%20contains%20%27it%5C%27s%27&noted=true\
         &tag[]=t1&tag[]=t2&day=2026-02-03T00%3A00%3A00Z&ms=86400000&keys=k1%2Ck2"
    );
    assert_eq!(
        whole.body(0),
        json!({
            "@odata.type": "#thing",
            "label": { "name": "it's" },
            "requests": [{ "kind": "write" }],
            "noted": { "by": "not sent beside parent" },
            "parent": { "page_id": "p1" },
            "to": [
                { "emailAddress": { "address": "a@x.example" } },
                { "emailAddress": { "address": "b@x.example" } },
            ],
            "fields": { "components": [{ "name": "one" }], "more": 1 },
            "reviewers": [{ "uuid": "{1-2}" }],
            "spaces": ["s"],
            "summary": { "raw": "T" },
            "description": "T",
            "state": 0,
        })
    );
    let header = |name: &str| seen.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("prefer"), Some("return=minimal"));
    assert_eq!(header("x-noted"), Some("yes"));
    assert_eq!(header("x-reason"), Some("na%C3%AFve"));
    assert_eq!(
        header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(header("authorization"), Some("key"));
    assert!(
        texts(&result).ends_with("The argument \"old\" has no effect."),
        "{}",
        texts(&result)
    );
}

#[tokio::test]
async fn the_first_variant_whose_condition_holds_is_taken() {
    let whole = Whole::answering([]).await;
    let arguments = json!({ "thing": "latest", "path": "p", "branch": "b", "to": [] });

    whole.call("whole_write", arguments).await.ok();

    let seen = &whole.provider.seen()[0];
    assert_eq!(
        (seen.method.as_str(), &seen.target[..12]),
        ("PUT", "/v2/latest/p")
    );
    assert_eq!(whole.body(0)["to"], json!([]));
}

#[tokio::test]
async fn pages_by_number_are_followed_until_the_wanted_items_are_there() {
    let page = |items: Value, more| ok(json!({ "items": items, "more": more }));
    let whole = Whole::answering([page(json!([1, 2]), true), page(json!([3]), false)]).await;
    let result = whole.call("whole_number", json!({})).await.structured();
    assert_eq!(result, json!({ "items": [1, 2, 3] }));
    assert_eq!(
        whole.targets(),
        ["/v2/number?size=2", "/v2/number?size=2&page=2"]
    );

    let whole = Whole::answering([page(json!([1, 2]), true), page(json!([3, 4, 5]), true)]).await;
    let result = whole.call("whole_number", json!({})).await.ok();
    assert_eq!(
        result["structuredContent"],
        json!({ "items": [1, 2, 3, 4], "truncated": true })
    );
    assert!(texts(&result).ends_with("There are more than the 4 items shown: narrow the request."));
}

#[tokio::test]
async fn pages_without_an_end_are_left_at_the_bound() {
    let whole = Whole::answering([]).await;
    whole.provider.forever(ok(
        json!({ "values": [{ "name": "a.xlsx", "kind": "k" }], "total": 1_000_000 }),
    ));
    let limits = EngineLimits {
        pages_max: 7,
        ..limits()
    };

    let result = whole
        .call_within(limits, "whole_offset", json!({}))
        .await
        .structured();

    assert_eq!(whole.provider.seen().len(), 7);
    assert_eq!(result["items"].as_array().unwrap().len(), 7);
    assert_eq!(result["truncated"], true);
    assert_eq!(whole.targets()[6], "/v2/offset?startAt=6");
}

#[tokio::test]
async fn items_are_filtered_by_the_manifest_and_by_arguments() {
    let item = |name: &str, kind: &str| json!({ "name": name, "kind": kind });
    let values = json!([
        item("a.xlsx", "k"),
        item("b.docx", "k"),
        item("c.xlsx", "other")
    ]);
    let whole = Whole::answering([ok(json!({ "values": values, "isLast": true }))]).await;

    let result = whole
        .call("whole_offset", json!({ "kind": "k" }))
        .await
        .structured();

    assert_eq!(result["items"], json!([item("a.xlsx", "k")]));
}

#[tokio::test]
async fn a_page_by_cursor_key_or_connection_comes_with_its_successor() {
    let whole = Whole::answering([
        ok(json!({ "results": [1], "next_cursor": "c2", "has_more": true })),
        ok(json!({ "results": [1], "next_cursor": "c2", "has_more": false })),
        ok(json!([{ "id": "10" }, { "id": "9" }])),
        ok(json!({ "data": { "issues": { "nodes": [{ "id": "1" }], "pageInfo": { "hasNextPage": true, "endCursor": "e" } } } })),
    ])
    .await;

    let first = whole.call("whole_cursor", json!({})).await.structured();
    assert_eq!(first["next_page"], json!({ "start_cursor": "c2" }));
    let last = whole
        .call("whole_cursor", json!({ "start_cursor": "c2" }))
        .await
        .structured();
    assert_eq!(last.get("next_page"), None);
    assert_eq!(whole.body(1), json!({ "start_cursor": "c2" }));
    let keyset = whole.call("whole_keyset", json!({})).await.structured();
    assert_eq!(keyset["next_page"], json!({ "before": "9" }));
    let relay = whole
        .call("whole_relay", json!({ "team": "t" }))
        .await
        .structured();
    assert_eq!(relay["next_page"], json!({ "after": "e" }));
    assert_eq!(
        whole.body(3)["variables"],
        json!({ "first": 50, "filter": { "team": { "id": { "eq": "t" } } } })
    );
}

#[tokio::test]
async fn a_next_address_is_followed_on_the_same_host_only() {
    let whole = Whole::answering([]).await;
    let next = |url: String| ok(json!({ "value": [1], "@odata.nextLink": url }));
    whole.provider.script([
        next(format!("{}/v2/next?$skiptoken=2", whole.provider.url())),
        next(format!(
            "{}/v2/next?$skiptoken=3",
            whole.provider.elsewhere()
        )),
    ]);

    let result = whole.call("whole_next", json!({})).await.structured();

    assert_eq!(result, json!({ "items": [1, 1] }));
    assert_eq!(whole.targets(), ["/v2/next", "/v2/next?$skiptoken=2"]);
    assert!(whole.provider.downloads().is_empty());
}

#[tokio::test]
async fn an_error_with_status_200_is_an_error() {
    let whole = Whole::answering([ok(
        json!({ "ok": false, "error": "missing_scope", "needed": "x:read" }),
    )])
    .await;

    let text = whole.call("whole_keyset", json!({})).await.refused();

    assert_eq!(
        text,
        "Whole refused the call: 200 OK: missing_scope\nneeded: x:read"
    );
}

#[tokio::test]
async fn graphql_errors_without_data_are_an_error_and_with_data_an_answer() {
    let manifest = WHOLE.replace(
        "style = \"http_200_ok_false\"",
        "style = \"graphql_errors\"",
    );
    let errors = json!([{ "message": "no such team" }]);
    let whole = Whole::of(
        &manifest,
        [
            ok(json!({ "errors": errors, "data": null })),
            ok(json!({ "errors": errors, "data": { "issues": { "nodes": [] } } })),
        ],
    )
    .await;

    let text = whole.call("whole_relay", json!({})).await.refused();
    assert!(text.starts_with("Whole refused the call: 200 OK"), "{text}");
    let partial = whole.call("whole_relay", json!({})).await.structured();
    assert_eq!(partial["errors"], errors);
}

#[tokio::test]
async fn forms_credentials_in_bodies_and_basic_sign_in_are_written() {
    let form = r#"
        [[tools]]
        name = "whole_form"
        title = "Form"
        description = "Sends a form with nested values."
        effect = "write"
        idempotent = false
        request = "POST /v1/form"
        args = [
          { name = "text", in = "body", description = "Text." },
          { name = "blocks", in = "body", type = "array", items = { type = "object" }, description = "Blocks." },
        ]
    "#;
    let arguments = json!({ "text": "a&b=c d", "blocks": [{ "x": 1 }] });
    let whole = Whole::of(&format!("{WHOLE}{form}"), []).await;
    whole.call("whole_form", arguments.clone()).await.ok();
    let seen = &whole.provider.seen()[0];
    assert_eq!(
        String::from_utf8_lossy(&seen.body),
        "text=a%26b%3Dc%20d&blocks=%5B%7B%22x%22%3A1%7D%5D&service_key=key"
    );
    assert_eq!(
        seen.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert!(!seen.headers.contains_key("authorization"));

    let mut whole = Whole::answering([]).await;
    whole.lease = lease_of("whole", whole.provider.url(), Some("me@x.example:secret"));
    whole.call("whole_keyset", json!({})).await.ok();
    assert_eq!(
        whole.provider.seen()[0].headers["authorization"],
        "Basic bWVAeC5leGFtcGxlOnNlY3JldA=="
    );
}

#[tokio::test]
async fn limits_are_known_by_reason_and_by_a_wait_in_the_body() {
    let limited =
        json!({ "errors": [{ "extensions": { "code": "RATELIMITED" } }], "retry_after": 0.01 });
    let whole = Whole::answering([Reply::json(400, &limited)]).await;
    whole.call("whole_keyset", json!({})).await.ok();
    assert_eq!(whole.provider.seen().len(), 2);

    let other = json!({ "errors": [{ "extensions": { "code": "INVALID" } }], "retry_after": 0.01 });
    let whole = Whole::answering([Reply::json(400, &other)]).await;
    whole.call("whole_keyset", json!({})).await.refused();
    assert_eq!(whole.provider.seen().len(), 1);
}
