//! Google's documents, slides, sheets and invitations.

use serde_json::{Value, json};
use testkit::provider::Reply;

use crate::stage::{Stage, refusal, text};

fn paragraph(style: &str, runs: &[(&str, Value)]) -> Value {
    let runs = runs.iter();
    let elements: Vec<Value> = runs
        .map(|(text, style)| json!({ "textRun": { "content": text, "textStyle": style } }))
        .collect();
    json!({ "paragraph": { "elements": elements, "paragraphStyle": { "namedStyleType": style } } })
}

fn document() -> Value {
    let none = json!({});
    let mut item = paragraph("NORMAL_TEXT", &[("one\n", none.clone())]);
    item["paragraph"]["bullet"] = json!({ "listId": "l", "nestingLevel": 1 });
    let cell = |text: &str| json!({ "content": [paragraph("NORMAL_TEXT", &[(text, json!({}))])] });
    let table =
        json!({ "table": { "tableRows": [{ "tableCells": [cell("a|b\n"), cell("c\n")] }] } });
    let content = json!([
        { "sectionBreak": {} },
        paragraph("HEADING_2", &[("Plan\n", none.clone())]),
        paragraph("NORMAL_TEXT", &[("very ", none.clone()), ("bold", json!({ "bold": true })), (" text\n", json!({ "link": { "url": "https://x.example" } }))]),
        item,
        table,
    ]);
    let lists = json!({ "l": { "listProperties": { "nestingLevels": [{ "glyphSymbol": "●" }, { "glyphType": "DECIMAL" }] } } });
    json!({ "documentId": "d", "title": "T", "tabs": [{ "tabProperties": { "title": "Tab 1" }, "documentTab": { "body": { "content": content }, "lists": lists } }] })
}

#[tokio::test]
async fn a_document_is_read_as_text_markdown_or_paragraphs() {
    let read = |format: &'static str| async move {
        let stage = Stage::of("google_docs", [document()]).await;
        let arguments = json!({ "document_id": "d", "format": format });
        let end = stage
            .call("google_docs_read_document_content", arguments)
            .await;
        assert_eq!(
            stage.targets(),
            ["GET /v1/documents/d?includeTabsContent=true"]
        );
        end
    };

    assert_eq!(
        text(read("markdown").await),
        "## Plan\n\nvery **bold** [text](https://x.example)\n\n   1. one\n\n| a\\|b | c |\n| --- | --- |\n"
    );
    assert_eq!(
        text(read("plain_text").await),
        "Plan\nvery bold text\n  - one\na|b\tc\n"
    );
    let structured = read("structured").await.structured();
    assert_eq!(structured["tabs"][0]["title"], "Tab 1");
    assert_eq!(
        structured["tabs"][0]["paragraphs"][2],
        json!({ "style": "NORMAL_TEXT", "text": "one", "list": { "depth": 1, "ordered": true } })
    );
}

#[tokio::test]
async fn a_new_document_gets_its_text_or_it_is_said_that_it_did_not() {
    let created = || Reply::json(200, &json!({ "documentId": "d9", "title": "T" }));
    let arguments = || json!({ "title": "T", "initial_content": "Hi\nthere" });

    let stage = Stage::answering("google_docs", [created()]).await;
    let made = stage
        .call("google_docs_create_document", arguments())
        .await
        .structured();
    assert_eq!(made["documentId"], "d9");
    assert_eq!(
        stage.targets(),
        ["POST /v1/documents", "POST /v1/documents/d9:batchUpdate"]
    );
    assert_eq!(stage.body(0), json!({ "title": "T" }));
    assert_eq!(
        stage.body(1),
        json!({ "requests": [{ "insertText": { "location": { "index": 1 }, "text": "Hi\nthere" } }] })
    );

    let stage = Stage::answering("google_docs", [created(), refusal(403)]).await;
    let why = stage
        .call("google_docs_create_document", arguments())
        .await
        .refused();
    assert!(
        why.ends_with("The document was created and has the id d9, but it is empty."),
        "{why}"
    );
}

#[tokio::test]
async fn a_format_changes_what_is_given_and_nothing_else() {
    let format = |extra: Value| async move {
        let stage = Stage::of("google_sheets", []).await;
        let mut arguments = json!({ "spreadsheet_id": "s", "sheet_id": 0 });
        arguments
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let end = stage.call("google_sheets_format_range", arguments).await;
        (stage, end)
    };

    let (stage, end) = format(json!({ "bold": false, "background_color": { "red": 1 } })).await;
    end.ok();
    assert_eq!(stage.targets(), ["POST /v4/spreadsheets/s:batchUpdate"]);
    let change = &stage.body(0)["requests"][0]["repeatCell"];
    assert_eq!(
        change["fields"],
        "userEnteredFormat.textFormat.bold,userEnteredFormat.backgroundColor"
    );
    assert_eq!(
        change["cell"]["userEnteredFormat"]["backgroundColor"],
        json!({ "red": 1 })
    );

    let (stage, end) = format(json!({ "bold": true, "fields": "userEnteredFormat" })).await;
    end.ok();
    assert_eq!(
        stage.body(0)["requests"][0]["repeatCell"]["fields"],
        "userEnteredFormat"
    );

    let (stage, end) = format(json!({})).await;
    assert!(end.refused().contains("at least one of the arguments"));
    assert_eq!(stage.targets(), [""; 0]);
}

