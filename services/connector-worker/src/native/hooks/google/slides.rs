//! The text of presentations and of their speaker notes.

use serde_json::{Value, json};

use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};

/// The text of all slides, in order.
pub(in crate::native::hooks) async fn slides_to_text(
    call: &Call<'_>,
    arguments: &Arguments,
) -> Result<Made, Stop> {
    let (_, presentation) = call.ask(&call.draft(arguments)?).await?;
    let mut text = String::new();
    if let Some(title) = presentation["title"].as_str() {
        text.push_str(&format!("{title}\n\n"));
    }
    for (at, slide) in slides(&presentation).iter().enumerate() {
        text.push_str(&format!("Slide {}\n", at + 1));
        add_elements(&slide["pageElements"], &mut text);
        text.push('\n');
    }
    Ok(call.shown(text.trim_end().to_owned() + "\n"))
}

/// The notes of one slide, and the shape that holds them.
pub(in crate::native::hooks) async fn speaker_notes(
    call: &Call<'_>,
    arguments: &Arguments,
) -> Result<Made, Stop> {
    let index = call.arg(arguments, "slide_index").and_then(Value::as_u64);
    let index = usize::try_from(index.unwrap_or(0)).unwrap_or(usize::MAX);
    let (_, presentation) = call.ask(&call.draft(arguments)?).await?;
    let slides = slides(&presentation);
    let Some(slide) = slides.get(index) else {
        return Err(call.cannot(&format!(
            "There is no slide with the index {index}: the presentation has {} slides, counted from 0.",
            slides.len()
        )));
    };
    let page = &slide["slideProperties"]["notesPage"];
    let id = &page["notesProperties"]["speakerNotesObjectId"];
    let text = id.as_str().and_then(|id| notes(page, id));
    Ok(Made::json(json!({
        "slide_index": index,
        "slide_object_id": slide["objectId"],
        "notes_object_id": id,
        "text": text.unwrap_or_default(),
    })))
}

/// New notes instead of the old ones. Google refuses to delete the text of an empty shape, and to
/// insert none: such requests are left out.
pub(in crate::native::hooks) async fn skip_delete_when_empty(
    call: &Call<'_>,
    arguments: &Arguments,
) -> Result<Made, Stop> {
    let id = call.text(arguments, "notes_object_id").unwrap_or_default();
    let (_, presentation) = call.ask(&call.step(0, arguments, &[])?).await?;
    let pages = slides(&presentation).iter();
    // A shape that is not there yet is made when text is inserted.
    let old = pages
        .filter_map(|slide| notes(&slide["slideProperties"]["notesPage"], id))
        .next()
        .unwrap_or_default();
    let new = call.text(arguments, "text").unwrap_or_default();
    let mut draft = call.draft(arguments)?;
    let requests = draft
        .body
        .as_mut()
        .and_then(|body| body["requests"].as_array_mut());
    if let Some(requests) = requests {
        requests.retain(|request| {
            let deletes = request.get("deleteText").is_some();
            if deletes {
                !old.is_empty()
            } else {
                !new.is_empty()
            }
        });
        if requests.is_empty() {
            let message = "The notes are empty already; nothing was changed.";
            return Ok(Made::json(json!({ "done": true, "message": message })));
        }
    }
    call.simple(draft, arguments).await
}

fn slides(presentation: &Value) -> &[Value] {
    let slides = presentation["slides"].as_array();
    slides.map(Vec::as_slice).unwrap_or_default()
}

/// The text of the shape of that id on a notes page.
fn notes(page: &Value, id: &str) -> Option<String> {
    let shapes = page["pageElements"].as_array()?.iter();
    let shape = shapes
        .into_iter()
        .find(|shape| shape["objectId"] == json!(id))?;
    // The last line feed belongs to every text and cannot be deleted.
    Some(
        text(&shape["shape"]["text"])
            .trim_end_matches('\n')
            .to_owned(),
    )
}

fn text(content: &Value) -> String {
    let elements = content["textElements"].as_array().into_iter().flatten();
    let runs = elements.filter_map(|element| {
        let run = element["textRun"]["content"].as_str();
        run.or(element["autoText"]["content"].as_str())
    });
    runs.collect::<String>().replace('\u{b}', "\n")
}

fn add_elements(elements: &Value, out: &mut String) {
    for element in elements.as_array().into_iter().flatten() {
        add_line(&text(&element["shape"]["text"]), out);
        add_line(
            element["wordArt"]["renderedText"]
                .as_str()
                .unwrap_or_default(),
            out,
        );
        for row in element["table"]["tableRows"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let cells = row["tableCells"].as_array().into_iter().flatten();
            let cells = cells.map(|cell| text(&cell["text"]).trim().replace('\n', " "));
            add_line(&cells.collect::<Vec<_>>().join("\t"), out);
        }
        add_elements(&element["elementGroup"]["children"], out);
    }
}

fn add_line(text: &str, out: &mut String) {
    let text = text.trim();
    if !text.is_empty() {
        out.push_str(text);
        out.push('\n');
    }
}
