//! A server that says what a test wants it to, byte for byte.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use egress::{Client, Deadline, EgressConfig, EgressError, Response};
use http::Request;
use http_body_util::Full;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Server {
    /// Hands each connection, after the header of its first request, to `serve`.
    pub(crate) async fn start<F, S>(serve: S) -> Self
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let accept = async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let served = read_header(&mut stream).await.then(|| serve(stream));
                spawn(async {
                    if let Some(served) = served {
                        served.await;
                    }
                });
            }
        };
        spawn(accept);
        Self {
            address,
            connections,
        }
    }

    /// Answers each connection with `answer` and closes it.
    pub(crate) async fn saying(answer: impl Into<Bytes>) -> Self {
        use tokio::io::AsyncWriteExt;
        let answer = answer.into();
        Self::start(move |mut stream| {
            let answer = answer.clone();
            async move {
                // The client may well hang up before the end.
                let _ = stream.write_all(&answer).await;
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test server needs no supervision"
)]
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(work);
}

async fn read_header(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => seen.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// A client that may call loopback.
pub(crate) fn open_client() -> Client {
    client(EgressConfig {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..EgressConfig::default()
    })
}

pub(crate) fn client(config: EgressConfig) -> Client {
    Client::new(&config).unwrap()
}

pub(crate) async fn get(client: &Client, url: &str) -> Result<Response, EgressError> {
    let request = Request::get(url).body(Full::new(Bytes::new())).unwrap();
    client
        .send(request, Deadline::after(Duration::from_secs(10)))
        .await
}

pub(crate) async fn get_error(client: &Client, url: &str) -> EgressError {
    get(client, url)
        .await
        .expect_err("the request cannot succeed")
}
