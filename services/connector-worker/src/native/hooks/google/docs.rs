//! The text of a document, and documents that begin with one.

use serde_json::{Value, json};

use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};

/// One paragraph or table of a document.
struct Block {
    /// Google's name of the style: `HEADING_1`, `NORMAL_TEXT` …; `TABLE` for a table.
    style: String,
    plain: String,
    markdown: String,
    /// Of a list item: how deep, and whether the list counts.
    item: Option<(usize, bool)>,
}

/// Reads a document as plain text, Markdown, or its paragraphs with their styles.
pub(in crate::native::hooks) async fn docs_to_text(
    call: &Call<'_>,
    arguments: &Arguments,
) -> Result<Made, Stop> {
    let (_, document) = call.ask(&call.draft(arguments)?).await?;
    let mut tabs = Vec::new();
    for tab in document["tabs"].as_array().into_iter().flatten() {
        add_tab(tab, &mut tabs);
    }
    if tabs.is_empty() {
        tabs.push((
            String::new(),
            blocks(&document["body"]["content"], &document["lists"]),
        ));
    }
    let is_one = tabs.len() == 1;
    let text = |write: &dyn Fn(&[Block]) -> String, mark: &str| {
        let parts = tabs.iter().map(|(title, blocks)| match is_one {
            true => write(blocks),
            false => format!("{mark}{title}\n\n{}", write(blocks)),
        });
        parts.collect::<Vec<_>>().join("\n")
    };
    Ok(match call.text(arguments, "format") {
        Some("markdown") => call.shown(text(&markdown, "# ")),
        Some("structured") => {
            let tabs = tabs.iter().map(|(title, blocks)| structured(title, blocks));
            Made::json(json!({
                "documentId": document["documentId"],
                "title": document["title"],
                "tabs": tabs.collect::<Vec<_>>(),
            }))
        }
        _ => call.shown(text(&plain, "")),
    })
}

/// Creates a document, then puts the first text into it.
pub(in crate::native::hooks) async fn create_then_insert(
    call: &Call<'_>,
    arguments: &Arguments,
) -> Result<Made, Stop> {
    let draft = call.draft(arguments)?;
    let (answered, document) = call.ask(&draft).await?;
    let id = document["documentId"].as_str().unwrap_or_default();
    let text = call.text(arguments, "initial_content").unwrap_or_default();
    if !text.is_empty() {
        let done = format!("The document was created and has the id {id}, but it is empty.");
        let insert = async {
            let mut insert = call.step(0, arguments, &[("documentId", id)])?;
            let at = json!({ "location": { "index": 1 }, "text": text });
            insert.body = Some(json!({ "requests": [{ "insertText": at }] }));
            call.ask(&insert).await
        };
        insert.await.map_err(|stop| stop.after(&done))?;
    }
    Ok(call.make(&answered, document, arguments))
}

/// A tab and those below it, in the order shown.
fn add_tab(tab: &Value, tabs: &mut Vec<(String, Vec<Block>)>) {
    let title = tab["tabProperties"]["title"].as_str().unwrap_or_default();
    let inner = &tab["documentTab"];
    tabs.push((
        title.to_owned(),
        blocks(&inner["body"]["content"], &inner["lists"]),
    ));
    for child in tab["childTabs"].as_array().into_iter().flatten() {
        add_tab(child, tabs);
    }
}

fn blocks(content: &Value, lists: &Value) -> Vec<Block> {
    let mut found = Vec::new();
    for element in content.as_array().into_iter().flatten() {
        if let Some(paragraph) = element.get("paragraph") {
            found.push(block(paragraph, lists));
        } else if let Some(table) = element.get("table") {
            found.push(self::table(table, lists));
        } else if let Some(contents) = element.get("tableOfContents") {
            found.extend(blocks(&contents["content"], lists));
        }
    }
    found
}

fn block(paragraph: &Value, lists: &Value) -> Block {
    let (mut plain, mut markdown) = (String::new(), String::new());
    for element in paragraph["elements"].as_array().into_iter().flatten() {
        let run = &element["textRun"];
        if let Some(text) = run["content"].as_str() {
            // A vertical tab is a line break within the paragraph.
            let text = text.trim_end_matches('\n').replace('\u{b}', "\n");
            markdown.push_str(&styled(&text, &run["textStyle"]));
            plain.push_str(&text);
        }
        let person = &element["person"]["personProperties"];
        let chip = &element["richLink"]["richLinkProperties"];
        if let Some(name) = person["name"].as_str().or(person["email"].as_str()) {
            plain.push_str(name);
            markdown.push_str(name);
        } else if let Some(title) = chip["title"].as_str() {
            plain.push_str(title);
            let address = chip["uri"].as_str().unwrap_or_default();
            markdown.push_str(&format!("[{title}]({address})"));
        } else if element.get("horizontalRule").is_some() {
            plain.push_str("---");
            markdown.push_str("---");
        }
    }
    let bullet = paragraph.get("bullet").map(|bullet| {
        let depth = bullet["nestingLevel"].as_u64().unwrap_or(0);
        let depth = usize::try_from(depth).unwrap_or(0).min(8);
        let list = bullet["listId"].as_str().unwrap_or_default();
        let level = &lists[list]["listProperties"]["nestingLevels"][depth];
        let glyph = level["glyphType"].as_str().unwrap_or_default();
        let counts = !matches!(glyph, "" | "GLYPH_TYPE_UNSPECIFIED" | "NONE");
        (depth, counts)
    });
    let style = paragraph["paragraphStyle"]["namedStyleType"].as_str();
    Block {
        style: style.unwrap_or("NORMAL_TEXT").to_owned(),
        plain,
        markdown,
        item: bullet,
    }
}

