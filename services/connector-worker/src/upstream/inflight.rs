//! The calls under way at one server, for what it says outside any of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::KeyId;

use super::aside::Aside;
use super::inputs::{Input, OVER, Undeclared};
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

    /// Puts a request of the server that came outside any call to the call it may be meant for;
    /// `None` where there is none. One that ends in this very moment does not swallow it.
    ///
    /// # Errors
    /// The client of that call cannot be asked this.
    pub(super) fn ask(
        &self,
        id: &str,
        input: &Input<'_>,
        aside: &Aside,
    ) -> Option<Result<(), Undeclared>> {
        loop {
            match self.asked(aside)?.ask(id, input, true) {
                Err(OVER) => {}
                asked => return Some(asked),
            }
        }
    }

    /// Whose a request of the server is that came outside any call, if all that are under way are
    /// of one principal: the newest call's that does not wait for answers itself. A call that waits
    /// is asked more only where no client session has taken the lane over from it since.
    fn asked(&self, aside: &Aside) -> Option<Sink> {
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

    /// The call that runs, if it is the only one. Those that wait for answers do not, nor those that
    /// are over and not taken off yet.
    pub(super) fn only(&self) -> Option<Sink> {
        if self.plain.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let known = self.known();
        let mut running = known
            .iter()
            .map(|call| &call.sink)
            .filter(|sink| sink.runs());
        let only = running.next()?;
        running.next().is_none().then(|| only.clone())
    }

    /// Whether none runs; those that wait for answers stand still, some for good.
    pub(super) fn none_runs(&self) -> bool {
        self.plain.load(Ordering::Relaxed) == 0 && !self.known().iter().any(|call| call.sink.runs())
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use fabric::Outcome;
    use mcp::{ClientCapabilities, ClientProfile};
    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::super::board::{Board, Turn};
    use super::*;

    fn board() -> Arc<Board> {
        let mut profile = ClientProfile::default();
        profile.capabilities.sampling = true;
        Board::new(Arc::new(profile), None, 1024)
    }

    #[tokio::test]
    async fn a_question_goes_to_a_call_that_lives_though_another_is_not_taken_off_yet() {
        let calls = Arc::new(InFlight::new(true));
        let aside = Aside::new(ClientCapabilities::default(), false);
        let key = KeyId::new(Uuid::nil());
        let [older, ended, abandoned] = [board(), board(), board()];
        let _under_way: Vec<_> = [&older, &ended, &abandoned]
            .into_iter()
            .zip(1..)
            .map(|(board, id)| calls.begin(id, key, &Sink::Board(board.clone())))
            .collect();
        ended.end(Outcome::Result(Bytes::from_static(b"{}")));
        abandoned.abandon();

        let params = RawValue::from_string("{}".to_owned()).unwrap();
        let input = Input {
            method: "sampling/createMessage".into(),
            params: Some(&params),
        };
        calls.ask("7", &input, &aside).unwrap().unwrap();

        assert!(older.waits() && !ended.waits() && !abandoned.waits());
        let Turn::Asked(asked) = older.turn().await else {
            panic!("the call that lives is to be asked");
        };
        assert!(asked.requests.is_some());
        older.end(Outcome::Result(Bytes::from_static(b"{}")));
        assert!(calls.ask("8", &input, &aside).is_none());
    }

    #[test]
    fn a_call_that_is_over_does_not_run() {
        let calls = Arc::new(InFlight::new(true));
        let key = KeyId::new(Uuid::nil());
        let [ended, abandoned, running] = [board(), board(), board()];
        let begin = |id, board: &Arc<Board>| calls.begin(id, key, &Sink::Board(board.clone()));
        let _over = [begin(1, &ended), begin(2, &abandoned)];
        ended.end(Outcome::Result(Bytes::from_static(b"{}")));
        abandoned.abandon();

        assert!(calls.none_runs() && calls.only().is_none());
        let _running = begin(3, &running);
        assert!(!calls.none_runs());
        let Some(Sink::Board(only)) = calls.only() else {
            panic!("one runs");
        };
        assert!(Arc::ptr_eq(&only, &running));
    }

    #[test]
    fn a_call_that_is_over_takes_no_question() {
        let ended = board();
        ended.end(Outcome::Result(Bytes::from_static(b"{}")));

        let input = Input {
            method: "sampling/createMessage".into(),
            params: None,
        };

        assert_eq!(ended.ask("7", &input, true), Err(OVER));
    }
}
