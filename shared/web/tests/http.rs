//! A served router, asked over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use runtime::{Process, SequentialIds, ShutdownTrigger};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use web::{BodyLimits, Json, Observer, PageQuery, Problem, RequestId, ServeLimits};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Served {
    addr: SocketAddr,
    process: Process,
    trigger: ShutdownTrigger,
    serving: JoinHandle<anyhow::Result<()>>,
}

fn serve(router: Router, limits: ServeLimits) -> Served {
    let (trigger, process) = Process::new();
    let listener = web::bind(LOOPBACK, "--listen").unwrap();
    let addr = listener.addr();
    let router = Observer::new(&process, Arc::new(SequentialIds::default())).observe(router);
    let serving = {
        let process = process.clone();
        let tasks = process.tasks.clone();
        tasks.joinable(async move { listener.serve(router, &process, limits).await })
    };
    Served {
        addr,
        process,
        trigger,
        serving,
    }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends one request on a connection of its own and reads until it is closed.
    async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    }

    async fn get(&self, path: &str, headers: &str) -> String {
        let close = "connection: close\r\n";
        self.raw(&format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\n{close}{headers}\r\n"
        ))
        .await
    }

    async fn post(&self, content_type: &str, body: &str) -> String {
        let length = body.len();
        self.raw(&format!(
            "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
             content-length: {length}\r\n\r\n{body}"
        ))
        .await
    }
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset ends the answer as well.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[derive(serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct Thing {
    name: String,
    sizes: Vec<u8>,
}

fn routes() -> Router {
    Router::new()
        .route(
            "/id/{name}",
            get(|id: RequestId, Path(_): Path<String>| async move { id.as_str().to_owned() }),
        )
        .route(
            "/echo",
            post(|Json(thing): Json<Thing>| async move { Json(thing) }),
        )
        .route(
            "/pages",
            get(|page: PageQuery| async move { format!("{page:?}") }),
        )
        .route("/panic", get(|| async { panic!("oh no") as &'static str }))
        .route(
            "/problem",
            get(|| async { Problem::internal("do it", "the password is x") as Problem }),
        )
        .layer(axum::Extension(BodyLimits {
            bytes: 100,
            depth: 3,
            time: Duration::from_millis(50),
        }))
}

#[tokio::test]
async fn a_request_keeps_its_own_id_when_it_is_sane_and_gets_one_otherwise() {
    let served = serve(routes(), ServeLimits::default());
    let kept = served.get("/id/x", "x-request-id: mine-1\r\n").await;
    assert!(
        kept.contains("\r\nx-request-id: mine-1\r\n") && kept.ends_with("\r\n\r\nmine-1"),
        "{kept}"
    );
    for odd in [
        "",
        "x-request-id: a b\r\n",
        "x-request-id: \r\n",
        &format!("x-request-id: {}\r\n", "x".repeat(65)),
    ] {
        let minted = served.get("/id/x", odd).await;
        assert!(
            minted.contains("\r\nx-request-id: 0000000000000000000000000000000"),
            "{minted}"
        );
    }
}

#[tokio::test]
async fn problems_carry_the_request_id_and_panics_and_causes_stay_inside() {
    let served = serve(routes(), ServeLimits::default());
    for path in ["/panic", "/problem"] {
        let answer = served.get(path, "x-request-id: r1\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(
            answer.contains("content-type: application/problem+json"),
            "{answer}"
        );
        assert_eq!(
            body(&answer),
            json!({
                "type": "urn:turnbuckle:problem:internal", "title": "Internal", "status": 500,
                "detail": "something went wrong here; the log has it under the request id",
                "instance": path, "request_id": "r1",
            })
        );
    }
}

#[tokio::test]
async fn each_way_a_body_can_be_wrong_has_its_answer() {
    let served = serve(routes(), ServeLimits::default());
    let json = "application/json";
    let good = r#"{"name":"a","sizes":[1]}"#;
    for content_type in [
        json,
        "application/merge-patch+json",
        "Application/JSON; charset=\"UTF-8\"",
    ] {
        assert_eq!(
            body(&served.post(content_type, good).await),
            json!({"name": "a", "sizes": [1]})
        );
    }
    let long = "x".repeat(101);
    for (content_type, text, status, name, field) in [
        ("text/plain", good, 415, "unsupported-media-type", None),
        (
            "application/json; charset=utf-16",
            good,
            415,
            "unsupported-media-type",
            None,
        ),
        (json, long.as_str(), 413, "body-too-large", None),
        (json, "{\"name\": nope}", 400, "invalid-json", None),
        (json, "", 400, "invalid-json", None),
        (json, "{}{}", 400, "invalid-json", None),
        (json, "[[[[]]]]", 400, "invalid-json", None),
        (json, "{\"name\": \"\u{0}\"}", 400, "invalid-json", None),
        (
            json,
            "{\"name\": \"a\", \"sizes\": [1, \"hunter2\"]}",
            400,
            "invalid-request",
            Some("sizes[1]"),
        ),
        (
            json,
            "{\"name\": \"a\", \"sizes\": [], \"x\": 1}",
            400,
            "invalid-request",
            Some("x"),
        ),
        // An object's fields have names, not an order.
        (json, "[\"a\", [1]]", 400, "invalid-request", Some("")),
        (
            json,
            "{\"sizes\": []}",
            400,
            "invalid-request",
            Some("name"),
        ),
        (
            json,
            "{\"name\": \"a\", \"name\": \"b\"}",
            400,
            "invalid-request",
            Some("name"),
        ),
    ] {
        let answer = served.post(content_type, text).await;
        let problem = body(&answer);
        assert_eq!(
            problem["type"],
            format!("urn:turnbuckle:problem:{name}"),
            "{answer}"
        );
        assert_eq!(problem["status"], status);
        assert_eq!(problem["errors"][0]["field"].as_str(), field);
        assert!(!answer.contains("hunter2"), "{answer}");
    }
    for (text, detail) in [
        ("[]", "the body must be an object"),
        ("{}", "name is required"),
        (r#"{"name":"a","sizes":{}}"#, "sizes must be an array"),
        (
            r#"{"name":"a","sizes":[-1]}"#,
            "sizes[0] must be a whole number within bounds",
        ),
    ] {
        let answer = served.post(json, text).await;
        assert_eq!(body(&answer)["detail"], detail, "{text}");
    }
    // One that says that it is too large is not waited for, nor asked to go on.
    let large = served
        .raw(
            "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: 101\r\n\
             expect: 100-continue\r\n\r\n",
        )
        .await;
    assert!(large.starts_with("HTTP/1.1 413 "), "{large}");
    assert_eq!(
        body(&large)["type"],
        "urn:turnbuckle:problem:body-too-large"
    );
    // One that never comes, and one that ends too early.
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                content-length: 9\r\n\r\n{";
    let slow = served.raw(head).await;
    assert_eq!(
        body(&slow)["type"],
        "urn:turnbuckle:problem:request-timeout"
    );
    let mut stream = served.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let early = read_all(&mut stream).await;
    assert!(
        early.is_empty() || body(&early)["type"] == "urn:turnbuckle:problem:incomplete-body",
        "{early}"
    );
}

#[tokio::test]
async fn page_parameters_are_read_or_refused() {
    let served = serve(routes(), ServeLimits::default());
    let good = served.get("/pages?page_size=7&page_token=t&x=y", "").await;
    assert!(
        good.ends_with("PageQuery { size: Some(7), token: Some(\"t\") }"),
        "{good}"
    );
    for odd in ["page_size=0", "page_size=x", "page_size=1&page_size=2"] {
        let refused = served.get(&format!("/pages?{odd}"), "").await;
        assert_eq!(
            body(&refused)["type"],
            "urn:turnbuckle:problem:invalid-request",
            "{odd}"
        );
    }
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    let served = serve(routes(), ServeLimits::default());
    served.get("/id/secret-name?token=hunter2", "").await;
    served.get("/nowhere", "").await;
    served.get("/panic", "").await;

    let metrics = served.process.metrics.encode();
    for line in [
        "turnbuckle_http_requests_total{route=\"/id/{name}\",method=\"GET\",status=\"2xx\"} 1",
        "turnbuckle_http_requests_total{route=\"/panic\",method=\"GET\",status=\"5xx\"} 1",
        "turnbuckle_http_requests_total{route=\"unmatched\",method=\"GET\",status=\"4xx\"} 1",
        "turnbuckle_http_request_duration_seconds_count{route=\"/id/{name}\",method=\"GET\",status=\"2xx\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert!(
        !metrics.contains("secret-name") && !metrics.contains("hunter2"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_taken_address_is_named_with_the_flag_that_chooses_another() {
    let first = web::bind(LOOPBACK, "--listen").unwrap();
    let addr = first.addr();
    let error = web::bind(addr, "--listen").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("address {addr} is in use: choose another with --listen")
    );
    drop(first);
    web::bind(addr, "--listen").unwrap();
}

#[tokio::test]
async fn limits_that_would_serve_nobody_are_refused() {
    for limits in [
        ServeLimits {
            connections: 0,
            ..ServeLimits::default()
        },
        ServeLimits {
            header_bytes: 100,
            ..ServeLimits::default()
        },
        ServeLimits {
            header_timeout: std::time::Duration::from_secs(0),
            ..ServeLimits::default()
        },
    ] {
        let error = serve(routes(), limits).serving.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("must be"), "{error}");
    }
}

#[tokio::test]
async fn too_many_headers_and_too_long_ones_are_refused() {
    let limits = ServeLimits {
        headers: 10,
        header_bytes: 8192,
        ..ServeLimits::default()
    };
    let served = serve(routes(), limits);
    let many: String = (0..11).map(|n| format!("h{n}: x\r\n")).collect();
    let long = format!("h: {}\r\n", "x".repeat(10_000));
    for headers in [many, long] {
        let answer = served.get("/id/x", &headers).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn a_connection_that_does_not_speak_is_closed() {
    let served = serve(
        routes(),
        ServeLimits {
            header_timeout: std::time::Duration::from_secs(1),
            ..ServeLimits::default()
        },
    );
    // Nothing, the start of either protocol, half a head, and nothing after a first request.
    for said in [
        "",
        "P",
        "GET /id/x HT",
        "GET /id/x HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let mut stream = served.connect().await;
        stream.write_all(said.as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(10), read_all(&mut stream)).await;
        assert!(answer.is_ok(), "{said:?}");
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off() {
    struct OnDrop(Arc<Notify>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let dropped = Arc::new(Notify::new());
    let held = dropped.clone();
    let endless = move || async move {
        let state = OnDrop(held.clone());
        let pieces = futures_util::stream::unfold(state, |state| async {
            Some((Ok::<_, std::io::Error>(vec![b'x'; 64 * 1024]), state))
        });
        axum::body::Body::from_stream(pieces)
    };
    let served = serve(
        Router::new().route("/", get(endless)),
        ServeLimits {
            write_timeout: Duration::from_millis(200),
            ..ServeLimits::default()
        },
    );
    let mut stream = served.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();

    tokio::time::timeout(Duration::from_secs(10), dropped.notified())
        .await
        .expect("what made the answer is let go of");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let served = serve(
        routes(),
        ServeLimits {
            connections: 1,
            ..ServeLimits::default()
        },
    );
    let mut first = served.connect().await;
    first
        .write_all(b"GET /id/x HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(first.read(&mut [0; 1024]).await.unwrap() > 0);

    let mut second = served.connect().await;
    second
        .write_all(b"GET /id/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 1];
    let waited = tokio::time::timeout(Duration::from_millis(200), second.read(&mut buffer)).await;
    assert!(waited.is_err(), "answered beside the first");

    drop(first);
    assert!(read_all(&mut second).await.contains("200 OK"));
}

/// A route that says when it is in, and ends when it may.
fn held() -> (Router, Arc<Semaphore>, Arc<Notify>) {
    let (inside, go) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let (enter, leave) = (inside.clone(), go.clone());
    let handler = move || async move {
        enter.add_permits(1);
        leave.notified().await;
        "done"
    };
    (Router::new().route("/", get(handler)), inside, go)
}

#[tokio::test]
async fn draining_finishes_what_is_under_way_and_accepts_no_more() {
    let (router, inside, go) = held();
    let served = serve(router, ServeLimits::default());
    let mut idle = served.connect().await;
    let mut stream = served.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    inside.acquire().await.unwrap().forget();

    served.trigger.drain();
    assert_eq!(
        read_all(&mut idle).await,
        "",
        "an idle connection is closed at once"
    );
    while TcpStream::connect(served.addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!served.serving.is_finished());
    go.notify_one();
    let answer = read_all(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("done"),
        "{answer}"
    );
    served.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_does_not_end_is_dropped_at_the_deadline_or_at_a_second_signal() {
    for (drain, end) in [(1, false), (3600, true)] {
        let (router, inside, _go) = held();
        let served = serve(
            router,
            ServeLimits {
                drain: std::time::Duration::from_secs(drain),
                ..ServeLimits::default()
            },
        );
        let mut stream = served.connect().await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        inside.acquire().await.unwrap().forget();

        served.trigger.drain();
        if end {
            served.trigger.end();
        }
        assert_eq!(read_all(&mut stream).await, "");
        served.serving.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_admin_port_tells_what_is_not_ready_and_what_is_counted() {
    let (trigger, process) = Process::new();
    let router = web::admin::router(&process);
    let ask = |path: &'static str| {
        let router = router.clone();
        async move {
            let request = http::Request::get(path)
                .body(axum::body::Body::empty())
                .unwrap();
            let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
            let status = response.status().as_u16();
            let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
                .await
                .unwrap();
            (status, String::from_utf8(bytes.to_vec()).unwrap())
        }
    };
    let health = |status: &str, pending: Value, degraded: Value| {
        json!({"status": status, "pending": pending, "degraded": degraded}).to_string()
    };
    let latch = process.readiness.latch("storage");
    let starting = health("starting", json!(["storage"]), json!({}));
    assert_eq!(
        ask("/health/live").await,
        (200, health("live", json!(["storage"]), json!({})))
    );
    assert_eq!(ask("/health/ready").await, (503, starting.clone()));
    assert_eq!(ask("/health/startup").await, (503, starting));

    drop(latch);
    assert_eq!(
        ask("/health/ready").await,
        (200, health("ready", json!([]), json!({})))
    );
    assert_eq!(
        ask("/health/startup").await,
        (200, health("started", json!([]), json!({})))
    );
    process.readiness.degrade("cache", "is away");
    let degraded = health("degraded", json!([]), json!({"cache": "is away"}));
    assert_eq!(ask("/health/ready").await, (200, degraded));

    let _later = process.readiness.latch("storage");
    assert_eq!(ask("/health/startup").await.0, 200, "started stays started");
    trigger.drain();
    let (status, text) = ask("/health/ready").await;
    assert_eq!((status, text.contains("draining")), (503, true));
    assert!(ask("/metrics").await.1.ends_with("# EOF\n"));
    assert_eq!(ask("/elsewhere").await.0, 404);
}
