//! HTML that can hold nobody else's markup.

use std::fmt::Display;

/// A piece of a page. What is written in this program stands as it is; everything else is text.
#[derive(Clone, Debug, Default)]
pub(super) struct Html(String);

impl Html {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Markup of this program.
    pub(super) fn raw(mut self, markup: &'static str) -> Self {
        self.0.push_str(markup);
        self
    }

    /// Text, whoever wrote it; also fit for an attribute's value in double quotes.
    pub(super) fn text(mut self, text: impl Display) -> Self {
        for c in text.to_string().chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c if hides(c) => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        self
    }

    /// Another piece.
    pub(super) fn then(mut self, piece: Self) -> Self {
        self.0.push_str(&piece.0);
        self
    }

    /// A piece for each of `items`.
    pub(super) fn each<T>(
        self,
        items: impl IntoIterator<Item = T>,
        piece: impl Fn(T) -> Self,
    ) -> Self {
        items
            .into_iter()
            .fold(self, |all, item| all.then(piece(item)))
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Whether a character shows nothing, or moves what is beside it: a name made of such could pass
/// for another on a page where somebody decides.
fn hides(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_hides_nothing() {
        let page = Html::new()
            .raw("<b title=\"")
            .text("\"><script>&'")
            .raw("\">")
            .text("a\u{202e}b\u{0}")
            .raw("</b>");

        assert_eq!(
            page.into_string(),
            "<b title=\"&quot;&gt;&lt;script&gt;&amp;&#39;\">a\u{fffd}b\u{fffd}</b>"
        );
    }
}
