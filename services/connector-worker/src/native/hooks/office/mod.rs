//! Office files (ECMA-376): empty and simple ones are written, presentations are read.

mod build;
mod package;
mod presentation;
mod xml;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};
use presentation::Slide;

/// Stores the caller's workbook, or an empty one.
pub(super) async fn blank_ooxml(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let content = match call.base64(arguments, "content_base64")? {
        Some(content) => content,
        None => written(call, build::workbook())?,
    };
    store(call, arguments, content).await
}

/// Stores the caller's presentation, or one of a title and slides with text.
pub(super) async fn build_pptx(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let content = match call.base64(arguments, "content_base64")? {
        Some(content) => content,
        None => {
            let title = call.text(arguments, "title").unwrap_or_default();
            let slides = slides(call, arguments)?;
            written(call, build::presentation(title, &slides))?
        }
    };
    store(call, arguments, content).await
}

/// Reads the text of a presentation, slide by slide.
pub(super) async fn pptx_to_text(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let slides = fetch(call, arguments).await?;
    let mut text = String::new();
    for (at, slide) in slides.iter().enumerate() {
        text.push_str(&format!("Slide {}\n", at + 1));
        for line in slide.title.iter().chain(&slide.lines) {
            text.push_str(&format!("{line}\n"));
        }
        text.push('\n');
    }
    Ok(call.shown(text.trim_end().to_owned() + "\n"))
}

/// Lists the slides of a presentation with their titles.
pub(super) async fn pptx_list_slides(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let slides = fetch(call, arguments).await?;
    let listed = slides.iter().enumerate().map(|(at, slide)| {
        let mut shown = json!({ "number": at + 1 });
        if let Some(title) = &slide.title {
            shown["title"] = json!(title);
        }
        shown
    });
    let listed: Vec<Value> = listed.collect();
    Ok(Made::json(
        json!({ "count": listed.len(), "slides": listed }),
    ))
}

fn slides(call: &Call<'_>, arguments: &Arguments) -> Result<Vec<Slide>, Stop> {
    let given = call.list(arguments, "slides");
    if given.len() > presentation::SLIDES_MAX {
        let most = presentation::SLIDES_MAX;
        return Err(call.refuse(&format!(
            "argument \"slides\" may hold {most} slides at most"
        )));
    }
    let read = |(at, slide): (usize, &Value)| {
        let part = |name: &str| match slide.get(name) {
            None | Some(Value::Null) => Ok(""),
            Some(value) => value.as_str().ok_or_else(|| {
                call.refuse(&format!("argument \"slides[{at}].{name}\" must be a text"))
            }),
        };
        let title = part("title")?;
        Ok(Slide {
            title: (!title.is_empty()).then(|| title.to_owned()),
            lines: part("body")?.lines().map(str::to_owned).collect(),
        })
    };
    given.iter().enumerate().map(read).collect()
}

fn written(call: &Call<'_>, file: Result<Bytes, String>) -> Result<Bytes, Stop> {
    file.map_err(|why| call.refuse(&format!("the file cannot be written: {why}")))
}

async fn store(call: &Call<'_>, arguments: &Arguments, content: Bytes) -> Result<Made, Stop> {
    let mut draft = call.draft(arguments)?;
    draft.media = Some(content);
    call.simple(draft, arguments).await
}

async fn fetch(call: &Call<'_>, arguments: &Arguments) -> Result<Vec<Slide>, Stop> {
    let answered = call.exchange(&call.draft(arguments)?).await?;
    call.accept(&answered)?;
    presentation::read(&answered.body).map_err(|why| {
        call.cannot(&format!(
            "The file cannot be read as a presentation: {why}."
        ))
    })
}
