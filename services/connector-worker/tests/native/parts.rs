//! Calls that are more than one request with JSON: files, days, elements, reports, and what is only
//! accepted at first.

use std::sync::Arc;

use catalog::Catalog;
use connector_worker::native::EngineLimits;
use fabric::{FailureKind, Lease};
use serde_json::{Value, json};
use testkit::provider::{Api, Provider, Reply, Rules, Seen};

use crate::support::{End, call_with, engine_with, lease_of, limits, texts};

const PARTS: &str = include_str!("parts.toml");

struct Parts {
    provider: Provider,
    catalog: Arc<Catalog>,
    lease: Lease,
}

impl Parts {
    async fn answering(replies: impl IntoIterator<Item = Reply>) -> Self {
        let provider = Provider::start(Api::anything(), Rules::default()).await;
        provider.script(replies);
        let catalog = Arc::new(Catalog::load([("parts.toml", PARTS)]).unwrap());
        let lease = lease_of("parts", provider.url(), Some("key"));
        Self {
            provider,
            catalog,
            lease,
        }
    }

    async fn call(&self, tool: &str, arguments: Value) -> End {
        let engine = engine_with(self.catalog.clone(), limits());
        call_with(&engine, &self.lease, tool, &arguments).await
    }

    fn targets(&self) -> Vec<String> {
        let seen = self.provider.seen().into_iter();
        seen.map(|seen| format!("{} {}", seen.method, seen.target))
            .collect()
    }
}

fn ok(body: Value) -> Reply {
    Reply::json(200, &body)
}

fn header<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    seen.headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_file_is_sent_as_the_bytes_that_base64_stands_for() {
    let parts = Parts::answering([]).await;

    let content = json!({ "name": "a.zip", "content": "AAEC\n/w==" });
    parts.call("parts_upload", content).await.ok();
    parts
        .call("parts_upload", json!({ "name": "a.zip" }))
        .await
        .ok();
    let refused = parts
        .call("parts_upload", json!({ "name": "a", "content": "?" }))
        .await;

    let seen = parts.provider.seen();
    assert_eq!(
        parts.targets(),
        ["PUT /files/a.zip", "POST /files/a.zip/session"]
    );
    assert_eq!(&seen[0].body[..], [0, 1, 2, 255]);
    assert_eq!(header(&seen[0], "content-type"), Some("application/zip"));
    assert_eq!(&seen[1].body[..], b"{}");
    assert_eq!(header(&seen[1], "content-type"), Some("application/json"));
    assert!(
        refused
            .refused()
            .contains("argument \"content\" must be Base64")
    );
}

#[tokio::test]
async fn a_text_goes_with_what_describes_it_in_one_body() {
    let parts = Parts::answering([]).await;

    let arguments = json!({ "name": "Notes", "text": "# Hi\n" });
    parts.call("parts_import", arguments).await.ok();

    let seen = &parts.provider.seen()[0];
    let kind = header(seen, "content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/related; boundary=").unwrap();
    assert_eq!(
        std::str::from_utf8(&seen.body).unwrap(),
        format!(
            "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n\
             {{\"kind\":\"document\",\"name\":\"Notes\"}}\r\n--{boundary}\r\nContent-Type: text/markdown\r\n\r\n\
             # Hi\n\r\n--{boundary}--\r\n"
        )
    );
}

#[tokio::test]
async fn a_file_is_shown_as_what_it_is() {
    const BINARY: &[u8] = &[0, 159, 146, 150];
    let parts = Parts::answering([
        Reply::text(200, "text/csv; charset=utf-8", "a,b\n"),
        Reply::text(200, "image/png", BINARY),
        Reply::text(200, "application/pdf", BINARY),
        Reply::text(200, "text/plain", "no JSON"),
        ok(json!({ "values": [] })),
    ])
    .await;
    let content =
        async |tool: &str, arguments| parts.call(tool, arguments).await.ok()["content"].clone();
    let named = json!({ "name": "x" });

    let text = content("parts_download", named.clone()).await;
    assert_eq!(text, json!([{ "type": "text", "text": "a,b\n" }]));
    let picture = content("parts_download", named.clone()).await;
    assert_eq!(
        picture[1],
        json!({ "type": "image", "data": "AJ+Slg==", "mimeType": "image/png" })
    );
    let other = content("parts_download", named).await;
    assert_eq!(other[1]["type"], "resource");
    assert_eq!(other[1]["resource"]["blob"], "AJ+Slg==");
    assert_eq!(other[1]["resource"]["mimeType"], "application/pdf");
    assert_eq!(content("parts_look", json!({})).await[0]["text"], "no JSON");
    assert_eq!(
        content("parts_look", json!({})).await[0]["text"],
        "{\"values\":[]}"
    );
}

#[tokio::test]
async fn a_report_is_read_day_by_day_from_files_that_get_no_credential() {
    let parts = Parts::answering([]).await;
    let link = format!("{}/file?signature=s", parts.provider.elsewhere());
    parts
        .provider
        .forever(ok(json!({ "links": [link], "report_day": "d" })));
    let lines = "{\"who\":\"ada\",\"n\":1}\n\n{\"who\":\"grace\",\"n\":2}\n";
    parts
        .provider
        .offer_download(Reply::text(200, "application/x-ndjson", lines));

    let days = json!({ "since": "2026-01-31", "until": "2026-02-01", "who": "ada" });
    let result = parts.call("parts_report", days).await.structured();

    let ada = json!({ "who": "ada", "n": 1 });
    assert_eq!(
        result,
        json!({ "items": [ada, ada], "total": 2, "report": { "report_day": "d" } })
    );
    assert_eq!(
        parts.targets(),
        ["GET /report?day=2026-01-31", "GET /report?day=2026-02-01"]
    );
    for download in parts.provider.downloads() {
        assert_eq!(header(&download, "authorization"), None);
    }

    let slice = json!({ "page": 2, "per_page": 1 });
    let result = parts.call("parts_report", slice).await.structured();
    assert_eq!(result["items"], json!([{ "who": "grace", "n": 2 }]));
    assert_eq!(result.get("next_page"), None);
    let first = parts
        .call("parts_report", json!({ "per_page": 1 }))
        .await
        .structured();
    assert_eq!(first["next_page"], json!({ "page": 2 }));
}

