//! A call on its way to an upstream. Inside, everything is the 2026-07-28 model: stateless calls
//! whose events come before one outcome. What a legacy client or upstream needs besides is its
//! adapter's business.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{ConnectorId, Principal, TenantId};
use futures_util::future::BoxFuture;
use mcp::ClientProfile;
use secrecy::SecretString;
use tokio::sync::mpsc;
use uuid::Uuid;

/// One call of one connector.
#[derive(Clone, Debug)]
pub struct Call {
    pub tenant: TenantId,
    pub connector: ConnectorId,
    /// The connector's version in the configuration that the caller enforces. A worker that holds
    /// an older one takes a new lease first.
    pub version: i64,
    /// [`crate::ConnectorConfig::accounts`] of the same configuration. A worker that holds a
    /// credential from before asks for it anew.
    pub accounts: i64,
    pub request: Request,
    /// What the client behind the call can do. What it did not declare an upstream may not ask.
    pub client: Arc<ClientProfile>,
    pub principal: Principal,
    /// The session of the legacy client behind the call; none for clients without one. What a
    /// server keeps or asks for one session is never shown to another.
    pub session: Option<Uuid>,
    /// The caller's own provider token for this call (`X-User-OAuth-Token`, `auth/setUserToken`).
    /// It goes before the connector's credential, to native connectors only, and is kept nowhere.
    pub user_token: Option<Arc<SecretString>>,
    /// Time left. The worker gives up, and says so, when it is over. A call that is parked
    /// because its upstream asks back lives on by the worker's own limit.
    pub deadline: Duration,
    /// Names the call in the logs of every role.
    pub request_id: String,
    /// Which worker is to run it, where there are several.
    pub affinity: Affinity,
}

/// What calls go to one and the same worker for as long as that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Affinity {
    /// Any worker will do: nothing is kept for it between calls.
    #[default]
    None,
    /// All calls of the connector: its server runs once in the cluster.
    Connector,
    /// All calls of the connector by one principal: its server may keep a session.
    Principal,
}

/// What is asked of the upstream. JSON parts are raw: what nobody here needs to read is passed on
/// byte for byte. Names and URIs are the upstream's own, without a prefix.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// `params.name`, `params.uri` or `params.taskId`, by the method; see [`Method::name_key`].
    pub name: Option<String>,
    /// `params.arguments` of a tool or a prompt, a JSON object; absent means none were given.
    pub arguments: Option<Bytes>,
    /// The further members of `params`, as the inside of a JSON object (`"a":1,"b":2`, no braces):
    /// all but those above, `_meta`, `inputResponses` and `requestState`. Mostly empty.
    pub rest: Bytes,
    /// The members of the client's `_meta` that may travel on, as a JSON object: trace context
    /// and extensions, no progress token and nothing that the edge owns.
    pub meta: Option<Bytes>,
    /// `Mcp-Param-*` of a modern client's that repeat no argument known to the caller: full names
    /// in lower case, and values in visible ASCII, few and short. A server of 2026-07-28 gets them
    /// over HTTP; nobody else does.
    pub param_headers: Vec<(Box<str>, Box<str>)>,
    /// Whether the client wants progress notifications.
    pub progress: bool,
    /// Answers to what the upstream asked in an earlier round of the same call.
    pub inputs: Option<Inputs>,
    /// The client knows no tasks, and would not understand what it lacks: a call of a tool that
    /// becomes a task is waited for.
    pub to_its_end: bool,
    /// It surely changes nothing: where its worker is lost, another one may run it. Of use to who
    /// chooses a worker, and to nobody behind that.
    pub only_reads: bool,
}

impl Request {
    /// A request with nothing but its name.
    pub const fn new(method: Method, name: Option<String>) -> Self {
        Self {
            method,
            name,
            arguments: None,
            rest: Bytes::new(),
            meta: None,
            param_headers: Vec::new(),
            progress: false,
            inputs: None,
            to_its_end: false,
            only_reads: false,
        }
    }
}

/// The requests that go to upstreams. `tools/list` is none of them: the tools are part of the
/// configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    CallTool,
    ListPrompts,
    GetPrompt,
    ListResources,
    ListResourceTemplates,
    ReadResource,
    Complete,
    /// Tasks of the 2026-07-28 extension; a worker translates for a server of 2025-11-25.
    GetTask,
    UpdateTask,
    CancelTask,
    /// `notifications/roots/list_changed`: reaches the upstream sessions that serve the client, if
    /// any is open; answered with an empty result at once. Nothing is started or sent for it else.
    RootsChanged,
    /// No method of the protocol: nobody will answer what the call that is parked under the state
    /// in [`Request::inputs`] asked, and it is to be cancelled. Answered with an empty result.
    GiveUp,
    /// No method of the protocol: the client's answers to [`CallEvent::Asked`], in
    /// [`Request::inputs`] with its state. Answered with an empty result.
    Reply,
    /// No method of the protocol: [`Call::session`] is over, and what is kept at the upstream for
    /// it alone may go. Answered with an empty result.
    EndSession,
    /// No method of the protocol: runs until it is dropped, and tells by its events what the
    /// upstream's lists and resources do. `name` is the URI of one resource to subscribe to;
    /// without one, the lists are watched. An outcome says that the watch is over.
    ///
    /// With [`Call::session`], and of a client that can be asked, a watch of the lists is of the
    /// upstream session that this client session uses, begun by its first call, and ends with
    /// that. It tells also what the server asks and says there outside any call.
    Watch,
    /// No method of the protocol: as [`Self::Watch`], for one task of the caller. `name` is the
    /// upstream's own id of it; each event is a [`CallEvent::Task`].
    WatchTask,
}

