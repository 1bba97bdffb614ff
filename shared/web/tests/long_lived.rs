//! Streams that stay open for long, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use axum::routing::get;
use futures_util::stream;
use runtime::{Process, ShutdownTrigger};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use web::{LongLived, ServeLimits};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const GET: &str = "GET /stream HTTP/1.1\r\nhost: x\r\n\r\n";

struct Served {
    addr: SocketAddr,
    trigger: ShutdownTrigger,
    serving: JoinHandle<anyhow::Result<()>>,
    /// Fills the one stream that `/stream` answers with. Closed when that is dropped.
    fill: Sender<Bytes>,
}

fn serve(limits: ServeLimits) -> Served {
    let (trigger, process) = Process::new();
    let listener = web::bind(LOOPBACK, "--listen").unwrap();
    let addr = listener.addr();
    let (fill, filled) = channel(1);
    let one = Arc::new(Mutex::new(Some(filled)));
    let handler = move || async move {
        let filled = one.lock().unwrap().take().unwrap();
        answer(filled)
    };
    let router = Router::new()
        .route("/stream", get(handler))
        .route("/short", get(|| async { "short" }));
    let tasks = process.tasks.clone();
    let serving = tasks.joinable(async move { listener.serve(router, &process, limits).await });
    Served {
        addr,
        trigger,
        serving,
        fill,
    }
}

fn answer(filled: Receiver<Bytes>) -> Response {
    let pieces = stream::unfold(filled, |mut filled| async {
        let piece = filled.recv().await?;
        Some((Ok::<_, Infallible>(piece), filled))
    });
    let mut answer = Response::new(Body::from_stream(pieces));
    answer.extensions_mut().insert(LongLived);
    answer
}

impl Served {
    async fn ask(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn fill(&self, piece: &'static str) {
        self.fill.send(piece.into()).await.unwrap();
    }
}

/// Reads up to and including `end`.
async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = stream.read_u8().await.unwrap();
        text.push(byte.into());
    }
    text
}

async fn rest_of(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn each_piece_is_a_chunk_at_once_and_the_connection_ends_with_the_last() {
    let served = serve(ServeLimits::default());
    let mut stream = served.ask(GET).await;

    let head = read_to(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for field in ["transfer-encoding: chunked\r\n", "connection: close\r\n"] {
        assert!(head.contains(field), "{head}");
    }
    for (piece, chunk) in [
        ("one", "3\r\none\r\n"),
        ("sixteen letters.", "10\r\nsixteen letters.\r\n"),
    ] {
        served.fill(piece).await;
        assert_eq!(read_to(&mut stream, &format!("{piece}\r\n")).await, chunk);
    }
    // An empty piece is not the end.
    served.fill("").await;
    served.fill("x").await;
    drop(served.fill);

    assert_eq!(rest_of(&mut stream).await, "1\r\nx\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_connection_serves_ordinary_requests_before_its_stream() {
    let served = serve(ServeLimits::default());
    let before = "GET /short HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut stream = served.ask(&format!("{before}{before}{GET}")).await;
    for _ in 0..2 {
        read_to(&mut stream, "\r\n\r\nshort").await;
    }
    served.fill("one").await;
    drop(served.fill);

    let rest = rest_of(&mut stream).await;
    assert!(rest.ends_with("\r\n\r\n3\r\none\r\n0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_the_pieces_as_they_are() {
    let served = serve(ServeLimits::default());
    let mut stream = served.ask("GET /stream HTTP/1.0\r\nhost: x\r\n\r\n").await;
    served.fill("one").await;
    served.fill("two").await;
    drop(served.fill);

    let answer = rest_of(&mut stream).await;
    assert!(answer.ends_with("\r\n\r\nonetwo"), "{answer}");
}

#[tokio::test]
async fn a_stream_ends_when_its_client_leaves_even_while_nothing_happens() {
    let served = serve(ServeLimits::default());
    let mut stream = served.ask(GET).await;
    read_to(&mut stream, "\r\n\r\n").await;

    drop(stream);

    served.fill.closed().await;
}

#[tokio::test]
async fn what_a_client_sends_behind_its_request_changes_nothing() {
    let served = serve(ServeLimits::default());
    let mut stream = served.ask(GET).await;
    read_to(&mut stream, "\r\n\r\n").await;

    stream.write_all(GET.as_bytes()).await.unwrap();
    served.fill("one").await;

    assert_eq!(read_to(&mut stream, "one\r\n").await, "3\r\none\r\n");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let served = serve(ServeLimits {
        write_timeout: Duration::from_millis(100),
        ..ServeLimits::default()
    });
    let _stream = served.ask(GET).await;
    let piece = Bytes::from(vec![b'x'; 1 << 20]);

    while served.fill.send(piece.clone()).await.is_ok() {}
}

#[tokio::test]
async fn a_drain_waits_for_the_stream_until_its_deadline_and_no_longer_than_the_process() {
    for (drain, end) in [(1, false), (3600, true)] {
        let served = serve(ServeLimits {
            drain: Duration::from_secs(drain),
            ..ServeLimits::default()
        });
        let mut stream = served.ask(GET).await;
        read_to(&mut stream, "\r\n\r\n").await;

        served.trigger.drain();
        served.fill("one").await;
        assert_eq!(read_to(&mut stream, "one\r\n").await, "3\r\none\r\n");
        if end {
            served.trigger.end();
        }

        assert_eq!(rest_of(&mut stream).await, "");
        served.serving.await.unwrap().unwrap();
    }
}
