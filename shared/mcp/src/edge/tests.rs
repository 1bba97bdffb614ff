use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::ProtocolVersion::{self, *};
use crate::members;

const INFO: &str = r#"{"name":"t"}"#;

fn text(out: Bytes) -> String {
    let out = String::from_utf8(out.to_vec()).unwrap();
    serde_json::from_str::<Value>(&out).expect(&out);
    out
}

fn modern(result: &'static str) -> String {
    text(complete_for_modern(&Bytes::from_static(result.as_bytes()), INFO).unwrap())
}

fn legacy(kind: Kind, version: ProtocolVersion, result: &str, wrapped: bool) -> String {
    text(
        for_legacy(
            kind,
            version,
            &Bytes::copy_from_slice(result.as_bytes()),
            wrapped,
        )
        .unwrap(),
    )
}

fn call(version: ProtocolVersion, result: &str) -> String {
    legacy(Kind::CallTool, version, result, false)
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

#[test]
fn a_result_is_completed_for_modern_clients_and_otherwise_left_alone() {
    let info = r#""io.modelcontextprotocol/serverInfo":{"name":"t"}"#;
    assert_eq!(
        modern("{ }"),
        format!(r#"{{"resultType":"complete","_meta":{{{info}}} }}"#)
    );
    assert_eq!(
        modern(r#" {"content":[ ]}"#),
        format!(r#" {{"resultType":"complete","_meta":{{{info}}},"content":[ ]}}"#)
    );
    assert_eq!(
        modern(r#"{"a":1.0,"_meta":{"x":1},"b":2}"#),
        format!(r#"{{"resultType":"complete","a":1.0,"_meta":{{{info},"x":1}},"b":2}}"#)
    );
    assert_eq!(
        modern(r#"{"_meta":{},"resultType":"task"}"#),
        format!(r#"{{"_meta":{{{info}}},"resultType":"task"}}"#)
    );
    let whole =
        r#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"up"}}}"#;
    assert_eq!(modern(whole), whole);
    let always = |result: &'static str| {
        let result = Bytes::from_static(result.as_bytes());
        text(complete_for_modern(&result, ServerInfo::Always(INFO)).unwrap())
    };
    assert_eq!(
        always(whole),
        format!(r#"{{"resultType":"complete","_meta":{{{info}}}}}"#)
    );
    assert_eq!(
        always(
            r#"{"_meta":{"a":1,"io.modelcontextprotocol/serverInfo":7,"b":2},"resultType":"x"}"#
        ),
        format!(r#"{{"_meta":{{{info},"a":1,"b":2}},"resultType":"x"}}"#)
    );
    assert!(complete_for_modern(&Bytes::from_static(b"[]"), INFO).is_err());
    assert!(complete_for_modern(&Bytes::from_static(b"\xff"), INFO).is_err());
}

#[test]
fn what_a_modern_client_may_keep_is_private_and_no_longer_than_either_side_says() {
    let cached = |kind, result: &'static str, ttl_ms: Option<u64>| {
        let hints = ttl_ms.map(|ttl_ms| CacheHints { ttl_ms });
        let result = Bytes::from_static(result.as_bytes());
        let out = text(for_modern(kind, &result, INFO, hints).unwrap());
        let members: Value = serde_json::from_str(&out).unwrap();
        (members["ttlMs"].clone(), members["cacheScope"].clone())
    };
    let private = |ttl: u64| (Value::from(ttl), Value::from("private"));
    let none = (Value::Null, Value::Null);

    for kind in [
        Kind::ReadResource,
        Kind::ListTools,
        Kind::ListPrompts,
        Kind::ListResources,
        Kind::ListResourceTemplates,
    ] {
        assert_eq!(cached(kind, "{}", Some(5)), private(5), "{kind:?}");
    }
    let list = |result, ttl| cached(Kind::ListPrompts, result, ttl);
    assert_eq!(list("{}", None), private(0));
    assert_eq!(
        list(r#"{"ttlMs":9,"cacheScope":"public"}"#, Some(5)),
        private(5)
    );
    assert_eq!(list(r#"{"ttlMs":3,"x":[]}"#, Some(5)), private(3));
    assert_eq!(list(r#"{"ttlMs":-1}"#, Some(5)), private(0));
    assert_eq!(list(r#"{"ttlMs":"7"}"#, Some(5)), private(0));
    assert_eq!(list(r#"{"ttlMs":1e999}"#, Some(5)), private(0));
    assert_eq!(list(r#"{"resultType":"input_required"}"#, Some(5)), none);
    assert_eq!(cached(Kind::CallTool, "{}", Some(5)), none);
    assert_eq!(cached(Kind::Complete, "{}", Some(5)), none);
}

#[test]
fn a_legacy_client_gets_no_modern_members() {
    let strip = |result: &'static str| {
        text(strip_for_legacy(&Bytes::from_static(result.as_bytes())).unwrap())
    };
    assert_eq!(
        strip(r#"{"content":[],"isError":false}"#),
        r#"{"content":[],"isError":false}"#
    );
    assert_eq!(
        strip(r#"{"resultType":"complete","content":[ ], "ttlMs":1,"cacheScope":"private"}"#),
        r#"{"content":[ ]}"#
    );
    assert_eq!(
        strip(r#"{"_meta":{"io.modelcontextprotocol/serverInfo":{},"k":1},"a":2}"#),
        r#"{"_meta":{"k":1},"a":2}"#
    );
    assert_eq!(
        strip(r#"{"_meta":{"io.modelcontextprotocol/serverInfo":{}},"a":2}"#),
        r#"{"a":2}"#
    );
    assert_eq!(strip(r#"{"resultType":"complete"}"#), "{}");
}

#[test]
fn structured_content_is_an_object_for_legacy_clients_or_text() {
    let block = r#"{"type":"text","text":"[1.0,\"a\"]"}"#;
    assert_eq!(
        call(
            V2025_11_25,
            r#"{"content":[{"type":"text","text":"x"}],"structuredContent":[1.0,"a"]}"#
        ),
        r#"{"content":[{"type":"text","text":"x"}]}"#,
        "there is text already"
    );
    assert_eq!(
        call(
            V2025_11_25,
            r#"{"resultType":"complete","structuredContent":[1.0,"a"]}"#
        ),
        format!(r#"{{"content":[{block}]}}"#)
    );
    assert_eq!(
        call(
            V2025_06_18,
            r#"{"structuredContent":[1.0,"a"],"content":[ ]}"#
        ),
        format!(r#"{{"content":[{block}]}}"#)
    );
    let object = r#"{"content":[],"structuredContent":{"a":1.0}}"#;
    assert_eq!(call(V2025_06_18, object), object);
    assert_eq!(
        call(V2024_11_05, object),
        r#"{"content":[{"type":"text","text":"{\"a\":1.0}"}],"structuredContent":{"a":1.0}}"#
    );
}

#[test]
fn structured_content_is_wrapped_as_its_schema_was() {
    let wrapped = |result| legacy(Kind::CallTool, V2025_11_25, result, true);
    assert_eq!(
        wrapped(r#"{"content":[{}],"structuredContent":[1.0]}"#),
        r#"{"content":[{}],"structuredContent":{"result":[1.0]}}"#
    );
    assert_eq!(
        wrapped(r#"{"content":[{}],"structuredContent":{"a":1}}"#),
        r#"{"content":[{}],"structuredContent":{"result":{"a":1}}}"#,
        "a schema of several types allows objects too"
    );
    assert_eq!(
        wrapped(r#"{"structuredContent":null}"#),
        r#"{"content":[{"type":"text","text":"null"}],"structuredContent":{"result":null}}"#
    );
}

#[test]
fn links_and_audio_become_what_older_revisions_know() {
    let link = r#"{"type":"resource_link","uri":"a:b","name":"n","title":"T","description":"d\n","annotations":{"priority":1.0}}"#;
    let audio = r#"{"type":"audio","data":"AA==","mimeType":"audio\/wav","annotations":{}}"#;
    let odd = r#"{"type":"audio"},{"type":"resource_link"},7,{"type":"image"}"#;
    let result = format!(r#"{{"content":[{link}, {audio},{odd}],"isError":false}}"#);

    let link_text = r#"{"type":"text","text":"T: a:b\nd\n","annotations":{"priority":1.0}}"#;
    let blob = r#"{"type":"resource","resource":{"uri":"audio://content/1","mimeType":"audio\/wav","blob":"AA=="},"annotations":{}}"#;
    assert_eq!(call(V2025_06_18, &result), result);
    assert_eq!(
        call(V2025_03_26, &result),
        format!(r#"{{"content":[{link_text}, {audio},{odd}],"isError":false}}"#)
    );
    assert_eq!(
        call(V2024_11_05, &result),
        format!(r#"{{"content":[{link_text}, {blob},{odd}],"isError":false}}"#)
    );

    let prompt = |one: &str| format!(r#"{{"messages":[{{"role":"user","content":{one}}},7]}}"#);
    assert_eq!(
        legacy(Kind::GetPrompt, V2025_03_26, &prompt(link), false),
        prompt(link_text)
    );
    assert_eq!(
        legacy(Kind::GetPrompt, V2025_11_25, &prompt(link), false),
        prompt(link)
    );
}

#[test]
fn a_definition_demands_no_task_and_an_output_schema_of_objects_stays() {
    let definition = raw(
        r#"{"name":"t", "outputSchema":{"type":"object", "x":1.0},"execution":{"taskSupport":"required"},"x":[ ]}"#,
    );
    let expected = r#"{"name":"t", "outputSchema":{"type":"object", "x":1.0},"x":[ ]}"#;

    assert_eq!(text(tool_for_modern(&definition)), expected);
    for version in crate::LEGACY_VERSIONS {
        let (out, wrapped) = tool_for_legacy(&definition, version);
        assert_eq!((text(out).as_str(), wrapped), (expected, false));
    }
    let optional = r#"{"execution":{"taskSupport":"optional", "y":1}, "name":"t"}"#;
    assert_eq!(text(tool_for_modern(&raw(optional))), r#"{ "name":"t"}"#);
    let (out, _) = tool_for_legacy(&raw(optional), V2025_11_25);
    assert_eq!(text(out), optional);
}

#[test]
fn an_output_schema_of_anything_else_is_wrapped_and_its_references_still_lead_there() {
    let out = |schema: &str| {
        let definition = raw(&format!(r#"{{"name":"t","outputSchema":{schema}}}"#));
        let (out, wrapped) = tool_for_legacy(&definition, V2025_11_25);
        let out = text(out);
        let rest = out.strip_prefix(r#"{"name":"t","outputSchema":{"#).unwrap();
        (rest.strip_suffix("}}").unwrap().to_owned(), wrapped)
    };
    let wrapped = |dialect: &str, inner: &str| {
        let inner = format!(
            r#"{dialect}"type":"object","properties":{{"result":{inner}}},"required":["result"]"#
        );
        (inner, true)
    };

    assert_eq!(
        out(r#"{"type":"array", "a":1.0}"#),
        wrapped("", r#"{"type":"array", "a":1.0}"#)
    );
    assert_eq!(out("true"), wrapped("", "true"));
    assert!(out(r#"{"type":["object","null"]}"#).1);
    assert_eq!(
        out(
            r##"{"$schema":"s","$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#"},{"$ref":"#b"},{"$ref":"x#/y"}],"default":{"$ref":"#/z"}},"$ref":{"$id":"i","$ref":"#/q"}}}"##
        ),
        wrapped(
            r#""$schema":"s","#,
            r##"{"$ref":"#/properties/result/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/properties/result"},{"$ref":"#b"},{"$ref":"x#/y"}],"default":{"$ref":"#/z"}},"$ref":{"$id":"i","$ref":"#/q"}}}"##
        )
    );
    let with_id = r##"{"$id":"i","$ref":"#/$defs/a"}"##;
    assert_eq!(out(with_id), wrapped("", with_id));

    let null = raw(r#"{"name":"t","outputSchema":null}"#);
    let (out, wrapped) = tool_for_legacy(&null, V2025_06_18);
    assert_eq!((text(out).as_str(), wrapped), (r#"{"name":"t"}"#, false));
}

prop_compose! {
    /// A JSON object with odd spacing and numbers, and members that the edge looks at.
    fn results()(
        parts in proptest::collection::vec(("[ \n\t]{0,2}", 0_usize..14, "[ -~ä]{0,6}"), 0..8),
    ) -> String {
        let members = parts.iter().enumerate().map(|(n, (blank, what, word))| {
            let word = serde_json::to_string(word).unwrap();
            let (name, value) = match what {
                0 => ("resultType".to_owned(), r#""complete""#.to_owned()),
                1 => ("ttlMs".to_owned(), "7".to_owned()),
                2 => ("cacheScope".to_owned(), word),
                3 => ("_meta".to_owned(), r#"{ "io.modelcontextprotocol/serverInfo" : {} }"#.to_owned()),
                4 => ("_meta".to_owned(), format!(r#"{{"k":{word} , "io.modelcontextprotocol/serverInfo":{word}}}"#)),
                5 => ("_meta".to_owned(), format!("{{{blank}}}")),
                6 => ("structuredContent".to_owned(), word),
                7 => ("structuredContent".to_owned(), format!(r#"{{ "a":{word}}}"#)),
                8 => ("content".to_owned(), format!("[{blank}]")),
                9 => ("content".to_owned(), format!(r#"[{{"type":"resource_link","uri":{word},"name":{word} }},{{"type":"text","text":{word}}}]"#)),
                10 => ("content".to_owned(), format!(r#"[{{"type":"audio","data":{word},"mimeType":{word} }}]"#)),
                _ => (format!("x{n}"), format!("[1.50, {word},-0e2{blank}]")),
            };
            format!("{blank}\"{name}\"{blank}:{blank}{value}{blank}")
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

/// The members that nobody here knows, as they were written.
fn unknown(object: &str) -> Vec<(String, String)> {
    let all = members(object).unwrap().into_iter();
    all.filter(|(name, _)| name.starts_with('x'))
        .map(|(name, raw)| (name.into_owned(), raw.get().to_owned()))
        .collect()
}

proptest! {
    #[test]
    fn whatever_the_edge_does_is_valid_and_leaves_what_it_does_not_know(
        result in results(),
        wrapped: bool,
        version in 0_usize..4,
    ) {
        let bytes = Bytes::from(result.clone());
        for kind in [Kind::CallTool, Kind::GetPrompt, Kind::ListTools] {
            let version = crate::LEGACY_VERSIONS[version];
            let old = text(for_legacy(kind, version, &bytes, wrapped).unwrap());
            prop_assert_eq!(unknown(&old), unknown(&result));
            for name in ["resultType", "ttlMs", "cacheScope"] {
                prop_assert!(members(&old).unwrap().iter().all(|(key, _)| key != name));
            }
            let again = text(for_legacy(Kind::Other, version, &Bytes::from(old.clone()), false).unwrap());
            prop_assert_eq!(&again, &old);

            let hints = Some(CacheHints { ttl_ms: 5 });
            let new = text(for_modern(kind, &bytes, INFO, hints).unwrap());
            prop_assert_eq!(unknown(&new), unknown(&result));
            prop_assert!(new.contains("resultType"));
            let again = text(for_modern(kind, &Bytes::from(new.clone()), INFO, hints).unwrap());
            prop_assert_eq!(again, new);
        }
    }

    #[test]
    fn a_wrapped_schema_is_valid_and_keeps_its_own_text(schema in results()) {
        let (out, wrapped) = tool_for_legacy(&raw(&format!(r#"{{"outputSchema":{schema}}}"#)), V2025_06_18);
        prop_assert!(wrapped);
        prop_assert!(text(out).contains(&schema));
    }
}
