//! One upstream MCP server as we know it: what was agreed with it, and how to call it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use domain::KeyId;
use egress::Deadline;
use fabric::Failure;
use http::HeaderMap;
use mcp::{ClientCapabilities, LogLevel};
use runtime::Tasks;
use tokio::sync::Semaphore;

use super::agree::{Agreed, Era};
use super::agreement::Agreement;
use super::answer::{Answer, Reader};
use super::aside::Aside;
use super::cancel::CancelOnDrop;
use super::inflight::InFlight;
use super::listen::Listening;
use super::notices::Notices;
use super::rejected::Refusal;
use super::sink::Sink;
use super::task_talks::TaskTalks;
use super::tools::ToolFacts;
use super::watch::Watches;
use super::{Outgoing, Rejected, Transport, UpstreamConfig, Wire};

/// Cancellations on their way to one server; more are dropped, since a server that takes none is
/// past caring.
const CANCELS_AT_ONCE: usize = 32;

/// How long an answer waits for what the server said before it.
const SETTLED_WITHIN: Duration = Duration::from_millis(250);

/// One upstream MCP server behind one transport, told of one set of client capabilities.
pub(crate) struct Peer {
    pub(super) link: Arc<Link>,
    pub(super) config: Arc<UpstreamConfig>,
    pub(super) agreement: Agreement,
    pub(super) cancels: Arc<Semaphore>,
    pub(super) calls: Arc<InFlight>,
    /// What the server tells of its lists and resources.
    pub(super) notices: Arc<Notices>,
    /// What it says outside calls, where it can be known to whom.
    pub(super) aside: Arc<Aside>,
    /// What is watched of it.
    pub(super) watches: Watches,
    pub(super) talks: TaskTalks,
    pub(super) listening: Mutex<Option<Listening>>,
    /// The level that the log of a session, by its address, was set to.
    pub(super) log_level: Mutex<Option<(usize, LogLevel)>>,
}

/// What is known of a server whichever way it is spoken to; shared by all its peers.
#[derive(Default)]
pub(crate) struct Known {
    /// The era that worked the last time; tried first.
    pub(super) era: ArcSwapOption<Era>,
    /// What calls need to know of the tools; from the last tool list.
    pub(super) tools: ArcSwap<ToolFacts>,
}

/// The part of a peer that a handshake needs.
pub(super) struct Link {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) tasks: Tasks,
    pub(super) probe_timeout: Duration,
    /// What a legacy server is told of its client.
    pub(super) capabilities: ClientCapabilities,
    pub(super) known: Arc<Known>,
    pub(super) agreed: ArcSwapOption<Agreed>,
    ids: AtomicU64,
}

impl Link {
    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Forgets what was agreed, unless something newer has been agreed meanwhile.
    pub(super) fn forget(&self, agreed: &Arc<Agreed>) {
        agreed.lose();
        let current = self.agreed.load();
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, agreed))
        {
            self.agreed.compare_and_swap(&*current, None);
        }
    }
}

/// Who waits for the answer to a request.
pub(super) struct Caller {
    /// None for what we ask for ourselves.
    pub(super) principal: Option<KeyId>,
    pub(super) sink: Sink,
}

impl Caller {
    /// We ourselves, for whom nothing but the answer matters.
    pub(super) const OURS: Self = Self {
        principal: None,
        sink: Sink::Nobody,
    };
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
        capabilities: ClientCapabilities,
        known: Arc<Known>,
        notices: Arc<Notices>,
        aside: Arc<Aside>,
        config: Arc<UpstreamConfig>,
        tasks: Tasks,
    ) -> Self {
        let calls = InFlight::new(capabilities.can_be_asked());
        let link = Link {
            transport,
            tasks,
            probe_timeout: config.probe_timeout,
            capabilities,
            known,
            agreed: ArcSwapOption::empty(),
            ids: AtomicU64::new(1),
        };
        Self {
            link: Arc::new(link),
            config,
            agreement: Agreement::default(),
            cancels: Arc::new(Semaphore::new(CANCELS_AT_ONCE)),
            calls: Arc::new(calls),
            notices,
            aside,
            watches: Watches::default(),
            talks: TaskTalks::default(),
            listening: Mutex::default(),
            log_level: Mutex::default(),
        }
    }

    /// Whether this is the server behind `transport`, in the same life.
    pub(crate) fn is_behind(&self, transport: &Arc<dyn Transport>) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.link.transport), Arc::as_ptr(transport))
    }

    /// Whether nothing can be sent any more.
    pub(super) fn is_closed(&self) -> bool {
        self.link.transport.is_closed()
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
        caller: &Caller,
        deadline: Deadline,
    ) -> Result<Answer, Refused> {
        let Request { id, body, headers } = request;
        let _underway = caller
            .principal
            .map(|principal| self.calls.begin(id, principal, &caller.sink));
        if let Sink::Board(board) = &caller.sink {
            board.is_in(agreed);
            board.take_over();
        }
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
            sink: &caller.sink,
            replies: may_ask.then_some((&*self.link.transport, &agreed.headers)),
            notices: Some(&self.notices),
            deadline,
        };
        match reader.read(&mut *exchange).await {
            Ok(answer) => {
                cancel.disarm();
                exchange.finish();
                if self.wire() != Wire::Http && caller.sink.wants_strays() {
                    // What the server said before its answer is heard before it.
                    let settled = self.link.transport.settled();
                    let _ = tokio::time::timeout(SETTLED_WITHIN, settled).await;
                }
                Ok(answer)
            }
            Err(failure) => {
                cancel.settle(&failure);
                Err(failure.into())
            }
        }
    }
}

/// A request with everything but its deadline.
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) body: Bytes,
    pub(super) headers: HeaderMap,
}
