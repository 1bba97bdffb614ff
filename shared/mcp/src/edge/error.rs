//! Errors of upstreams, as they were written.

use bytes::Bytes;

use crate::edit::{Edits, text_of};
use crate::object::members;

/// An upstream's JSON-RPC error object with another `code` and other `data`, where those are
/// given. A member that it does not have it does not get. What does not change stays byte for byte, members that nobody here knows included.
///
/// # Errors
/// `error` is no JSON object.
pub fn error_with(
    error: &Bytes,
    code: Option<i64>,
    data: Option<&[u8]>,
) -> Result<Bytes, serde_json::Error> {
    let text = text_of(error)?;
    let all = members(text)?;
    let mut edits = Edits::new(text);
    for (name, raw) in &all {
        match name.as_ref() {
            "code" => {
                if let Some(code) = code {
                    edits.replace(raw.get(), code.to_string());
                }
            }
            "data" => {
                if let Some(data) = data {
                    edits.replace(raw.get(), text_of(data)?.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(edits.apply_to(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_own_words_whatever_else_changes() {
        let error =
            r#"{ "x":1e2,"code":-32002, "message":"n\u00fcll","data":{"uri":"a:b"} ,"y":[ ]}"#;
        let with = |code, data: Option<&str>| {
            let error = Bytes::copy_from_slice(error.as_bytes());
            error_with(&error, code, data.map(str::as_bytes)).unwrap()
        };

        assert_eq!(with(None, None), error);
        assert_eq!(
            with(Some(-32602), Some(r#"{"uri":"s+a:b"}"#)),
            r#"{ "x":1e2,"code":-32602, "message":"n\u00fcll","data":{"uri":"s+a:b"} ,"y":[ ]}"#
        );
        assert!(error_with(&Bytes::from_static(b"[]"), None, None).is_err());
    }
}
