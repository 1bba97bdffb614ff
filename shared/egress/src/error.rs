//! What can go wrong on the way out, and whether the request may have arrived.

/// Why there is no whole answer. The text names the host that was asked for, never an address it
/// resolved to, and no part of the URL besides: it may be shown to a tenant.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The request could not even be tried.
    #[error("the address cannot be called: {0}")]
    Url(&'static str),
    /// The guard refuses every address of the host.
    #[error(
        "{host} is not a public address; an operator can permit it with the setting egress.allow"
    )]
    Refused { host: String },
    /// The name has no address, or nobody could say.
    #[error("{host} cannot be resolved")]
    Resolve { host: String },
    /// No connection came about.
    #[error("{host} cannot be reached: {reason}")]
    Connect { host: String, reason: String },
    /// A connection came about, but no trusted one.
    #[error("no secure connection to {host}: {reason}")]
    Tls { host: String, reason: String },
    /// The connection ended before the answer was whole.
    #[error("{host} closed the connection before its answer was complete")]
    Died { host: String },
    /// What came back is no HTTP.
    #[error("{host} answered something that is not HTTP")]
    Garbage { host: String },
    /// Too slow: to connect, to begin an answer, or to end it.
    #[error("{host} did not answer in time")]
    Timeout {
        host: String,
        /// Whether the request may have arrived.
        sent: bool,
    },
    /// The answer, or its header, is larger than allowed.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
}

impl EgressError {
    /// Whether the request may have arrived, and so may have had an effect.
    pub const fn may_have_arrived(&self) -> bool {
        match self {
            Self::Url(_)
            | Self::Refused { .. }
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Tls { .. } => false,
            Self::Died { .. } | Self::Garbage { .. } | Self::TooLarge { .. } => true,
            Self::Timeout { sent, .. } => *sent,
        }
    }
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("egress.ca_file {path}: {reason}")]
    CaFile { path: String, reason: String },
    #[error("egress.user_agent holds characters that a header field cannot carry")]
    UserAgent,
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why a connection did not come about, told by the connector through hyper's boxed error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no permitted address")]
    Refused,
    #[error("name resolution failed: {0}")]
    Resolve(std::io::Error),
    #[error("no address")]
    NoAddress,
    #[error("{0}")]
    Tcp(std::io::Error),
    #[error("{0}")]
    Tls(String),
    #[error("not in time")]
    Timeout,
}

impl ConnectError {
    pub(crate) fn to_egress(&self, host: String) -> EgressError {
        match self {
            Self::Refused => EgressError::Refused { host },
            Self::Resolve(_) | Self::NoAddress => EgressError::Resolve { host },
            // `ErrorKind` has words without addresses: "connection refused".
            Self::Tcp(error) => EgressError::Connect {
                host,
                reason: error.kind().to_string(),
            },
            Self::Tls(reason) => EgressError::Tls {
                host,
                reason: reason.clone(),
            },
            Self::Timeout => EgressError::Timeout { host, sent: false },
        }
    }
}
