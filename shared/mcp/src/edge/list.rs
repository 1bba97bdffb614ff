//! What a `tools/list` result says around its tools.

use bytes::{BufMut, Bytes, BytesMut};

use crate::edit::{Edits, member, text_of};
use crate::object::members;

/// A page without what it lists: `tools` is empty, `nextCursor` is gone, all else is byte for
/// byte. `None` for a page that says nothing else, or is none.
pub fn around_tools(page: &Bytes) -> Option<String> {
    let text = text_of(page).ok()?;
    let all = members(text).ok()?;
    let tools = member(&all, "tools")?;
    let more = |name: &str| !matches!(name, "tools" | "nextCursor");
    if !all.iter().any(|(name, _)| more(name)) {
        return None;
    }
    let mut edits = Edits::new(text);
    edits.replace(tools.get(), "[]".to_owned());
    let object = text.trim_start();
    edits.reshape(object, &all, String::new(), |name, _| name == "nextCursor");
    edits.apply()
}

/// Puts a page's tools, the inside of an array, and the cursor of the next into what
/// [`around_tools`] gave.
///
/// # Errors
/// `frame` is no JSON object with `tools`.
pub fn with_tools(
    frame: &Bytes,
    tools: &[u8],
    next_cursor: Option<&str>,
) -> Result<Bytes, serde_json::Error> {
    let text = text_of(frame)?;
    let all = members(text)?;
    let at = member(&all, "tools").map(|raw| raw.get());
    let at = at.ok_or_else(|| serde::de::Error::missing_field("tools"))?;
    let start = at.as_ptr() as usize - text.as_ptr() as usize;
    let mut out = BytesMut::with_capacity(text.len() + tools.len() + 256);
    out.put_slice(&text.as_bytes()[..start]);
    out.put_u8(b'[');
    out.put_slice(tools);
    out.put_u8(b']');
    if let Some(cursor) = next_cursor {
        out.put_slice(b",\"nextCursor\":");
        serde_json::to_writer((&mut out).writer(), cursor)?;
    }
    out.put_slice(&text.as_bytes()[start + at.len()..]);
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_says_besides_its_tools_is_kept_in_its_place() {
        let around = |page: &'static str| around_tools(&Bytes::from_static(page.as_bytes()));

        let frame =
            around(r#" {"a": 1.0, "tools":[{"name":"t"} ],"nextCursor":"n","_meta":{ "k":1e2 }}"#);

        let frame = frame.unwrap();
        assert_eq!(frame, r#" {"a": 1.0, "tools":[],"_meta":{ "k":1e2 }}"#);
        let page = with_tools(&Bytes::from(frame), br#"{"name":"u"}"#, Some("c\"")).unwrap();
        assert_eq!(
            page,
            r#" {"a": 1.0, "tools":[{"name":"u"}],"nextCursor":"c\"","_meta":{ "k":1e2 }}"#
        );
        assert_eq!(around(r#"{"nextCursor":"n","tools":[1]}"#), None);
        assert_eq!(around(r#"{"a":1}"#), None);
        assert_eq!(
            around(r#"{"nextCursor":"n","a":1,"tools":[1]}"#).unwrap(),
            r#"{"a":1,"tools":[]}"#
        );
    }
}
