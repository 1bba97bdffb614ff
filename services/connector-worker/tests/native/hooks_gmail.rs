//! Mails are written and read as people know them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::provider::Reply;

use crate::stage::{Stage, refusal};
use crate::support::texts;

/// The mail that a request holds, with its lines unfolded.
fn mail(raw: &Value) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(raw.as_str().unwrap()).unwrap();
    String::from_utf8(bytes)
        .unwrap()
        .replace("\r\n\t", " ")
        .replace("\r\n ", " ")
}

fn has_line(mail: &str, line: &str) -> bool {
    mail.lines().any(|known| known.trim_end() == line)
}

fn headers(fields: &[(&str, &str)]) -> Value {
    let fields = fields.iter();
    fields
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect()
}

fn packed(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test]
async fn a_mail_is_built_from_its_parts() {
    let stage = Stage::of("gmail", [json!({ "id": "m1", "threadId": "t1" })]).await;

    let sent = stage
        .call(
            "gmail_send_message",
            json!({
                "to": "Anna <anna@x.example>,bob@x.example", "subject": "Grüße", "body": "Hi Anna",
                "cc": ["cy@x.example"], "bcc": ["dee@x.example"], "reply_to": "desk@x.example",
                "attachments": [{ "filename": "a b.txt", "mime_type": "text/csv", "content": "YSxi" }],
            }),
        )
        .await
        .structured();

    assert_eq!(sent["id"], "m1");
    assert_eq!(stage.targets(), ["POST /gmail/v1/users/me/messages/send"]);
    let body = stage.body(0);
    assert_eq!(body.as_object().unwrap().len(), 1);
    let mail = mail(&body["raw"]);
    for part in ["anna@x.example", "bob@x.example"] {
        assert!(
            mail.lines()
                .any(|line| line.starts_with("To:") && line.contains(part)),
            "{mail}"
        );
    }
    assert!(has_line(&mail, "Cc: <cy@x.example>"), "{mail}");
    assert!(has_line(&mail, "Bcc: <dee@x.example>"), "{mail}");
    assert!(has_line(&mail, "Reply-To: <desk@x.example>"), "{mail}");
    assert!(mail.contains("Subject: =?utf-8?"), "{mail}");
    assert!(mail.contains("Date: Fri, 2 Jan 2026 03:04:05"), "{mail}");
    assert!(
        mail.contains("Hi Anna") && mail.contains("text/csv") && has_line(&mail, "a,b"),
        "{mail}"
    );
    assert!(mail.contains("a b.txt"), "{mail}");
}

#[tokio::test]
async fn nothing_that_a_caller_gives_becomes_another_header_field() {
    let stage = Stage::of("gmail", []).await;
    let base = json!({ "to": ["a@x.example"], "subject": "s", "body": "b" });
    let file = |name: &str, kind: &str, content: &str| json!([{ "filename": name, "mime_type": kind, "content": content }]);

    for (name, value) in [
        ("subject", json!("Hi\r\nBcc: eve@x.example")),
        ("to", json!(["a@x.example\nBcc: eve@x.example"])),
        ("to", json!(["not an address"])),
        ("reply_to", json!("a@x.example, b@x.example")),
        ("from_alias", json!("Me\r\nX: y <a@x.example>")),
        ("attachments", file("a\r\nX: y", "text/plain", "YQ==")),
        ("attachments", file("a", "text/plain\r\nX: y", "YQ==")),
        ("attachments", file("a", "text/plain", "?")),
    ] {
        let mut arguments = base.clone();
        arguments[name] = value.clone();
        let why = stage.call("gmail_create_draft", arguments).await.refused();
        assert!(
            why.contains("was not called") && why.contains(name),
            "{value}: {why}"
        );
    }
    assert_eq!(stage.targets(), [""; 0]);
}

