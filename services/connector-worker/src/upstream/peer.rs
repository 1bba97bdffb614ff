//! One upstream MCP server as we know it: what was agreed with it, and how to call it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use egress::Deadline;
use fabric::{Events, Failure};
use http::HeaderMap;
use mcp::HeaderParams;
use runtime::Tasks;
use tokio::sync::Semaphore;

use super::agree::{Agreed, Era};
use super::agreement::Agreement;
use super::answer::{Answer, Reader};
use super::cancel::CancelOnDrop;
use super::rejected::Refusal;
use super::{Outgoing, Rejected, Transport, UpstreamConfig, Wire};

/// Cancellations on their way to one server; more are dropped, since a server that takes none is
/// past caring.
const CANCELS_AT_ONCE: usize = 32;

/// One upstream MCP server behind one transport. Shared by all callers: we declare no client
/// capability, so no answer depends on who asks.
pub(crate) struct Peer {
    pub(super) link: Arc<Link>,
    pub(super) config: Arc<UpstreamConfig>,
    pub(super) agreement: Agreement,
    /// Annotated parameters by tool, of tools that have any; from the last tool list.
    pub(super) header_params: ArcSwap<HashMap<String, HeaderParams>>,
    pub(super) cancels: Arc<Semaphore>,
}

/// The part of a peer that a handshake needs.
pub(super) struct Link {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) tasks: Tasks,
    pub(super) probe_timeout: Duration,
    pub(super) agreed: ArcSwapOption<Agreed>,
    ids: AtomicU64,
}

impl Link {
    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }
}

/// Why a request got no response.
#[derive(Debug)]
pub(super) enum Refused {
    Failed(Failure),
    Status(Refusal),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Peer {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        config: Arc<UpstreamConfig>,
        tasks: Tasks,
    ) -> Self {
        let link = Link {
            transport,
            tasks,
            probe_timeout: config.probe_timeout,
            agreed: ArcSwapOption::empty(),
            ids: AtomicU64::new(1),
        };
        Self {
            link: Arc::new(link),
            config,
            agreement: Agreement::default(),
            header_params: ArcSwap::default(),
            cancels: Arc::new(Semaphore::new(CANCELS_AT_ONCE)),
        }
    }

    /// Whether this is the server behind `transport`, in the same life.
    pub(crate) fn is_behind<T: Transport>(&self, transport: &Arc<T>) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.link.transport), Arc::as_ptr(transport))
    }

    pub(super) fn next_id(&self) -> u64 {
        self.link.next_id()
    }

    pub(super) fn tasks(&self) -> &Tasks {
        &self.link.tasks
    }

    pub(super) fn wire(&self) -> Wire {
        self.link.transport.wire()
    }

    /// Sends one request under `agreed` and reads to its response. If this future is dropped, or
    /// the deadline passes, the server is told that nobody waits any more.
    pub(super) async fn exchange(
        &self,
        agreed: &Arc<Agreed>,
        request: Request,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Result<Answer, Refused> {
        let Request { id, body, headers } = request;
        let mut cancel = CancelOnDrop::new(self, agreed, id);
        let outgoing = Outgoing {
            id,
            body,
            headers,
            deadline,
        };
        let mut exchange = match self.link.transport.request(outgoing).await {
            Ok(exchange) => exchange,
            Err(Rejected::Failed(failure)) => {
                cancel.settle(&failure);
                return Err(failure.into());
            }
            Err(Rejected::Status {
                status,
                body,
                retry_after,
            }) => {
                cancel.disarm();
                return Err(Refused::Status(Refusal::read(status, &body, retry_after)));
            }
        };
        let may_ask = agreed.era == Era::Legacy && self.wire() == Wire::Http;
        let reader = Reader {
            id,
            events,
            replies: may_ask.then_some((&*self.link.transport, &agreed.headers)),
            deadline,
        };
        match reader.read(&mut *exchange).await {
            Ok(answer) => {
                cancel.disarm();
                exchange.finish();
                Ok(answer)
            }
            Err(failure) => {
                cancel.settle(&failure);
                Err(failure.into())
            }
        }
    }

    /// Forgets what was agreed, unless something newer has been agreed meanwhile.
    pub(super) fn forget(&self, agreed: &Arc<Agreed>) {
        agreed.lose();
        let current = self.link.agreed.load();
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, agreed))
        {
            self.link.agreed.compare_and_swap(&*current, None);
        }
    }
}

/// A request with everything but its deadline.
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) body: Bytes,
    pub(super) headers: HeaderMap,
}
