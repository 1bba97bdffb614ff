//! WebSocket, with a client of its own library on a real socket.

use std::time::Duration;

use fabric::{InputRequired, Method, Outcome};
use futures_util::{SinkExt, StreamExt};
use gateway::Config;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::rig::{Rig, meta, result};

const ACME: &str = "/api/v1/acme/mcp";

/// A gateway on a socket.
pub(crate) struct Served {
    pub(crate) rig: Rig,
    pub(crate) authority: String,
}

pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Served {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::by(Rig::with(config)).await
    }

    pub(crate) async fn by(rig: Rig) -> Self {
        let listener = web::bind("127.0.0.1:0".parse().unwrap(), "--listen").unwrap();
        let authority = listener.addr().to_string();
        let (router, process) = (rig.router.clone(), rig.process.clone());
        let tasks = process.tasks.clone();
        tasks.disposable("serve", async move {
            let limits = web::ServeLimits::default();
            listener.serve(router, &process, limits).await
        });
        Self { rig, authority }
    }

    pub(crate) async fn try_open(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, tungstenite::Error> {
        let url = format!("ws://{}{path}", self.authority);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(&self.authority).await.unwrap();
        client_async(request, stream)
            .await
            .map(|(socket, _)| Socket(socket))
    }

    /// A connection with acme's key.
    pub(crate) async fn open(&self) -> Socket {
        let bearer = format!("Bearer {}", self.rig.keys[0]);
        let headers = [
            ("authorization", &*bearer),
            ("sec-websocket-protocol", "mcp"),
        ];
        self.try_open(ACME, &headers).await.unwrap()
    }

    pub(crate) async fn refused(&self, path: &str, headers: &[(&'static str, &str)]) -> u16 {
        match self.try_open(path, headers).await {
            Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("let in"),
        }
    }
}

impl Socket {
    pub(crate) async fn send(&mut self, message: &Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code that the server closes with.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn ask(&mut self, message: &Value) -> Value {
        self.send(message).await;
        self.next().await
    }

    pub(crate) async fn initialize(&mut self, version: &str, capabilities: Value) -> Value {
        let client = json!({"name": "test", "version": "1"});
        let params = json!({
            "protocolVersion": version, "capabilities": capabilities, "clientInfo": client,
        });
        let answer = self.ask(&request(json!(0), "initialize", params)).await;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        answer
    }
}

pub(crate) fn request(id: Value, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

pub(crate) fn modern(id: Value, method: &str, mut params: Value) -> Value {
    params["_meta"] = meta();
    request(id, method, params)
}

pub(crate) fn call(id: i64, tool: &str) -> Value {
    request(
        json!(id),
        "tools/call",
        json!({"name": tool, "arguments": {"n": id}}),
    )
}

#[tokio::test]
async fn both_eras_are_served_on_one_connection() {
    let served = Served::new().await;
    let mut socket = served.open().await;

    let discovered = socket
        .ask(&modern(json!("d"), "server/discover", json!({})))
        .await;
    assert_eq!(discovered["id"], "d");
    assert_eq!(
        discovered["result"]["supportedVersions"],
        json!(["2026-07-28"])
    );
    let early = socket
        .ask(&request(json!(1), "tools/list", json!({})))
        .await;
    assert_eq!(early["error"]["code"], -32600);

    let initialized = socket.initialize("2025-06-18", json!({})).await;
    assert_eq!(initialized["result"]["protocolVersion"], "2025-06-18");
    let again = socket
        .ask(&request(json!(5), "initialize", json!({})))
        .await;
    assert_eq!(again["error"]["code"], -32600);
    let listed = socket
        .ask(&request(json!(2), "tools/list", json!({})))
        .await;
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 6);
    let called = socket.ask(&call(3, "echo")).await;
    assert_eq!(
        (&called["id"], &called["result"]["echo"]["n"]),
        (&json!(3), &json!(3))
    );
    let called = socket
        .ask(&modern(json!(4), "tools/call", json!({"name": "echo"})))
        .await;
    assert_eq!(called["result"]["resultType"], "complete");
    let pinged = socket.ask(&request(json!("p"), "ping", json!({}))).await;
    assert_eq!(pinged, json!({"jsonrpc": "2.0", "id": "p", "result": {}}));
}

#[tokio::test]
async fn an_upgrade_needs_the_key_the_subprotocol_and_a_url_without_a_query() {
    let served = Served::new().await;
    let good = format!("Bearer {}", served.rig.keys[0]);
    let rival = format!("Bearer {}", served.rig.keys[1]);
    let mcp = ("sec-websocket-protocol", "mcp");

    assert_eq!(served.refused(ACME, &[mcp]).await, 401);
    assert_eq!(
        served
            .refused(ACME, &[("authorization", &rival), mcp])
            .await,
        401
    );
    let query = format!("{ACME}?api_key=x");
    assert_eq!(
        served
            .refused(&query, &[("authorization", &good), mcp])
            .await,
        400
    );
    let other = ("sec-websocket-protocol", "graphql-ws");
    assert_eq!(
        served
            .refused(ACME, &[("authorization", &good), other])
            .await,
        400
    );
    let unknown = "/api/v1/acme/connectors/none/mcp";
    assert_eq!(
        served
            .refused(unknown, &[("authorization", &good), mcp])
            .await,
        404
    );
    // Some clients name no subprotocol.
    assert!(
        served
            .try_open(ACME, &[("authorization", &good)])
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn requests_run_side_by_side_and_are_cancelled_by_a_notification_in_either_era() {
    let served = Served::new().await;
    let mut socket = served.open().await;
    socket.initialize("2025-11-25", json!({})).await;

    for wait in [
        call(1, "wait"),
        modern(json!("w"), "tools/call", json!({"name": "wait"})),
    ] {
        socket.send(&wait).await;
        let echoed = socket.ask(&call(2, "echo")).await;
        assert_eq!(echoed["id"], 2, "the one that waits holds nobody back");
        let params = json!({"requestId": wait["id"]});
        socket
            .send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}))
            .await;
        served.rig.worker.dropped.notified().await; // echo
        served.rig.worker.dropped.notified().await; // the one that was cancelled
        let echoed = socket.ask(&call(3, "echo")).await;
        assert_eq!(echoed["id"], 3, "no answer to what was cancelled");
        served.rig.worker.dropped.notified().await;
    }
}

#[tokio::test]
async fn a_server_asks_over_the_socket_in_mid_call() {
    let served = Served::new().await;
    served.rig.worker.script(|call, _events| async move {
        match &call.request.inputs {
            None => Outcome::InputRequired(InputRequired {
                requests: Some(
                    r#"{"k":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}}"#.into(),
                ),
                state: Some("s".to_owned()),
                meta: None,
            }),
            Some(inputs) => result(json!({
                "content": [],
                "answered": serde_json::from_slice::<Value>(inputs.responses.as_ref().unwrap()).unwrap(),
            })),
        }
    });
    let mut socket = served.open().await;
    socket
        .initialize("2025-11-25", json!({"elicitation": {}}))
        .await;

    let asked = socket.ask(&call(1, "echo")).await;
    assert_eq!(asked["method"], "elicitation/create");
    assert_eq!(asked["params"]["message"], "?");
    let answer = json!({"action": "accept", "content": {"a": 1}});
    let called = socket
        .ask(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": answer}))
        .await;

    assert_eq!(called["id"], 1);
    assert_eq!(called["result"]["answered"]["k"], answer);
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_it_asks_is_given_up_in_its_worker() {
    let served = Served::new().await;
    let (told, mut given_up) = tokio::sync::mpsc::unbounded_channel();
    served.rig.worker.script(move |call, _events| {
        let told = told.clone();
        async move {
            if call.request.method == Method::GiveUp {
                told.send(call.request.inputs.unwrap().state).unwrap();
                return result(json!({}));
            }
            Outcome::InputRequired(InputRequired {
                requests: Some(r#"{"k":{"method":"roots/list"}}"#.into()),
                state: Some("parked".to_owned()),
                meta: None,
            })
        }
    });
    let mut socket = served.open().await;
    socket.initialize("2025-11-25", json!({"roots": {}})).await;
    let asked = socket.ask(&call(1, "echo")).await;
    assert_eq!(asked["method"], "roots/list");

    let params = json!({"requestId": 1});
    socket
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}))
        .await;

    assert_eq!(given_up.recv().await.unwrap().as_deref(), Some("parked"));
}

#[tokio::test]
async fn batches_are_for_the_revision_that_has_them() {
    let served = Served::new().await;
    let batch = json!([
        call(1, "echo"), {"jsonrpc": "2.0", "method": "notifications/x"}, call(2, "echo"),
        request(json!(3), "initialize", json!({})), [], 7,
    ]);
    let mut socket = served.open().await;
    socket.initialize("2025-03-26", json!({})).await;
    let answers = socket.ask(&batch).await;
    let codes: Vec<Value> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| json!([answer["id"], answer["error"]["code"]]))
        .collect();
    assert_eq!(
        codes,
        [
            json!([1, null]),
            json!([2, null]),
            json!([3, -32600]),
            json!([null, -32600]),
            json!([null, -32600]),
        ]
    );
    assert_eq!(socket.ask(&json!([])).await["error"]["code"], -32600);

    let mut socket = served.open().await;
    socket.initialize("2025-11-25", json!({})).await;
    assert_eq!(socket.ask(&batch).await["error"]["code"], -32600);
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_what_is_no_frame_ends_the_connection() {
    let config = Config {
        body_max_bytes: 1_000,
        ..Config::default()
    };
    let served = Served::with(config).await;
    let mut socket = served.open().await;
    socket.0.send(Message::text("{")).await.unwrap();
    let answer = socket.next().await;
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&Value::Null, &json!(-32700))
    );

    // Exactly as long as allowed, in two fragments.
    let head = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":""#;
    let text = format!("{head}{}\"}}}}", "x".repeat(1_000 - head.len() - 3));
    let (first, second) = text.split_at(500);
    let fragment = |text: &str, code, last| {
        Message::Frame(Frame::message(
            text.to_owned().into_bytes(),
            OpCode::Data(code),
            last,
        ))
    };
    socket
        .0
        .send(fragment(first, Data::Text, false))
        .await
        .unwrap();
    socket
        .0
        .send(fragment(second, Data::Continue, true))
        .await
        .unwrap();
    assert_eq!(
        socket.next().await["error"]["code"],
        -32600,
        "no session yet"
    );

    socket
        .0
        .send(Message::text(format!("{text} ")))
        .await
        .unwrap();
    assert_eq!(socket.closed().await, 1009);

    let mut socket = served.open().await;
    socket
        .0
        .send(Message::binary(b"{}".to_vec()))
        .await
        .unwrap();
    assert_eq!(socket.closed().await, 1003);

    let mut socket = served.open().await;
    let frame = Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true);
    socket.0.send(Message::Frame(frame)).await.unwrap();
    assert_eq!(socket.closed().await, 1007);
}

