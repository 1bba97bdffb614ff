//! HTTP/2 by prior knowledge, as proxies speak it: everything on one connection.

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::rig::{MODERN, result};
use crate::websocket::{Served, modern};

/// A connection with acme's key.
struct Http2<'s> {
    served: &'s Served,
    sender: SendRequest<Full<Bytes>>,
}

impl<'s> Http2<'s> {
    async fn connect(served: &'s Served) -> Self {
        let stream = TcpStream::connect(&served.authority).await.unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        served
            .rig
            .process
            .tasks
            .disposable("connection", async move {
                connection.await?;
                Ok(())
            });
        Self { served, sender }
    }

    async fn send(&self, id: Value, method: &str, params: Value) -> Response<Incoming> {
        let Served { rig, authority } = self.served;
        let name = params["name"].as_str().map(str::to_owned);
        let mut request = Request::post(format!("http://{authority}/api/v1/acme/mcp"))
            .header("authorization", format!("Bearer {}", rig.keys[0]))
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", method);
        if let Some(name) = name {
            request = request.header("mcp-name", name);
        }
        let body = Full::from(modern(id, method, params).to_string());
        let mut sender = self.sender.clone();
        sender
            .send_request(request.body(body).unwrap())
            .await
            .unwrap()
    }
}

/// The next event that is none of silence.
async fn event(body: &mut Incoming) -> Option<Value> {
    loop {
        let frame = body.frame().await?.unwrap();
        let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        if let Some(data) = text.lines().find_map(|line| line.strip_prefix("data: ")) {
            return Some(serde_json::from_str(data).unwrap());
        }
    }
}

#[tokio::test]
async fn calls_and_streams_share_a_connection_and_a_reset_stream_cancels_its_own_call_alone() {
    let served = Served::new().await;
    let (begun, mut began) = mpsc::unbounded_channel();
    served.rig.worker.script(move |call, _events| {
        // Dropped with the call.
        let (alive, dropped) = mpsc::channel::<()>(1);
        let waits = call.request.name.as_deref() == Some("wait");
        begun.send((waits, dropped)).unwrap();
        async move {
            if waits {
                std::future::pending::<()>().await;
            }
            drop(alive);
            result(json!({"content": []}))
        }
    });
    let client = Http2::connect(&served).await;

    let wish = json!({"notifications": {"toolsListChanged": true}});
    let listen = client.send(json!("l"), "subscriptions/listen", wish).await;
    assert_eq!(
        (listen.status().as_u16(), listen.version()),
        (200, Version::HTTP_2)
    );
    let mut listen = listen.into_body();
    let acknowledged = event(&mut listen).await.unwrap();
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );

    let waiting = client.send(json!(1), "tools/call", json!({"name": "wait"}));
    let mut dropped = tokio::select! {
        _ = waiting => panic!("it has no answer"),
        call = began.recv() => call.unwrap().1,
    };
    // The request is gone with its future: the stream is reset.
    assert!(dropped.recv().await.is_none(), "its call is cancelled");

    let answer = client
        .send(json!(2), "tools/call", json!({"name": "echo"}))
        .await;
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (200, Version::HTTP_2)
    );
    let answer = answer.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(
        (&answer["id"], &answer["result"]["content"]),
        (&json!(2), &json!([]))
    );
    served.rig.source.change("acme", |config| {
        config.connectors[0].tools[0].enabled = false;
    });
    let changed = event(&mut listen).await.unwrap();
    assert_eq!(changed["method"], "notifications/tools/list_changed");

    served.rig.drain();
    assert_eq!(event(&mut listen).await.unwrap()["id"], "l");
    assert!(event(&mut listen).await.is_none());
}
