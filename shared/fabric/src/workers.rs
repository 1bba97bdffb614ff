//! What the control-plane asks of workers besides calls.

use domain::{ConnectorId, TenantId, ToolDefinition, UpstreamInfo};
use futures_util::future::BoxFuture;
use time::OffsetDateTime;

use crate::Failure;

/// What a reading of an upstream brought.
#[derive(Clone, Debug)]
pub struct Listing {
    pub tools: Vec<ToolDefinition>,
    /// Absent for native connectors, which have nothing but tools.
    pub server: Option<UpstreamInfo>,
}

/// Hears of upstreams whose tools are not what they were. Implemented by the control-plane, told
/// by workers.
pub trait UpstreamListener: Send + Sync {
    /// The upstream said that its tool list changed. Must return at once; may be told often.
    fn tools_changed(&self, tenant: TenantId, connector: ConnectorId);
}

/// The hosted server of a connector, as its worker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStatus {
    pub state: ProcessState,
    /// The process' id while it runs.
    pub pid: Option<u32>,
    pub started_at: Option<OffsetDateTime>,
    /// Starts after the first one.
    pub restarts: u32,
    /// Why it ended the last time.
    pub last_exit: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// Not started yet, or stopped because nobody called; the next call starts it.
    Stopped,
    Starting,
    Running,
    /// Ended by itself; started again by the first call after the back-off.
    BackingOff,
}

impl ProcessState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::BackingOff => "backing_off",
        }
    }
}

/// A line that a hosted server wrote to its standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StderrLine {
    pub at: OffsetDateTime,
    /// Cut at the configured length; no control characters.
    pub text: String,
}

/// The workers, as one. Implemented by the connector-worker, asked by the control-plane.
pub trait Workers: Send + Sync {
    /// Reads the upstream's whole tool list now, and what it says of itself.
    fn list_tools(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        version: i64,
    ) -> BoxFuture<'_, Result<Listing, Failure>>;

    /// The state of a hosted server; `None` when the connector runs none here.
    fn process(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Option<ProcessStatus>>;

    /// The newest lines of a hosted server's standard error, oldest first; kept over restarts.
    fn stderr(&self, tenant: TenantId, connector: ConnectorId) -> BoxFuture<'_, Vec<StderrLine>>;

    /// Drops everything held for a connector that was changed, disabled or deleted: credentials,
    /// upstream sessions, processes. Resolves when its processes are gone.
    fn release(&self, tenant: TenantId, connector: ConnectorId) -> BoxFuture<'_, ()>;

    /// As [`release`](Self::release), for a connector that was deleted: what is kept for it on
    /// disk, the private folders of a hosted server, goes too. Resolves when both are gone, or
    /// when the folders could not be removed in time, which is logged. The default is for workers
    /// that keep nothing on disk.
    fn forget(&self, tenant: TenantId, connector: ConnectorId) -> BoxFuture<'_, ()> {
        self.release(tenant, connector)
    }
}