#[tokio::test]
async fn a_revoked_key_closes_its_connections() {
    let served = Served::new().await;
    let mut socket = served.open().await;
    socket.initialize("2025-11-25", json!({})).await;
    let mut other = served.open().await;

    served
        .rig
        .source
        .change("acme", |config| config.keys.clear());

    let within = Duration::from_millis(500);
    assert_eq!(
        tokio::time::timeout(within, socket.closed()).await,
        Ok(4401)
    );
    assert_eq!(tokio::time::timeout(within, other.closed()).await, Ok(4401));
}

#[tokio::test]
async fn a_user_token_goes_with_the_calls_of_its_connection_alone() {
    let served = Served::new().await;
    let mut socket = served.open().await;
    socket.initialize("2025-11-25", json!({})).await;
    let set = |token: Value| request(json!(1), "auth/setUserToken", json!({"token": token}));

    let bad = socket.ask(&set(json!("a b"))).await;
    assert_eq!(bad["error"]["code"], -32602);
    assert!(!bad.to_string().contains("a b"));
    let good = socket.ask(&set(json!("secret"))).await;
    assert_eq!(good["result"], json!({"status": "token_set"}));
    socket.ask(&call(2, "echo")).await;
    let mut other = served.open().await;
    other.initialize("2025-11-25", json!({})).await;
    other.ask(&call(2, "echo")).await;
    let cleared = socket.ask(&set(Value::Null)).await;
    assert_eq!(cleared["result"], json!({"status": "token_cleared"}));
    socket.ask(&call(2, "echo")).await;

    let calls = served.rig.worker.take_calls();
    let tokens: Vec<Option<&str>> = calls
        .iter()
        .map(|call| call.user_token.as_ref().map(|token| token.expose_secret()))
        .collect();
    assert_eq!(tokens, [Some("secret"), None, None]);
    assert!(!format!("{:?}", calls[0]).contains("secret"));
}

