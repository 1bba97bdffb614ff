//! Reading XML as far as Office files need it. A document type, and with it every entity but the
//! five that XML itself has, is refused.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// What a walk through a document meets. Names come without their namespace's prefix.
pub(super) enum Met<'a> {
    Start(&'a str, &'a BytesStart<'a>),
    /// Text with its entities resolved.
    Text(&'a str),
    End(&'a str),
}

/// Walks through a document.
///
/// # Errors
/// What is wrong with it.
pub(super) fn walk(text: &str, mut visit: impl FnMut(Met<'_>)) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().map_err(|_| "its XML is broken")? {
            Event::Start(start) => visit(Met::Start(start.local_name().as_ref(), &start)),
            Event::Empty(start) => {
                let name = start.local_name();
                visit(Met::Start(name.as_ref(), &start));
                visit(Met::End(name.as_ref()));
            }
            Event::End(end) => visit(Met::End(end.local_name().as_ref())),
            Event::Text(text) => visit(Met::Text(&text.xml10_content())),
            Event::CData(text) => visit(Met::Text(&text.xml10_content())),
            Event::GeneralRef(entity) => {
                let found = entity.resolve_char_ref().map_err(|_| "its XML is broken")?;
                let found = match (found, entity.xml10_content().as_ref()) {
                    (Some(c), _) => c,
                    (None, "amp") => '&',
                    (None, "lt") => '<',
                    (None, "gt") => '>',
                    (None, "quot") => '"',
                    (None, "apos") => '\'',
                    (None, _) => return Err("its XML has an entity of its own".to_owned()),
                };
                visit(Met::Text(found.encode_utf8(&mut [0; 4])));
            }
            Event::DocType(_) => return Err("its XML has a document type".to_owned()),
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

/// The value of an attribute by its whole name, e.g. `r:id`, entities left as they are.
pub(super) fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.try_get_attribute(name).ok()??;
    Some(found.value.as_ref().to_string())
}

/// Text as XML writes it, without the characters that XML 1.0 has no place for.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(xml: &str) -> Result<String, String> {
        let mut found = String::new();
        walk(xml, |met| {
            if let Met::Text(text) = met {
                found.push_str(text);
            }
        })?;
        Ok(found)
    }

    #[test]
    fn the_entities_of_xml_are_read_and_no_others() {
        assert_eq!(
            texts("<a>x &amp; &#233;&#x21;<![CDATA[<b>]]></a>").as_deref(),
            Ok("x & é!<b>")
        );
        assert!(texts("<a>&boom;</a>").is_err());
        assert!(texts("<!DOCTYPE a [<!ENTITY boom \"x\">]><a>&boom;</a>").is_err());
        assert!(texts("<a><b></a>").is_err());
    }
}
