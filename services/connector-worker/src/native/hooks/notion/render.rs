//! Notion's blocks as text.

use serde_json::{Value, json};

/// A block that was read, with those in it.
pub(super) struct Block {
    pub(super) block: Value,
    pub(super) children: Vec<Block>,
}

/// How text is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Markdown,
}

/// The blocks as one text.
pub(super) fn text(blocks: &[Block], form: Form) -> String {
    let mut out = String::new();
    write(blocks, form, 0, &mut out);
    out.trim_end().to_owned() + "\n"
}

fn write(blocks: &[Block], form: Form, depth: usize, out: &mut String) {
    let mut number = 0;
    let mut was_item = false;
    for block in blocks {
        let kind = block.block["type"].as_str().unwrap_or_default();
        let is_item = matches!(
            kind,
            "bulleted_list_item" | "numbered_list_item" | "to_do" | "toggle"
        );
        number = if kind == "numbered_list_item" {
            number + 1
        } else {
            0
        };
        if was_item && !is_item && depth == 0 {
            out.push('\n');
        }
        was_item = is_item;
        if kind == "table" {
            table(block, form, out);
            continue;
        }
        let line = line(&block.block, kind, number, form);
        let is_silent = matches!(
            kind,
            "column_list"
                | "column"
                | "synced_block"
                | "template"
                | "breadcrumb"
                | "table_of_contents"
        );
        if !is_silent {
            // Three columns fit under all marks of lists.
            let indent = "   ".repeat(depth);
            for line in line.lines() {
                out.push_str(&format!("{indent}{line}\n"));
            }
            if depth == 0 && !is_item {
                out.push('\n');
            }
        }
        let depth = if is_silent { depth } else { depth + 1 };
        write(&block.children, form, depth, out);
        if !block.children.is_empty() && depth == 1 && !is_item && !is_silent {
            out.push('\n');
        }
    }
}

fn line(block: &Value, kind: &str, number: usize, form: Form) -> String {
    let content = &block[kind];
    let text = rich(&content["rich_text"], form);
    let marked = |mark: &str| match form {
        Form::Markdown => format!("{mark} {text}"),
        Form::Plain => text.clone(),
    };
    match kind {
        "heading_1" => marked("#"),
        "heading_2" => marked("##"),
        "heading_3" => marked("###"),
        "bulleted_list_item" | "toggle" => format!("- {text}"),
        "numbered_list_item" => format!("{number}. {text}"),
        "to_do" if content["checked"] == json!(true) => format!("- [x] {text}"),
        "to_do" => format!("- [ ] {text}"),
        "quote" | "callout" if form == Form::Markdown => {
            let lines = text.lines().map(|line| format!("> {line}"));
            lines.collect::<Vec<_>>().join("\n")
        }
        "code" if form == Form::Markdown => {
            let language = content["language"].as_str().unwrap_or_default();
            let language = if language == "plain text" {
                ""
            } else {
                language
            };
            let code = rich(&content["rich_text"], Form::Plain);
            let fence = if code.contains("```") { "````" } else { "```" };
            format!("{fence}{language}\n{code}\n{fence}")
        }
        "code" => rich(&content["rich_text"], Form::Plain),
        "divider" => "---".to_owned(),
        "equation" => {
            let formula = content["expression"].as_str().unwrap_or_default();
            match form {
                Form::Markdown => format!("$${formula}$$"),
                Form::Plain => formula.to_owned(),
            }
        }
        "child_page" | "child_database" => {
            let what = if kind == "child_page" {
                "page"
            } else {
                "database"
            };
            let id = block["id"].as_str().unwrap_or_default();
            format!(
                "[{what}: {} ({id})]",
                content["title"].as_str().unwrap_or("untitled")
            )
        }
        "image" | "video" | "file" | "pdf" | "audio" | "bookmark" | "embed" | "link_preview" => {
            let address = address(content);
            let caption = rich(&content["caption"], Form::Plain);
            let name = if caption.is_empty() { kind } else { &caption };
            match (form, kind) {
                (Form::Markdown, "image") => format!("![{name}]({address})"),
                (Form::Markdown, _) => format!("[{name}]({address})"),
                (Form::Plain, _) => format!("{name}: {address}"),
            }
        }
        _ => text,
    }
}

/// A file that Notion stores has an address that is signed for an hour; without it nobody could
/// look at it.
fn address(content: &Value) -> &str {
    let places = [
        &content["url"],
        &content["external"]["url"],
        &content["file"]["url"],
    ];
    places
        .into_iter()
        .find_map(Value::as_str)
        .unwrap_or_default()
}

