//! Marks in this process' memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{CacheError, Marks};

/// Marks in memory.
pub struct LocalMarks {
    state: Mutex<State>,
    max: usize,
}

#[derive(Default)]
struct State {
    taken: HashMap<Uuid, Instant>,
    by_end: BTreeSet<(Instant, Uuid)>,
}

impl LocalMarks {
    /// Keeps at most `max` marks. Beyond, none can be taken: to forget one would let happen twice
    /// what may happen once.
    pub fn new(max: usize) -> Self {
        Self {
            state: Mutex::default(),
            max,
        }
    }

    fn take_now(&self, mark: Uuid, keep: Duration) -> Result<bool, CacheError> {
        let now = Instant::now();
        let mut state = self.state.lock().expect("no panic while held");
        while let Some(&(end, over)) = state.by_end.first()
            && end <= now
        {
            state.by_end.pop_first();
            state.taken.remove(&over);
        }
        if state.taken.contains_key(&mark) {
            return Ok(false);
        }
        if state.taken.len() >= self.max {
            return Err(CacheError::Full("too many marks are in force".to_owned()));
        }
        let end = now + keep;
        state.taken.insert(mark, end);
        state.by_end.insert((end, mark));
        Ok(true)
    }
}

impl Marks for LocalMarks {
    fn take(&self, mark: Uuid, keep: Duration) -> BoxFuture<'_, Result<bool, CacheError>> {
        Box::pin(ready(self.take_now(mark, keep)))
    }
}
