//! Workbooks and presentations as files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use testkit::provider::Reply;

use crate::stage::{Stage, text};

const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";

#[tokio::test]
async fn a_new_workbook_is_an_empty_one_or_the_given_file() {
    let stage = Stage::of("excel", []).await;

    stage
        .call("excel_create_workbook", json!({ "name": "a b.xlsx" }))
        .await
        .ok();
    let given =
        json!({ "name": "c.xlsx", "drive_id": "d", "parent_id": "f", "content_base64": "AAEC" });
    stage.call("excel_create_workbook", given).await.ok();
    let bad = stage
        .call(
            "excel_create_workbook",
            json!({ "name": "c.xlsx", "content_base64": "?" }),
        )
        .await;

    assert!(bad.refused().contains("\"content_base64\" must be Base64"));
    let targets = stage.targets();
    let paths = targets
        .iter()
        .map(|target| target.split('?').next().unwrap());
    assert_eq!(
        paths.collect::<Vec<_>>(),
        [
            "PUT /me/drive/items/root:/a%20b.xlsx:/content",
            "PUT /drives/d/items/f:/c.xlsx:/content"
        ]
    );
    let seen = stage.provider.seen();
    assert!(seen[0].body.starts_with(b"PK\x03\x04"));
    assert_eq!(&seen[1].body[..], [0, 1, 2]);
}

#[tokio::test]
async fn a_presentation_that_was_built_is_read_again() {
    let stage = Stage::of("powerpoint", []).await;
    let slides = json!([{ "title": "R&D", "body": "first\nsecond" }, { "body": "no title" }]);
    let arguments = json!({ "name": "a.pptx", "title": "Roadmap", "slides": slides });

    stage
        .call("powerpoint_create_presentation", arguments)
        .await
        .ok();

    let file = stage.provider.seen()[0].clone();
    let reply = || Reply::text(200, PPTX, file.body.clone());
    stage.provider.script([reply(), reply()]);
    let listed = stage
        .call("powerpoint_list_slides", json!({ "item_id": "i" }))
        .await
        .structured();
    assert_eq!(
        listed,
        json!({ "count": 3, "slides": [{ "number": 1, "title": "Roadmap" }, { "number": 2, "title": "R&D" }, { "number": 3 }] })
    );
    let read = stage
        .call(
            "powerpoint_get_slide_content",
            json!({ "item_id": "i", "drive_id": "d" }),
        )
        .await;
    assert_eq!(
        text(read),
        "Slide 1\nRoadmap\n\nSlide 2\nR&D\nfirst\nsecond\n\nSlide 3\nno title\n"
    );
    assert_eq!(
        stage.targets()[1..],
        [
            "GET /me/drive/items/i/content",
            "GET /drives/d/items/i/content"
        ]
    );
}

#[tokio::test]
async fn a_file_is_fetched_from_wherever_it_lies_without_the_credential() {
    let stage = Stage::of("powerpoint", []).await;
    let given = STANDARD.encode("not a file");
    stage
        .call(
            "powerpoint_create_presentation",
            json!({ "name": "a.pptx", "content_base64": given }),
        )
        .await
        .ok();
    assert_eq!(&stage.provider.seen()[0].body[..], b"not a file");
    let address = format!("{}/file", stage.provider.elsewhere());
    stage
        .provider
        .script([Reply::text(302, "text/plain", "").with("location", address)]);
    stage
        .provider
        .offer_download(Reply::text(200, PPTX, "not a file"));

    let why = stage
        .call("powerpoint_list_slides", json!({ "item_id": "i" }))
        .await
        .refused();

    assert_eq!(
        why,
        "The file cannot be read as a presentation: it is no Office file (.pptx)."
    );
    assert_eq!(stage.provider.downloads().len(), 1);
    assert_eq!(stage.provider.violations(), [""; 0]);
}
