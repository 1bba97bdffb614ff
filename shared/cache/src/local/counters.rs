//! Counters in this process' memory.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{CacheError, Counters, Rate};

/// How often room is looked for when there is none.
const SWEEP: Duration = Duration::from_millis(100);

/// Counters in memory.
pub struct LocalCounters {
    counted: Mutex<Counted>,
    max: usize,
    start: Instant,
}

struct Counted {
    by_what: HashMap<(Uuid, u64), Count>,
    /// When those that count for nothing any more were last taken out.
    swept: Instant,
}

struct Count {
    window: u64,
    count: u32,
    before: u32,
    over: Instant,
}

impl LocalCounters {
    /// Counts at most `max` things at once. Beyond, further ones are not counted, and so refused:
    /// a limit that can be pushed out of memory is none.
    pub fn new(max: usize) -> Self {
        let start = Instant::now();
        Self {
            counted: Mutex::new(Counted {
                by_what: HashMap::new(),
                swept: start,
            }),
            max,
            start,
        }
    }

    fn hit_now(&self, what: Uuid, rate: Rate) -> Result<Option<Duration>, CacheError> {
        let now = Instant::now();
        let at = u64::try_from(now.duration_since(self.start).as_millis()).unwrap_or(u64::MAX);
        let window = rate.window_ms();
        let (current, passed) = (at / window, at % window);
        let mut counted = self.counted.lock().expect("no panic while held");
        let key = (what, window);
        if !counted.by_what.contains_key(&key) && counted.by_what.len() >= self.max {
            if now.duration_since(counted.swept) >= SWEEP {
                counted.swept = now;
                counted.by_what.retain(|_, count| count.over > now);
            }
            if counted.by_what.len() >= self.max {
                return Err(CacheError::Full("too many rates are counted".to_owned()));
            }
        }
        let count = counted.by_what.entry(key).or_insert(Count {
            window: current,
            count: 0,
            before: 0,
            over: now,
        });
        if count.window != current {
            let before = if count.window + 1 == current {
                count.count
            } else {
                0
            };
            (count.window, count.count, count.before) = (current, 0, before);
        }
        count.over = now + 2 * rate.window;
        match rate.wait(count.count, count.before, passed) {
            Some(wait) => Ok(Some(Duration::from_millis(wait))),
            None => {
                count.count += 1;
                Ok(None)
            }
        }
    }
}

impl Counters for LocalCounters {
    fn hit(&self, what: Uuid, rate: Rate) -> BoxFuture<'_, Result<Option<Duration>, CacheError>> {
        Box::pin(ready(self.hit_now(what, rate)))
    }
}
