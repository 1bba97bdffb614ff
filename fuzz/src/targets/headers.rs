use mcp::header::{decode_value, encode_value};
use mcp::{Era, EraError, HeaderParams, Inbound, decide};
use serde_json::value::RawValue;

/// Values of header fields: what is read can be written again, printable, and means the same. And
/// as the value of `MCP-Protocol-Version` it has an era, or a refusal.
pub fn header_value(input: &[u8]) -> (bool, bool, &'static str) {
    let decoded = decode_value(input);
    if let Some(text) = decoded.as_deref() {
        let encoded = encode_value(text);
        assert!(encoded.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        assert_eq!(decode_value(encoded.as_bytes()).as_deref(), Some(text));
    }
    let is_encoded = decoded
        .as_deref()
        .is_some_and(|text| text.as_bytes() != input);
    (decoded.is_some(), is_encoded, era(decoded.as_deref()))
}

fn era(version: Option<&str>) -> &'static str {
    let inbound = |header, meta| Inbound {
        header,
        meta,
        method: Some("tools/list"),
        is_request: true,
        has_session: true,
    };
    if let Err(error) = decide(&inbound(version, None))
        && let Some(data) = error.data()
    {
        super::json::assert_json(data.as_bytes());
    }
    // The header alone never makes a request modern, and both must agree.
    assert!(!matches!(
        decide(&inbound(version, None)),
        Ok(Era::Modern(_))
    ));
    match decide(&inbound(version, version)) {
        Ok(Era::Modern(modern)) => {
            assert_eq!(Some(modern.as_str()), version);
            "modern"
        }
        Ok(_) => "legacy",
        Err(EraError::HeaderMismatch) => "mismatch",
        Err(EraError::Unsupported { .. }) => "unsupported",
        Err(EraError::MetaMissing) => "no metadata",
    }
}

/// The first line is a tool's schema, the second the arguments of a call: the headers that we make
/// of them are those that we demand.
pub fn header_params(input: &[u8]) -> (&'static str, usize) {
    let mut lines = input.splitn(2, |&byte| byte == b'\n');
    let schema = lines.next().unwrap_or_default();
    let arguments: Option<&RawValue> = lines
        .next()
        .and_then(|line| serde_json::from_slice(line).ok());
    let Ok(schema) = serde_json::from_slice(schema) else {
        return ("no schema", 0);
    };
    let Ok(params) = HeaderParams::from_schema(&schema) else {
        return ("wrong annotation", 0);
    };
    let headers = params.headers(arguments);
    for (name, value) in &headers {
        assert!(name.starts_with("mcp-param-"));
        assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    }
    let checked = params.check(arguments, |name| {
        let named = headers.iter().filter(move |(known, _)| *known == name);
        let values: Vec<&[u8]> = named.map(|(_, value)| value.as_bytes()).collect();
        values.into_iter()
    });
    match checked {
        Ok(()) => ("same", headers.len()),
        // An argument of another type than the schema says; the upstream refuses that, too.
        Err(mismatch) => (mismatch.problem, headers.len()),
    }
}
