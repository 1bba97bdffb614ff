//! The lanes to one server. A lane is one session, process or connection, in which the server was
//! told of one set of client capabilities.
//!
//! A legacy server fixes capabilities when it is initialised, and what it asks outside of any call
//! cannot be told apart by caller. So where clients can be asked, a lane belongs to one caller for
//! its life; nobody else's roots or answers are ever mixed into it. All others share one lane, as
//! all share one with a modern server, which is told of the client with each request.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use domain::KeyId;
use egress::Deadline;
use fabric::{Failure, FailureKind};
use mcp::ClientCapabilities;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::agree::Era;
use super::aside::Question;
use super::lane::{Lane, LaneParts, Source};
use super::peer::Peer;
use crate::failure::unsent;

/// How often idle lanes are looked for at most.
const SWEEP_MIN: Duration = Duration::from_millis(20);

/// The lanes to one server.
pub(super) struct Lanes {
    pub(super) parts: LaneParts,
    /// The lane that needs no choice, once there is one.
    common: ArcSwapOption<Lane>,
    state: Mutex<State>,
    /// A lane has become free.
    freed: Notify,
    /// A lane of one caller has been begun to use by a client session, or in another life.
    begun: Notify,
}

#[derive(Default)]
struct State {
    lanes: Vec<Arc<Lane>>,
    /// Those that are given to nobody any more, while they are used still.
    leaving: Vec<Weak<Lane>>,
    /// Ends lanes that nobody uses; runs while there are any besides the common one.
    sweep: Option<AbortHandle>,
}

impl State {
    /// Gives lanes to nobody any more.
    fn remove(&mut self, goes: impl Fn(&Arc<Lane>) -> bool) {
        self.leaving.retain(|lane| lane.strong_count() > 0);
        let gone = self.lanes.extract_if(.., |lane| goes(lane));
        let gone = gone.map(|lane| Arc::downgrade(&lane));
        self.leaving.extend(gone);
    }

    /// The least number from `first` on that no lane has. One that leaves has it still: a hosted
    /// process is found by it, and ends with its lane.
    fn free_number(&self, first: u32) -> Option<u32> {
        let leaving = self.leaving.iter().filter_map(Weak::upgrade);
        let left: Vec<u32> = leaving.map(|lane| lane.number()).collect();
        let taken = |number: u32| {
            left.contains(&number) || self.lanes.iter().any(|lane| lane.number() == number)
        };
        (first..).find(|number| !taken(*number))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(sweep) = &self.sweep {
            sweep.abort();
        }
    }
}

/// A lane in use, until it is dropped.
pub(super) struct LaneUse {
    pub(super) lane: Arc<Lane>,
    lanes: Arc<Lanes>,
}

impl LaneUse {
    pub(super) fn parts(&self) -> &LaneParts {
        &self.lanes.parts
    }

    /// Ends the lane when its last use is over, and does not give it to anybody else.
    pub(super) fn retire(&self) {
        let mut state = self.lanes.state();
        if self.lane.is_modern() && self.lanes.common.load().is_none() {
            self.lane.is_for_all();
            self.lanes.common.store(Some(self.lane.clone()));
        }
        state.remove(|lane| Arc::ptr_eq(lane, &self.lane) && !self.lanes.is_common(lane));
    }
}

impl Clone for LaneUse {
    fn clone(&self) -> Self {
        self.lanes.using(self.lane.clone())
    }
}

impl Drop for LaneUse {
    fn drop(&mut self) {
        self.lane.release();
        if self.lane.owner().is_some() {
            self.lanes.freed.notify_waiters();
        }
    }
}

