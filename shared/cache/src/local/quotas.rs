//! Quotas in this process' memory.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{CacheError, Draw, Drawn, Quotas, Rate};

/// How often room is looked for when there is none.
const SWEEP: Duration = Duration::from_millis(100);

/// Quotas in memory.
pub struct LocalQuotas {
    state: Mutex<State>,
    max: usize,
    start: Instant,
}

struct State {
    /// By what they are of and the length of their window.
    used: HashMap<(Uuid, u64), Used>,
    /// When windows that are over were last taken out.
    swept: Instant,
}

/// What is used of one window.
struct Used {
    count: u32,
    /// Milliseconds from our start.
    ends: u64,
}

impl LocalQuotas {
    /// Keeps at most `max` at once. Beyond, nothing can be drawn on further ones: a quota that can
    /// be pushed out of memory is none.
    pub fn new(max: usize) -> Self {
        let start = Instant::now();
        Self {
            state: Mutex::new(State {
                used: HashMap::new(),
                swept: start,
            }),
            max,
            start,
        }
    }

    fn draw_now(&self, what: Uuid, rate: Rate, draw: Draw) -> Result<Drawn, CacheError> {
        let now = Instant::now();
        let at = u64::try_from(now.duration_since(self.start).as_millis()).unwrap_or(u64::MAX);
        let window = rate.window_ms();
        let ends = (at - at % window).saturating_add(window);
        let mut state = self.state.lock().expect("no panic while held");
        let key = (what, window);
        if !state.used.contains_key(&key) && state.used.len() >= self.max {
            if now.duration_since(state.swept) >= SWEEP {
                state.swept = now;
                state.used.retain(|_, used| used.ends > at);
            }
            if state.used.len() >= self.max {
                return Err(CacheError::Full("too many quotas are in use".to_owned()));
            }
        }
        let used = state.used.entry(key).or_insert(Used { count: 0, ends });
        if used.ends <= at {
            *used = Used { count: 0, ends };
        }
        used.count = used.count.saturating_add(draw.spent);
        let granted = draw.wanted.min(rate.most.saturating_sub(used.count));
        used.count += granted;
        Ok(Drawn {
            granted,
            left: Duration::from_millis(ends - at),
        })
    }
}

impl Quotas for LocalQuotas {
    fn draw(&self, what: Uuid, rate: Rate, draw: Draw) -> BoxFuture<'_, Result<Drawn, CacheError>> {
        Box::pin(ready(self.draw_now(what, rate, draw)))
    }
}
