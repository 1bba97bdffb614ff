//! What a legacy upstream asks and says outside any call, for the session that it is meant for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fabric::{Call, CallEvent, Events, InputRequired, List, Method, Outcome};
use gateway::Config;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::live::Live;
use crate::rig::{Rig, result};
use crate::rounds::able;

const ALL: &str = "/api/v1/acme/mcp";

/// The lists that are watched in the worker: for a session alone, or for all.
type Watches = Arc<Mutex<HashMap<Option<Uuid>, Vec<Events>>>>;

/// A gateway in front of a legacy server, and a worker that answers all but watches at once.
struct Stand {
    rig: Rig,
    watches: Watches,
    /// What the worker is told that is no call: answers, and ends of sessions.
    told: mpsc::Receiver<Call>,
    begun: mpsc::Receiver<Option<Uuid>>,
}

impl Stand {
    fn new() -> Self {
        Self::with(Rig::new())
    }

    fn with(rig: Rig) -> Self {
        rig.server(
            1,
            "2025-11-25",
            json!({"tools": {"listChanged": true}, "resources": {"listChanged": true}}),
        );
        let watches = Watches::default();
        let (tell, told) = mpsc::channel(16);
        let (begin, begun) = mpsc::channel(16);
        let kept = watches.clone();
        rig.worker.script(move |call, events| {
            let (kept, tell, begin) = (kept.clone(), tell.clone(), begin.clone());
            async move {
                match call.request.method {
                    Method::Watch => {
                        assert_eq!(
                            call.client.capabilities.can_be_asked(),
                            call.session.is_some(),
                            "what all watch together is nobody's own"
                        );
                        let first = {
                            let mut kept = kept.lock().unwrap();
                            let all = kept.entry(call.session).or_default();
                            all.push(events.unwrap());
                            all.len() == 1
                        };
                        // Each gateway watches for all of its own.
                        if first {
                            begin.send(call.session).await.ok();
                        }
                        std::future::pending::<Outcome>().await
                    }
                    Method::Reply | Method::EndSession => {
                        tell.send(call).await.ok();
                        result("{}")
                    }
                    _ => result(json!({"content": []})),
                }
            }
        });
        Self {
            rig,
            watches,
            told,
            begun,
        }
    }

    /// A session that listens; the first one has all watched.
    async fn listens(&self) -> (String, Live) {
        let session = self.rig.session_as(ALL, "2025-11-25", able()).await;
        let live = self.get(&session).await;
        (session, live)
    }

    async fn get(&self, session: &str) -> Live {
        let request = http::Request::get(ALL)
            .header("authorization", format!("Bearer {}", self.rig.keys[0]))
            .header("accept", "text/event-stream")
            .header("mcp-session-id", session);
        let live = self
            .rig
            .open(request.body(axum::body::Body::empty()).unwrap())
            .await;
        assert_eq!(live.status, 200);
        live
    }