#[tokio::test]
async fn a_mail_too_large_is_refused_and_a_whole_one_goes_as_it_is() {
    let stage = Stage::of("gmail", [json!({ "id": "d1" })]).await;
    let base = json!({ "to": ["a@x.example"], "subject": "s", "body": "b", "draft_id": "d1", "thread_id": "t" });

    let mut large = base.clone();
    large["body"] = json!("x".repeat(5 * 1024 * 1024));
    let why = stage.call("gmail_update_draft", large).await.refused();
    assert!(why.contains("takes 5242880 at most"), "{why}");

    let mut whole = base;
    whole["raw"] = json!("UmF3");
    stage.call("gmail_update_draft", whole).await.ok();
    assert_eq!(stage.targets(), ["PUT /gmail/v1/users/me/drafts/d1"]);
    assert_eq!(
        stage.body(0),
        json!({ "message": { "raw": "UmF3", "threadId": "t" } })
    );
}

#[tokio::test]
async fn an_answer_stands_in_its_thread() {
    let fields = headers(&[
        ("Subject", "Lunch"),
        ("From", "Ann <ann@x.example>"),
        ("To", "me@x.example, bob@x.example"),
        ("Cc", "cy@x.example"),
        ("Message-Id", "<two@x.example>"),
        ("References", "<one@x.example>"),
        ("Delivered-To", "me@x.example"),
    ]);
    let original = json!({ "id": "m", "threadId": "t7", "payload": { "headers": fields } });
    let stage = Stage::of("gmail", [original, json!({ "id": "m2" })]).await;

    stage
        .call(
            "gmail_reply_to_message",
            json!({ "message_id": "m", "body": "<p>Yes</p>", "html": true, "reply_all": true }),
        )
        .await
        .ok();

    let targets = stage.targets();
    assert!(
        targets[0].starts_with(
            "GET /gmail/v1/users/me/messages/m?format=metadata&metadataHeaders=Subject&"
        )
    );
    assert_eq!(targets[1], "POST /gmail/v1/users/me/messages/send");
    assert_eq!(stage.body(1)["threadId"], "t7");
    let mail = mail(&stage.body(1)["raw"]);
    assert!(has_line(&mail, "Subject: Re: Lunch"), "{mail}");
    assert!(has_line(&mail, "In-Reply-To: <two@x.example>"), "{mail}");
    assert!(
        has_line(&mail, "References: <one@x.example> <two@x.example>"),
        "{mail}"
    );
    let to = mail.lines().find(|line| line.starts_with("To:")).unwrap();
    assert!(
        to.contains("ann@x.example") && to.contains("bob@x.example") && !to.contains("me@"),
        "{to}"
    );
    assert!(has_line(&mail, "Cc: <cy@x.example>"), "{mail}");
    assert!(
        mail.contains("text/html") && mail.contains("<p>Yes</p>"),
        "{mail}"
    );
}

#[tokio::test]
async fn a_mail_that_is_not_there_is_not_answered() {
    let stage = Stage::answering("gmail", [refusal(404)]).await;

    let why = stage
        .call(
            "gmail_reply_to_message",
            json!({ "message_id": "m", "body": "x" }),
        )
        .await
        .refused();

    assert!(why.starts_with("Gmail refused the call: 404"), "{why}");
    assert_eq!(stage.targets().len(), 1);
}

#[tokio::test]
async fn a_mail_is_passed_on_with_its_text_and_files() {
    let original = "From: Ann <ann@x.example>\r\nTo: me@x.example\r\nSubject: Plan\r\nDate: Thu, 1 Jan 2026 10:00:00 +0000\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nThe plan.\r\n\
        --b\r\nContent-Type: text/csv; name=\"p.csv\"\r\nContent-Disposition: attachment; filename=\"p.csv\"\r\nContent-Transfer-Encoding: base64\r\n\r\nYSxi\r\n--b--\r\n";
    let stage = Stage::of(
        "gmail",
        [json!({ "raw": packed(original) }), json!({ "id": "m2" })],
    )
    .await;

    stage
        .call(
            "gmail_forward_message",
            json!({ "message_id": "m", "to": "bob@x.example", "body": "See below" }),
        )
        .await
        .ok();

    assert_eq!(
        stage.targets()[0],
        "GET /gmail/v1/users/me/messages/m?format=raw"
    );
    let mail = mail(&stage.body(1)["raw"]);
    assert!(
        has_line(&mail, "Subject: Fwd: Plan") && has_line(&mail, "To: <bob@x.example>"),
        "{mail}"
    );
    let order = [
        "See below",
        "Forwarded message",
        "From: Ann <ann@x.example>",
        "The plan.",
        "p.csv",
        "a,b",
    ];
    let places: Vec<_> = order
        .iter()
        .map(|part| {
            mail.find(part)
                .unwrap_or_else(|| panic!("{part} in {mail}"))
        })
        .collect();
    assert!(places.is_sorted(), "{mail}");
}

