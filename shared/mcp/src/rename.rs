//! An upstream's names and URIs, and those that an aggregate endpoint exposes: rewritten in place.
//! Only the string tokens change; every other byte of the text stays.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::edit::{Edits, items, member, quoted, string};
use crate::object::{Members, Split, members};

/// How names and URIs of one upstream are exposed, or the way back.
pub trait Rename {
    /// The other name of a tool or prompt.
    fn name<'a>(&self, name: &'a str) -> Cow<'a, str>;
    /// The other URI of a resource, or the other template of resources.
    fn uri<'a>(&self, uri: &'a str) -> Cow<'a, str>;
}

/// What a text is, and so where its names and URIs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Result of `tools/call`: `content[]`, and `_meta.ui.resourceUri`.
    ToolResult,
    /// Result of `prompts/get`: `messages[].content`, one block or an array of them.
    PromptResult,
    /// Result of `resources/read`: `contents[].uri`.
    ResourceContents,
    /// Result of `prompts/list`: `prompts[].name`.
    PromptList,
    /// Result of `resources/list`: `resources[].uri`.
    ResourceList,
    /// Result of `resources/templates/list`: `resourceTemplates[].uriTemplate`.
    TemplateList,
    /// One tool of `tools/list`: `name`, and the view that `_meta` names.
    ToolDefinition,
    /// Params of `completion/complete`: `ref.name` or `ref.uri`. The result holds neither.
    Completion,
    /// Params of `notifications/resources/updated`: `uri`.
    ResourceUpdated,
    /// `inputRequests` of a modern result: the content of sampling messages.
    InputRequests,
}

/// Tool results within the sampling messages of one request; deeper ones stay as they are.
const MAX_TOOL_RESULT_DEPTH: usize = 4;

/// Renames what the shape names; gives the same bytes when nothing changes.
///
/// # Errors
/// `json` is no JSON object.
pub fn rename(shape: Shape, json: &Bytes, with: &dyn Rename) -> Result<Bytes, serde_json::Error> {
    Ok(rename_split(shape, &Split::of(json)?, with))
}

/// Does the same in an object that has been split already.
pub fn rename_split(shape: Shape, json: &Split<'_>, with: &dyn Rename) -> Bytes {
    let all = json.members();
    let mut walk = Walk {
        edits: Edits::new(json.text()),
        with,
    };
    match shape {
        Shape::ToolResult => {
            walk.each(all, "content", |walk, block| walk.block(block, 0));
            walk.meta(all);
        }
        Shape::PromptResult => walk.messages(all),
        Shape::ResourceContents => walk.each_uri(all, "contents", "uri"),
        Shape::ResourceList => walk.each_uri(all, "resources", "uri"),
        Shape::TemplateList => walk.each_uri(all, "resourceTemplates", "uriTemplate"),
        Shape::PromptList => walk.each(all, "prompts", |walk, prompt| {
            walk.within(prompt, |walk, prompt| walk.name(prompt));
        }),
        Shape::ToolDefinition => {
            walk.name(all);
            walk.meta(all);
        }
        Shape::Completion => walk.inside(all, "ref", |walk, reference| {
            walk.name(reference);
            walk.uri(reference, "uri");
        }),
        Shape::ResourceUpdated => walk.uri(all, "uri"),
        Shape::InputRequests => {
            for (_, request) in all {
                walk.within(request, Walk::input_request);
            }
        }
    }
    walk.edits.apply_to(json.whole())
}

struct Walk<'a, 'r> {
    edits: Edits<'a>,
    with: &'r dyn Rename,
}

