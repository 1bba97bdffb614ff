//! What each key, or each tenant, has left here. In several parts, so that those who call at once
//! seldom wait for each other.

use std::collections::HashMap;
use std::sync::Mutex;

use cache::Draw;
use tokio::sync::Notify;
use uuid::Uuid;

use super::window::{Take, Terms, Window};

const SHARDS: usize = 16;
/// A part with fewer is never swept.
const SWEEP_FROM: usize = 64;
/// How often room is looked for when there is none, in milliseconds.
const SWEEP_EVERY: u64 = 100;

pub(super) struct Shards([Shard; SHARDS]);

pub(super) struct Shard {
    state: Mutex<State>,
    max: usize,
    /// Something that was drawn has come, for whomever.
    pub(super) drawn: Notify,
}

#[derive(Default)]
struct State {
    windows: HashMap<Uuid, Window>,
    /// How many there must be for a look at which are over.
    sweep_from: usize,
    swept: u64,
}

impl Shards {
    /// Holds about `max`.
    pub(super) fn new(max: usize) -> Self {
        Self(std::array::from_fn(|_| Shard {
            state: Mutex::default(),
            max: max.div_ceil(SHARDS),
            drawn: Notify::new(),
        }))
    }

    pub(super) fn of(&self, what: Uuid) -> &Shard {
        // The last bytes of an id are its random ones.
        &self.0[usize::from(what.as_bytes()[15]) % SHARDS]
    }
}

impl Shard {
    /// Takes one; nothing when there is no room to count it.
    pub(super) fn take(
        &self,
        what: Uuid,
        at: u64,
        terms: &Terms,
        ends: impl Fn() -> u64,
    ) -> Option<Take> {
        let mut state = self.state.lock().expect("no panic while held");
        if let Some(window) = state.windows.get_mut(&what) {
            return Some(window.take(at, terms, ends));
        }
        state.make_room(at, self.max);
        if state.windows.len() >= self.max {
            return None;
        }
        let window = state.windows.entry(what).or_default();
        Some(window.take(at, terms, ends))
    }

    /// One that was taken at that time was not used.
    pub(super) fn give_back(&self, what: Uuid, at: u64) {
        let mut state = self.state.lock().expect("no panic while held");
        if let Some(window) = state.windows.get_mut(&what) {
            window.give_back(at);
        }
    }

    /// A draw was answered, with what was granted and when that ends; or it was not.
    pub(super) fn settle(
        &self,
        what: Uuid,
        terms: &Terms,
        draw: Draw,
        turn: u32,
        granted: Option<(u32, u64)>,
    ) {
        let mut state = self.state.lock().expect("no panic while held");
        if let Some(window) = state.windows.get_mut(&what) {
            window.settle(terms, draw, turn, granted);
        }
        drop(state);
        self.drawn.notify_waiters();
    }
}

impl State {
    /// Forgets windows that are over, when there are many.
    fn make_room(&mut self, at: u64, max: usize) {
        let many = self.windows.len() >= self.sweep_from.max(SWEEP_FROM).min(max);
        if many && at >= self.swept {
            self.windows.retain(|_, window| !window.is_over(at));
            self.sweep_from = 2 * self.windows.len();
            self.swept = at + SWEEP_EVERY;
        }
    }
}
