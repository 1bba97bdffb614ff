//! What an upstream wrote stays as it wrote it, but for what must be translated.

use bytes::Bytes;
use fabric::{Outcome, RpcError};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::rig::{Rig, definition};

const ALL: &str = "/api/v1/acme/mcp";
const ONE: &str = "/api/v1/acme/connectors/one/mcp";
const LEGACY: &str = "2025-11-25";

#[tokio::test]
async fn an_upstreams_error_object_is_passed_on_byte_for_byte_but_for_what_is_translated() {
    const ERROR: &str = r#"{ "x":[1e2],"code":-32002, "data":{"uri":"a:b","y":1.0},"message":"n\u00fcll \/","_meta":{} }"#;
    let rig = Rig::new();
    rig.server(0, LEGACY, json!({"resources": {}}));
    rig.worker.answers(|_| {
        Outcome::Error(RpcError {
            code: -32002,
            message: "nüll /".to_owned(),
            data: Some(Bytes::from_static(br#"{"uri":"a:b","y":1.0}"#)),
            raw: Some(Bytes::from_static(ERROR.as_bytes())),
        })
    });
    let read = async |path, uri: &str| {
        let session = rig.session_as(path, LEGACY, json!({})).await;
        let params = json!({ "uri": uri });
        rig.legacy_at(path, &session, "resources/read", params)
            .await
    };

    let one = read(ONE, "a:b").await;
    assert!(one.text.contains(ERROR), "{}", one.text);

    let all = read(ALL, "one+a:b").await;
    let renamed = ERROR.replace(r#""a:b""#, r#""one+a:b""#);
    assert!(all.text.contains(&renamed), "{}", all.text);

    let params = json!({"uri": "one+a:b"});
    let modern = rig.modern("resources/read", params).await;
    let translated = renamed.replace("-32002", "-32602");
    assert!(modern.text.contains(&translated), "{}", modern.text);
}

#[tokio::test]
async fn a_list_of_tools_says_what_its_upstream_said_around_them() {
    let rig = Rig::new();
    rig.server(0, LEGACY, json!({"tools": {}}));
    rig.source.change("acme", |config| {
        let server = config.connectors[0].server.as_mut().unwrap();
        let frame = r#"{"x":1e2, "tools":[] ,"_meta":{"k":1.0}}"#;
        server.tool_list = Some(RawValue::from_string(frame.to_owned()).unwrap());
    });
    let list = async |path| {
        let session = rig.session_as(path, LEGACY, json!({})).await;
        rig.legacy_at(path, &session, "tools/list", json!({})).await
    };

    let one = list(ONE).await;
    assert!(one.text.contains(r#""result":{"x":1e2, "tools":[{"name":"#));
    assert!(
        one.text.contains(r#"] ,"_meta":{"k":1.0}}"#),
        "{}",
        one.text
    );
    // Of several it is nobody's.
    let all = list(ALL).await;
    assert!(
        all.text.contains(r#""result":{"tools":[{"name":"#),
        "{}",
        all.text
    );
}

#[tokio::test]
async fn a_page_goes_on_behind_the_last_tool_wherever_that_is_now_and_at_its_place_when_it_is_gone()
{
    let config = gateway::Config {
        tools_per_page: 2,
        ..gateway::Config::default()
    };
    let rig = Rig::with(config);
    let lists = |names: &'static [&'static str]| {
        rig.source.change("acme", |config| {
            config.connectors.truncate(1);
            let tool = |name: &&str| domain::Tool {
                definition: definition(name, &json!({"type": "object"})),
                enabled: true,
            };
            config.connectors[0].tools = names.iter().map(tool).collect();
        });
    };
    let page = async |cursor: &Value| {
        let params = match cursor {
            Value::Null => json!({}),
            cursor => json!({ "cursor": cursor }),
        };
        let result = rig.modern("tools/list", params).await.json()["result"].clone();
        let tools = result["tools"].as_array().unwrap().iter();
        let names: Vec<_> = tools.map(|tool| tool["name"].as_str().unwrap()).collect();
        (names.join(" "), result["nextCursor"].clone())
    };
    lists(&["d", "c", "b", "a"]);
    let (first, cursor) = page(&Value::Null).await;
    assert_eq!(first, "d c");

    assert_eq!(page(&cursor).await, ("b a".to_owned(), Value::Null));
    lists(&["c", "new", "a", "d"]);
    let (moved, more) = page(&cursor).await;
    assert_eq!((moved.as_str(), more.is_string()), ("new a", true));
    lists(&["d", "b", "a"]);
    assert_eq!(page(&cursor).await, ("b a".to_owned(), Value::Null));
    lists(&["d"]);
    assert_eq!(page(&cursor).await, (String::new(), Value::Null));
}