#[tokio::test]
async fn a_goodbye_is_answered() {
    let served = Served::new().await;
    let mut socket = served.open().await;
    socket.0.close(None).await.unwrap();
    match socket.0.next().await {
        Some(Ok(Message::Close(_))) => {}
        other => panic!("{other:?}"),
    }
    assert!(socket.0.next().await.is_none());
}

#[tokio::test]
async fn connections_and_their_requests_are_bounded() {
    let config = Config {
        listeners_per_key: 2,
        websocket_requests: 1,
        ..Config::default()
    };
    let served = Served::by(Rig::alone("bounds are those of each gateway", config)).await;
    let (mut one, _two) = (served.open().await, served.open().await);
    let bearer = format!("Bearer {}", served.rig.keys[0]);
    assert_eq!(
        served.refused(ACME, &[("authorization", &bearer)]).await,
        429
    );

    one.initialize("2025-11-25", json!({})).await;
    one.send(&call(1, "wait")).await;
    let refused = one.ask(&call(2, "echo")).await;
    assert_eq!(
        (&refused["id"], &refused["error"]["code"]),
        (&json!(2), &json!(-32603))
    );
    served.rig.worker.go.notify_one();
    assert_eq!(one.next().await["id"], 1);
    assert_eq!(one.ask(&call(3, "echo")).await["id"], 3);
}

