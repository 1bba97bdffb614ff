//! What an intermediary hands on as it is, and what it says in its own name.

use bytes::Bytes;
use fabric::{InputRequired, Outcome};
use serde_json::{Value, json};

use crate::rig::{MODERN, Rig, definition, meta, result};
use crate::rounds::able;

const ALL: &str = "/api/v1/acme/mcp";
const ONE: &str = "/api/v1/acme/connectors/one/mcp";
const INFO: &str = "io.modelcontextprotocol/serverInfo";

#[tokio::test]
async fn unknown_parameter_headers_are_handed_on_to_modern_servers_within_bounds() {
    for (version, handed_on) in [("2026-07-28", true), ("2025-11-25", false)] {
        let rig = Rig::new();
        rig.server(0, version, json!({}));
        rig.source.change("acme", |config| {
            let region = json!({"type": "string", "x-mcp-header": "Region"});
            let schema = json!({"type": "object", "properties": {"region": region}});
            config.connectors[0].tools[0].definition = definition("echo", &schema);
        });
        let sent = async |headers: &[(&str, &str)]| {
            let mut all = vec![
                ("mcp-protocol-version", MODERN),
                ("mcp-method", "tools/call"),
                ("mcp-name", "echo"),
                ("mcp-param-region", "eu"),
            ];
            all.extend(headers);
            let arguments = json!({"region": "eu"});
            let params = json!({"name": "echo", "arguments": arguments, "_meta": meta()});
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
            let answer = rig.send(rig.post(&all, body.to_string())).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let call = rig.worker.take_calls().pop().unwrap();
            let fields = call.request.param_headers.into_iter();
            fields
                .map(|(name, value)| (name.into(), value.into()))
                .collect::<Vec<(String, String)>>()
        };

        let given = [
            ("mcp-param-zed", "=?base64?w7Y=?="),
            ("mcp-paramzed", "no"),
            ("x-other", "no"),
            ("cookie", "no"),
            ("mcp-param-bytes", "\u{e4}"),
        ];
        let zed = ("mcp-param-zed".to_owned(), "=?base64?w7Y=?=".to_owned());
        let expected = if handed_on { vec![zed] } else { Vec::new() };
        assert_eq!(sent(&given).await, expected);
        if handed_on {
            let names: Vec<String> = (0..40).map(|n| format!("mcp-param-n{n}")).collect();
            let many: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
            assert_eq!(sent(&many).await.len(), 32);
            let large = "x".repeat(5_000);
            let large = [("mcp-param-a", &*large), ("mcp-param-b", &*large)];
            assert_eq!(sent(&large).await.len(), 1);
        }
    }
}

#[tokio::test]
async fn of_several_servers_behind_one_name_none_answers_by_its_own() {
    let rig = Rig::new();
    rig.server(0, "2026-07-28", json!({}));
    let own = json!({INFO: {"name": "pym", "version": "1"}, "kept": 1.0});
    let named = |result: &Value| result["_meta"][INFO]["name"].clone();

    let answer = own.clone();
    rig.worker
        .answers(move |_| result(json!({"content": [], "_meta": answer})));
    let call = async |path| {
        let params = json!({"name": "echo"});
        let answer = rig.modern_as(path, able(), "tools/call", params).await;
        answer.json()["result"].clone()
    };
    let (all, one) = (call(ALL).await, call(ONE).await);
    assert_eq!((named(&all), named(&one)), (json!("acme"), json!("pym")));
    assert_eq!(all["_meta"]["kept"], json!(1.0));

    rig.worker.answers(move |_| {
        Outcome::InputRequired(InputRequired {
            requests: None,
            state: Some("s".to_owned()),
            meta: Some(Bytes::from(own.to_string())),
        })
    });
    let (all, one) = (call(ALL).await, call(ONE).await);
    assert_eq!(all["resultType"], "input_required");
    assert_eq!((named(&all), named(&one)), (json!("acme"), json!("pym")));
    assert_eq!(all["_meta"]["kept"], json!(1.0));
}