impl Lanes {
    pub(super) fn new(parts: LaneParts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            common: ArcSwapOption::empty(),
            state: Mutex::default(),
            freed: Notify::new(),
            begun: Notify::new(),
        })
    }

    /// A lane for a call of `principal` whose client has `capabilities`, and a session or none.
    ///
    /// # Errors
    /// `Busy`: all are in use by others, and stayed so for too long.
    pub(super) async fn lease(
        self: &Arc<Self>,
        principal: KeyId,
        capabilities: &ClientCapabilities,
        session: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<LaneUse, Failure> {
        let modern = self.is_modern();
        if let Some(common) = &*self.common.load()
            && (modern || (is_plain(capabilities) && is_plain(common.capabilities())))
        {
            return Ok(self.using(common.clone()));
        }
        // Boxed, because it is rare.
        let wanted = self.wanted(principal, capabilities, session);
        Box::pin(self.choose(wanted, deadline)).await
    }

    async fn choose(
        self: &Arc<Self>,
        mut wanted: Wanted,
        deadline: Deadline,
    ) -> Result<LaneUse, Failure> {
        let waited = deadline.within(self.parts.config.lane_wait);
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            // It may have shown meanwhile.
            wanted.any = self.is_modern();
            if let Some(lane) = self.find_or_open(&wanted) {
                return Ok(lane);
            }
            if tokio::time::timeout_at(waited.instant(), freed)
                .await
                .is_err()
            {
                return Err(unsent(
                    FailureKind::Busy,
                    "upstream busy: all sessions with the MCP server are in use by other callers",
                ));
            }
        }
    }

    fn find_or_open(self: &Arc<Self>, wanted: &Wanted) -> Option<LaneUse> {
        let mut state = self.state();
        // One lane serves all in the modern era; where another was before, it stays.
        let common = self.common.load_full().filter(|_| wanted.any);
        if let Some(lane) = common {
            return Some(self.using(lane));
        }
        if let Some(lane) = state.lanes.iter().find(|lane| wanted.fits(lane)) {
            let lane = lane.clone();
            if wanted.any {
                lane.is_for_all();
                self.common.store(Some(lane.clone()));
            }
            return Some(self.using(lane));
        }
        let common = wanted.any || (wanted.owner.is_none() && is_plain(&wanted.capabilities));
        if !common {
            let most = match self.parts.source {
                Source::Hosted { .. } => self.parts.config.lanes_per_connector,
                Source::Remote(_) => self.parts.config.remote_lanes_per_connector,
            };
            let others = |lane: &&Arc<Lane>| !self.is_common(lane);
            if state.lanes.iter().filter(others).count() >= most {
                let idle = state.lanes.iter().filter(others);
                let idle = idle.filter(|lane| lane.is_idle());
                let oldest = idle.min_by_key(|lane| (lane.is_heard(), lane.used_at()));
                let oldest = oldest.cloned()?;
                oldest.end();
                state.remove(|lane| Arc::ptr_eq(lane, &oldest));
            }
        }
        let number = state.free_number(u32::from(!common))?;
        let (capabilities, owner) = (wanted.capabilities.clone(), wanted.owner);
        let lane = Arc::new(Lane::new(number, capabilities, owner, wanted.session));
        state.lanes.push(lane.clone());
        let lane_use = self.using(lane.clone());
        if common {
            self.common.store(Some(lane));
        } else {
            self.begin_to_sweep(&mut state);
        }
        Some(lane_use)
    }

    /// A server that runs, if there is any.
    pub(super) fn living(&self) -> Option<Arc<Peer>> {
        self.state().lanes.iter().find_map(|lane| lane.living())
    }

    /// All servers that run.
    pub(super) fn all_living(&self) -> Vec<Arc<Peer>> {
        let state = self.state();
        state
            .lanes
            .iter()
            .filter_map(|lane| lane.living())
            .collect()
    }

    /// The lane that calls of `principal` with `capabilities` use, if its server runs.
    pub(super) fn own(
        self: &Arc<Self>,
        principal: KeyId,
        capabilities: &ClientCapabilities,
        session: Option<Uuid>,
    ) -> Option<(LaneUse, Arc<Peer>)> {
        let wanted = self.wanted(principal, capabilities, session);
        let state = self.state();
        let lane = state.lanes.iter().find(|lane| wanted.fits(lane))?.clone();
        let peer = lane.living()?;
        Some((self.using(lane), peer))
    }

    /// Who waits for a lane that a client session uses is to look again.
    pub(super) fn has_begun(&self) {
        self.begun.notify_waiters();
    }

    /// The lane that a client session uses, with its server, once there is one. The lane is not in
    /// use by that.
    pub(super) async fn until_used(
        &self,
        principal: KeyId,
        capabilities: &ClientCapabilities,
        session: Uuid,
    ) -> (Arc<Lane>, Arc<Peer>) {
        let wanted = self.wanted(principal, capabilities, Some(session));
        loop {
            let mut begun = std::pin::pin!(self.begun.notified());
            // Before the look, so that no beginning is missed.
            begun.as_mut().enable();
            let found = {
                let state = self.state();
                let mut lanes = state.lanes.iter();
                let its_own =
                    |lane: &&Arc<Lane>| wanted.fits(lane) && lane.aside().is_used_by(session);
                lanes.find(its_own).cloned()
            };
            if let Some(lane) = found
                && let Some(peer) = lane.living()
            {
                return (lane, peer);
            }
            begun.await;
        }
    }

    /// A client session is over: its own lanes end, and the others are not its any more.
    pub(super) fn end_session(&self, principal: KeyId, session: Uuid) -> Vec<Question> {
        let mut refused = Vec::new();
        {
            let mut state = self.state();
            let of_owner = |lane: &&Arc<Lane>| lane.owner() == Some(principal);
            for lane in state.lanes.iter().filter(of_owner) {
                refused.extend(lane.aside().leave(session));
                if lane.session() == Some(session) {
                    lane.end();
                }
            }
            state.remove(|lane| lane.owner() == Some(principal) && lane.session() == Some(session));
        }
        self.freed.notify_waiters();
        refused
    }

    fn wanted(
        &self,
        principal: KeyId,
        capabilities: &ClientCapabilities,
        session: Option<Uuid>,
    ) -> Wanted {
        let mut wanted = Wanted::new(principal, capabilities);
        // A process for each session is too dear.
        if wanted.owner.is_some() && matches!(self.parts.source, Source::Remote(_)) {
            wanted.session = session;
        }
        wanted
    }

    fn using(self: &Arc<Self>, lane: Arc<Lane>) -> LaneUse {
        lane.take();
        LaneUse {
            lane,
            lanes: self.clone(),
        }
    }

    fn is_modern(&self) -> bool {
        self.parts.known.era.load().as_deref() == Some(&Era::Modern)
    }

    fn is_common(&self, lane: &Arc<Lane>) -> bool {
        let common = self.common.load();
        common
            .as_ref()
            .is_some_and(|common| Arc::ptr_eq(common, lane))
    }

    fn begin_to_sweep(self: &Arc<Self>, state: &mut State) {
        if state
            .sweep
            .as_ref()
            .is_some_and(|sweep| !sweep.is_finished())
        {
            return;
        }
        let sweep = sweep(Arc::downgrade(self), self.parts.config.lane_idle);
        state.sweep = Some(self.parts.tasks.joinable(sweep).abort_handle());
    }

    /// Ends lanes that nobody used for long; tells when to look again, if there is any left.
    fn end_idle(&self) -> Option<Instant> {
        let idle = self.parts.config.lane_idle;
        let mut state = self.state();
        let now = Instant::now();
        state.remove(|lane| {
            let is_kept = self.is_common(lane)
                || !lane.is_idle()
                || lane.is_heard()
                || lane.used_at() + idle > now;
            if !is_kept {
                lane.end();
            }
            !is_kept
        });
        let others = state.lanes.iter().filter(|lane| !self.is_common(lane));
        let pause = (idle / 4).max(SWEEP_MIN);
        let next = others
            .map(|lane| (lane.used_at() + idle).max(now + pause))
            .min();
        if next.is_none() {
            state.sweep = None;
        }
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

async fn sweep(lanes: Weak<Lanes>, first: Duration) {
    let mut next = Instant::now() + first;
    loop {
        tokio::time::sleep_until(next).await;
        let Some(lanes) = lanes.upgrade() else { return };
        match lanes.end_idle() {
            Some(later) => next = later,
            None => return,
        }
    }
}

/// The lane that a call needs.
struct Wanted {
    capabilities: ClientCapabilities,
    /// Whose it must be.
    owner: Option<KeyId>,
    /// Of which client session, where it must be one's own.
    session: Option<Uuid>,
    /// Whether any lane will do.
    any: bool,
}

impl Wanted {
    fn new(principal: KeyId, capabilities: &ClientCapabilities) -> Self {
        Self {
            capabilities: ClientCapabilities {
                // Not for a legacy server, which this set is told to.
                tasks: false,
                ..capabilities.clone()
            },
            owner: capabilities.can_be_asked().then_some(principal),
            session: None,
            any: false,
        }
    }

    fn fits(&self, lane: &Lane) -> bool {
        if self.any {
            return lane.is_modern();
        }
        lane.owner() == self.owner
            && lane.session() == self.session
            && *lane.capabilities() == self.capabilities
    }
}

/// Whether a legacy server is told of nothing.
fn is_plain(capabilities: &ClientCapabilities) -> bool {
    !capabilities.can_be_asked() && capabilities.ui.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_that_leaves_keeps_its_number_for_as_long_as_it_is_used() {
        let lane = |number| Arc::new(Lane::new(number, ClientCapabilities::default(), None, None));
        let (first, second) = (lane(1), lane(2));
        let mut state = State::default();
        state.lanes.extend([first.clone(), second]);

        state.remove(|lane| lane.number() == 1);
        assert_eq!(state.free_number(1), Some(3), "somebody uses it still");
        drop(first);
        assert_eq!(state.free_number(1), Some(1));
        state.remove(|_| true);
        assert_eq!(state.free_number(1), Some(1), "nobody used the other one");
        assert_eq!(state.free_number(0), Some(0));
    }
}