#[tokio::test]
async fn a_draining_server_lets_requests_end_and_says_that_it_goes() {
    let served = Served::new().await;
    let mut socket = served.open().await;
    socket.initialize("2025-11-25", json!({})).await;
    socket.send(&call(1, "wait")).await;
    assert_eq!(socket.ask(&call(2, "echo")).await["id"], 2);

    served.rig.drain();
    served.rig.worker.go.notify_one();

    assert_eq!(socket.next().await["id"], 1);
    assert_eq!(socket.closed().await, 1001);
}

#[tokio::test]
async fn a_modern_listen_lives_beside_other_requests_until_it_is_cancelled() {
    let served = Served::new().await;
    let mut socket = served.open().await;
    let wish = json!({"notifications": {"toolsListChanged": true, "promptsListChanged": true}});
    let acknowledged = socket
        .ask(&modern(json!("l"), "subscriptions/listen", wish))
        .await;
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    assert_eq!(
        acknowledged["params"]["notifications"],
        json!({"toolsListChanged": true})
    );

    served.rig.source.change("acme", |config| {
        config.connectors[0].tools[0].enabled = false;
    });
    let changed = socket.next().await;
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    let subscription = &changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
    assert_eq!(subscription, "l");

    let cancelled = json!({"requestId": "l"});
    socket
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}))
        .await;
    // What comes after it has been read when this is answered.
    socket.ask(&modern(json!(1), "tools/list", json!({}))).await;
    served.rig.source.change("acme", |config| {
        config.connectors[0].tools[0].enabled = true;
    });
    let listed = socket.ask(&modern(json!(2), "tools/list", json!({}))).await;
    assert_eq!(listed["id"], 2, "nothing was told meanwhile");
}

#[tokio::test]
async fn who_does_not_answer_pings_is_cut_off() {
    let config = Config {
        keep_alive: Duration::from_millis(50),
        ..Config::default()
    };
    let served = Served::with(config).await;
    let mut quiet = served.open().await;
    let mut live = served.open().await;
    // The library answers pings while it reads: this one reads, the other does not.
    let reading = tokio::time::timeout(Duration::from_millis(400), live.0.next());
    match reading.await {
        Ok(Some(Ok(Message::Ping(_)))) => {}
        other => panic!("{other:?}"),
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(quiet.closed().await, 1008);
}
