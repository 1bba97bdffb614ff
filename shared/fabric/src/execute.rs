//! A call on its way to an upstream. Inside, everything is the 2026-07-28 model: stateless calls
//! whose events come before one outcome. What a legacy client or upstream needs besides is its
//! adapter's business.

use std::time::Duration;

use bytes::Bytes;
use domain::{ConnectorId, Principal, TenantId};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

/// One call of one connector.
#[derive(Clone, Debug)]
pub struct Call {
    pub tenant: TenantId,
    pub connector: ConnectorId,
    /// The connector's version in the configuration that the caller enforces. A worker that holds
    /// an older one takes a new lease first.
    pub version: i64,
    pub request: Request,
    pub principal: Principal,
    /// Time left. The worker gives up, and says so, when it is over.
    pub deadline: Duration,
    /// Names the call in the logs of every role.
    pub request_id: String,
}

/// What is asked of the upstream. JSON parts are raw: what nobody here needs to read is passed on
/// byte for byte.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Request {
    CallTool {
        /// The upstream's own name for the tool, without a prefix.
        name: String,
        /// A JSON object; absent means `{}`.
        arguments: Option<Bytes>,
        /// The members of the client's `_meta` that may travel on, as a JSON object: trace context
        /// and extensions, no progress token and nothing that the edge owns.
        meta: Option<Bytes>,
        /// Whether the client wants progress notifications.
        progress: bool,
    },
}

/// Where the events of a call go before its outcome. Bounded: a client that reads slowly holds
/// its own call back, nobody else's.
pub type Events = mpsc::Sender<CallEvent>;

/// Something that happened in mid-call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallEvent {
    /// The members of `notifications/progress` params but for the token, as a JSON object.
    Progress(Bytes),
}

/// How a call ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The upstream's result, a raw JSON object, as it came (`isError` results included).
    Result(Bytes),
    /// The upstream answered with a JSON-RPC error.
    Error(RpcError),
    /// There is no answer of the upstream.
    Failed(Failure),
}

/// A JSON-RPC error object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    pub code: i64,
    pub message: String,
    /// Raw JSON.
    pub data: Option<Bytes>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub kind: FailureKind,
    /// For the caller: what happened and what to do, without secrets or internal addresses.
    pub message: String,
    pub effect: Effect,
}

/// What a failure is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The connector is unknown to the worker, or its lease was refused.
    Gone,
    /// Too many calls already; nothing was sent.
    Busy,
    /// The upstream could not be reached or started.
    Unreachable,
    /// The deadline passed.
    Timeout,
    /// The upstream ended in mid-call.
    Died,
    /// The upstream answered something that is no answer.
    Garbage,
    /// The answer is larger than allowed.
    TooLarge,
    /// The provider refused the credential, or there is none.
    Credential,
    /// A fault of ours; details are in the log under the request id.
    Internal,
}

impl FailureKind {
    pub const ALL: [Self; 9] = [
        Self::Gone,
        Self::Busy,
        Self::Unreachable,
        Self::Timeout,
        Self::Died,
        Self::Garbage,
        Self::TooLarge,
        Self::Credential,
        Self::Internal,
    ];

    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Busy => "busy",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Died => "died",
            Self::Garbage => "garbage",
            Self::TooLarge => "too_large",
            Self::Credential => "credential",
            Self::Internal => "internal",
        }
    }
}

/// Whether the call may have done something all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing was sent: it is safe to try again.
    None,
    /// It was sent, and nobody knows what became of it.
    Possible,
}

/// Runs calls. Implemented by the connector-worker, called by the gateway.
pub trait Execute: Send + Sync {
    /// Runs one call to its end. Events go to `events` (absent: nobody listens) before the future
    /// resolves. Dropping the future cancels the call upstream.
    fn execute(&self, call: Call, events: Option<Events>) -> BoxFuture<'_, Outcome>;
}
