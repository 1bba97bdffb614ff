//! The client.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::timeout_at;

use crate::connect::{Connector, Guard};
use crate::error::ConnectError;
use crate::traced::Traced;
use crate::{
    ClientError, Deadline, EgressConfig, EgressError, EgressPolicy, Resolve, Response,
    SystemResolver,
};

/// hyper's own floor for its buffer.
const HEADER_FLOOR: usize = 8 * 1024;
/// How often a silent HTTP/2 connection is asked whether it still lives.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Sends requests over pooled connections, HTTP/1.1 or HTTP/2 as the server offers over TLS.
/// Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct Client {
    http: legacy::Client<Connector, Traced>,
    user_agent: HeaderValue,
    header_timeout: Duration,
    header_max_bytes: usize,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client whose policy is that of `config`.
    ///
    /// # Errors
    /// When the certificate file or the user agent cannot be used.
    pub fn new(config: &EgressConfig) -> Result<Self, ClientError> {
        Self::with_resolver(config, Arc::new(SystemResolver))
    }

    /// The same with another way to find addresses; the guard judges them all the same.
    pub fn with_resolver(
        config: &EgressConfig,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, ClientError> {
        let guard = Guard::new(
            Arc::new(EgressPolicy::from(config)),
            resolver,
            config.connect_timeout,
        );
        let connector = Connector::new(guard, Arc::new(tls(config)?));
        let header_max_bytes = config.header_max_bytes.max(HEADER_FLOOR);
        let http = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle_timeout)
            .pool_max_idle_per_host(config.idle_connections_per_host)
            .http1_max_buf_size(header_max_bytes)
            .http2_max_header_list_size(u32::try_from(header_max_bytes).unwrap_or(u32::MAX))
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(PING_EVERY)
            .build(connector);
        Ok(Self {
            http,
            user_agent: HeaderValue::from_str(&config.user_agent)
                .map_err(|_| ClientError::UserAgent)?,
            header_timeout: config.header_timeout,
            header_max_bytes,
        })
    }

    /// Sends `request` and resolves when the header of the answer is here. Its body is bound by
    /// the same deadline. Dropping the future, or the answer before its end, cancels the request.
    ///
    /// A request that never left, because a kept connection turned out to be closed, is sent
    /// again over another one; otherwise nothing is ever sent twice.
    pub async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        deadline: Deadline,
    ) -> Result<Response, EgressError> {
        check(request.uri())?;
        let uri = request.uri().clone();
        let headers = request.headers_mut();
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, self.user_agent.clone());
        }
        let (request, sent) = Traced::wrap(request);
        let until = deadline.within(self.header_timeout).instant();
        match timeout_at(until, self.http.request(request)).await {
            Ok(Ok(answer)) => Ok(Response::new(answer, uri, deadline)),
            Ok(Err(error)) => Err(explain(error, host_of(&uri), self.header_max_bytes)),
            Err(_) => Err(EgressError::Timeout {
                host: host_of(&uri),
                sent: sent.load(Ordering::Relaxed),
            }),
        }
    }
}

/// What the guard cannot see at connect.
fn check(uri: &Uri) -> Result<(), EgressError> {
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(EgressError::Url("only http and https can be called"));
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.is_empty() {
        return Err(EgressError::Url("it names no host"));
    }
    if authority.contains('@') {
        return Err(EgressError::Url("it holds a user name or password"));
    }
    Ok(())
}

pub(crate) fn host_of(uri: &Uri) -> String {
    uri.host().unwrap_or_default().to_owned()
}

fn explain(error: legacy::Error, host: String, header_max_bytes: usize) -> EgressError {
    if error.is_connect() {
        return connect_error(error, host);
    }
    match error
        .source()
        .and_then(|source| source.downcast_ref::<hyper::Error>())
    {
        // hyper gives the request back untouched in this case, and in no other.
        Some(cause) if cause.is_canceled() => EgressError::Connect {
            host,
            reason: "the connection was closed".to_owned(),
        },
        Some(cause) if cause.is_parse_too_large() => EgressError::TooLarge {
            limit: header_max_bytes,
        },
        Some(cause) if cause.is_parse() => EgressError::Garbage { host },
        Some(cause) if cause.is_user() => EgressError::Url("it cannot be sent over HTTP"),
        Some(_) => EgressError::Died { host },
        None => EgressError::Url("it cannot be sent over HTTP"),
    }
}

fn connect_error(error: legacy::Error, host: String) -> EgressError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(known) = inner.downcast_ref::<ConnectError>() {
            return known.to_egress(host);
        }
        cause = inner.source();
    }
    // An HTTP/2 handshake that failed on a connection which did come about.
    EgressError::Connect {
        host,
        reason: "the connection was closed".to_owned(),
    }
}

fn tls(config: &EgressConfig) -> Result<rustls::ClientConfig, ClientError> {
    let mut roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = &config.ca_file {
        let refuse = |reason: String| ClientError::CaFile {
            path: path.display().to_string(),
            reason,
        };
        let before = roots.len();
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|error| refuse(error.to_string()))?
        {
            let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| refuse(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(refuse("holds no certificate".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}
