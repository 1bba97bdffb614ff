//! Reading the slides of a presentation.

use std::collections::HashMap;

use super::package::Package;
use super::xml::{Met, attribute, walk};

/// Slides of one presentation that are read or written.
pub(super) const SLIDES_MAX: usize = 2_000;

/// What a slide says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Slide {
    pub(super) title: Option<String>,
    /// The paragraphs of everything else, tables included.
    pub(super) lines: Vec<String>,
}

/// The slides of a file, in the order shown.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Slide>, String> {
    let mut package = Package::open(bytes)?;
    let main = package.part("ppt/presentation.xml")?;
    let main = main.ok_or("it has no presentation in it")?;
    let order = order(&main)?;
    let links = package.part("ppt/_rels/presentation.xml.rels")?;
    let targets = targets(&links.unwrap_or_default())?;
    let mut slides = Vec::new();
    for id in order.iter().take(SLIDES_MAX) {
        let Some(name) = targets.get(id) else {
            continue;
        };
        if let Some(text) = package.part(name)? {
            slides.push(slide(&text)?);
        }
    }
    Ok(slides)
}

/// The relationship ids of the slides.
fn order(main: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    walk(main, |met| {
        if let Met::Start("sldId", start) = met {
            found.extend(attribute(start, "r:id"));
        }
    })?;
    Ok(found)
}

/// Part names by relationship id.
fn targets(links: &str) -> Result<HashMap<String, String>, String> {
    let mut found = HashMap::new();
    walk(links, |met| {
        let Met::Start("Relationship", start) = met else {
            return;
        };
        let (id, target) = (attribute(start, "Id"), attribute(start, "Target"));
        if let (Some(id), Some(target)) = (id, target) {
            let name = match target.strip_prefix('/') {
                Some(whole) => whole.to_owned(),
                None => format!("ppt/{target}"),
            };
            found.insert(id, name);
        }
    })?;
    Ok(found)
}

/// The text of a slide. A shape is the title when its placeholder says so.
fn slide(text: &str) -> Result<Slide, String> {
    let mut slide = Slide::default();
    let (mut line, mut in_text, mut in_title) = (String::new(), false, false);
    let mut title: Vec<String> = Vec::new();
    walk(text, |met| match met {
        Met::Start("sp", _) => in_title = false,
        Met::Start("ph", start) => {
            let kind = attribute(start, "type");
            in_title = matches!(kind.as_deref(), Some("title" | "ctrTitle"));
        }
        Met::Start("t", _) => in_text = true,
        Met::Start("br" | "tab", _) => line.push(' '),
        Met::Text(text) if in_text => line.push_str(text),
        Met::End("t") => in_text = false,
        Met::End("sp") => in_title = false,
        Met::End("p") => {
            let paragraph = std::mem::take(&mut line);
            let paragraph = paragraph.trim();
            if !paragraph.is_empty() {
                let lines = if in_title {
                    &mut title
                } else {
                    &mut slide.lines
                };
                lines.push(paragraph.to_owned());
            }
        }
        _ => {}
    })?;
    slide.title = (!title.is_empty()).then(|| title.join(" "));
    Ok(slide)
}
