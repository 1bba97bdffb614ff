//! One upstream server, and what a call needs there by its era and client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::ToolDefinition;
use egress::Deadline;
use fabric::{
    Call, Effect, Events, Failure, FailureKind, Listing, Method, Outcome, Request, RpcError,
};
use mcp::{ClientCapabilities, ClientProfile};
use uuid::Uuid;

use super::agree::{Agreed, Era};
use super::answer::error_in;
use super::bearer::carried;
use super::board::{Board, Malformed};
use super::lane::{LaneParts, NOBODY, Source};
use super::lanes::{LaneUse, Lanes};
use super::outcome::may_ask;
use super::park::{Conversation, Parked, forgotten, unknown_state};
use super::peer::{Caller, Peer};
use super::sink::Sink;
use super::task_end::task_of;
use super::tasks::{CancelTask, Manner};
use super::watch;
use crate::failure::{sent, unsent};

/// How long a call may live that asks back again and again.
const LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it may take to find where to watch.
const WATCH_WITHIN: Duration = Duration::from_secs(60);
/// The pause before a server that went away is watched again; doubled each time.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The server of one version of a connector.
pub(crate) struct UpstreamServer {
    lanes: Arc<Lanes>,
    parked: Arc<Parked>,
}

impl UpstreamServer {
    pub(crate) fn new(parts: LaneParts, parked: Arc<Parked>) -> Self {
        Self {
            lanes: Lanes::new(parts),
            parked,
        }
    }

    /// Runs a call to its end, or until its server asks back.
    pub(crate) async fn run(
        &self,
        call: &Call,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Outcome {
        if call.request.method == Method::RootsChanged {
            self.roots_changed(call, deadline).await;
            return Outcome::Result(Bytes::from_static(b"{}"));
        }
        if call.request.method == Method::Reply {
            return self.reply(call, deadline).await;
        }
        if let (Method::EndSession, Some(session)) = (call.request.method, call.session) {
            for question in self.lanes.end_session(call.principal.key, session) {
                question.refuse().await;
            }
            return Outcome::Result(Bytes::from_static(b"{}"));
        }
        let inputs = call.request.inputs.as_ref();
        if call.request.method == Method::GiveUp {
            if let Some(task) = task_of(&call.request) {
                self.cancel_task(call, &task, deadline).await;
            } else if let Some(handle) = inputs.and_then(|inputs| inputs.state.as_deref()) {
                self.parked.give_up(handle, call);
            }
            return Outcome::Result(Bytes::from_static(b"{}"));
        }
        if let Some(inputs) = inputs
            && let Some(handle) = &inputs.state
        {
            let resumed = self.parked.resume(handle, call, inputs, events, deadline);
            if let Some(outcome) = Box::pin(resumed).await {
                return outcome;
            }
        }
        match self.attempt(call, events, deadline).await {
            // It ended, for want of calls say, before it got this one: the next one gets it.
            Outcome::Failed(Failure {
                kind: FailureKind::Died,
                effect: Effect::None,
                ..
            }) => Box::pin(self.attempt(call, events, deadline)).await,
            outcome => outcome,
        }
    }

    /// Tells the session of this client, if it has one, that its roots changed.
    async fn roots_changed(&self, call: &Call, deadline: Deadline) {
        let capabilities = &call.client.capabilities;
        let own = self
            .lanes
            .own(call.principal.key, capabilities, call.session);
        // A lane that others use, too, is told when it comes back to this client.
        let is_its = |lane: &LaneUse| lane.lane.aside().was_last(call.session);
        let own = own.filter(|(lane, _)| capabilities.roots && is_its(lane));
        let Some((_lane, peer)) = own else {
            return;
        };
        tell_of_roots(&peer, deadline).await;
    }

    /// What a client session answered to what it was asked outside calls.
    async fn reply(&self, call: &Call, deadline: Deadline) -> Outcome {
        let inputs = call.request.inputs.as_ref();
        let handle = inputs.and_then(|inputs| inputs.state.as_deref());
        let (Some(inputs), Some(handle), Some(session)) = (inputs, handle, call.session) else {
            return unknown_state();
        };
        let answer = self.lanes.all_living().into_iter().find_map(|peer| {
            let responses = inputs.responses.as_deref();
            peer.aside.answer(handle, session, responses)
        });
        match answer {
            Some(Ok((message, way))) => match way.send(message, deadline).await {
                Ok(()) => Outcome::Result(Bytes::from_static(b"{}")),
                Err(failure) => Outcome::Failed(failure),
            },
            Some(Err(Malformed)) => Outcome::Error(RpcError {
                code: mcp::codes::INVALID_PARAMS,
                message: "Invalid params: inputResponses must be an object of objects".to_owned(),
                data: None,
                raw: None,
            }),
            None => unknown_state(),
        }
    }

    fn lease(
        &self,
        call: &Call,
        deadline: Deadline,
    ) -> impl Future<Output = Result<LaneUse, Failure>> {
        let capabilities = &call.client.capabilities;
        self.lanes
            .lease(call.principal.key, capabilities, call.session, deadline)
    }

    /// Cancels a task that nobody waits for any more.
    async fn cancel_task(&self, call: &Call, id: &str, deadline: Deadline) {
        let leased = self.lease(call, deadline);
        if let Ok(lane) = leased.await
            && let Ok(peer) = lane.lane.peer(lane.parts(), deadline).await
        {
            drop(CancelTask::new(&peer, id));
        }
    }

    async fn attempt(&self, call: &Call, events: Option<&Events>, deadline: Deadline) -> Outcome {
        let leased = self.lease(call, deadline);
        let lane = match leased.await {
            Ok(lane) => lane,
            Err(failure) => return Outcome::Failed(failure),
        };
        let work = async {
            match lane.lane.peer(lane.parts(), deadline).await {
                Ok(peer) => self.run_at(&peer, &lane, call, events, deadline).await,
                Err(failure) => Outcome::Failed(failure),
            }
        };
        let outcome = match tokio::time::timeout_at(deadline.instant(), work).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Failed(sent(
                FailureKind::Timeout,
                "the tool did not answer in time",
            )),
        };
        let timed_out =
            matches!(&outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Timeout);
        lane.lane.timed_out(timed_out, lane.parts());
        if lane.parts().tools_changed.is_some()
            && let Some(peer) = lane.lane.living()
        {
            peer.hear_of_tools_if_told();
        }
        outcome
    }

