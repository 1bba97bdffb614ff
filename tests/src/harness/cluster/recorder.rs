//! A TCP proxy that keeps what passes.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Bytes that are kept; a test that sends more shows nothing.
const MAX: usize = 64 << 20;

/// A running proxy. Ends, with its connections, when it is dropped.
pub(crate) struct Recorder {
    address: String,
    passed: Arc<Mutex<Vec<u8>>>,
    _server: JoinSet<()>,
}

impl Recorder {
    /// Starts a proxy to a server, which need not be there yet.
    pub(crate) async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let passed = Arc::<Mutex<Vec<u8>>>::default();
        let (mut server, kept) = (JoinSet::new(), passed.clone());
        server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    continue;
                };
                let (target, kept) = (target.clone(), kept.clone());
                connections.spawn(async move {
                    let Ok(server) = TcpStream::connect(target).await else {
                        return;
                    };
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::join!(
                        carry(from_client, to_server, &kept),
                        carry(from_server, to_client, &kept)
                    );
                });
            }
        });
        Self {
            address,
            passed,
            _server: server,
        }
    }

    /// `127.0.0.1:PORT`, for clients.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// All that has passed, in both directions.
    pub(crate) fn passed(&self) -> Vec<u8> {
        let passed = self.passed.lock().unwrap();
        assert!(passed.len() < MAX, "all of it was kept");
        passed.clone()
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    kept: &Mutex<Vec<u8>>,
) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        keep(kept, &chunk[..read]);
        if to.write_all(&chunk[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

fn keep(kept: &Mutex<Vec<u8>>, piece: &[u8]) {
    let mut all = kept.lock().unwrap();
    let room = MAX.saturating_sub(all.len());
    all.extend_from_slice(&piece[..piece.len().min(room)]);
}