fn table(table: &Block, form: Form, out: &mut String) {
    for (at, row) in table.children.iter().enumerate() {
        let cells = row.block["table_row"]["cells"]
            .as_array()
            .into_iter()
            .flatten();
        let cells: Vec<String> = cells
            .map(|cell| rich(cell, form).replace('\n', " "))
            .collect();
        match form {
            Form::Plain => out.push_str(&format!("{}\n", cells.join("\t"))),
            Form::Markdown => {
                let cells: Vec<String> =
                    cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
                out.push_str(&format!("| {} |\n", cells.join(" | ")));
                if at == 0 {
                    out.push_str(&format!("|{}\n", " --- |".repeat(cells.len())));
                }
            }
        }
    }
    out.push('\n');
}

/// Rich text as text.
pub(super) fn rich(pieces: &Value, form: Form) -> String {
    let pieces = pieces.as_array().into_iter().flatten();
    pieces.map(|piece| self::piece(piece, form)).collect()
}

fn piece(piece: &Value, form: Form) -> String {
    let text = piece["plain_text"].as_str();
    let text = text
        .or(piece["text"]["content"].as_str())
        .unwrap_or_default();
    let inner = text.trim();
    if form == Form::Plain || inner.is_empty() {
        return text.to_owned();
    }
    let is = |name: &str| piece["annotations"][name] == json!(true);
    let mut marked = inner.to_owned();
    for (name, mark) in [
        ("code", "`"),
        ("strikethrough", "~~"),
        ("italic", "*"),
        ("bold", "**"),
    ] {
        if is(name) {
            marked = format!("{mark}{marked}{mark}");
        }
    }
    if let Some(address) = piece["href"].as_str() {
        marked = format!("[{marked}]({address})");
    }
    text.replacen(inner, &marked, 1)
}

/// The blocks with their ids and texts.
pub(super) fn structured(blocks: &[Block]) -> Vec<Value> {
    let shown = blocks.iter().map(|block| {
        let kind = block.block["type"].as_str().unwrap_or_default();
        let content = &block.block[kind];
        let mut shown = json!({ "id": block.block["id"], "type": kind });
        let cells = content["cells"].as_array();
        if let Some(cells) = cells {
            let cells = cells.iter().map(|cell| rich(cell, Form::Markdown));
            shown["cells"] = cells.collect::<Vec<_>>().into();
        } else if content.get("rich_text").is_some() {
            shown["text"] = json!(rich(&content["rich_text"], Form::Markdown));
        }
        for name in ["checked", "language", "title", "expression"] {
            if let Some(value) = content.get(name) {
                shown[name] = value.clone();
            }
        }
        if !address(content).is_empty() {
            shown["url"] = json!(address(content));
        }
        if !block.children.is_empty() {
            shown["children"] = json!(structured(&block.children));
        }
        shown
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: &str, content: Value, children: Vec<Block>) -> Block {
        Block {
            block: json!({ "id": "b", "type": kind, kind: content }),
            children,
        }
    }

    fn said(kind: &str, text: &str, children: Vec<Block>) -> Block {
        block(
            kind,
            json!({ "rich_text": [{ "plain_text": text }] }),
            children,
        )
    }

    #[test]
    fn blocks_are_written_as_markdown_and_as_plain_text() {
        let row = |a: &str, b: &str| {
            let cell = |text: &str| json!([{ "plain_text": text }]);
            block("table_row", json!({ "cells": [cell(a), cell(b)] }), vec![])
        };
        let styled = json!({ "rich_text": [
            { "plain_text": "bold ", "annotations": { "bold": true } },
            { "plain_text": "link", "href": "https://x.example" },
        ] });
        let blocks = [
            said("heading_2", "Head", vec![]),
            block("paragraph", styled, vec![]),
            said(
                "numbered_list_item",
                "one",
                vec![said("to_do", "inner", vec![])],
            ),
            said("numbered_list_item", "two", vec![]),
            block("table", json!({}), vec![row("a|b", "c"), row("1", "2")]),
            block(
                "code",
                json!({ "rich_text": [{ "plain_text": "x = 1" }], "language": "python" }),
                vec![],
            ),
            block(
                "column_list",
                json!({}),
                vec![block(
                    "column",
                    json!({}),
                    vec![said("quote", "in a column", vec![])],
                )],
            ),
        ];

        assert_eq!(
            text(&blocks, Form::Markdown),
            "## Head\n\n**bold** [link](https://x.example)\n\n1. one\n   - [ ] inner\n2. two\n\n| a\\|b | c |\n| --- | --- |\n| 1 | 2 |\n\n```python\nx = 1\n```\n\n> in a column\n"
        );
        assert_eq!(
            text(&blocks, Form::Plain),
            "Head\n\nbold link\n\n1. one\n   - [ ] inner\n2. two\n\na|b\tc\n1\t2\n\nx = 1\n\nin a column\n"
        );
    }
}