impl Walk<'_, '_> {
    /// Looks into a value, if it is an object.
    fn within(&mut self, raw: &RawValue, look: impl FnOnce(&mut Self, &Members<'_>)) {
        if let Ok(object) = members(raw.get()) {
            look(self, &object);
        }
    }

    /// Looks into all members of that name.
    fn inside(
        &mut self,
        object: &Members<'_>,
        name: &str,
        mut look: impl FnMut(&mut Self, &Members<'_>),
    ) {
        for (_, raw) in object.iter().filter(|(key, _)| key == name) {
            self.within(raw, &mut look);
        }
    }

    /// Looks at each element of the arrays of that name.
    fn each(
        &mut self,
        object: &Members<'_>,
        name: &str,
        mut look: impl FnMut(&mut Self, &RawValue),
    ) {
        for (_, raw) in object.iter().filter(|(key, _)| key == name) {
            for item in items(raw.get()) {
                look(self, item);
            }
        }
    }

    fn each_uri(&mut self, object: &Members<'_>, list: &str, name: &str) {
        self.each(object, list, |walk, item| {
            walk.within(item, |walk, item| walk.uri(item, name));
        });
    }

    fn name(&mut self, object: &Members<'_>) {
        let with = self.with;
        self.replace(object, "name", |name| with.name(name).into_owned());
    }

    fn uri(&mut self, object: &Members<'_>, name: &str) {
        let with = self.with;
        self.replace(object, name, |uri| with.uri(uri).into_owned());
    }

    fn replace(&mut self, object: &Members<'_>, name: &str, other: impl Fn(&str) -> String) {
        for (_, raw) in object.iter().filter(|(key, _)| key == name) {
            let Some(old) = string(raw.get()) else {
                continue;
            };
            let new = other(&old);
            if new != *old {
                self.edits.replace(raw.get(), quoted(&new));
            }
        }
    }

    /// The view of a tool (MCP Apps), also by the key that its first drafts had.
    fn meta(&mut self, object: &Members<'_>) {
        self.inside(object, "_meta", |walk, meta| {
            walk.uri(meta, "ui/resourceUri");
            walk.inside(meta, "ui", |walk, ui| walk.uri(ui, "resourceUri"));
        });
    }

    /// One content block.
    fn block(&mut self, block: &RawValue, depth: usize) {
        self.within(block, |walk, block| {
            let kind = member(block, "type").and_then(|raw| string(raw.get()));
            match kind.as_deref() {
                Some("resource_link") => walk.uri(block, "uri"),
                Some("resource") => walk.inside(block, "resource", |walk, resource| {
                    walk.uri(resource, "uri");
                }),
                Some("tool_result") if depth < MAX_TOOL_RESULT_DEPTH => {
                    walk.each(block, "content", |walk, block| walk.block(block, depth + 1));
                }
                _ => {}
            }
        });
    }

    fn messages(&mut self, object: &Members<'_>) {
        self.each(object, "messages", |walk, message| {
            walk.within(message, |walk, message| {
                for (_, content) in message.iter().filter(|(key, _)| key == "content") {
                    if content.get().starts_with('[') {
                        for block in items(content.get()) {
                            walk.block(block, 0);
                        }
                    } else {
                        walk.block(content, 0);
                    }
                }
            });
        });
    }

    fn input_request(&mut self, request: &Members<'_>) {
        let method = member(request, "method").and_then(|raw| string(raw.get()));
        if method.as_deref() == Some("sampling/createMessage") {
            self.inside(request, "params", Self::messages);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::edit::text_of;

    struct Prefix;

    impl Rename for Prefix {
        fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
            Cow::Owned(format!("gh_{name}"))
        }

        fn uri<'a>(&self, uri: &'a str) -> Cow<'a, str> {
            match uri.strip_prefix("ui://") {
                Some(rest) => Cow::Owned(format!("ui://gh/{rest}")),
                None => Cow::Owned(format!("gh+{uri}")),
            }
        }
    }

    struct Same;

    impl Rename for Same {
        fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
            Cow::Borrowed(name)
        }

        fn uri<'a>(&self, uri: &'a str) -> Cow<'a, str> {
            Cow::Borrowed(uri)
        }
    }

    fn renamed(shape: Shape, text: &'static str) -> String {
        let out = rename(shape, &Bytes::from_static(text.as_bytes()), &Prefix).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_tool_result_has_its_links_and_embedded_resources_and_view_renamed() {
        assert_eq!(
            renamed(
                Shape::ToolResult,
                r#"{ "content":[{"type":"resource_link","uri":"a:\/\/b","name":"n"}, {"type":"text","text":"a://b","uri":"a://b"},
                 {"resource":{"uri":"c:d","text":"x"},"type":"resource"}],"structuredContent":{"uri":"a://b"}, "_meta":{"ui":{"resourceUri":"ui://v"}} }"#
            ),
            r#"{ "content":[{"type":"resource_link","uri":"gh+a://b","name":"n"}, {"type":"text","text":"a://b","uri":"a://b"},
                 {"resource":{"uri":"gh+c:d","text":"x"},"type":"resource"}],"structuredContent":{"uri":"a://b"}, "_meta":{"ui":{"resourceUri":"ui://gh/v"}} }"#
        );
    }

    #[test]
    fn messages_are_renamed_whether_their_content_is_one_block_or_several() {
        let content = |uris: [&str; 2]| {
            let [one, two] = uris;
            format!(
                r#""messages":[{{"role":"user","content":{{"type":"resource_link","uri":"{one}"}}}},{{"content":[{{"type":"tool_result","content":[{{"type":"resource","resource":{{"uri":"{two}"}}}}]}}]}}]"#
            )
        };
        let out = |shape, text: String| {
            let out = rename(shape, &Bytes::from(text), &Prefix).unwrap();
            String::from_utf8(out.to_vec()).unwrap()
        };
        let (old, new) = (content(["a:b", "c:d"]), content(["gh+a:b", "gh+c:d"]));

        assert_eq!(
            out(Shape::PromptResult, format!("{{{old}}}")),
            format!("{{{new}}}")
        );
        let asked = |content: &str| {
            format!(
                r#"{{"k":{{"method":"sampling/createMessage","params":{{{content}}}}},"l":{{"method":"elicitation/create","params":{{{old}}}}},"m":7}}"#
            )
        };
        assert_eq!(out(Shape::InputRequests, asked(&old)), asked(&new));
    }

    #[test]
    fn lists_and_definitions_and_references_are_renamed() {
        for (shape, old, new) in [
            (
                Shape::PromptList,
                r#"{"prompts":[{"name":"p"},{"name":7}],"name":"x"}"#,
                r#"{"prompts":[{"name":"gh_p"},{"name":7}],"name":"x"}"#,
            ),
            (
                Shape::ResourceList,
                r#"{"resources":[{"name":"r","uri":"a:b"}]}"#,
                r#"{"resources":[{"name":"r","uri":"gh+a:b"}]}"#,
            ),
            (
                Shape::TemplateList,
                r#"{"resourceTemplates":[{"uriTemplate":"a:{id}"}]}"#,
                r#"{"resourceTemplates":[{"uriTemplate":"gh+a:{id}"}]}"#,
            ),
            (
                Shape::ResourceContents,
                r#"{"contents":[{"uri":"a:b","text":"a:b"}]}"#,
                r#"{"contents":[{"uri":"gh+a:b","text":"a:b"}]}"#,
            ),
            (
                Shape::ToolDefinition,
                r#"{"name":"t","title":"t","inputSchema":{"name":"t"},"_meta":{"ui/resourceUri":"ui://v","ui":{"resourceUri":"ui://v"}}}"#,
                r#"{"name":"gh_t","title":"t","inputSchema":{"name":"t"},"_meta":{"ui/resourceUri":"ui://gh/v","ui":{"resourceUri":"ui://gh/v"}}}"#,
            ),
            (
                Shape::Completion,
                r#"{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a"}}"#,
                r#"{"ref":{"type":"ref/prompt","name":"gh_p"},"argument":{"name":"a"}}"#,
            ),
            (
                Shape::ResourceUpdated,
                r#"{"uri":"a:b"}"#,
                r#"{"uri":"gh+a:b"}"#,
            ),
        ] {
            assert_eq!(renamed(shape, old), new);
        }
    }

    #[test]
    fn what_needs_no_change_is_the_very_same_bytes() {
        let json = Bytes::from_static(br#"{"content":[{"type":"resource_link","uri":"a:\/b"}]}"#);
        let out = rename(Shape::ToolResult, &json, &Same).unwrap();

        assert_eq!(out.as_ptr(), json.as_ptr());
        for broken in [&b"[]"[..], b"\xff", b"{", b""] {
            assert!(rename(Shape::ToolResult, &Bytes::from_static(broken), &Same).is_err());
        }
    }

    proptest! {
        #[test]
        fn renaming_changes_uris_and_nothing_else(
            uris in proptest::collection::vec("[ -~äß\n]{0,12}", 1..4),
            noise in "[ \t\n]{0,3}",
            number in "-?[1-9][0-9]{0,20}(\\.[0-9]{1,20})?",
        ) {
            let block = |uri: &str| {
                let uri = quoted(uri);
                format!(r#"{{{noise}"n":{number},"uri"{noise}:{uri},"type":"resource_link"}}"#)
            };
            let result = |uris: Vec<String>| {
                let blocks: Vec<_> = uris.iter().map(|uri| block(uri)).collect();
                format!(r#"{{"content":[{}],{noise}"x":{number}{noise}}}"#, blocks.join(","))
            };
            let new: Vec<_> = uris.iter().map(|uri| Prefix.uri(uri).into_owned()).collect();

            let out = rename(Shape::ToolResult, &Bytes::from(result(uris)), &Prefix).unwrap();

            prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
            prop_assert_eq!(text_of(&out).unwrap(), result(new));
        }
    }
}
