use std::borrow::Cow;

use mcp::rename::{Rename, Shape, rename as rename_in};

use super::json::{assert_json, bytes, raw, value};

const SHAPES: [Shape; 10] = [
    Shape::ToolResult,
    Shape::PromptResult,
    Shape::ResourceContents,
    Shape::PromptList,
    Shape::ResourceList,
    Shape::TemplateList,
    Shape::ToolDefinition,
    Shape::Completion,
    Shape::ResourceUpdated,
    Shape::InputRequests,
];

/// Puts something before each name and URI.
struct Out;
/// Takes it away again.
struct Back;
/// Changes nothing.
struct Same;

impl Rename for Out {
    fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Cow::Owned(format!("p_{name}"))
    }

    fn uri<'a>(&self, uri: &'a str) -> Cow<'a, str> {
        Cow::Owned(format!("s+{uri}"))
    }
}

impl Rename for Back {
    fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(name.strip_prefix("p_").expect("it was put there"))
    }

    fn uri<'a>(&self, uri: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(uri.strip_prefix("s+").expect("it was put there"))
    }
}

impl Rename for Same {
    fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(name)
    }

    fn uri<'a>(&self, uri: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(uri)
    }
}

/// Any JSON as whatever an upstream may answer: renamed and renamed back it is what it was, and
/// renamed to the same names it is the very bytes.
pub fn rename(input: &[u8]) -> [Option<usize>; 10] {
    let Some(raw) = raw(input) else {
        return [None; 10];
    };
    let json = bytes(raw);
    SHAPES.map(|shape| {
        let out = rename_in(shape, &json, &Out).ok()?;
        assert_json(&out);
        let back = rename_in(shape, &out, &Back).expect("it is still an object");
        assert_eq!(value(&back), value(&json), "{shape:?}");
        let same = rename_in(shape, &json, &Same).expect("it is an object");
        assert_eq!(same.as_ptr(), json.as_ptr());
        // Each name and URI that was found is two bytes longer, but for escapes.
        Some((out.len().saturating_sub(json.len()) / 2).min(8))
    })
}
