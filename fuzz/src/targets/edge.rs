use mcp::edge::{CacheHints, Kind, for_legacy, for_modern, tool_for_legacy, tool_for_modern};
use mcp::mrtr::{
    InputRequest, elicitation_mode, input_requests, request_for_legacy, requests_for_modern,
    write_input_required,
};
use mcp::{LEGACY_VERSIONS, ProtocolVersion, members};
use serde_json::value::RawValue;

use super::json::{assert_json, bytes, raw};

const INFO: &str = r#"{"name":"x"}"#;
const KINDS: [Kind; 4] = [
    Kind::CallTool,
    Kind::GetPrompt,
    Kind::ReadResource,
    Kind::Other,
];

/// How a text was changed: by kind, by revision, whether a schema was wrapped, by question.
type Way = ([[usize; 5]; 4], bool, Vec<[bool; 4]>);

/// Any JSON as a result, a tool's definition or `inputRequests`: for each revision it becomes JSON
/// without what that revision does not know, and doing it twice changes nothing more.
pub fn edge(input: &[u8]) -> Option<Way> {
    let raw = raw(input)?;
    let wrapped = definitions(raw);
    let asked = questions(raw);
    let json = bytes(raw);
    let changed = KINDS.map(|kind| {
        let hints = Some(CacheHints { ttl_ms: 1_000 });
        let Ok(modern) = for_modern(kind, &json, INFO, hints) else {
            assert!(!raw.get().starts_with('{') || members(raw.get()).is_err());
            return [0; 5];
        };
        assert_json(&modern);
        let grown = modern.len() - json.len().min(modern.len());
        assert_eq!(for_modern(kind, &modern, INFO, hints).ok(), Some(modern));
        let [a, b, c, d] = LEGACY_VERSIONS.map(|version| legacy(kind, version, raw));
        [grown / 16, a, b, c, d]
    });
    Some((changed, wrapped, asked))
}

/// About how much changed.
fn legacy(kind: Kind, version: ProtocolVersion, raw: &RawValue) -> usize {
    let json = bytes(raw);
    assert_json(&for_legacy(kind, version, &json, true).expect("it is an object"));
    let out = for_legacy(kind, version, &json, false).expect("it is an object");
    assert_json(&out);
    let text = std::str::from_utf8(&out).expect("it is text");
    for (name, _) in members(text).expect("it is an object") {
        assert!(!["resultType", "ttlMs", "cacheScope"].contains(&&*name));
    }
    assert_eq!(
        for_legacy(kind, version, &out, false).ok(),
        Some(out.clone())
    );
    out.len().abs_diff(json.len()).div_ceil(16).min(8)
}

/// Whether a schema was wrapped.
fn definitions(raw: &RawValue) -> bool {
    let modern = tool_for_modern(raw);
    assert_json(&modern);
    let text = std::str::from_utf8(&modern).expect("it is text");
    let all = members(text).unwrap_or_default();
    assert!(all.iter().all(|(name, _)| name != "execution"));
    let mut any = false;
    for version in LEGACY_VERSIONS {
        let (out, is_wrapped) = tool_for_legacy(raw, version);
        assert_json(&out);
        let again: Box<RawValue> = serde_json::from_slice(&out).expect("it is JSON");
        let (twice, wrapped) = tool_for_legacy(&again, version);
        assert!(!wrapped, "it was wrapped already");
        assert_eq!(twice, out);
        any |= is_wrapped;
    }
    any
}

/// Which revisions can be asked each of the first questions.
fn questions(raw: &RawValue) -> Vec<[bool; 4]> {
    let modern = requests_for_modern(raw.get());
    assert_json(&modern);
    let Ok(requests) = input_requests(raw.get()) else {
        return Vec::new();
    };
    let text = std::str::from_utf8(&modern).expect("it is text");
    assert_eq!(requests_for_modern(text), modern);
    assert_json(&write_input_required(
        Some(&modern),
        Some("s\n"),
        Some(&modern),
        INFO,
    ));
    let ask = |request: &InputRequest<'_>| {
        let _ = elicitation_mode(request.params);
        LEGACY_VERSIONS.map(|version| {
            let params = request_for_legacy(request, version, "e");
            params.inspect(|params| assert_json(params)).is_some()
        })
    };
    let asked: Vec<_> = requests.iter().map(ask).collect();
    asked.into_iter().take(4).collect()
}