    async fn run_at(
        &self,
        peer: &Arc<Peer>,
        lane: &LaneUse,
        call: &Call,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Outcome {
        let (request, client) = (&call.request, &*call.client);
        let agreed = match peer.agreed(deadline).await {
            Ok(agreed) => agreed,
            Err(failure) => return Outcome::Failed(failure),
        };
        let mut manner = Manner::Plain;
        if agreed.era == Era::Legacy {
            if lane.lane.owner().is_some() {
                self.note_use(peer, lane, call, deadline).await;
            }
            if request
                .inputs
                .as_ref()
                .is_some_and(|inputs| inputs.state.is_some())
            {
                return forgotten();
            }
            let simple = client.log_level.is_none() && !client.capabilities.can_be_asked();
            if !simple || agreed.offers.tool_tasks {
                // Boxed, because it is rare.
                manner = Box::pin(self.prepare(peer, &agreed, call, deadline)).await;
            }
            if client.capabilities.can_be_asked() && may_ask(request.method) {
                return self.converse(peer, lane, call, manner, events).await;
            }
        }
        if agreed.era == Era::Modern
            && let Some(error) = client_error(request)
        {
            return Outcome::Error(error);
        }
        let caller = Caller {
            principal: Some(call.principal.key),
            sink: Sink::caller(events, client),
        };
        match (agreed.era, request.method) {
            (Era::Modern, Method::CallTool)
                if request.to_its_end && agreed.offers.task_extension =>
            {
                let work = peer.run_to_its_end(request, client, &caller, &lane.lane, deadline);
                Box::pin(work).await
            }
            (Era::Legacy, Method::GetTask | Method::UpdateTask | Method::CancelTask) => {
                let work = peer.about_task(request, client, &caller, &agreed, deadline);
                Box::pin(work).await
            }
            _ => run_in_manner(manner, peer, lane, request, client, &caller, deadline).await,
        }
    }

    /// Notes whose call it is on a lane of one caller. Where the one before was another client's,
    /// the server, which may keep what it was told of roots, is to ask anew.
    async fn note_use(&self, peer: &Arc<Peer>, lane: &LaneUse, call: &Call, deadline: Deadline) {
        let is_new = call
            .session
            .is_some_and(|session| !lane.lane.aside().is_used_by(session));
        let is_others = lane
            .lane
            .aside()
            .used_by(call.session, call.client.log_of_session());
        if is_others && call.client.capabilities.roots {
            tell_of_roots(peer, deadline).await;
        }
        if is_new || !lane.lane.is_heard() {
            self.lanes.has_begun();
        }
    }

    /// Prepares a legacy server for a call of this client.
    async fn prepare(
        &self,
        peer: &Arc<Peer>,
        agreed: &Arc<Agreed>,
        call: &Call,
        deadline: Deadline,
    ) -> Manner {
        let client = &*call.client;
        if client.capabilities.can_be_asked() || client.log_level.is_some() {
            peer.listen(agreed).await;
        }
        if let Some(level) = client.log_level
            && !client.leaves_level()
        {
            peer.log_from(level, agreed, deadline).await;
        }
        peer.manner(&call.request, client, agreed, deadline).await
    }

    async fn converse(
        &self,
        peer: &Arc<Peer>,
        lane: &LaneUse,
        call: &Call,
        manner: Manner,
        events: Option<&Events>,
    ) -> Outcome {
        let config = &lane.parts().config;
        let client = call.client.clone();
        let board = Board::new(client.clone(), events.cloned(), config.parked_max_bytes);
        if let Some(session) = call.session {
            board.is_of(lane.lane.aside().clone(), session);
        }
        let rounds = config.parked_ttl.saturating_mul(config.rounds_per_call);
        let life = call.deadline.saturating_add(rounds).min(LIFE_MAX);
        let work = {
            let (peer, lane, board) = (peer.clone(), lane.clone(), board.clone());
            let (request, principal) = (call.request.clone(), call.principal.key);
            async move {
                let caller = Caller {
                    principal: Some(principal),
                    sink: Sink::Board(board.clone()),
                };
                let deadline = Deadline::after(life);
                let outcome =
                    run_in_manner(manner, &peer, &lane, &request, &client, &caller, deadline).await;
                let orphans = board.end(outcome);
                peer.hand_on(orphans).await;
                drop(lane);
            }
        };
        let work = lane.parts().tasks.joinable(carried(work)).abort_handle();
        let conversation = Conversation::new(call, board, peer.clone(), work);
        self.parked.wait(conversation).await
    }

    /// Tells of changes until it is dropped, or until the server refuses; a server that goes away
    /// is watched again when it is back.
    pub(crate) async fn watch(&self, call: &Call, events: &Events) -> Outcome {
        if let (Some(session), None) = (call.session, &call.request.name)
            && call.client.capabilities.can_be_asked()
        {
            return self.watch_session(call, session, events).await;
        }
        let (mut again, mut pause) = (false, PAUSE);
        loop {
            let began = tokio::time::Instant::now();
            let (outcome, is_busy) = match self.watched(call).await {
                Ok((_lane, peer)) => (watch::run(&peer, call, events, again).await, false),
                Err(failure) => {
                    let is_busy = failure.kind == FailureKind::Busy;
                    (Outcome::Failed(failure), is_busy)
                }
            };
            // Lanes become free; too many who watch are to be told.
            let goes_on = is_busy
                || matches!(&outcome, Outcome::Failed(failure) if matches!(
                    failure.kind,
                    FailureKind::Died | FailureKind::Unreachable | FailureKind::Timeout
                ));
            if !goes_on {
                return outcome;
            }
            again = true;
            if began.elapsed() > PAUSE_MAX {
                pause = PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Tells what happens in the upstream session that a client session uses, from when there is
    /// one until it ends.
    async fn watch_session(&self, call: &Call, session: Uuid, events: &Events) -> Outcome {
        let capabilities = &call.client.capabilities;
        let used = self
            .lanes
            .until_used(call.principal.key, capabilities, session);
        let (lane, peer) = used.await;
        let (_heard, notices) = lane.hear(session, events.clone());
        let lists = async {
            match &self.lanes.parts.source {
                // What its processes tell of lists is heard without this.
                Source::Hosted { .. } => std::future::pending().await,
                Source::Remote(_) => {
                    // Who hears first has all from the beginning; who comes later, as at another
                    // gateway, may have missed something.
                    let again = notices.is_none();
                    let notices = notices.unwrap_or_else(|| peer.notices.subscribe());
                    watch::run_from(&peer, call, events, again, notices).await
                }
            }
        };
        tokio::select! {
            outcome = lists => outcome,
            () = lane.ended() => Outcome::Failed(unsent(
                FailureKind::Died,
                "the session with the MCP server was let go",
            )),
        }
    }

    /// Where to watch. Nobody starts a process only to hear that its lists did not change.
    async fn watched(&self, call: &Call) -> Result<(Option<LaneUse>, Arc<Peer>), Failure> {
        if call.request.name.is_none()
            && let Source::Hosted {
                servers,
                tenant,
                connector,
                ..
            } = &self.lanes.parts.source
        {
            servers.until_running(*tenant, *connector).await;
            // Whoever's lane it is, it is not kept for that.
            if let Some(peer) = self.lanes.living() {
                return Ok((None, peer));
            }
            // Another version of the connector runs it.
            return Err(unsent(
                FailureKind::Unreachable,
                "the hosted server is gone",
            ));
        }
        let deadline = Deadline::after(WATCH_WITHIN);
        let leased = self.lease(call, deadline);
        let lane = leased.await?;
        let peer = lane.lane.peer(lane.parts(), deadline).await?;
        Ok((Some(lane), peer))
    }

    /// Reads the whole tool list, and what the server says of itself. Some servers offer tools only
    /// to clients that can be asked: they are told of one that can be asked everything, though it
    /// answers nothing here.
    pub(crate) async fn list_tools(&self, deadline: Deadline) -> Result<Listing, Failure> {
        let client = ClientProfile {
            capabilities: ClientCapabilities {
                roots: true,
                roots_list_changed: true,
                sampling: true,
                elicitation_form: true,
                elicitation_url: true,
                ..ClientCapabilities::default()
            },
            log_level: None,
            log_default: false,
        };
        let lane = self
            .lanes
            .lease(NOBODY, &client.capabilities, None, deadline)
            .await?;
        let peer = lane.lane.peer(lane.parts(), deadline).await?;
        let listing = peer.list_tools(&client, deadline).await;
        lane.retire();
        let mut listing = listing?;
        if matches!(self.lanes.parts.source, Source::Hosted { .. }) {
            // The list of a process may have changed with what was done in it.
            for other in self.lanes.all_living() {
                let is_other = !Arc::ptr_eq(&other, &peer);
                if is_other && let Ok(more) = other.list_tools(&client, deadline).await {
                    merge(&mut listing.tools, more.tools);
                }
            }
        }
        Ok(listing)
    }
}

/// Tells a legacy server that its client's roots are not what they were.
async fn tell_of_roots(peer: &Peer, deadline: Deadline) {
    const MESSAGE: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    let agreed = peer.link.agreed.load_full();
    let Some(agreed) = agreed.filter(|agreed| agreed.era == Era::Legacy) else {
        return;
    };
    let body = Bytes::from_static(MESSAGE);
    let transport = &peer.link.transport;
    let told = transport.notify(body, agreed.headers.clone(), deadline);
    if let Err(failure) = told.await {
        tracing::debug!("could not tell an MCP server of changed roots: {failure}");
    }
}

/// Adds the tools of another process, whose definitions are the newer ones.
fn merge(tools: &mut Vec<ToolDefinition>, more: Vec<ToolDefinition>) {
    for tool in more {
        match tools.iter_mut().find(|known| known.name == tool.name) {
            Some(known) => *known = tool,
            None => tools.push(tool),
        }
    }
}

/// The error with which a legacy client answered a question. A modern server has no place for it:
/// the call ends with it.
fn client_error(request: &Request) -> Option<RpcError> {
    let responses = request.inputs.as_ref()?.responses.as_deref()?;
    let responses = mcp::members(std::str::from_utf8(responses).ok()?).ok()?;
    responses.iter().find_map(|(_, answer)| error_in(answer))
}

async fn run_in_manner(
    manner: Manner,
    peer: &Arc<Peer>,
    lane: &LaneUse,
    request: &Request,
    client: &ClientProfile,
    caller: &Caller,
    deadline: Deadline,
) -> Outcome {
    if manner == Manner::Plain {
        return peer.run(request, client, caller, deadline).await;
    }
    let to_its_end = manner == Manner::TaskToItsEnd;
    let work = peer.call_as_task(request, client, caller, to_its_end, &lane.lane, deadline);
    Box::pin(work).await
}
