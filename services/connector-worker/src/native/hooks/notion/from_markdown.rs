//! Markdown to Notion's blocks, within what one request of Notion's may hold.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde_json::{Value, json};

/// UTF-16 units of one piece of rich text.
const TEXT_MAX: usize = 2_000;
/// Pieces of rich text in one block, and blocks in one list.
const LIST_MAX: usize = 100;
/// Levels of blocks below the first that one request may hold.
const DEPTH_MAX: usize = 2;
/// Languages that Notion's code blocks know and people write.
const LANGUAGES: [&str; 58] = [
    "bash",
    "c",
    "c#",
    "c++",
    "clojure",
    "coffeescript",
    "css",
    "dart",
    "diff",
    "docker",
    "elixir",
    "elm",
    "erlang",
    "f#",
    "fortran",
    "gherkin",
    "glsl",
    "go",
    "graphql",
    "groovy",
    "haskell",
    "html",
    "java",
    "javascript",
    "json",
    "julia",
    "kotlin",
    "latex",
    "less",
    "lisp",
    "lua",
    "makefile",
    "markdown",
    "matlab",
    "mermaid",
    "nix",
    "objective-c",
    "ocaml",
    "pascal",
    "perl",
    "php",
    "plain text",
    "powershell",
    "prolog",
    "protobuf",
    "python",
    "r",
    "ruby",
    "rust",
    "sass",
    "scala",
    "scss",
    "shell",
    "sql",
    "swift",
    "typescript",
    "xml",
    "yaml",
];

/// The blocks of a Markdown text.
pub(super) fn blocks(markdown: &str) -> Vec<Value> {
    let flavour =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut writer = Writer::default();
    for event in Parser::new_ext(markdown, flavour) {
        writer.take(event);
    }
    writer.end_text();
    writer.done
}

/// A plain text as rich text.
pub(super) fn rich_text(text: &str) -> Vec<Value> {
    pieces(text, &json!({}), None)
}

/// A list item, quote or table that is not finished.
struct Open {
    kind: &'static str,
    /// Its text, once that is known.
    text: Option<Vec<Value>>,
    checked: Option<bool>,
    children: Vec<Value>,
}

#[derive(Default)]
struct Writer {
    done: Vec<Value>,
    open: Vec<Open>,
    /// Kinds of the lists that are open.
    lists: Vec<&'static str>,
    /// Rich text of the block that is being read.
    text: Vec<Value>,
    kind: Option<&'static str>,
    marks: Vec<&'static str>,
    link: Option<String>,
    code: Option<(String, String)>,
    row: Vec<Value>,
    rows: Vec<Value>,
}

