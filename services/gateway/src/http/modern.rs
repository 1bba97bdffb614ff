//! What a modern request must say beside its body (2026-07-28, "Request headers").

use ::mcp::{Params, codes, header};
use http::{HeaderMap, StatusCode};

use crate::core::Answer;

/// Checks the headers of a modern request whose version is settled.
///
/// # Errors
/// The answer: HTTP 400 with -32020.
pub(super) fn check_request(
    headers: &HeaderMap,
    id: &str,
    method: &str,
    params: &Params<'_>,
) -> Result<(), Answer> {
    let mismatch = |message: &str| {
        Answer::refused(
            StatusCode::BAD_REQUEST,
            id,
            codes::HEADER_MISMATCH,
            message,
            None,
        )
    };
    let repeated = |name: &str, expected: &str| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Err(mismatch(&format!("Header {name} is missing"))),
            (_, Some(_)) => Err(mismatch(&format!("Header {name} is given twice"))),
            (Some(value), None) => match header::decode_value(value.as_bytes()) {
                None => Err(mismatch(&format!("Header {name} is encoded wrongly"))),
                Some(value) if value != expected => {
                    Err(mismatch(&format!("Header {name} differs from the body")))
                }
                Some(_) => Ok(()),
            },
        }
    };
    repeated(header::METHOD, method)?;
    if let Some(name) = params.routing_name(method) {
        repeated(header::NAME, name)?;
    }
    Ok(())
}
