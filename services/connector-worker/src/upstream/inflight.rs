//! The calls under way at one server, for what it says outside any of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::KeyId;

use super::aside::Aside;
use super::sink::Sink;

/// The calls under way at one server.
pub(super) struct InFlight {
    /// Whether the server was told that its client can be asked.
    can_be_asked: bool,
    /// Calls of clients that can be asked nothing and want no log; none where clients can be asked.
    plain: AtomicUsize,
    /// The others, oldest first.
    known: Mutex<Vec<Entry>>,
}

struct Entry {
    id: u64,
    principal: KeyId,
    sink: Sink,
}

/// A call under way, until it is dropped.
pub(super) struct Underway {
    calls: Arc<InFlight>,
    /// Absent for a plain one.
    id: Option<u64>,
}

impl InFlight {
    pub(super) const fn new(can_be_asked: bool) -> Self {
        Self {
            can_be_asked,
            plain: AtomicUsize::new(0),
            known: Mutex::new(Vec::new()),
        }
    }

    /// Notes a call. Only what may get something of the server needs a name.
    pub(super) fn begin(self: &Arc<Self>, id: u64, principal: KeyId, sink: &Sink) -> Underway {
        let named = self.can_be_asked || sink.wants_strays();
        let id = named.then_some(id);
        match id {
            None => {
                self.plain.fetch_add(1, Ordering::Relaxed);
            }
            Some(id) => self.known().push(Entry {
                id,
                principal,
                sink: sink.clone(),
            }),
        }
        Underway {
            calls: self.clone(),
            id,
        }
    }

    /// Whose a request of the server is that came outside any call, if all that are under way are
    /// of one principal: the newest call's that does not wait for answers itself. A call that waits
    /// is asked more only where no client session has taken the lane over from it since.
    pub(super) fn asked(&self, aside: &Aside) -> Option<Sink> {
        if self.plain.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let known = self.known();
        let principal = known.first()?.principal;
        if known.iter().any(|call| call.principal != principal) {
            return None;
        }
        let mut askable = known.iter().rev().map(|call| &call.sink);
        let runs = askable
            .clone()
            .find(|sink| sink.is_askable() && !sink.waits());
        let waits = |sink: &&Sink| sink.is_askable() && !aside.has_passed_on(sink.session());
        let whose = runs.or_else(|| askable.find(waits));
        whose.cloned()
    }

    /// The call that runs, if it is the only one; those that wait for answers do not run.
    pub(super) fn only(&self) -> Option<Sink> {
        if self.plain.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let known = self.known();
        let mut running = known
            .iter()
            .map(|call| &call.sink)
            .filter(|sink| !sink.waits());
        let only = running.next()?;
        running.next().is_none().then(|| only.clone())
    }

    /// Whether none runs; those that wait for answers stand still, some for good.
    pub(super) fn none_runs(&self) -> bool {
        self.plain.load(Ordering::Relaxed) == 0 && self.known().iter().all(|call| call.sink.waits())
    }

    /// Those that may have been asked something.
    pub(super) fn all(&self) -> Vec<Sink> {
        self.known().iter().map(|call| call.sink.clone()).collect()
    }

    fn known(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.known.lock().expect("no panic while held")
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        match self.id {
            None => {
                self.calls.plain.fetch_sub(1, Ordering::Relaxed);
            }
            Some(id) => self.calls.known().retain(|call| call.id != id),
        }
    }
}