impl Writer {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => match &mut self.code
            {
                Some((_, code)) => code.push_str(&text),
                None => self.say(&text),
            },
            Event::Code(text) => {
                self.marks.push("code");
                self.say(&text);
                self.marks.pop();
            }
            Event::SoftBreak => self.say(" "),
            Event::HardBreak => self.say("\n"),
            Event::Rule => self.add(json!({ "divider": {} })),
            Event::TaskListMarker(checked) => {
                if let Some(item) = self.open.last_mut() {
                    item.kind = "to_do";
                    item.checked = Some(checked);
                }
            }
            Event::InlineMath(_) | Event::DisplayMath(_) | Event::FootnoteReference(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.kind = Some(match level {
                    HeadingLevel::H1 => "heading_1",
                    HeadingLevel::H2 => "heading_2",
                    _ => "heading_3",
                });
            }
            Tag::List(first) => {
                self.end_text();
                self.lists.push(match first {
                    Some(_) => "numbered_list_item",
                    None => "bulleted_list_item",
                });
            }
            Tag::Item => {
                let kind = self.lists.last().copied().unwrap_or("bulleted_list_item");
                self.open(kind);
            }
            Tag::BlockQuote(_) => {
                self.end_text();
                self.open("quote");
            }
            Tag::CodeBlock(kind) => {
                self.end_text();
                let language = match kind {
                    CodeBlockKind::Fenced(info) => language(&info),
                    CodeBlockKind::Indented => "plain text".to_owned(),
                };
                self.code = Some((language, String::new()));
            }
            Tag::Emphasis => self.marks.push("italic"),
            Tag::Strong => self.marks.push("bold"),
            Tag::Strikethrough => self.marks.push("strikethrough"),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                // Notion refuses the whole request for an address that it does not like.
                let is_address = ["https://", "http://", "mailto:"]
                    .iter()
                    .any(|scheme| dest_url.starts_with(scheme));
                self.link = is_address.then(|| dest_url.into_string());
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::HtmlBlock => self.end_text(),
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::Item | TagEnd::BlockQuote(_) => {
                self.end_text();
                self.close();
            }
            TagEnd::CodeBlock => {
                let (language, code) = self.code.take().unwrap_or_default();
                let code = rich_text(code.trim_end_matches('\n'));
                for part in parts(code) {
                    self.add(json!({ "code": { "rich_text": part, "language": language } }));
                }
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.marks.pop();
            }
            TagEnd::Link | TagEnd::Image => self.link = None,
            TagEnd::TableCell => self
                .row
                .push(Value::Array(first_part(std::mem::take(&mut self.text)))),
            TagEnd::TableHead | TagEnd::TableRow => {
                let cells = std::mem::take(&mut self.row);
                self.rows.push(json!({ "table_row": { "cells": cells } }));
            }
            TagEnd::Table => self.end_table(),
            _ => {}
        }
    }

    fn say(&mut self, text: &str) {
        let marks = self
            .marks
            .iter()
            .map(|mark| ((*mark).to_owned(), json!(true)));
        let marks = Value::Object(marks.collect());
        self.text.extend(pieces(text, &marks, self.link.as_deref()));
    }

    /// Ends the paragraph or heading that is being read. The first text of an item is its own.
    fn end_text(&mut self) {
        let kind = self.kind.take().unwrap_or("paragraph");
        let text = joined(std::mem::take(&mut self.text));
        if text.is_empty() {
            return;
        }
        for part in parts(text) {
            match self.open.last_mut() {
                Some(item) if item.text.is_none() && kind == "paragraph" => item.text = Some(part),
                _ => self.add(json!({ kind: { "rich_text": part } })),
            }
        }
    }

    fn open(&mut self, kind: &'static str) {
        self.end_text();
        self.open.push(Open {
            kind,
            text: None,
            checked: None,
            children: Vec::new(),
        });
    }

    fn close(&mut self) {
        let Some(item) = self.open.pop() else { return };
        let mut content = json!({ "rich_text": item.text.unwrap_or_default() });
        if let Some(checked) = item.checked {
            content["checked"] = json!(checked);
        }
        let mut children = item.children;
        // What would be too deep or too long stands behind the item instead of in it.
        let fits = if self.open.len() < DEPTH_MAX {
            LIST_MAX
        } else {
            0
        };
        let behind = children.split_off(children.len().min(fits));
        if !children.is_empty() {
            content["children"] = Value::Array(children);
        }
        self.add(json!({ item.kind: content }));
        for block in behind {
            self.add(block);
        }
    }

    /// A table's rows are its children; a long table becomes several.
    fn end_table(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let cells = |row: &Value| row["table_row"]["cells"].as_array().map_or(0, Vec::len);
        let width = rows.first().map_or(0, cells);
        for (at, rows) in rows.chunks(LIST_MAX).enumerate() {
            self.add(json!({ "table": {
                "table_width": width, "has_column_header": at == 0, "has_row_header": false, "children": rows,
            } }));
        }
    }

    fn add(&mut self, block: Value) {
        match self.open.last_mut() {
            Some(item) => item.children.push(block),
            None => self.done.push(block),
        }
    }
}

/// A text as pieces that are short enough.
fn pieces(text: &str, marks: &Value, link: Option<&str>) -> Vec<Value> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut units = 0;
        let end = rest.char_indices().find(|(_, c)| {
            units += c.len_utf16();
            units > TEXT_MAX
        });
        let (piece, after) = rest.split_at(end.map_or(rest.len(), |(end, _)| end));
        let mut content = json!({ "content": piece });
        if let Some(link) = link {
            content["link"] = json!({ "url": link });
        }
        let mut one = json!({ "type": "text", "text": content });
        if marks.as_object().is_some_and(|marks| !marks.is_empty()) {
            one["annotations"] = marks.clone();
        }
        found.push(one);
        rest = after;
    }
    found
}