    async fn calls(&self, session: &str) {
        let params = json!({"name": "two_echo"});
        let answer = self.rig.legacy_at(ALL, session, "tools/call", params).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    async fn say(&self, session: Option<Uuid>, event: CallEvent) {
        let all = self.watches.lock().unwrap()[&session].clone();
        for events in all {
            events.send(event.clone()).await.unwrap();
        }
    }

    async fn responds(&self, session: &str, message: Value) {
        let sent = self.rig.message(ALL, session, message);
        assert_eq!(self.rig.send(sent).await.status, 202);
    }
}

fn asks(state: &str) -> CallEvent {
    let roots = json!({"input-1": {"method": "roots/list", "params": {"x": 1.0}}});
    CallEvent::Asked(InputRequired {
        requests: Some(Bytes::from(roots.to_string())),
        state: Some(state.to_owned()),
        meta: None,
    })
}

#[tokio::test]
async fn a_session_is_asked_on_its_own_stream_and_its_answer_goes_back() {
    let mut stand = Stand::new();
    let (ada, mut to_ada) = stand.listens().await;
    assert_eq!(stand.begun.recv().await, Some(None), "for all together");
    let (ben, mut to_ben) = stand.listens().await;
    stand.calls(&ada).await;
    let of_ada = stand.begun.recv().await;
    stand.calls(&ben).await;
    let of_ben = stand.begun.recv().await;
    let [of_ada, of_ben] = [of_ada.unwrap(), of_ben.unwrap()];
    assert!(of_ada.is_some() && of_ben.is_some() && of_ada != of_ben);

    stand.say(of_ada, asks("s1")).await;
    let asked = to_ada.next().await.unwrap();
    assert_eq!(asked["method"], "roots/list");
    assert_eq!(asked["params"], json!({"x": 1.0}));
    let answer = |body: Value| {
        let mut message = json!({"jsonrpc": "2.0", "id": asked["id"]});
        message
            .as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        message
    };
    // Not for others to answer.
    let roots = json!({"roots": [{"uri": "file:///x"}]});
    stand
        .responds(&ben, answer(json!({"result": {"roots": []}})))
        .await;
    stand.responds(&ada, answer(json!({"result": roots}))).await;
    let reply = stand.told.recv().await.unwrap();
    assert_eq!(
        (reply.request.method, reply.session),
        (Method::Reply, of_ada)
    );
    let inputs = reply.request.inputs.unwrap();
    assert_eq!(inputs.state.as_deref(), Some("s1"));
    let responses: Value = serde_json::from_slice(&inputs.responses.unwrap()).unwrap();
    assert_eq!(responses, json!({"input-1": roots}));

    // An error is an answer, too.
    stand.say(of_ben, asks("s2")).await;
    let asked = to_ben.next().await.unwrap();
    let error = json!({"code": -1, "message": "no"});
    let refusal = json!({"jsonrpc": "2.0", "id": asked["id"], "error": error});
    stand.responds(&ben, refusal).await;
    let inputs = stand.told.recv().await.unwrap().request.inputs.unwrap();
    let responses: Value = serde_json::from_slice(&inputs.responses.unwrap()).unwrap();
    assert_eq!(responses, json!({"input-1": {"error": error}}));
}

#[tokio::test]
async fn a_session_is_told_what_its_own_upstream_session_says_and_lists_once() {
    let mut stand = Stand::new();
    let (ada, mut to_ada) = stand.listens().await;
    stand.begun.recv().await;
    stand.calls(&ada).await;
    let of_ada = stand.begun.recv().await.unwrap();
    stand
        .say(None, CallEvent::ListChanged(List::Resources))
        .await;
    let heard = to_ada.next().await.unwrap();
    assert_eq!(heard["method"], "notifications/resources/list_changed");

    // From now on its own tells.
    stand.say(of_ada, CallEvent::Watching).await;
    let log = Bytes::from_static(br#"{"level":"info","data":1.0}"#);
    stand.say(of_ada, CallEvent::Log(log)).await;
    let heard = to_ada.next().await.unwrap();
    assert_eq!(heard["method"], "notifications/message");
    assert_eq!(heard["params"], json!({"level": "info", "data": 1.0}));
    stand
        .say(None, CallEvent::ListChanged(List::Resources))
        .await;
    let page = Bytes::from_static(br#"{"elicitationId":"e"}"#);
    stand
        .say(of_ada, CallEvent::ElicitationComplete(page))
        .await;
    let heard = to_ada.next().await.unwrap();
    assert_eq!(heard["method"], "notifications/elicitation/complete");
    assert_eq!(heard["params"], json!({"elicitationId": "e"}));
    stand
        .say(of_ada, CallEvent::ListChanged(List::Resources))
        .await;
    let heard = to_ada.next().await.unwrap();
    assert_eq!(heard["method"], "notifications/resources/list_changed");
}

#[tokio::test]
async fn what_its_own_upstream_session_says_besides_does_not_keep_lists_from_a_session() {
    let mut stand = Stand::new();
    let (ada, mut to_ada) = stand.listens().await;
    stand.begun.recv().await;
    stand.calls(&ada).await;
    let of_ada = stand.begun.recv().await.unwrap();

    // As of a process that several sessions share: of lists it tells all together.
    let log = Bytes::from_static(br#"{"level":"info","data":1.0}"#);
    stand.say(of_ada, CallEvent::Log(log)).await;
    let heard = to_ada.next().await.unwrap();
    assert_eq!(heard["method"], "notifications/message");
    stand
        .say(None, CallEvent::ListChanged(List::Resources))
        .await;

    let told = tokio::time::timeout(Duration::from_secs(10), to_ada.next()).await;
    let told = told.expect("it is told").unwrap();
    assert_eq!(told["method"], "notifications/resources/list_changed");
}

#[tokio::test]
async fn the_end_of_a_session_is_told_where_it_has_called_and_who_has_not_costs_nothing() {
    let mut stand = Stand::with(Rig::alone(
        "where a session has called is known where it did",
        Config::default(),
    ));
    let (idle, _to_idle) = stand.listens().await;
    assert_eq!(stand.begun.recv().await, Some(None));
    let (ada, _to_ada) = stand.listens().await;
    stand.calls(&ada).await;
    let of_ada = stand.begun.recv().await.unwrap();
    assert!(of_ada.is_some());

    for session in [&idle, &ada] {
        let mut request = stand.rig.message(ALL, session, json!({}));
        *request.method_mut() = http::Method::DELETE;
        assert_eq!(stand.rig.send(request).await.status, 204);
    }

    let ended = stand.told.recv().await.unwrap();
    assert_eq!(
        (ended.request.method, ended.session),
        (Method::EndSession, of_ada)
    );
    assert_eq!(ended.connector.as_uuid().as_u128(), 12);
    assert!(stand.told.try_recv().is_err());
    assert!(
        stand.begun.try_recv().is_err(),
        "nothing was begun for idle"
    );
}
