use serde_json::value::RawValue;

use super::*;
use crate::ProtocolVersion::{self, *};

const INFO: &str = r#"{"name":"t"}"#;

fn asked(method: &str, params: &str, version: ProtocolVersion) -> Option<String> {
    let params: Box<RawValue> = RawValue::from_string(params.to_owned()).unwrap();
    let request = InputRequest {
        key: Cow::Borrowed("k"),
        method: Cow::Borrowed(method),
        params: Some(&params),
    };
    let out = request_for_legacy(&request, version, "e-1")?;
    Some(String::from_utf8(out.to_vec()).unwrap())
}

#[test]
fn input_requests_are_read_in_their_order() {
    let requests = input_requests(
        r#"{"b\n":{"method":"roots/list"},"a":{"params":{"x": 1.0},"method":"elicitation/create","y":1}}"#,
    )
    .unwrap();

    let parts: Vec<_> = requests
        .iter()
        .map(|request| {
            let params = request.params.map(RawValue::get);
            (&*request.key, &*request.method, params)
        })
        .collect();
    assert_eq!(
        parts,
        [
            ("b\n", "roots/list", None),
            ("a", "elicitation/create", Some(r#"{"x": 1.0}"#))
        ]
    );
    for wrong in [
        "[]",
        r#"{"a":1}"#,
        r#"{"a":{}}"#,
        r#"{"a":["roots/list",null]}"#,
        r#"{"a":{"method":1}}"#,
        r#"{"a":{"method":"roots/list","params":[]}}"#,
        r#"{"a":{"method":"roots/list"},"a":{"method":"roots/list"}}"#,
    ] {
        assert!(input_requests(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_result_asks_for_input_with_what_there_is() {
    let written = |requests: Option<&str>, state, meta: Option<&str>| {
        let out = write_input_required(
            requests.map(str::as_bytes),
            state,
            meta.map(str::as_bytes),
            INFO,
        );
        String::from_utf8(out.to_vec()).unwrap()
    };
    let info = r#""io.modelcontextprotocol/serverInfo":{"name":"t"}"#;

    assert_eq!(
        written(Some(r#"{"a":{}}"#), Some("s\""), Some(r#"{"k":1.0}"#)),
        format!(
            r#"{{"resultType":"input_required","inputRequests":{{"a":{{}}}},"requestState":"s\"","_meta":{{{info},"k":1.0}}}}"#
        )
    );
    assert_eq!(
        written(None, None, Some("7")),
        format!(r#"{{"resultType":"input_required","_meta":{{{info}}}}}"#)
    );
    let own = r#"{"io.modelcontextprotocol/serverInfo":{"name":"up"}}"#;
    assert_eq!(
        written(None, Some("s"), Some(own)),
        format!(r#"{{"resultType":"input_required","requestState":"s","_meta":{own}}}"#)
    );
    let own = r#"{"io.modelcontextprotocol/serverInfo":{"name":"up"},"k":1}"#;
    let ours = write_input_required(None, None, Some(own.as_bytes()), ServerInfo::Always(INFO));
    assert_eq!(
        ours,
        format!(r#"{{"resultType":"input_required","_meta":{{{info},"k":1}}}}"#)
    );
}

#[test]
fn an_answer_has_the_form_of_its_kind_and_any_members_besides() {
    let check = |kind: &str, answer: &str| {
        let answer = RawValue::from_string(answer.to_owned()).unwrap();
        InputKind::of(kind).unwrap().check(&answer)
    };
    assert_eq!(InputKind::of("ping"), None);
    for (kind, right) in [
        ("elicitation/create", r#"{"action":"accept"}"#),
        (
            "elicitation/create",
            r#"{"x":1,"content":{},"action":"\u0061ccept"}"#,
        ),
        (
            "elicitation/create",
            r#"{"action":"cancel","content":null}"#,
        ),
        (
            "sampling/createMessage",
            r#"{"role":"user","model":"","content":[],"x":1}"#,
        ),
        ("roots/list", r#"{"roots":[]}"#),
        (
            "roots/list",
            r#"{"roots":[{"uri":"file:///a","name":null}]}"#,
        ),
    ] {
        assert_eq!(check(kind, right), Ok(()), "{right}");
    }
    for (kind, wrong) in [
        ("elicitation/create", r#"{"action":"Accept"}"#),
        ("elicitation/create", r#"{"action":["accept"]}"#),
        (
            "elicitation/create",
            r#"{"action":"accept","action":"dance"}"#,
        ),
        ("elicitation/create", r#"{"action":"accept","content":[]}"#),
        (
            "sampling/createMessage",
            r#"{"role":"user","model":1,"content":{}}"#,
        ),
        (
            "sampling/createMessage",
            r#"{"role":"user","model":"m","content":null}"#,
        ),
        ("roots/list", r#"{"roots":null}"#),
        ("roots/list", r#"{"roots":["file:///a"]}"#),
        ("roots/list", "[]"),
    ] {
        assert!(check(kind, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_modern_elicitation_has_no_id() {
    let out = requests_for_modern(
        r#"{"a":{"method":"elicitation/create","params":{"mode":"url", "elicitationId":"x","url":"u"}},"b":{"method":"sampling/createMessage","params":{"elicitationId":"x"}}}"#,
    );
    assert_eq!(
        out,
        r#"{"a":{"method":"elicitation/create","params":{"mode":"url","url":"u"}},"b":{"method":"sampling/createMessage","params":{"elicitationId":"x"}}}"#
    );
    assert_eq!(requests_for_modern("[]"), "[]");
}

#[test]
fn an_elicitation_is_asked_of_those_who_know_its_mode() {
    let ask = |params, version| asked("elicitation/create", params, version);
    let url = r#"{"mode":"url","url":"u"}"#;
    let form = r#"{"mode":"form", "requestedSchema":{ }}"#;

    assert_eq!(
        ask(url, V2025_11_25).unwrap(),
        r#"{"elicitationId":"e-1","mode":"url","url":"u"}"#
    );
    let own = r#"{"mode":"url","elicitationId":"own"}"#;
    assert_eq!(ask(own, V2025_11_25).unwrap(), own);
    assert_eq!(ask(form, V2025_11_25).unwrap(), form);
    assert_eq!(ask(url, V2025_06_18), None);
    assert_eq!(
        ask(form, V2025_06_18).unwrap(),
        r#"{ "requestedSchema":{ }}"#
    );
    assert_eq!(ask(form, V2025_03_26), None);
    assert_eq!(ask(form, V2024_11_05), None);
}

#[test]
fn sampling_is_asked_in_the_words_of_the_revision() {
    let ask = |params, version| asked("sampling/createMessage", params, version);
    let two = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image","data":""}]},{"role":"user","content":{"type":"text"}}],"maxTokens":1.0}"#;

    assert_eq!(ask(two, V2025_11_25).unwrap(), two);
    assert_eq!(
        ask(two, V2024_11_05).unwrap(),
        r#"{"messages":[{"role":"user","content":{"type":"text","text":"a"}},{"role":"user","content":{"type":"image","data":""}},{"role":"user","content":{"type":"text"}}],"maxTokens":1.0}"#
    );
    assert_eq!(
        ask(
            r#"{"messages":[{"role":"user","content":[ {"type":"text"} ],"x":1}]}"#,
            V2025_06_18
        )
        .unwrap(),
        r#"{"messages":[{"role":"user","content":{"type":"text"},"x":1}]}"#
    );
    let audio = r#"{"messages":[{"role":"user","content":{"type":"audio"}}]}"#;
    assert_eq!(ask(audio, V2025_03_26).unwrap(), audio);
    assert_eq!(ask(audio, V2024_11_05), None);
    let tools = r#"{"messages":[],"tools":[]}"#;
    assert_eq!(ask(tools, V2025_11_25).unwrap(), tools);
    assert_eq!(ask(tools, V2025_06_18), None);
    let tool_use = r#"{"messages":[{"role":"assistant","content":{"type":"tool_use"}}]}"#;
    assert_eq!(ask(tool_use, V2025_06_18), None);
}

#[test]
fn roots_are_asked_of_all_and_nothing_else_of_anyone() {
    for version in crate::LEGACY_VERSIONS {
        assert_eq!(
            asked("roots/list", r#"{"_meta":{}}"#, version).unwrap(),
            r#"{"_meta":{}}"#
        );
        assert_eq!(asked("ping", "{}", version), None);
    }
    let bare = InputRequest {
        key: Cow::Borrowed("k"),
        method: Cow::Borrowed("roots/list"),
        params: None,
    };
    assert_eq!(request_for_legacy(&bare, V2024_11_05, "e").unwrap(), "{}");
    assert_eq!(elicitation_mode(None), ElicitationMode::Form);
}
