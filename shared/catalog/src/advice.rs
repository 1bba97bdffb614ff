//! How to mend a fault of a manifest.

use crate::error::Fault;

/// What a rule says, and what to do about it.
const KNOWN: &[(&str, &str)] = &[
    (
        "nothing supplies",
        "add an argument with in = \"path\" and that name, or a constant in const_path",
    ),
    (
        "is in no path",
        "name it in the request, as {name}, or send it elsewhere: query, header or body",
    ),
    (
        "is in no template and no condition",
        "use it as {{name}} in a constant or in a condition, or take it out",
    ),
    (
        "which is no argument",
        "name one of the tool's arguments, or add that one to args",
    ),
    (
        "there is no shared argument",
        "add [args.NAME] to the file, or write the argument as a table here",
    ),
    (
        "there is no pagination profile",
        "add [pagination.NAME] to the file, or name one that is there",
    ),
    (
        "may be absent, but",
        "make the argument required, give it a default, or put the constant under const_when",
    ),
    ("is used by two tools", "give one of them another name"),
    ("is used twice", "give one of the two another name"),
    (
        "a GET reads",
        "say effect = \"read\", or use the provider's other method",
    ),
    ("a read is", "say idempotent = true"),
    (
        "a GET has no body",
        "send the argument in the query, or use another method",
    ),
    (
        "but the file is",
        "the file is called as the connector: <connector>.toml",
    ),
    ("is in the catalog already", "call the connector otherwise"),
    (
        "must say what the tool does",
        "write what it does, when to prefer it to its neighbours, and what comes back",
    ),
];

/// One sentence for a fault; at least where to read on.
pub(crate) fn of(fault: &Fault) -> String {
    let rule = fault.rule.as_str();
    if let Some(name) = named_after(rule, "missing field `") {
        return format!("add {name}");
    }
    if rule.starts_with("unknown field `") || rule.starts_with("unknown variant `") {
        let mut words = rule.split('`').skip(1).step_by(2);
        let given = words.next().unwrap_or_default();
        return match closest(given, words) {
            Some(word) => format!("write {word} if that is meant, or {}", read_on(fault)),
            None => format!("take it out, or {}", read_on(fault)),
        };
    }
    if fault.key == "(syntax)" {
        return "mend the TOML there (https://toml.io)".to_owned();
    }
    let known = KNOWN.iter().find(|(part, _)| rule.contains(part));
    known.map_or_else(|| read_on(fault), |(_, advice)| (*advice).to_owned())
}

fn named_after<'a>(rule: &'a str, words: &str) -> Option<&'a str> {
    let (name, _) = rule.strip_prefix(words)?.split_once('`')?;
    Some(name)
}

/// Where the format says what is allowed there.
fn read_on(fault: &Fault) -> String {
    let first = fault.key.split(['.', '[']).next().unwrap_or_default();
    let section = match (first, fault.tool.is_some()) {
        ("args", _) => "Arguments",
        ("response", _) => "response",
        ("code" | "code_params" | "steps", _) => "code",
        ("paginate" | "pagination", _) => "pagination",
        ("auth", _) => "auth",
        ("rate_limit", _) => "rate_limit",
        ("errors", _) => "errors",
        ("resources" | "prompts", _) => "Resources and prompts",
        ("output", _) => "output",
        (_, true) => "A tool",
        (_, false) => "The connector",
    };
    format!("see {section:?} in docs/connectors/manifest-format.md")
}

/// The word that was probably meant: at most half of it is written otherwise.
fn closest<'a>(given: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = words.map(|word| (distance(given, word), word));
    let (far, word) = near.min()?;
    (far * 2 <= given.chars().count()).then_some(word)
}

/// Characters to change, add or take away (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = before + usize::from(a != *b);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
