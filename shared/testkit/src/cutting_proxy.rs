//! A TCP proxy on loopback whose network a test makes slow, dead or half dead.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

const CHUNK: usize = 16 * 1024;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Carries all there is.
    Fine,
    /// Carries every piece so much later.
    Slow(Duration),
    /// Carries nothing, and tells nobody: connections stay open, new ones open too. What was sent
    /// meanwhile arrives once it is fine again.
    Stalled,
    /// Carries only what clients send; no answer comes back.
    HalfOpen,
    /// Ends all connections, and each new one at once.
    Cut,
}

/// A running proxy. Ends, with its connections, when it is dropped.
#[derive(Debug)]
pub struct CuttingProxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    server: JoinHandle<()>,
}

impl CuttingProxy {
    /// Starts a proxy to a server, which need not be there yet.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn start(target: impl Into<String>) -> Self {
        let target = target.into();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let (network, state) = watch::channel(Network::Fine);
        #[expect(
            clippy::disallowed_methods,
            reason = "the test kit has no runtime::Tasks"
        )]
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { continue };
                        connections.spawn(carry(client, target.clone(), state.clone()));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self {
            address,
            network,
            server,
        }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes the network so from now on.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One connection, until either side ends it or the network is cut.
async fn carry(client: TcpStream, target: String, mut network: watch::Receiver<Network>) {
    if *network.borrow_and_update() == Network::Cut {
        return;
    }
    let both = async {
        let Ok(server) = TcpStream::connect(target.as_str()).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let there = pump(from_client, to_server, network.clone(), Way::ToServer);
        let back = pump(from_server, to_client, network.clone(), Way::ToClient);
        tokio::join!(there, back);
    };
    let mut watching = network.clone();
    let cut = watching.wait_for(|network| *network == Network::Cut);
    tokio::select! {
        () = both => {}
        _ = cut => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
    way: Way,
) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(read) = from.read(&mut chunk).await {
        let carries = |network: &Network| match network {
            Network::Fine | Network::Slow(_) | Network::Cut => true,
            Network::Stalled => false,
            Network::HalfOpen => way == Way::ToServer,
        };
        // The proxy is gone when its sender is.
        let Ok(now) = network.wait_for(carries).await.map(|network| *network) else {
            return;
        };
        if let Network::Slow(delay) = now {
            tokio::time::sleep(delay).await;
        }
        if read == 0 {
            let _ = to.shutdown().await;
            return;
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_secs(10);

    /// A server that says everything back.
    async fn echo() -> (String, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        (address, tasks)
    }

    async fn say(stream: &mut TcpStream, within: Duration) -> Result<u8, &'static str> {
        stream.write_all(b"x").await.map_err(|_| "cut")?;
        hear(stream, within).await
    }

    async fn hear(stream: &mut TcpStream, within: Duration) -> Result<u8, &'static str> {
        match timeout(within, stream.read_u8()).await {
            Ok(Ok(byte)) => Ok(byte),
            Ok(Err(_)) => Err("cut"),
            Err(_) => Err("silent"),
        }
    }

    #[tokio::test]
    async fn the_network_does_as_it_is_told() {
        let (target, _server) = echo().await;
        let proxy = CuttingProxy::start(target).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream, LONG).await, Ok(b'x'));

        for network in [Network::Stalled, Network::HalfOpen] {
            proxy.set(network);
            assert_eq!(say(&mut stream, SHORT).await, Err("silent"), "{network:?}");
            let mut other = TcpStream::connect(proxy.address()).await.unwrap();
            assert_eq!(say(&mut other, SHORT).await, Err("silent"), "{network:?}");
            proxy.set(Network::Fine);
            assert_eq!(
                hear(&mut stream, LONG).await,
                Ok(b'x'),
                "what was held comes"
            );
        }
        proxy.set(Network::Slow(SHORT));
        let start = Instant::now();
        assert_eq!(say(&mut stream, LONG).await, Ok(b'x'));
        assert!(start.elapsed() >= 2 * SHORT, "there and back");

        proxy.set(Network::Cut);
        assert_eq!(hear(&mut stream, LONG).await, Err("cut"));
        let mut other = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(hear(&mut other, LONG).await, Err("cut"));
        proxy.set(Network::Fine);
        let mut other = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut other, LONG).await, Ok(b'x'));
    }
}
