use mcp::{
    ClientCapabilities, ListenFilter, Meta, Params, ProtocolVersion, Reference, ServerCapabilities,
    members,
};
use serde_json::value::RawValue;

use super::json::{assert_json, raw};

/// `params` and all that is read within: what travels on is an object of members that came, and
/// declared capabilities mean the same when declared again.
pub fn params(input: &[u8]) -> (bool, [bool; 8]) {
    let Some(raw) = raw(input) else {
        return (false, [false; 8]);
    };
    capabilities(raw);
    let meta = Meta::parse(Some(raw)).is_ok();
    let Ok(params) = Params::parse(Some(raw)) else {
        return (meta, [false; 8]);
    };

    let all = members(raw.get()).expect("it was read as an object");
    for method in ["tools/call", "resources/read", "tasks/get", "x"] {
        let rest = params.rest(method, &["cursor"]);
        let rest = format!("{{{}}}", std::str::from_utf8(&rest).expect("it is text"));
        for (name, value) in members(&rest).expect("it is an object") {
            assert!(!["_meta", "arguments", "requestState", "cursor"].contains(&&*name));
            let came = |(key, raw): &(_, &RawValue)| *key == name && raw.get() == value.get();
            assert!(all.iter().any(came));
        }
        let _ = params.routing_name(method);
    }
    if let Some(travelling) = Meta::travelling(params.meta) {
        assert_json(travelling.as_bytes());
        for (name, _) in members(&travelling).expect("it is an object") {
            assert!(!mcp::keys::PER_HOP.contains(&&*name));
        }
    }
    let filter = params.notifications.map(|raw| ListenFilter::parse(raw, 4));
    if let Some(Ok(filter)) = &filter {
        assert!(filter.resource_subscriptions.len() <= 4 && filter.task_ids.len() <= 4);
    }
    let seen = [
        params.name.is_some() || params.uri.is_some() || params.task_id.is_some(),
        params.arguments.is_some(),
        Meta::parse(params.meta).is_ok(),
        params
            .reference
            .is_some_and(|raw| Reference::parse(raw).is_ok()),
        params.log_level().is_some(),
        filter.is_some_and(|filter| filter.is_ok()),
        params.request_state.is_some(),
        params.cursor.is_some(),
    ];
    (meta, seen)
}

fn capabilities(raw: &RawValue) {
    let read = |text: String| RawValue::from_string(text).expect("it is JSON");
    let server = ServerCapabilities::parse(raw);
    for version in mcp::LEGACY_VERSIONS {
        assert_json(server.to_json(version).as_bytes());
    }
    let again = ServerCapabilities::parse(&read(server.to_json(ProtocolVersion::LATEST)));
    let declared = ServerCapabilities {
        // Older tasks are declared to nobody, and what a list's members do only with the list.
        legacy_tasks: false,
        prompts_list_changed: server.prompts && server.prompts_list_changed,
        ..server
    };
    assert_eq!(again, declared);

    if let Ok(client) = ClientCapabilities::parse(raw) {
        let again = read(client.to_json(ProtocolVersion::LATEST));
        let again = ClientCapabilities::parse(&again).expect("they were written by us");
        let declared = ClientCapabilities {
            // 2026-07-28 has no word for it.
            roots_list_changed: false,
            ..client
        };
        assert_eq!(again, declared);
    }
}
