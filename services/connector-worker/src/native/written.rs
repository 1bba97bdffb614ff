//! The bytes of a request's body.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use catalog::{Arg, Change, Encoding};
use serde_json::Value;

use super::encode;

/// A body, and the media type that goes with it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Written {
    pub(super) bytes: Bytes,
    pub(super) content_type: Option<String>,
}

/// The bytes that an argument's value stands for.
///
/// # Errors
/// The rule that the value breaks.
pub(super) fn bytes(arg: &Arg, value: &Value) -> Result<Bytes, String> {
    let text = encode::text(value);
    if arg.change != Some(Change::Base64Decode) {
        return Ok(text.into());
    }
    unpack(&text).ok_or_else(|| format!("argument {:?} must be Base64", arg.name))
}

/// The bytes that Base64 stands for, broken into lines or not.
pub(super) fn unpack(text: &str) -> Option<Bytes> {
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let decoded = STANDARD
        .decode(&packed)
        .or_else(|_| STANDARD_NO_PAD.decode(&packed));
    decoded.ok().map(Bytes::from)
}

/// Writes a body. `media` is a raw one, or the part that is no JSON; `kind` is that part's type.
pub(super) fn write(
    encoding: Encoding,
    body: Option<&Value>,
    media: Option<&Bytes>,
    kind: Option<&str>,
) -> Written {
    match (encoding, body, media) {
        // Its media type is the request's.
        (Encoding::Raw, _, media) => Written {
            bytes: media.cloned().unwrap_or_default(),
            content_type: None,
        },
        (Encoding::MultipartRelated, body, Some(media)) => related(
            body.unwrap_or(&Value::Null),
            media,
            kind.unwrap_or("application/octet-stream"),
        ),
        (_, None, _) => Written::default(),
        (Encoding::Form, Some(body), _) => Written {
            bytes: form(body).into(),
            content_type: Some("application/x-www-form-urlencoded".to_owned()),
        },
        (_, Some(body), _) => Written {
            bytes: body.to_string().into(),
            content_type: Some("application/json".to_owned()),
        },
    }
}

fn form(body: &Value) -> String {
    let members = body.as_object().into_iter().flatten();
    let pairs = members.map(|(name, value)| {
        let value = encode::segment(&encode::text(value));
        format!("{}={value}", encode::segment(name))
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// RFC 2387: the JSON, then the media.
fn related(body: &Value, media: &Bytes, kind: &str) -> Written {
    let body = body.to_string();
    let boundary = boundary(body.as_bytes(), media);
    let head = format!(
        "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{body}\r\n\
         --{boundary}\r\nContent-Type: {kind}\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    Written {
        bytes: [head.as_bytes(), media, tail.as_bytes()].concat().into(),
        content_type: Some(format!("multipart/related; boundary={boundary}")),
    }
}

/// A line that neither part holds (RFC 2046 §5.1.1).
fn boundary(body: &[u8], media: &[u8]) -> String {
    let is_in = |part: &[u8], text: &str| memchr::memmem::find(part, text.as_bytes()).is_some();
    let tries = (0_u64..).map(|number| format!("turnbuckle-{number:016x}"));
    let free = |text: &String| !is_in(body, text) && !is_in(media, text);
    tries.into_iter().find(free).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_part_can_end_a_multipart_body_early() {
        let media = Bytes::from_static(b"a\r\n--turnbuckle-0000000000000000--\r\n");

        let written = write(
            Encoding::MultipartRelated,
            Some(&json!({ "name": "x" })),
            Some(&media),
            Some("text/markdown"),
        );

        assert_eq!(
            written.content_type.as_deref(),
            Some("multipart/related; boundary=turnbuckle-0000000000000001")
        );
        assert_eq!(
            written.bytes,
            "--turnbuckle-0000000000000001\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n\
             {\"name\":\"x\"}\r\n--turnbuckle-0000000000000001\r\nContent-Type: text/markdown\r\n\r\n\
             a\r\n--turnbuckle-0000000000000000--\r\n\r\n--turnbuckle-0000000000000001--\r\n"
        );
    }
}
