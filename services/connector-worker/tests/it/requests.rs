//! Every kind of request, to servers of both eras.

use bytes::Bytes;
use fabric::{Execute, Inputs, Method, Request, RpcError, UpstreamListener, Workers};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::stage::{Play, Stage};

use crate::support::{Bench, TENANT, by, call, error, result};

/// Method, name, arguments, rest; and the params that a server gets of it.
fn all() -> Vec<(Request, Value)> {
    let new =
        |method, name: Option<&str>, arguments: Option<&'static str>, rest: &'static str| Request {
            arguments: arguments.map(|text| Bytes::from_static(text.as_bytes())),
            rest: Bytes::from_static(rest.as_bytes()),
            ..Request::new(method, name.map(str::to_owned))
        };
    vec![
        (
            new(Method::CallTool, Some("t"), None, ""),
            json!({"name": "t"}),
        ),
        (
            new(Method::ListPrompts, None, None, r#""cursor":"c""#),
            json!({"cursor": "c"}),
        ),
        (
            new(
                Method::GetPrompt,
                Some("p"),
                Some(r#"{"a":"b"}"#),
                r#""x":1"#,
            ),
            json!({"name": "p", "arguments": {"a": "b"}, "x": 1}),
        ),
        (new(Method::ListResources, None, None, ""), json!({})),
        (
            new(Method::ListResourceTemplates, None, None, r#""cursor":"""#),
            json!({"cursor": ""}),
        ),
        (
            new(Method::ReadResource, Some("test://ä"), None, ""),
            json!({"uri": "test://ä"}),
        ),
        (
            new(
                Method::Complete,
                None,
                None,
                r#""ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":""}"#,
            ),
            json!({"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": ""}}),
        ),
        (
            new(Method::GetTask, Some("1"), None, ""),
            json!({"taskId": "1"}),
        ),
        (
            Request {
                inputs: Some(Inputs {
                    responses: Some(Bytes::from_static(b"{}")),
                    state: None,
                }),
                ..new(Method::UpdateTask, Some("1"), None, "")
            },
            json!({"taskId": "1", "inputResponses": {}}),
        ),
        (
            new(Method::CancelTask, Some("1"), None, ""),
            json!({"taskId": "1"}),
        ),
    ]
}

fn is_of_task(request: &Request) -> bool {
    matches!(
        request.method,
        Method::GetTask | Method::UpdateTask | Method::CancelTask
    )
}

#[tokio::test]
async fn a_modern_server_gets_each_with_its_headers_and_metadata() {
    let (stage, bench) = (Stage::set(Play::modern()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    for (request, params) in all() {
        let name = request.name.clone();
        let mut call = by(call(connector, "t", json!({})), &json!({"roots": {}}));
        call.request = request;
        call.request.meta = Some(Bytes::from_static(
            br#"{"traceparent":"00-a-b-01","tracestate":"k=v","x.y/z":1}"#,
        ));
        let method = call.request.method.as_str();
        let (outcome, ()) = tokio::join!(bench.worker.execute(call, None), async {
            let heard = stage.expect(method).await;
            assert_eq!(heard.header("mcp-method"), method);
            assert_eq!(heard.header("mcp-protocol-version"), "2026-07-28");
            assert_eq!(heard.header("traceparent"), "00-a-b-01");
            assert_eq!(heard.header("tracestate"), "k=v");
            let named = match name.as_deref() {
                Some("test://ä") => "=?base64?dGVzdDovL8Ok?=",
                other => other.unwrap_or_default(),
            };
            assert_eq!(heard.header("mcp-name"), named, "{method}");
            let mut sent = heard.body["params"].clone();
            let meta = sent.as_object_mut().unwrap().remove("_meta").unwrap();
            assert_eq!(sent, params);
            assert_eq!(
                meta["io.modelcontextprotocol/clientCapabilities"],
                json!({"roots": {}})
            );
            assert_eq!(
                (&meta["x.y/z"], &meta["traceparent"]),
                (&json!(1), &json!("00-a-b-01"))
            );
            heard.result(json!({"resultType": "complete", "k": 1.5}));
        });
        assert_eq!(result(outcome)["k"], 1.5, "{method}");
    }
}

#[tokio::test]
async fn a_legacy_server_gets_each_without_what_it_does_not_know() {
    let (stage, bench) = (Stage::set(Play::legacy()).await, Bench::new());
    let connector = bench.remote(&stage.url());
    for (request, params) in all() {
        let of_task = is_of_task(&request);
        let mut call = call(connector, "t", json!({}));
        call.request = request;
        let method = call.request.method.as_str();
        if of_task {
            let error = error(bench.worker.execute(call, None).await);
            assert_eq!(error.code, -32_601, "{method}: it has no tasks");
            continue;
        }
        let (outcome, ()) = tokio::join!(bench.worker.execute(call, None), async {
            let heard = stage.expect(method).await;
            assert_eq!(heard.body["params"], params, "{method}");
            assert_eq!(
                (heard.header("mcp-method"), heard.header("traceparent")),
                ("", "")
            );
            let error = json!({"code": -32_002, "data": {"uri": "u"}, "message": "no", "x": 1});
            heard.error(200, error);
        });
        let expected = RpcError {
            code: -32_002,
            message: "no".to_owned(),
            data: Some(Bytes::from_static(br#"{"uri":"u"}"#)),
            raw: Some(Bytes::from_static(
                br#"{"code":-32002,"data":{"uri":"u"},"message":"no","x":1}"#,
            )),
        };
        assert_eq!(error(outcome), expected, "{method}");
    }
}

/// How often it was told that tools have changed.
#[derive(Default)]
pub(crate) struct Told(pub(crate) AtomicUsize);

impl UpstreamListener for Told {
    fn tools_changed(&self, tenant: domain::TenantId, _connector: domain::ConnectorId) {
        assert_eq!(tenant, TENANT);
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn the_tool_list_comes_with_what_the_server_says_of_itself_and_changes_are_told() {
    let play = Play {
        listens: true,
        capabilities: json!({"tools": {"listChanged": true}, "x": {"y": 1}}),
        ..Play::legacy()
    };
    let told = Arc::new(Told::default());
    let (stage, bench) = (Stage::set(play).await, Bench::listened(told.clone()));
    let connector = bench.remote(&stage.url());

    let (listing, ()) = tokio::join!(bench.worker.list_tools(TENANT, connector, 0), async {
        for _ in 0..2 {
            let heard = stage.next().await;
            match &*heard.method {
                "tools/list" => heard
                    .result(json!({"tools": [{"name": "a", "inputSchema": {"type": "object"}}]})),
                // To be read makes some servers say that their list changed.
                "GET" => {
                    let stream = heard.stream();
                    let changed = "notifications/tools/list_changed";
                    stream.notify(changed, json!({})).await;
                    drop(stream);
                }
                other => panic!("{other}"),
            }
        }
    });
    let listing = listing.unwrap();
    assert_eq!(listing.tools[0].name, "a");
    let server = listing.server.unwrap();
    assert_eq!(server.version, "2025-11-25");
    assert_eq!(
        server.capabilities.get(),
        r#"{"tools":{"listChanged":true},"x":{"y":1}}"#
    );
    assert_eq!(
        stage.declared(),
        [
            json!({"roots": {"listChanged": true}, "sampling": {}, "elicitation": {"form": {}, "url": {}}})
        ],
        "some tools are offered to those alone who can be asked"
    );
    stage.expect("DELETE").await;

    let call = call(connector, "a", json!({}));
    let (outcome, ()) = tokio::join!(bench.worker.execute(call, None), async {
        let (one, two) = (stage.next().await, stage.next().await);
        let (get, called) = if one.method == "GET" {
            (one, two)
        } else {
            (two, one)
        };
        let standalone = get.stream();
        standalone
            .notify("notifications/tools/list_changed", json!({}))
            .await;
        // Read after it on the same stream.
        standalone.ask(json!(1), "ping", json!({})).await;
        stage.expect("(response)").await;
        let stream = called.stream();
        stream
            .notify("notifications/tools/list_changed", json!({}))
            .await;
        stream.result(json!({})).await;
    });
    assert_eq!(result(outcome), json!({}));
    assert_eq!(told.0.load(Ordering::Relaxed), 2);
}