/// Neighbours of the same look as one piece: the parser gives a text in many.
fn joined(pieces: Vec<Value>) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for piece in pieces {
        if let Some(last) = found.last_mut() {
            let text = |value: &Value| {
                value["text"]["content"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            let same = last["annotations"] == piece["annotations"]
                && last["text"]["link"] == piece["text"]["link"];
            let both = text(last) + &text(&piece);
            if same && both.encode_utf16().count() <= TEXT_MAX {
                last["text"]["content"] = json!(both);
                continue;
            }
        }
        found.push(piece);
    }
    found
}

/// Rich text for as many blocks as it takes.
fn parts(text: Vec<Value>) -> Vec<Vec<Value>> {
    match text.is_empty() {
        true => vec![text],
        false => text.chunks(LIST_MAX).map(<[Value]>::to_vec).collect(),
    }
}

fn first_part(text: Vec<Value>) -> Vec<Value> {
    let mut text = joined(text);
    text.truncate(LIST_MAX);
    text
}

fn language(info: &str) -> String {
    let name = info
        .split([' ', ','])
        .next()
        .unwrap_or_default()
        .to_lowercase();
    let name = match name.as_str() {
        "sh" | "zsh" | "console" => "shell",
        "js" | "jsx" => "javascript",
        "ts" | "tsx" => "typescript",
        "py" => "python",
        "rs" => "rust",
        "rb" => "ruby",
        "yml" => "yaml",
        "md" => "markdown",
        "cpp" | "cc" => "c++",
        "cs" | "csharp" => "c#",
        "dockerfile" => "docker",
        "golang" => "go",
        "kt" => "kotlin",
        "proto" => "protobuf",
        other => other,
    };
    let known = LANGUAGES.contains(&name);
    if known { name } else { "plain text" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &str) -> Value {
        json!({ "type": "text", "text": { "content": content } })
    }

    #[test]
    fn each_form_of_text_becomes_its_block() {
        let found = blocks(
            "# One\n\n#### Deep\n\nplain **bold** [x](https://x.example) [y](/y)\n\n- a\n- [x] b\n\n1. c\n\n> said\n\n```rs\nlet a;\n```\n\n---\n",
        );

        let bold = json!({ "type": "text", "text": { "content": "bold" }, "annotations": { "bold": true } });
        let link = json!({ "type": "text", "text": { "content": "x", "link": { "url": "https://x.example" } } });
        assert_eq!(
            Value::Array(found),
            json!([
                { "heading_1": { "rich_text": [text("One")] } },
                { "heading_3": { "rich_text": [text("Deep")] } },
                { "paragraph": { "rich_text": [text("plain "), bold, text(" "), link, text(" y")] } },
                { "bulleted_list_item": { "rich_text": [text("a")] } },
                { "to_do": { "rich_text": [text("b")], "checked": true } },
                { "numbered_list_item": { "rich_text": [text("c")] } },
                { "quote": { "rich_text": [text("said")] } },
                { "code": { "rich_text": [text("let a;")], "language": "rust" } },
                { "divider": {} },
            ])
        );
    }

    #[test]
    fn lists_nest_two_levels_and_what_is_deeper_stands_behind() {
        let found = blocks("- a\n  - b\n    - c\n      - d\n");

        let item = |name: &str, children: Value| {
            let mut content = json!({ "rich_text": [text(name)] });
            if !children.is_null() {
                content["children"] = children;
            }
            json!({ "bulleted_list_item": content })
        };
        let (c, d) = (item("c", Value::Null), item("d", Value::Null));
        assert_eq!(found, [item("a", json!([item("b", json!([c, d]))]))]);
    }

    #[test]
    fn long_texts_and_tables_are_split_where_notion_would_refuse_them() {
        let long = blocks(&"😀".repeat(1_500));
        let rows = "|a|b|\n|-|-|\n".to_owned() + &"|1|2|\n".repeat(150);
        let tables = blocks(&rows);

        let pieces = long[0]["paragraph"]["rich_text"].as_array().unwrap();
        let units = |piece: &Value| {
            piece["text"]["content"]
                .as_str()
                .unwrap()
                .encode_utf16()
                .count()
        };
        assert_eq!(pieces.iter().map(units).collect::<Vec<_>>(), [2_000, 1_000]);
        let count = |table: &Value| table["table"]["children"].as_array().unwrap().len();
        assert_eq!(tables.iter().map(count).collect::<Vec<_>>(), [100, 51]);
        assert_eq!(tables[1]["table"]["has_column_header"], false);
    }
}
