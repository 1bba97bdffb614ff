//! Results for a person.

use serde_json::Value;

/// A column: its heading, and the JSON pointer of its value in an item.
pub(super) type Column = (&'static str, &'static str);

/// Items as aligned columns under headings.
pub(super) fn table(columns: &[Column], items: &[Value]) -> String {
    let mut rows = vec![
        columns
            .iter()
            .map(|(heading, _)| (*heading).to_owned())
            .collect(),
    ];
    for item in items {
        let cells = columns
            .iter()
            .map(|(_, pointer)| cell(item.pointer(pointer)));
        rows.push(cells.collect::<Vec<String>>());
    }
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(text, &width)| format!("{text:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// One thing as a list of its properties.
pub(super) fn fields(columns: &[Column], item: &Value) -> String {
    let width = columns
        .iter()
        .map(|(heading, _)| heading.len())
        .max()
        .unwrap_or_default()
        + 1;
    let lines = columns.iter().map(|(heading, pointer)| {
        let heading = format!("{heading}:");
        format!("{heading:width$} {}", cell(item.pointer(pointer)))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A value in one line.
fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => plain(text),
        Some(Value::Bool(value)) => if *value { "yes" } else { "no" }.to_owned(),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| cell(Some(item)))
            .collect::<Vec<_>>()
            .join(" "),
        Some(other) => plain(&other.to_string()),
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        "-".to_owned()
    } else {
        shortened(&line, 100)
    }
}

/// A text without what could command a terminal. Names and descriptions come from upstreams.
pub(super) fn plain(text: &str) -> String {
    let harmless = |c: char| {
        let reorders = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (c.is_control() && c != '\n' && c != '\t') || reorders {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(harmless).collect()
}

/// A text in which every character can be seen: what shows nothing, or reorders what is beside it,
/// as `\u{…}`. For what somebody must decide on.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '\'') || c.escape_debug().len() == 1 {
            shown.push(c);
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    shown
}

/// A text of at most `max` characters.
pub(super) fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max - 1).collect();
    format!("{}…", kept.trim_end())
}