/// A piece of text with the marks of its style around what is no blank.
fn styled(text: &str, style: &Value) -> String {
    let inner = text.trim();
    if inner.is_empty() {
        return text.to_owned();
    }
    let is = |name: &str| style[name] == json!(true);
    let mut marked = inner.to_owned();
    for (name, mark) in [("strikethrough", "~~"), ("italic", "*"), ("bold", "**")] {
        if is(name) {
            marked = format!("{mark}{marked}{mark}");
        }
    }
    if let Some(address) = style["link"]["url"].as_str() {
        marked = format!("[{marked}]({address})");
    }
    text.replacen(inner, &marked, 1)
}

fn table(table: &Value, lists: &Value) -> Block {
    let cell = |cell: &Value, write: &dyn Fn(&Block) -> &str, mark: &str| {
        let inner = blocks(&cell["content"], lists);
        let lines = inner.iter().map(write).filter(|text| !text.is_empty());
        lines.collect::<Vec<_>>().join(mark)
    };
    let (mut plain, mut markdown) = (String::new(), String::new());
    for (at, row) in table["tableRows"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let cells = row["tableCells"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let texts = cells
            .iter()
            .map(|one| cell(one, &|block| &block.plain, " "));
        let texts: Vec<String> = texts.map(|text| text.replace('\n', " ")).collect();
        plain.push_str(&format!("{}\n", texts.join("\t")));
        let marked = cells.iter().map(|one| {
            let text = cell(one, &|block| &block.markdown, "<br>");
            text.replace('|', "\\|").replace('\n', "<br>")
        });
        let marked: Vec<String> = marked.collect();
        markdown.push_str(&format!("| {} |\n", marked.join(" | ")));
        if at == 0 {
            markdown.push_str(&format!("|{}\n", " --- |".repeat(cells.len())));
        }
    }
    Block {
        style: "TABLE".to_owned(),
        plain: plain.trim_end_matches('\n').to_owned(),
        markdown: markdown.trim_end_matches('\n').to_owned(),
        item: None,
    }
}

fn plain(blocks: &[Block]) -> String {
    let lines = blocks.iter().map(|block| match block.item {
        Some((depth, _)) => format!("{}- {}\n", "  ".repeat(depth), block.plain),
        None => format!("{}\n", block.plain),
    });
    lines.collect()
}

fn markdown(blocks: &[Block]) -> String {
    let mut text = String::new();
    let mut in_list = false;
    for block in blocks
        .iter()
        .filter(|block| !block.markdown.trim().is_empty())
    {
        if in_list && block.item.is_none() {
            text.push('\n');
        }
        in_list = block.item.is_some();
        let level = match block.style.as_str() {
            "TITLE" => Some(1),
            style => style
                .strip_prefix("HEADING_")
                .and_then(|level| level.parse().ok()),
        };
        match (block.item, level) {
            (Some((depth, counts)), _) => {
                let mark = if counts { "1." } else { "-" };
                // Three columns fit under both kinds of marks.
                let indent = "   ".repeat(depth);
                text.push_str(&format!("{indent}{mark} {}\n", block.markdown.trim()));
            }
            (None, Some(level)) => {
                let marks: String = "#".repeat(level);
                text.push_str(&format!("{marks} {}\n\n", block.plain.trim()));
            }
            (None, None) => text.push_str(&format!("{}\n\n", block.markdown.trim())),
        }
    }
    text.trim_end().to_owned() + "\n"
}

fn structured(title: &str, blocks: &[Block]) -> Value {
    let paragraphs = blocks.iter().filter(|block| !block.plain.is_empty());
    let paragraphs = paragraphs.map(|block| {
        let mut shown = json!({ "style": block.style, "text": block.plain });
        if let Some((depth, counts)) = block.item {
            shown["list"] = json!({ "depth": depth, "ordered": counts });
        }
        shown
    });
    json!({ "title": title, "paragraphs": paragraphs.collect::<Vec<_>>() })
}