#[tokio::test]
async fn an_invitation_is_answered_on_the_event_as_it_was_read() {
    let event = json!({ "etag": "\"7\"", "attendees": [
        { "email": "org@x.example", "responseStatus": "accepted" },
        { "email": "me@x.example", "self": true, "responseStatus": "needsAction" },
    ] });
    let stage = Stage::of("google_calendar", [event, json!({ "id": "e" })]).await;

    stage
        .call(
            "google_calendar_rsvp_event",
            json!({ "event_id": "e", "response_status": "tentative", "comment": "late" }),
        )
        .await
        .ok();

    assert_eq!(
        stage.targets(),
        [
            "GET /calendar/v3/calendars/primary/events/e",
            "PATCH /calendar/v3/calendars/primary/events/e?sendUpdates=none"
        ]
    );
    assert_eq!(stage.provider.seen()[1].headers["if-match"], "\"7\"");
    assert_eq!(
        stage.body(1),
        json!({ "attendees": [
            { "email": "org@x.example", "responseStatus": "accepted" },
            { "email": "me@x.example", "self": true, "responseStatus": "tentative", "comment": "late" },
        ] })
    );
}

#[tokio::test]
async fn who_is_not_invited_or_comes_too_late_is_told_so() {
    let arguments = || json!({ "event_id": "e", "response_status": "accepted" });
    let others = json!({ "etag": "\"7\"", "attendees": [{ "email": "org@x.example" }] });

    let stage = Stage::of("google_calendar", [others]).await;
    let why = stage
        .call("google_calendar_rsvp_event", arguments())
        .await
        .refused();
    assert!(
        why.contains("not among the guests") && why.contains("Nothing was changed"),
        "{why}"
    );
    assert_eq!(stage.targets().len(), 1);

    let own = json!({ "etag": "\"7\"", "attendees": [{ "self": true }] });
    let stage = Stage::answering("google_calendar", [Reply::json(200, &own), refusal(412)]).await;
    let why = stage
        .call("google_calendar_rsvp_event", arguments())
        .await
        .refused();
    assert!(
        why.contains("412") && why.contains("changed meanwhile"),
        "{why}"
    );
}

fn presentation(notes: &str) -> Value {
    let shape = |id: &str, text: &str| json!({ "objectId": id, "shape": { "text": { "textElements": [{ "paragraphMarker": {} }, { "textRun": { "content": text } }] } } });
    let cell =
        |text: &str| json!({ "text": { "textElements": [{ "textRun": { "content": text } }] } });
    let page = json!({ "notesProperties": { "speakerNotesObjectId": "n1" }, "pageElements": [shape("n1", notes)] });
    json!({ "title": "Deck", "slides": [
        { "objectId": "s1", "pageElements": [shape("a", "Title\n"), { "elementGroup": { "children": [shape("b", "in a group\n")] } }], "slideProperties": { "notesPage": page } },
        { "objectId": "s2", "pageElements": [{ "table": { "tableRows": [{ "tableCells": [cell("x\n"), cell("y\n")] }] } }] },
    ] })
}

#[tokio::test]
async fn slides_and_their_notes_are_read_as_text() {
    let stage = Stage::of(
        "google_slides",
        [
            presentation("Say hi\n"),
            presentation("Say hi\n"),
            presentation(""),
        ],
    )
    .await;

    let all = stage
        .call(
            "google_slides_read_presentation_text",
            json!({ "presentation_id": "p" }),
        )
        .await;
    assert_eq!(
        text(all),
        "Deck\n\nSlide 1\nTitle\nin a group\n\nSlide 2\nx\ty\n"
    );

    let notes = stage
        .call(
            "google_slides_get_speaker_notes",
            json!({ "presentation_id": "p", "slide_index": 0 }),
        )
        .await;
    assert_eq!(
        notes.structured(),
        json!({ "slide_index": 0, "slide_object_id": "s1", "notes_object_id": "n1", "text": "Say hi" })
    );
    let beyond = stage
        .call(
            "google_slides_get_speaker_notes",
            json!({ "presentation_id": "p", "slide_index": 2 }),
        )
        .await;
    assert!(beyond.refused().contains("has 2 slides, counted from 0"));
}

#[tokio::test]
async fn notes_are_replaced_without_the_requests_that_google_would_refuse() {
    let update = |old: &'static str, new: &'static str| async move {
        let stage = Stage::of(
            "google_slides",
            [presentation(old), json!({ "replies": [] })],
        )
        .await;
        let arguments = json!({ "presentation_id": "p", "notes_object_id": "n1", "text": new });
        stage
            .call("google_slides_update_speaker_notes", arguments)
            .await
            .ok();
        let kinds = |body: Value| -> Vec<String> {
            let requests = body["requests"].as_array().unwrap().clone();
            requests
                .iter()
                .map(|one| one.as_object().unwrap().keys().next().unwrap().clone())
                .collect()
        };
        match stage.targets().len() {
            1 => Vec::new(),
            _ => kinds(stage.body(1)),
        }
    };

    assert_eq!(update("old\n", "new").await, ["deleteText", "insertText"]);
    assert_eq!(update("\n", "new").await, ["insertText"]);
    assert_eq!(update("old\n", "").await, ["deleteText"]);
    assert_eq!(update("\n", "").await, [""; 0]);
}