impl Method {
    /// The method's name in the protocol; a watch is `subscriptions/listen`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallTool => "tools/call",
            Self::ListPrompts => "prompts/list",
            Self::GetPrompt => "prompts/get",
            Self::ListResources => "resources/list",
            Self::ListResourceTemplates => "resources/templates/list",
            Self::ReadResource => "resources/read",
            Self::Complete => "completion/complete",
            Self::GetTask => "tasks/get",
            Self::UpdateTask => "tasks/update",
            Self::CancelTask => "tasks/cancel",
            Self::RootsChanged => "notifications/roots/list_changed",
            Self::GiveUp => "notifications/cancelled",
            Self::Reply => "(response)",
            Self::EndSession => "(end of session)",
            Self::Watch | Self::WatchTask => "subscriptions/listen",
        }
    }

    /// The member of `params` that [`Request::name`] is.
    pub const fn name_key(self) -> Option<&'static str> {
        match self {
            Self::CallTool | Self::GetPrompt => Some("name"),
            Self::ReadResource => Some("uri"),
            Self::GetTask | Self::UpdateTask | Self::CancelTask => Some("taskId"),
            _ => None,
        }
    }
}

/// What the client answered to [`Outcome::InputRequired`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// `inputResponses`, a JSON object: by the key of its request, each answer's result, or
    /// `{"error":{"code":…,"message":…}}` where a legacy client answered with an error.
    pub responses: Option<Bytes>,
    /// The state of that outcome.
    pub state: Option<String>,
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
    /// The params of a `notifications/message` at the client's level or graver.
    Log(Bytes),
    /// Of a watched task: its state in the words of the 2026-07-28 extension (`tasks/get`), under
    /// the upstream's own id.
    Task(Bytes),
    /// The params of a `notifications/elicitation/complete` of a page that this client session was
    /// asked to open.
    ElicitationComplete(Bytes),
    /// Of a session's watch: the server asks something outside any call. The answers are handed
    /// back by [`Method::Reply`].
    Asked(InputRequired),
    /// Of a watch: it is established upstream.
    Watching,
    /// Of a watch: a list has changed.
    ListChanged(List),
    /// Of a watch: the params of a `notifications/resources/updated`.
    ResourceUpdated(Bytes),
}

/// The lists of a server that can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    Tools,
    Prompts,
    Resources,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The upstream's result, a raw JSON object, as it came (`isError` results included).
    Result(Bytes),
    /// The upstream asks something before it goes on: `tools/call`, `prompts/get` and
    /// `resources/read` may end so, as often as the worker allows.
    InputRequired(InputRequired),
    /// The upstream answered with a JSON-RPC error.
    Error(RpcError),
    /// There is no answer of the upstream.
    Failed(Failure),
}

/// What the upstream asks of the client. To go on, the same request is executed again with
/// [`Request::inputs`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRequired {
    /// By key, `{"method":…,"params":…}`: a JSON object. Of a legacy server only kinds that the
    /// client declared, since others were refused; a modern one may ask for what it likes, and the
    /// caller refuses.
    /// Absent when the upstream only wants to be asked again.
    pub requests: Option<Bytes>,
    /// To be handed back; not for the client's eyes.
    pub state: Option<String>,
    /// The result's `_meta`, a JSON object.
    pub meta: Option<Bytes>,
}

/// A JSON-RPC error object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    pub code: i64,
    pub message: String,
    /// Raw JSON.
    pub data: Option<Bytes>,
    /// The whole object as an upstream wrote it: its escapes, and members besides these. None of
    /// an error that is ours.
    pub raw: Option<Bytes>,
}

impl RpcError {
    /// An error of ours.
    pub fn new(code: i64, message: impl Into<String>, data: Option<Bytes>) -> Self {
        Self {
            code,
            message: message.into(),
            data,
            raw: None,
        }
    }
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
    /// Not now, or not here: too many calls already, or no lease can be had. Nothing was sent.
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
    /// The call was to be taken up again, and what it would be taken up from is not there any
    /// more: its worker or its server has ended, or it waited too long. Nobody knows what became
    /// of it.
    Forgotten,
    /// A fault of ours; details are in the log under the request id.
    Internal,
}

impl FailureKind {
    pub const ALL: [Self; 10] = [
        Self::Gone,
        Self::Busy,
        Self::Unreachable,
        Self::Timeout,
        Self::Died,
        Self::Garbage,
        Self::TooLarge,
        Self::Credential,
        Self::Forgotten,
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
            Self::Forgotten => "forgotten",
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
    /// resolves. Dropping the future cancels the call upstream; a parked call that is never taken
    /// up again is cancelled by the worker.
    fn execute(&self, call: Call, events: Option<Events>) -> BoxFuture<'_, Outcome>;
}