#[tokio::test]
async fn days_that_are_too_many_or_the_wrong_way_round_are_refused_before_anything_is_sent() {
    let parts = Parts::answering([]).await;

    for (since, until, rule) in [
        (
            "2026-01-01",
            "2027-01-01",
            "would take 32 requests; one call makes 31 at most",
        ),
        ("2026-01-02", "2026-01-01", "is after the last day"),
        ("soon", "2026-01-01", "must be a date"),
    ] {
        let range = json!({ "since": since, "until": until });
        let refused = parts.call("parts_report", range).await.refused();
        assert!(refused.contains(rule), "{refused}");
    }
    let empty = parts
        .call("parts_events", json!({ "users": [] }))
        .await
        .refused();
    assert!(empty.contains("is empty"), "{empty}");
    assert_eq!(parts.targets(), [""; 0]);
}

#[tokio::test]
async fn one_call_asks_for_each_element_and_joins_what_comes() {
    let page = |items: Value| ok(json!({ "items": items }));
    let parts = Parts::answering([page(json!([1, 2])), page(json!([3]))]).await;

    let result = parts
        .call("parts_events", json!({ "users": [7, 8] }))
        .await
        .structured();

    assert_eq!(result, json!({ "items": [1, 2, 3], "total": 3 }));
    assert_eq!(
        parts.targets(),
        ["GET /events?user=7", "GET /events?user=8"]
    );
}

#[tokio::test]
async fn a_page_by_number_is_walked_to() {
    let page = |item: u32, next: Value| ok(json!({ "items": [item], "next": next }));
    let parts = Parts::answering([page(1, json!("b")), page(2, json!("c"))]).await;

    let result = parts
        .call("parts_walk", json!({ "page": 2 }))
        .await
        .structured();

    assert_eq!(
        result,
        json!({ "items": [2], "total": 1, "next_page": { "page": 3 } })
    );
    assert_eq!(parts.targets(), ["GET /walk", "GET /walk?after=b"]);
}

#[tokio::test]
async fn the_end_of_what_was_only_accepted_is_looked_for() {
    let accepted = |location: String| Reply::json(202, &json!({})).with("location", location);
    let parts = Parts::answering([
        accepted("/task/1".to_owned()),
        ok(json!({ "task_status": "PENDING" })).with("retry-after", "0"),
        ok(json!({ "task_status": "SUCCESS", "merged": true })),
    ])
    .await;
    let result = parts.call("parts_merge", json!({})).await.structured();
    assert_eq!(result, json!({ "task_status": "SUCCESS", "merged": true }));
    assert_eq!(
        parts.targets(),
        ["POST /merge", "GET /task/1", "GET /task/1"]
    );

    // An address of another host is looked at only where the manifest expects one, and gets nothing.
    let monitor = format!("{}/monitor", parts.provider.elsewhere());
    parts.provider.script([accepted(monitor.clone())]);
    let result = parts.call("parts_merge", json!({})).await.ok();
    assert!(texts(&result).contains("finishes it in the background"));
    assert_eq!(parts.provider.downloads().len(), 0);
    parts.provider.script([accepted(monitor)]);
    parts
        .provider
        .offer_download(ok(json!({ "status": "completed" })));
    let result = parts.call("parts_copy", json!({})).await.ok();
    assert!(
        !texts(&result).contains("in the background"),
        "{}",
        texts(&result)
    );
    let look = &parts.provider.downloads()[0];
    assert_eq!(header(look, "authorization"), None);
}

#[tokio::test]
async fn what_takes_longer_than_the_call_goes_on_in_the_background() {
    let parts = Parts::answering([Reply::json(202, &json!({})).with("location", "/task")]).await;
    parts
        .provider
        .forever(Reply::json(202, &json!({})).with("retry-after", "0"));
    let few = EngineLimits {
        polls_max: 3,
        ..limits()
    };
    let engine = engine_with(parts.catalog.clone(), few);

    let result = call_with(&engine, &parts.lease, "parts_merge", &json!({}))
        .await
        .ok();

    assert!(texts(&result).contains("finishes it in the background"));
    assert_eq!(parts.targets().len(), 4);
}

#[tokio::test]
async fn a_connector_without_the_base_url_that_it_needs_says_so() {
    let parts = Parts::answering([]).await;
    let mut lease = lease_of("parts", parts.provider.url(), Some("key"));
    lease.connector.kind = domain::ConnectorKind::Native {
        catalog: "parts".to_owned(),
        base_url: None,
    };
    let engine = engine_with(parts.catalog.clone(), limits());

    let end = call_with(&engine, &lease, "parts_look", &json!({})).await;

    let failure = end.failed();
    assert_eq!(failure.kind, FailureKind::Credential);
    assert_eq!(
        failure.message,
        "The connector has no base_url, which Parts needs: an administrator must set it, e.g. https://files.example.com."
    );
    assert_eq!(parts.targets(), [""; 0]);
}
