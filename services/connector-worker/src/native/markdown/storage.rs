//! Markdown to Confluence's storage format: XHTML with elements of Confluence's own.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::FLAVOUR;

/// The storage format of a Markdown text. HTML in it is shown as text: what is not well-formed
/// would be refused, and what is could be a macro that nobody asked for.
pub(in crate::native) fn to_storage(markdown: &str) -> String {
    let mut writer = Writer::default();
    for event in Parser::new_ext(markdown, FLAVOUR) {
        writer.take(event);
    }
    writer.out
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Language and text of the code block that is open.
    code: Option<(String, String)>,
    /// Address and alternative text of the image that is open.
    image: Option<String>,
    in_table_head: bool,
}

impl Writer {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(text) => {
                self.out.push_str("<code>");
                self.text(&text);
                self.out.push_str("</code>");
            }
            Event::SoftBreak => self.text("\n"),
            Event::HardBreak => self.out.push_str("<br/>"),
            Event::Rule => self.out.push_str("<hr/>"),
            // None of the extensions that make these is switched on.
            Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some((_, code)) = &mut self.code {
            code.push_str(text);
        } else if self.image.is_none() {
            escape(&mut self.out, text);
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::CodeBlock(kind) => {
                let language = match kind {
                    CodeBlockKind::Fenced(info) => info
                        .split_whitespace()
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some((language, String::new()));
            }
            Tag::Link { dest_url, .. } => {
                self.out.push_str("<a href=\"");
                escape(&mut self.out, &dest_url);
                self.out.push_str("\">");
            }
            Tag::Image { dest_url, .. } => self.image = Some(dest_url.into_string()),
            Tag::List(Some(first)) if first != 1 => {
                self.out.push_str(&format!("<ol start=\"{first}\">"));
            }
            Tag::TableHead => {
                self.in_table_head = true;
                self.out.push_str("<tr>");
            }
            Tag::Table(_) => self.out.push_str("<table><tbody>"),
            tag => {
                if let Some(name) = self.name(tag.to_end()) {
                    self.out.push_str(&format!("<{name}>"));
                }
            }
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::CodeBlock => self.end_code(),
            TagEnd::Image => {
                let address = self.image.take().unwrap_or_default();
                self.out.push_str("<ac:image><ri:url ri:value=\"");
                escape(&mut self.out, &address);
                self.out.push_str("\"/></ac:image>");
            }
            TagEnd::Table => self.out.push_str("</tbody></table>"),
            TagEnd::TableHead => {
                self.in_table_head = false;
                self.out.push_str("</tr>");
            }
            tag => {
                if let Some(name) = self.name(tag) {
                    self.out.push_str(&format!("</{name}>"));
                }
            }
        }
    }

    fn end_code(&mut self) {
        let Some((language, code)) = self.code.take() else {
            return;
        };
        self.out.push_str("<ac:structured-macro ac:name=\"code\">");
        if !language.is_empty() {
            self.out.push_str("<ac:parameter ac:name=\"language\">");
            escape(&mut self.out, &language);
            self.out.push_str("</ac:parameter>");
        }
        // What would end the section goes over two of them.
        let code = code
            .trim_end_matches('\n')
            .replace("]]>", "]]]]><![CDATA[>");
        self.out.push_str(&format!(
            "<ac:plain-text-body><![CDATA[{code}]]></ac:plain-text-body></ac:structured-macro>"
        ));
    }

    fn name(&self, tag: TagEnd) -> Option<&'static str> {
        const HEADINGS: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];
        Some(match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => "p",
            TagEnd::Heading(level) => HEADINGS[level as usize - 1],
            TagEnd::BlockQuote(_) => "blockquote",
            TagEnd::List(true) => "ol",
            TagEnd::List(false) => "ul",
            TagEnd::Item => "li",
            TagEnd::TableRow => "tr",
            TagEnd::TableCell if self.in_table_head => "th",
            TagEnd::TableCell => "td",
            TagEnd::Emphasis => "em",
            TagEnd::Strong => "strong",
            TagEnd::Strikethrough => "del",
            TagEnd::Link => "a",
            _ => return None,
        })
    }
}

/// Text as XML writes it, without the characters that XML 1.0 has no place for.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_text_becomes_its_element() {
        let text = "# One\n\nplain **strong** *em* ~~gone~~ `a<b` [here](https://x.example/?a=1&b=2)  \nnext\n\n> said\n\n1. first\n2. second\n   - inner\n\n---\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n![a cat](https://x.example/cat.png)\n";

        let storage = to_storage(text);

        assert_eq!(
            storage,
            "<h1>One</h1><p>plain <strong>strong</strong> <em>em</em> <del>gone</del> <code>a&lt;b</code> <a href=\"https://x.example/?a=1&amp;b=2\">here</a><br/>next</p><blockquote><p>said</p></blockquote><ol><li>first</li><li>second<ul><li>inner</li></ul></li></ol><hr/><table><tbody><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></tbody></table><p><ac:image><ri:url ri:value=\"https://x.example/cat.png\"/></ac:image></p>"
        );
    }

    #[test]
    fn code_keeps_every_character_and_cannot_end_its_section() {
        assert_eq!(
            to_storage("```rust ignore\nlet a = b[c[0]]>d;\n```\n"),
            "<ac:structured-macro ac:name=\"code\"><ac:parameter ac:name=\"language\">rust</ac:parameter><ac:plain-text-body><![CDATA[let a = b[c[0]]]]><![CDATA[>d;]]></ac:plain-text-body></ac:structured-macro>"
        );
    }

    #[test]
    fn markup_in_the_text_is_text() {
        assert_eq!(
            to_storage("<ac:structured-macro ac:name=\"html\">\n\na <script> & \"b\"\u{0}\n"),
            "<p>&lt;ac:structured-macro ac:name=&quot;html&quot;&gt;</p><p>a &lt;script&gt; &amp; &quot;b&quot;</p>"
        );
        assert_eq!(to_storage(""), "");
    }
}
