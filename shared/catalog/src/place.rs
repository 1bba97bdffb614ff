//! Where in its file a fault stands.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Fault;

/// Says of each fault in which line it stands: that of its key, or else of the nearest thing
/// around it.
pub(crate) fn locate(text: &str, faults: &mut [Fault]) {
    let Ok(root) = DeTable::parse(text) else {
        // The only fault then is the syntax, which knows its place.
        return;
    };
    for fault in faults.iter_mut().filter(|fault| fault.line.is_none()) {
        let found = find(root.get_ref(), fault);
        fault.line = found.map(|at| line(text, at));
    }
}

/// The line of a place in a text, counted from 1.
pub(crate) fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// Where the fault stands, in bytes.
fn find(root: &DeTable<'_>, fault: &Fault) -> Option<usize> {
    let (inside, start) = match &fault.tool {
        None => (root, None),
        Some(name) => {
            let (start, tool) = tool(root, name)?;
            (tool, Some(start))
        }
    };
    let (place, at) = match fault.key.strip_prefix("args.") {
        Some(key) if fault.tool.is_some() => argument(root, inside, key),
        _ if fault.key.starts_with('(') => None,
        _ => descend(inside, &fault.key),
    }
    .map_or((None, start), |(place, at)| (place, Some(at)));
    // The word that is wrong stands somewhere below.
    let word = fault.rule.split('`').nth(1);
    let is_word = fault.rule.starts_with("unknown ");
    let deeper = word.filter(|_| is_word).and_then(|word| match place {
        Some(place) => mention(place, word),
        None => inside
            .iter()
            .filter(|(key, _)| fault.tool.is_some() || **key.get_ref() != *"tools")
            .find_map(|(key, value)| said(key, value, word)),
    });
    deeper.or(at)
}

/// The tool of that name; of several the last, which is the one too many.
fn tool<'t>(root: &'t DeTable<'_>, name: &str) -> Option<(usize, &'t DeTable<'t>)> {
    let tools = root.get("tools")?.get_ref().as_array()?;
    let mut tables = tools
        .iter()
        .filter_map(|tool| Some((tool.span().start, tool.get_ref().as_table()?)));
    tables.rfind(|(_, tool)| {
        let own = tool.get("name").and_then(|own| own.get_ref().as_str());
        own.unwrap_or("(unnamed)") == name
    })
}

type Place<'t> = (Option<&'t Spanned<DeValue<'t>>>, usize);

/// `name.rest` of an argument, which may be a shared one.
fn argument<'t>(root: &'t DeTable<'_>, tool: &'t DeTable<'_>, key: &str) -> Option<Place<'t>> {
    let (name, rest) = key.split_once('.').unwrap_or((key, ""));
    let own = tool.get("args").and_then(|args| args.get_ref().as_array());
    let own = own.into_iter().flatten().find(|arg| {
        let said = |key: &str| {
            arg.get_ref()
                .get(key)
                .and_then(|said| said.get_ref().as_str())
        };
        let called = said("name").or_else(|| said("use"));
        called.or_else(|| arg.get_ref().as_str()) == Some(name)
    });
    let place = own.map(|own| (Some(own), own.span().start));
    let table = own.and_then(|own| own.get_ref().as_table());
    let deeper = table.and_then(|table| descend(table, rest));
    // What the tool does not say itself stands with the shared one.
    let shared = || {
        let base = table.and_then(|table| table.get("use")?.get_ref().as_str());
        let all = root.get("args")?.get_ref().as_table()?;
        let (key, found) = all.get_key_value(base.unwrap_or(name))?;
        let inner = found
            .get_ref()
            .as_table()
            .and_then(|own| descend(own, rest));
        inner.or(Some((Some(found), key.span().start)))
    };
    let is_table = table.is_some_and(|table| table.get("use").is_none());
    match deeper {
        Some(found) => Some(found),
        None if is_table => place,
        None => shared().or(place),
    }
}

/// The value at a path such as `variants[0].request`, or the last thing on the way. A key may
/// hold points itself.
fn descend<'t>(table: &'t DeTable<'_>, path: &str) -> Option<Place<'t>> {
    let ends = path.char_indices().rev().filter(|(_, c)| *c == '.');
    let ends = std::iter::once(path.len()).chain(ends.map(|(at, _)| at));
    for end in ends {
        let (name, rest) = (&path[..end], path[end..].trim_start_matches('.'));
        let (name, index) = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
            Some((name, index)) => (name, index.parse::<usize>().ok()),
            None => (name, None),
        };
        let Some((key, value)) = table.get_key_value(name) else {
            continue;
        };
        let element = index.and_then(|index| value.get_ref().as_array()?.get(index));
        let found = element.unwrap_or(value);
        let at = element.map_or(key.span().start, |element| element.span().start);
        let inner = found.get_ref().as_table();
        let deeper = inner.and_then(|inner| descend(inner, rest));
        return deeper.or(Some((Some(found), at)));
    }
    None
}

/// The first key or text below that is the word.
fn mention(value: &Spanned<DeValue<'_>>, word: &str) -> Option<usize> {
    match value.get_ref() {
        DeValue::String(text) if *text == *word => Some(value.span().start),
        DeValue::Array(items) => items.iter().find_map(|item| mention(item, word)),
        DeValue::Table(table) => table.iter().find_map(|(key, value)| said(key, value, word)),
        _ => None,
    }
}

fn said(
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    word: &str,
) -> Option<usize> {
    if **key.get_ref() == *word {
        return Some(key.span().start);
    }
    mention(value, word)
}
