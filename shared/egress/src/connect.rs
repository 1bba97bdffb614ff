//! The guard: from a URL to a socket that is connected to a permitted address.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tower_service::Service;

use crate::error::ConnectError;
use crate::{EgressPolicy, Resolve};

type Plain = TokioIo<TcpStream>;

/// Opens plain connections to permitted addresses only.
#[derive(Clone)]
pub(crate) struct Guard {
    policy: Arc<EgressPolicy>,
    resolver: Arc<dyn Resolve>,
    timeout: Duration,
}

impl Guard {
    pub(crate) fn new(
        policy: Arc<EgressPolicy>,
        resolver: Arc<dyn Resolve>,
        timeout: Duration,
    ) -> Self {
        Self {
            policy,
            resolver,
            timeout,
        }
    }

    async fn open(self, uri: Uri) -> Result<Plain, ConnectError> {
        let addresses = self.permitted(&uri).await?;
        let until = Instant::now() + self.timeout;
        let mut failure = ConnectError::NoAddress;
        for (tried, address) in addresses.iter().enumerate() {
            // A share for each, so that one dead address does not use up the time of all.
            let left = until.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Calls are small and answered at once: waiting to fill packets only delays.
                    stream.set_nodelay(true).map_err(ConnectError::Tcp)?;
                    return Ok(TokioIo::new(stream));
                }
                Ok(Err(error)) => failure = ConnectError::Tcp(error),
                Err(_) => failure = ConnectError::Timeout,
            }
        }
        Err(failure)
    }

    /// The addresses to try: all that the host has, less those the policy refuses.
    async fn permitted(&self, uri: &Uri) -> Result<Vec<SocketAddr>, ConnectError> {
        let host = uri.host().ok_or(ConnectError::NoAddress)?;
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("https") => 443,
            _ => 80,
        });
        let found = match literal(host) {
            Some(address) => vec![SocketAddr::new(address, port)],
            None => self
                .resolver
                .resolve(host, port)
                .await
                .map_err(ConnectError::Resolve)?,
        };
        if found.is_empty() {
            return Err(ConnectError::NoAddress);
        }
        let permitted: Vec<_> = found
            .into_iter()
            .filter_map(|found| {
                Some(SocketAddr::new(
                    self.policy.permit(found.ip())?,
                    found.port(),
                ))
            })
            .collect();
        if permitted.is_empty() {
            Err(ConnectError::Refused)
        } else {
            Ok(permitted)
        }
    }
}

/// The address that `host` spells, in any of the forms a browser would take for one: dotted,
/// decimal, octal, hexadecimal, bracketed.
fn literal(host: &str) -> Option<IpAddr> {
    match url::Host::parse(host).ok()? {
        url::Host::Ipv4(address) => Some(address.into()),
        url::Host::Ipv6(address) => Some(address.into()),
        url::Host::Domain(_) => None,
    }
}

impl Service<Uri> for Guard {
    type Response = Plain;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Plain, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().open(uri))
    }
}

/// [`Guard`] with TLS where the URL asks for it, all within one time limit.
#[derive(Clone)]
pub(crate) struct Connector {
    inner: HttpsConnector<Guard>,
    timeout: Duration,
}

impl Connector {
    pub(crate) fn new(guard: Guard, tls: Arc<rustls::ClientConfig>) -> Self {
        Self {
            timeout: guard.timeout,
            inner: HttpsConnector::from((guard, tls)),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Plain>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let until = Instant::now() + self.timeout;
        let connecting = self.inner.call(uri);
        Box::pin(async move {
            match timeout_at(until, connecting).await {
                Err(_) => Err(ConnectError::Timeout),
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(error)) => Err(match error.downcast::<ConnectError>() {
                    Ok(error) => *error,
                    Err(tls) => ConnectError::Tls(tls.to_string()),
                }),
            }
        })
    }
}
