//! Connections over TLS. Who may connect, and with what, is said by whoever serves.

use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tower::Service;

use super::Server;
use crate::impatient::Impatient;

/// What a listener speaks TLS by. Asked for at each connection, so that certificates are replaced
/// without a restart.
#[derive(Clone)]
pub struct Tls(Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>);

impl Tls {
    pub fn new(current: impl Fn() -> Arc<ServerConfig> + Send + Sync + 'static) -> Self {
        Self(Arc::new(current))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// The verified certificates of the peer, its own first: an extension of each request of a
/// connection whose peer showed any.
#[derive(Clone, Debug)]
pub struct PeerCertificates(pub Arc<[CertificateDer<'static>]>);

impl Server {
    /// Serves one connection over TLS to its end.
    pub(super) async fn secured(&self, tls: &Tls, stream: TcpStream, peer: SocketAddr) {
        // Small answers must not wait for the peer's acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let handshake = TlsAcceptor::from((tls.0)()).accept(stream);
        let stream = tokio::select! {
            accepted = handshake => match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::info!(%peer, "a TLS handshake failed: {error}");
                    return;
                }
            },
            () = tokio::time::sleep(self.header_time) => return,
            () = self.shutdown.draining() => return,
        };
        let certificates = stream.get_ref().1.peer_certificates();
        let certificates = certificates.map(|chain| PeerCertificates(chain.to_vec().into()));
        let spoken = Arc::new(AtomicBool::new(false));
        let service = {
            let (router, spoken) = (self.router.clone(), spoken.clone());
            hyper::service::service_fn(move |request: http::Request<Incoming>| {
                spoken.store(true, Ordering::Relaxed);
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                if let Some(certificates) = &certificates {
                    request.extensions_mut().insert(certificates.clone());
                }
                router.clone().call(request)
            })
        };
        let stream = TokioIo::new(Impatient::new(stream, self.write_time));
        let connection = pin!(self.either.serve_connection_with_upgrades(stream, service));
        let end = auto::UpgradeableConnection::graceful_shutdown;
        if let Err(error) = self.drive(connection, end, &spoken).await {
            tracing::debug!(%peer, "connection ended: {error}");
        }
    }
}
