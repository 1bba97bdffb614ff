//! What stands before a cluster: sends each request to any of its gateways, so that nobody can rely
//! on reaching the same one twice. Administration goes to any control-plane, by the paths of
//! `deploy/nginx.conf`.
//!
//! HTTP/1.1, and WebSocket, whose connection goes to one gateway as a whole. Requests of one
//! connection of a client go each their own way. Bodies pass as they come, in both directions, and a
//! client that leaves is noticed by the gateway at once.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderMap, UPGRADE};
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded, on};
use hyper::{Request, Response, StatusCode, client, server};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The seed of an earlier run, to be tried again.
const SEED: &str = "BALANCER_SEED";
/// How many requests a failure is told with.
const REMEMBERED: usize = 200;
/// With so many requests each gateway has had some, whatever the seed.
const MANY: usize = 64;

/// A running balancer, with a thread of its own, so that a test that blocks does not stop it.
pub(crate) struct Balancer {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Ends it when dropped.
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    gateways: Vec<Target>,
    control_planes: Vec<Target>,
    dice: Mutex<Dice>,
    told: Mutex<Told>,
}

/// A member, and where it listens.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) address: SocketAddr,
}

/// SplitMix64: the same seed throws the same numbers.
struct Dice {
    seed: u64,
    state: u64,
}

/// Which way requests went.
#[derive(Default)]
struct Told {
    lines: VecDeque<String>,
    count: usize,
    by_gateway: Vec<usize>,
}

type Answer = Either<Carried, Full<Bytes>>;

/// An answer's body with the connection that it comes over, which ends with it.
struct Carried {
    body: Incoming,
    _connection: JoinSet<()>,
}

impl Balancer {
    pub(super) fn start(gateways: Vec<Target>, control_planes: Vec<Target>) -> Self {
        let seed = std::env::var_os(SEED).map(|text| text.to_str().unwrap().parse().unwrap());
        let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(()));
        let told = Told {
            by_gateway: vec![0; gateways.len()],
            ..Told::default()
        };
        let shared = Arc::new(Shared {
            gateways,
            control_planes,
            dice: Mutex::new(Dice { seed, state: seed }),
            told: Mutex::new(told),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(TcpListener::from_std(listener).unwrap(), &serving) => {}
                }
            });
        });
        Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Which way the last requests went, and how to have the next ones go the same.
    pub(super) fn story(&self) -> String {
        let seed = self.shared.dice.lock().unwrap().seed;
        let told = self.shared.told.lock().unwrap();
        let mut story = format!("{} requests, with {SEED}={seed}\n", told.count);
        for line in &told.lines {
            let _ = writeln!(story, "{line}");
        }
        story
    }

    /// Asserts that the gateways had their share.
    pub(super) fn assert_spread(&self) {
        let told = self.shared.told.lock().unwrap();
        let all: usize = told.by_gateway.iter().sum();
        let idle = told.by_gateway.contains(&0);
        assert!(all < MANY || !idle, "{:?}", told.by_gateway);
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound as u64).unwrap()
    }
}

impl Shared {
    /// Where a request goes; every time anew.
    fn target(&self, request: &Request<Incoming>) -> Target {
        let path = request.uri().path();
        let administers = path.starts_with("/api/v1/admin/")
            || path == "/api/v1/openapi.json"
            || path == "/docs"
            || path.starts_with("/docs/");
        let targets = if administers {
            &self.control_planes
        } else {
            &self.gateways
        };
        let chosen = self.dice.lock().unwrap().below(targets.len());

        let mut told = self.told.lock().unwrap();
        told.count += 1;
        if !administers {
            told.by_gateway[chosen] += 1;
        }
        let method = request.headers().get("mcp-method");
        let line = format!(
            "{:5} {} {path} {} -> {}",
            told.count,
            request.method(),
            method.map_or("", |value| value.to_str().unwrap_or_default()),
            targets[chosen].name,
        );
        if told.lines.len() == REMEMBERED {
            told.lines.pop_front();
        }
        told.lines.push_back(line);
        targets[chosen].clone()
    }
}

async fn accept(listener: TcpListener, shared: &Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(serve(client, shared.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection of a client, with its WebSocket if it becomes one.
async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let _ = client.set_nodelay(true);
    let (tell, upgraded) = oneshot::channel();
    let tell = Mutex::new(Some(tell));
    let (shared, told) = (&shared, &tell);
    let service = service_fn(move |request| async move {
        let target = shared.target(&request);
        match forward(request, target.address).await {
            Ok((answer, tunnel)) => {
                if let (Some(tunnel), Some(tell)) = (tunnel, told.lock().unwrap().take()) {
                    let _ = tell.send(tunnel);
                }
                Ok(answer)
            }
            // What has begun to answer and breaks is broken off; the rest never came there.
            Err(Failure::Unreached(why)) => {
                let text = format!("{} is not there: {why}", target.name);
                let mut answer = Response::new(Either::Right(Full::from(text)));
                *answer.status_mut() = StatusCode::BAD_GATEWAY;
                Ok(answer)
            }
            Err(Failure::Broken(error)) => Err(error),
        }
    });
    let connection = server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(client), service)
        .with_upgrades();
    let _ = connection.await;
    drop(tell);
    if let Ok(tunnel) = upgraded.await {
        tunnel.carry().await;
    }
}

enum Failure {
    Unreached(std::io::Error),
    Broken(hyper::Error),
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        Self::Broken(error)
    }
}

/// A connection that is HTTP no more.
struct Tunnel {
    client: OnUpgrade,
    gateway: Upgraded,
    _connection: JoinSet<()>,
}

impl Tunnel {
    async fn carry(self) {
        let Ok(client) = self.client.await else {
            return;
        };
        let (mut client, mut gateway) = (TokioIo::new(client), TokioIo::new(self.gateway));
        let _ = copy_bidirectional(&mut client, &mut gateway).await;
    }
}

/// Sends a request over a connection of its own, which ends with its answer: whoever drops that, as
/// a client that leaves, ends the connection.
async fn forward(
    mut request: Request<Incoming>,
    target: SocketAddr,
) -> Result<(Response<Answer>, Option<Tunnel>), Failure> {
    let stream = TcpStream::connect(target)
        .await
        .map_err(Failure::Unreached)?;
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut carrying = JoinSet::new();
    carrying.spawn(async move {
        let _ = connection.with_upgrades().await;
    });

    let client = on(&mut request);
    if !request.headers().contains_key(UPGRADE) {
        hop_by_hop(request.headers_mut());
    }
    let mut answer = sender.send_request(request).await?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let tunnel = Tunnel {
            client,
            gateway: on(&mut answer).await?,
            _connection: carrying,
        };
        let answer = answer.map(|_| Either::Right(Full::default()));
        return Ok((answer, Some(tunnel)));
    }
    hop_by_hop(answer.headers_mut());
    let answer = answer.map(|body| {
        Either::Left(Carried {
            body,
            _connection: carrying,
        })
    });
    Ok((answer, None))
}

/// Takes away what is about the connection alone.
fn hop_by_hop(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove("keep-alive");
}

impl Body for Carried {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
