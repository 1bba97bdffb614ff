//! The tools of a fake server, and the ways in which they do not work.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Script;

/// Bytes of the text that `big` answers.
pub(super) const BIG: usize = 20 * 1024 * 1024;

/// What a tool does.
pub(super) enum Deed {
    /// A result.
    Result(Value),
    /// A JSON-RPC error.
    Error {
        code: i64,
        message: &'static str,
        data: Value,
    },
    /// Progress notifications and other chatter, then a result. Always over a stream.
    Progress { steps: u64 },
    /// Pings the client, asks it for something it cannot do, then answers. Always over a stream.
    Ask,
    /// A body that is sent as it is, under this content type.
    Raw {
        content_type: &'static str,
        body: Bytes,
    },
    /// An answer with the id of another request.
    WrongId,
    /// A status and no body.
    Status(u16),
    /// The connection breaks in the middle of the answer.
    Die,
    /// The stream ends early and names the event after which it can be taken up.
    Later,
    /// The stream ends in good order, but without an answer.
    EndEarly,
    /// Nothing, ever.
    Hang,
    /// Waits until the test lets go.
    Hold,
}

pub(super) fn definitions(script: &Script) -> Vec<Value> {
    let tool = |name: &str, properties: Value| {
        json!({"name": name, "description": format!("The tool {name}."),
               "inputSchema": {"type": "object", "properties": properties}})
    };
    let mut all = vec![
        tool("echo", json!({"message": {"type": "string"}})),
        tool(
            "add",
            json!({"a": {"type": "number"}, "b": {"type": "number"}}),
        ),
        tool("slow", json!({"steps": {"type": "integer"}})),
        tool(
            "region",
            json!({"region": {"type": "string", "x-mcp-header": "Region"}}),
        ),
    ];
    for name in [
        "fail",
        "refuse",
        "ask",
        "big",
        "deep",
        "garbage",
        "html",
        "nothing",
        "list",
        "wrong_id",
        "unavailable",
        "limited",
        "later",
        "die",
        "end_early",
        "hang",
        "hold",
    ] {
        all.push(tool(name, json!({})));
    }
    for raw in &script.more_tools {
        all.push(serde_json::from_str(raw).expect("a test writes JSON"));
    }
    all
}

pub(super) fn call(name: &str, arguments: &Value, modern: bool) -> Deed {
    let text = |text: String| Deed::Result(json!({"content": [{"type": "text", "text": text}]}));
    match name {
        "echo" => text(arguments["message"].as_str().unwrap_or_default().to_owned()),
        "add" => {
            let sum =
                arguments["a"].as_f64().unwrap_or(0.0) + arguments["b"].as_f64().unwrap_or(0.0);
            text(sum.to_string())
        }
        "region" => text(arguments["region"].to_string()),
        "slow" => Deed::Progress {
            steps: arguments["steps"].as_u64().unwrap_or(3),
        },
        "fail" => Deed::Result(json!({
            "content": [{"type": "text", "text": "it went wrong"}], "isError": true
        })),
        "refuse" => Deed::Error {
            code: -32_602,
            message: "no",
            data: json!({"why": [1, 2]}),
        },
        "ask" if modern => Deed::Result(json!({
            "resultType": "input_required", "requestState": "s", "inputRequests": {
                "name": {"method": "elicitation/create", "params": {"message": "Who?"}}
            }
        })),
        "ask" => Deed::Ask,
        "big" => text("x".repeat(BIG)),
        "deep" => raw(format!(
            r#"{{"jsonrpc":"2.0","id":0,"result":{}1{}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        )),
        "garbage" => raw("{\"jsonrpc\": oops".to_owned()),
        "html" => Deed::Raw {
            content_type: "text/html",
            body: Bytes::from_static(b"<h1>Hello</h1>"),
        },
        "nothing" => Deed::Status(202),
        "list" => raw("[1, 2, 3]".to_owned()),
        "wrong_id" => Deed::WrongId,
        "unavailable" => Deed::Status(503),
        "limited" => Deed::Status(429),
        "die" => Deed::Die,
        "later" => Deed::Later,
        "end_early" => Deed::EndEarly,
        "hang" => Deed::Hang,
        "hold" => Deed::Hold,
        _ => Deed::Error {
            code: -32_602,
            message: "Unknown tool",
            data: Value::Null,
        },
    }
}

fn raw(body: String) -> Deed {
    Deed::Raw {
        content_type: "application/json",
        body: body.into(),
    }
}
