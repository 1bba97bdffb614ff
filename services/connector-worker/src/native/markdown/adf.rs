//! Markdown to the Atlassian Document Format, as Jira's REST API v3 takes it.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use serde_json::{Value, json};

use super::FLAVOUR;

/// The document of a Markdown text. What the format does not allow in a place (a heading in a list,
/// a table in a quotation) becomes the nearest thing that it does.
pub(in crate::native) fn to_adf(markdown: &str) -> Value {
    let mut writer = Writer::default();
    writer.open(Kind::Document, json!({ "type": "doc", "version": 1 }));
    for event in Parser::new_ext(markdown, FLAVOUR) {
        writer.take(event);
    }
    writer.close(Kind::Document);
    writer.done.unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Document,
    /// A paragraph or heading.
    Line,
    /// A line that the text does not name: that of a tight list.
    Implied,
    Code,
    Quote,
    List,
    Item,
    Table,
    Row,
    Cell,
    /// What has no node here; its children belong to what is around.
    Nothing,
}

struct Open {
    kind: Kind,
    node: Value,
    content: Vec<Value>,
}

#[derive(Default)]
struct Writer {
    open: Vec<Open>,
    marks: Vec<Value>,
    in_table_head: bool,
    done: Option<Value>,
}

impl Writer {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                let marks = self.marks.clone();
                self.text(&text, marks);
            }
            Event::Code(text) => {
                // Code goes with a link, and with no other mark.
                let links = self.marks.iter().filter(|mark| mark["type"] == "link");
                let marks = links.cloned().chain([json!({ "type": "code" })]).collect();
                self.text(&text, marks);
            }
            Event::SoftBreak => self.text(" ", Vec::new()),
            Event::HardBreak => self.inline(json!({ "type": "hardBreak" })),
            Event::Rule if self.is_confined() => {
                self.line(Kind::Line);
                self.text("---", Vec::new());
                self.close(Kind::Line);
            }
            Event::Rule => {
                self.end_implied();
                self.add(json!({ "type": "rule" }));
            }
            // None of the extensions that make these is switched on.
            Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.line(Kind::Line),
            Tag::Heading { .. } if self.is_confined() => {
                self.line(Kind::Line);
                self.marks.push(json!({ "type": "strong" }));
            }
            Tag::Heading { level, .. } => {
                let node = json!({ "type": "heading", "attrs": { "level": level as u8 } });
                self.open(Kind::Line, node);
            }
            Tag::CodeBlock(kind) => {
                let mut node = json!({ "type": "codeBlock" });
                if let CodeBlockKind::Fenced(info) = kind
                    && let Some(language) = info.split_whitespace().next()
                {
                    node["attrs"] = json!({ "language": language });
                }
                self.open(Kind::Code, node);
            }
            Tag::BlockQuote(_) if self.is_confined() => self.open(Kind::Nothing, Value::Null),
            Tag::BlockQuote(_) => self.open(Kind::Quote, json!({ "type": "blockquote" })),
            Tag::List(None) => self.open(Kind::List, json!({ "type": "bulletList" })),
            Tag::List(Some(first)) => {
                let node = json!({ "type": "orderedList", "attrs": { "order": first } });
                self.open(Kind::List, node);
            }
            Tag::Item => self.open(Kind::Item, json!({ "type": "listItem" })),
            Tag::Table(_) if self.is_confined() => self.open(Kind::Nothing, Value::Null),
            Tag::Table(_) => self.open(Kind::Table, json!({ "type": "table" })),
            Tag::TableHead | Tag::TableRow => {
                self.in_table_head = matches!(tag, Tag::TableHead);
                match self.is_confined() {
                    true => self.line(Kind::Line),
                    false => self.open(Kind::Row, json!({ "type": "tableRow" })),
                }
            }
            Tag::TableCell if self.is_confined() => {
                let is_first = self.open.last().is_none_or(|open| open.content.is_empty());
                self.text(if is_first { "" } else { " | " }, Vec::new());
            }
            Tag::TableCell => {
                let kind = if self.in_table_head {
                    "tableHeader"
                } else {
                    "tableCell"
                };
                self.open(Kind::Cell, json!({ "type": kind }));
            }
            Tag::Emphasis => self.marks.push(json!({ "type": "em" })),
            Tag::Strong => self.marks.push(json!({ "type": "strong" })),
            Tag::Strikethrough => self.marks.push(json!({ "type": "strike" })),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                let attrs = json!({ "href": &*dest_url });
                self.marks.push(json!({ "type": "link", "attrs": attrs }));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.close(Kind::Line),
            TagEnd::Heading(_) => {
                if self.is_confined() {
                    self.marks.pop();
                }
                self.close(Kind::Line);
            }
            TagEnd::CodeBlock => self.close(Kind::Code),
            TagEnd::BlockQuote(_) => self.close_either(Kind::Quote),
            TagEnd::List(_) => self.close(Kind::List),
            TagEnd::Item => self.close(Kind::Item),
            TagEnd::Table => self.close_either(Kind::Table),
            TagEnd::TableHead | TagEnd::TableRow if self.is_confined() => self.close(Kind::Line),
            TagEnd::TableHead | TagEnd::TableRow => self.close(Kind::Row),
            TagEnd::TableCell if !self.is_confined() => self.close(Kind::Cell),
            TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Link
            | TagEnd::Image => drop(self.marks.pop()),
            _ => {}
        }
    }

    /// Whether only plain blocks may stand here: in lists and quotations.
    fn is_confined(&self) -> bool {
        self.open
            .iter()
            .any(|open| matches!(open.kind, Kind::Item | Kind::Quote))
    }

    fn line(&mut self, kind: Kind) {
        self.open(kind, json!({ "type": "paragraph" }));
    }

    fn text(&mut self, text: &str, marks: Vec<Value>) {
        let is_code = self.open.last().is_some_and(|open| open.kind == Kind::Code);
        if text.is_empty() {
            return;
        }
        let mut node = json!({ "type": "text", "text": text });
        if !marks.is_empty() && !is_code {
            node["marks"] = Value::Array(marks);
        }
        self.inline(node);
    }

    fn inline(&mut self, node: Value) {
        let takes = |kind| matches!(kind, Kind::Line | Kind::Implied | Kind::Code);
        if !self.open.last().is_some_and(|open| takes(open.kind)) {
            self.line(Kind::Implied);
        }
        self.add(node);
    }

    fn add(&mut self, node: Value) {
        let around = self
            .open
            .iter_mut()
            .rev()
            .find(|open| open.kind != Kind::Nothing);
        match around {
            Some(open) => open.content.push(node),
            None => self.done = Some(node),
        }
    }

    fn open(&mut self, kind: Kind, node: Value) {
        if kind != Kind::Implied {
            self.end_implied();
        }
        let content = Vec::new();
        self.open.push(Open {
            kind,
            node,
            content,
        });
    }

    fn end_implied(&mut self) {
        if self
            .open
            .last()
            .is_some_and(|open| open.kind == Kind::Implied)
        {
            self.close_last();
        }
    }

    fn close(&mut self, kind: Kind) {
        self.end_implied();
        if self.open.last().is_some_and(|open| open.kind == kind) {
            self.close_last();
        }
    }

    /// Closes what was opened as this, or as nothing.
    fn close_either(&mut self, kind: Kind) {
        self.close(kind);
        self.close(Kind::Nothing);
    }

    fn close_last(&mut self) {
        let Some(Open {
            kind,
            mut node,
            mut content,
        }) = self.open.pop()
        else {
            return;
        };
        match kind {
            Kind::Nothing => return,
            Kind::Code => {
                // The last line's end is none of the text's.
                if let Some(text) = content.last_mut().and_then(|last| last.get_mut("text")) {
                    let trimmed = text.as_str().unwrap_or_default().trim_end_matches('\n');
                    *text = json!(trimmed);
                }
                content.retain(|part| part["text"] != "");
            }
            // An item begins with a paragraph or with code, and a cell holds one at least.
            Kind::Item | Kind::Cell => {
                let begins = content.first().map(|first| &first["type"]);
                if !begins.is_some_and(|kind| kind == "paragraph" || kind == "codeBlock") {
                    content.insert(0, json!({ "type": "paragraph", "content": [] }));
                }
            }
            _ => {}
        }
        let is_empty_code = kind == Kind::Code && content.is_empty();
        if !is_empty_code {
            node["content"] = Value::Array(content);
        }
        self.add(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        json!({ "type": "text", "text": text })
    }

    fn paragraph(text: &str) -> Value {
        json!({ "type": "paragraph", "content": [self::text(text)] })
    }

    fn content(markdown: &str) -> Value {
        let document = to_adf(markdown);
        assert_eq!(document["type"], "doc");
        assert_eq!(document["version"], 1);
        document["content"].clone()
    }

    #[test]
    fn each_form_of_text_becomes_its_node() {
        let marked = |text: &str, mark: &str| json!({ "type": "text", "text": text, "marks": [{ "type": mark }] });
        let link = json!({ "type": "link", "attrs": { "href": "https://x.example/" } });

        assert_eq!(
            content("## Two\n\na **b** *c* ~~d~~ `e` [f `g`](https://x.example/)  \nh\ni"),
            json!([
                { "type": "heading", "attrs": { "level": 2 }, "content": [text("Two")] },
                { "type": "paragraph", "content": [
                    text("a "), marked("b", "strong"), text(" "), marked("c", "em"), text(" "), marked("d", "strike"),
                    text(" "), marked("e", "code"), text(" "),
                    { "type": "text", "text": "f ", "marks": [link] },
                    { "type": "text", "text": "g", "marks": [link, { "type": "code" }] },
                    { "type": "hardBreak" }, text("h"), text(" "), text("i"),
                ] },
            ])
        );
        assert_eq!(
            content("```rust\nfn a() {}\n```\n\n---\n\n> said"),
            json!([
                { "type": "codeBlock", "attrs": { "language": "rust" }, "content": [text("fn a() {}")] },
                { "type": "rule" },
                { "type": "blockquote", "content": [paragraph("said")] },
            ])
        );
        assert_eq!(
            content("| a | b |\n|---|---|\n| 1 | |"),
            json!([{ "type": "table", "content": [
                { "type": "tableRow", "content": [
                    { "type": "tableHeader", "content": [paragraph("a")] },
                    { "type": "tableHeader", "content": [paragraph("b")] },
                ] },
                { "type": "tableRow", "content": [
                    { "type": "tableCell", "content": [paragraph("1")] },
                    { "type": "tableCell", "content": [{ "type": "paragraph", "content": [] }] },
                ] },
            ] }])
        );
    }

    #[test]
    fn lists_nest_and_each_item_begins_with_a_paragraph() {
        assert_eq!(
            content("3. one\n   - inner\n4.\n"),
            json!([{ "type": "orderedList", "attrs": { "order": 3 }, "content": [
                { "type": "listItem", "content": [
                    paragraph("one"),
                    { "type": "bulletList", "content": [{ "type": "listItem", "content": [paragraph("inner")] }] },
                ] },
                { "type": "listItem", "content": [{ "type": "paragraph", "content": [] }] },
            ] }])
        );
    }

    #[test]
    fn what_may_not_stand_in_a_list_or_a_quotation_becomes_what_may() {
        let strong = json!({ "type": "text", "text": "T", "marks": [{ "type": "strong" }] });

        assert_eq!(
            content("- # T\n  > q\n\n  ***\n\n  | a | b |\n  |---|---|\n  | 1 | 2 |\n"),
            json!([{ "type": "bulletList", "content": [{ "type": "listItem", "content": [
                { "type": "paragraph", "content": [strong] },
                paragraph("q"),
                paragraph("---"),
                { "type": "paragraph", "content": [text("a"), text(" | "), text("b")] },
                { "type": "paragraph", "content": [text("1"), text(" | "), text("2")] },
            ] }] }])
        );
    }

    #[test]
    fn markup_in_the_text_is_text_and_nothing_is_nothing() {
        assert_eq!(
            content("a <b>c"),
            json!([{ "type": "paragraph", "content": [text("a "), text("<b>"), text("c")] }])
        );
        assert_eq!(content(""), json!([]));
        assert_eq!(content("```\n```"), json!([{ "type": "codeBlock" }]));
    }
}