#[tokio::test]
async fn a_thread_is_read_as_headers_text_and_files() {
    let plain =
        json!({ "mimeType": "text/plain", "filename": "", "body": { "data": packed("Hello") } });
    let html = json!({ "mimeType": "text/html", "filename": "", "body": { "data": packed("<b>Hello</b>") } });
    let file = json!({ "mimeType": "image/png", "filename": "a.png", "partId": "1", "body": { "attachmentId": "att", "size": 9 } });
    let both = json!({ "mimeType": "multipart/alternative", "filename": "", "body": { "size": 0 }, "parts": [plain, html] });
    let payload = json!({
        "mimeType": "multipart/mixed", "filename": "", "body": { "size": 0 }, "parts": [both, file],
        "headers": headers(&[("Subject", "Hi"), ("Received", "by x"), ("From", "a@x.example")]),
    });
    let thread =
        json!({ "id": "t", "messages": [{ "id": "m", "snippet": "He", "payload": payload }] });
    let stage = Stage::of("gmail", [thread]).await;

    let shown = stage
        .call("gmail_get_thread", json!({ "thread_id": "t" }))
        .await
        .structured();

    assert_eq!(
        stage.targets(),
        ["GET /gmail/v1/users/me/threads/t?format=full"]
    );
    assert_eq!(
        shown["messages"][0],
        json!({
            "id": "m", "snippet": "He", "headers": { "Subject": "Hi", "From": "a@x.example" },
            "text": "Hello", "text_from": "text/plain",
            "attachments": [{ "attachment_id": "att", "part_id": "1", "filename": "a.png", "mime_type": "image/png", "size": 9 }],
        })
    );
}

#[tokio::test]
async fn each_hit_of_a_search_comes_with_its_headers() {
    let hit = |id: &str| json!({ "id": id, "threadId": "t", "payload": { "headers": headers(&[("Subject", id)]) } });
    let list = json!({ "messages": [{ "id": "a", "threadId": "t" }, { "id": "b", "threadId": "t" }], "nextPageToken": "p2", "resultSizeEstimate": 9 });
    let stage = Stage::of("gmail", [list]).await;
    // Two look-ups are under way at once: the same answer fits both, and one hit is gone.
    stage.provider.forever(Reply::json(200, &hit("same")));

    let result = stage
        .call("gmail_search_messages", json!({ "query": "is:unread" }))
        .await
        .ok();

    let shown = &result["structuredContent"];
    assert_eq!(shown["messages"].as_array().unwrap().len(), 2);
    assert_eq!(
        shown["messages"][0]["headers"],
        json!({ "Subject": "same" })
    );
    assert_eq!(shown["next_page"], json!({ "page_token": "p2" }));
    assert!(texts(&result).contains("There are more"));
    let mut looks = stage.targets();
    looks.sort();
    let query = "?format=metadata&metadataHeaders=From&metadataHeaders=To&metadataHeaders=Cc&metadataHeaders=Subject&metadataHeaders=Date";
    assert_eq!(
        looks[0],
        "GET /gmail/v1/users/me/messages/a".to_owned() + query
    );
    assert_eq!(
        looks[1],
        "GET /gmail/v1/users/me/messages/b".to_owned() + query
    );
}

#[tokio::test]
async fn a_hit_that_is_gone_stays_an_id_and_a_page_too_long_is_cut() {
    let ids: Vec<Value> = (0..150).map(|id| json!({ "id": id.to_string() })).collect();
    let stage = Stage::of("gmail", [json!({ "messages": ids })]).await;
    stage.provider.forever(refusal(404));

    let result = stage
        .call("gmail_search_messages", json!({ "query": "x" }))
        .await
        .ok();

    assert_eq!(stage.targets().len(), 101);
    assert_eq!(
        result["structuredContent"]["messages"][7],
        json!({ "id": "7" })
    );
    assert!(texts(&result).contains("150 hits, of which the first 100 are shown"));
}
