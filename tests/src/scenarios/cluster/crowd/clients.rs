//! Clients of every kind, each of which goes on for ever.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::timeout;

use super::ledger::{Fault, Ledger};
use super::{Front, SESSION_AGE, STAYS};
use crate::harness::cluster::{Got, Legacy, Next, Stream, Wire};

/// Events of one stream, and milliseconds between them.
const TICKS: u64 = 200;
const EVERY: u64 = 5;
/// A stream that brings nothing for so long is stuck.
const STALL: Duration = Duration::from_secs(20);
/// How often one stream may have to be taken up.
const RESUMES: usize = 20;
/// After what cannot be done now.
const BREATH: Duration = Duration::from_millis(100);

/// What clients do that begin a session.
pub(in crate::scenarios::cluster) const BEGIN: &str = "begin a session";
const ENDED: &str = "the stream ended";

/// Any number.
pub(in crate::scenarios::cluster) fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

async fn a_while(millis: u64) {
    tokio::time::sleep(Duration::from_millis(chance() % millis.max(1))).await;
}

/// One client at one endpoint.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) wire: Wire,
    pub(super) ledger: Arc<Ledger>,
    /// Microseconds from the beginning of a call to the next.
    pub(super) period: Arc<AtomicU64>,
    /// Which gateway it reaches with a request.
    pub(super) front: Front,
}

/// A legacy session, and when it began.
struct Held {
    session: Legacy,
    began: Instant,
}

impl Client {
    fn gateway(&self) -> usize {
        self.front.pick()
    }

    async fn pace(&self, began: Instant) {
        let period = Duration::from_micros(self.period.load(Ordering::Relaxed));
        let pause = period.saturating_sub(began.elapsed());
        tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
    }

    /// Notes what became of a request; whether it worked.
    fn judge(&self, kind: &'static str, began: Instant, gateway: usize, got: &Got) -> bool {
        if got.is_result() {
            self.ledger.good(kind, began);
            return true;
        }
        let how = format!("{got:?}");
        let causes: &[Fault] = match got {
            Got::Broken(_) if gateway != STAYS => &[Fault::Gateway, Fault::Redis],
            // A stream whose store went.
            Got::Broken(why) if why == ENDED => &[Fault::Redis],
            _ if how.contains("may have had an effect") || how.contains("unknown") => {
                &[Fault::Worker]
            }
            // An answer that was to find its call through Redis has not.
            _ if how.contains("no answer in time") => &[Fault::Redis],
            Got::Refused(404 | 500.., _) => &[Fault::Redis],
            _ => &[],
        };
        let how = match got {
            Got::Broken(_) if gateway != STAYS => "the connection broke".to_owned(),
            _ => how,
        };
        self.ledger.lost(kind, began, causes, &how);
        false
    }

    /// Opens a session; tries until there is one.
    async fn open(&self) -> Held {
        loop {
            let (gateway, began) = (self.gateway(), Instant::now());
            match self.wire.try_open(gateway).await {
                Ok(session) => {
                    self.ledger.good(BEGIN, began);
                    return Held { session, began };
                }
                Err(got) => {
                    self.judge(BEGIN, began, gateway, &got);
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    /// A session that is not known has come of age, or was forgotten by a Redis that was emptied.
    fn ended(&self, kind: &'static str, held: &Held, got: &Got) -> bool {
        if !matches!(got, Got::Refused(404, _)) {
            return false;
        }
        if held.began.elapsed() + Duration::from_secs(1) < SESSION_AGE {
            let causes = [Fault::Redis];
            self.ledger
                .lost(kind, held.began, &causes, "the session is unknown");
        }
        true
    }

    /// Calls of the modern era.
    pub(super) async fn modern_calls(self) {
        for n in 0_u64.. {
            let (gateway, began) = (self.gateway(), Instant::now());
            let text = format!("modern {n}");
            let got = self
                .wire
                .call(gateway, "echo", json!({ "text": text }))
                .await;
            if self.judge("modern call", began, gateway, &got) {
                assert_eq!(got.text(), text, "an answer of another call");
            }
            self.pace(began).await;
        }
    }

    /// Calls in a legacy session, which begins anew when it has come of age.
    pub(super) async fn legacy_calls(self) {
        let mut held = self.open().await;
        for n in 0_u64.. {
            let (gateway, began) = (self.gateway(), Instant::now());
            let text = format!("legacy {n}");
            let args = json!({ "text": text });
            let got = held.session.call(gateway, "echo", args).await;
            if self.ended("legacy call", &held, &got) {
                held = self.open().await;
            } else if self.judge("legacy call", began, gateway, &got) {
                assert_eq!(got.text(), text, "an answer of another call");
            }
            self.pace(began).await;
        }
    }

    /// Sessions that come, call and go, with a farewell or without.
    pub(super) async fn visits(self) {
        loop {
            let held = self.open().await;
            let (gateway, began) = (self.gateway(), Instant::now());
            let args = json!({ "text": "hi" });
            let got = held.session.call(gateway, "echo", args).await;
            if !self.ended("visit", &held, &got) {
                self.judge("visit", began, gateway, &got);
            }
            if !chance().is_multiple_of(3) {
                let _ = held.session.delete(self.gateway()).await;
            }
            a_while(600).await;
        }
    }

    /// Calls that stream; the client leaves now and then and takes the stream up elsewhere, as it
    /// does when its gateway goes.
    pub(super) async fn streams(self) {
        loop {
            let held = self.open().await;
            self.stream(&held).await;
            let _ = held.session.delete(self.gateway()).await;
            a_while(1000).await;
        }
    }

    async fn stream(&self, held: &Held) {
        const KIND: &str = "stream";
        let (gateway, began) = (self.gateway(), Instant::now());
        let args = json!({ "count": TICKS, "every": EVERY });
        let mut stream = match held.session.try_stream(gateway, "tick", args).await {
            Ok(stream) => stream,
            Err(got) => {
                self.judge(KIND, began, gateway, &got);
                return;
            }
        };
        let gone = [Fault::Gateway, Fault::Redis];
        let leaves_at = chance() % (2 * TICKS);
        let mut seen = 0;
        for _ in 0..RESUMES {
            match self.follow(&mut stream, &mut seen, leaves_at).await {
                Followed::Answer(answer) => {
                    let got = Got::Message(answer);
                    if got.is_result() && seen != TICKS {
                        let how = format!("{seen} of {TICKS} events came");
                        self.ledger.lost(KIND, began, &[], &how);
                    } else if got.is_result() {
                        self.judge(KIND, began, gateway, &got);
                    } else {
                        let causes = [Fault::Worker, Fault::Gateway, Fault::Redis];
                        self.ledger.lost(KIND, began, &causes, &format!("{got:?}"));
                    }
                    return;
                }
                Followed::Wrong(how) => return self.ledger.lost(KIND, began, &[], &how),
                Followed::Cut => {}
            }
            if stream.last_id.is_empty() {
                return self
                    .ledger
                    .lost(KIND, began, &gone, "cut at its first byte");
            }
            let last = std::mem::take(&mut stream.last_id);
            let elsewhere = self.gateway();
            stream = match held.session.try_listen(elsewhere, &last).await {
                Ok(stream) => stream,
                // It comes again a moment later, to a gateway that is there.
                Err(Got::Broken(_)) if elsewhere != STAYS => {
                    match held.session.try_listen(STAYS, &last).await {
                        Ok(stream) => stream,
                        Err(got) => {
                            let how = format!("not taken up: {got:?}");
                            return self.ledger.lost(KIND, began, &gone, &how);
                        }
                    }
                }
                Err(got) => {
                    let how = format!("not taken up: {got:?}");
                    return self.ledger.lost(KIND, began, &gone, &how);
                }
            };
            stream.last_id = last;
        }
        let how = format!("ends over and over, {seen} of {TICKS} events came");
        self.ledger.lost(KIND, began, &gone, &how);
    }

    /// Reads a stream until its answer, its end, or the event at which its client leaves it.
    async fn follow(&self, stream: &mut Stream, seen: &mut u64, leaves_at: u64) -> Followed {
        loop {
            let message = match timeout(STALL, stream.next()).await {
                Ok(Next::Message(message)) => message,
                Ok(Next::End | Next::Broken(_)) => return Followed::Cut,
                Err(_) => return Followed::Wrong(format!("silent after event {seen}")),
            };
            match message["params"]["progress"].as_u64() {
                Some(n) if n == *seen + 1 => *seen = n,
                Some(n) => return Followed::Wrong(format!("event {n} after {seen}")),
                None => return Followed::Answer(message),
            }
            if *seen == leaves_at {
                return Followed::Cut;
            }
        }
    }

    /// The stream of a session, taken up elsewhere when its gateway goes.
    pub(super) async fn listens(self, told: Arc<AtomicUsize>) {
        let mut held = self.open().await;
        let mut last = String::new();
        let mut since = Instant::now();
        loop {
            let (gateway, began) = (self.gateway(), Instant::now());
            match held.session.try_listen(gateway, &last).await {
                Ok(mut stream) => {
                    // Taken up, it is as old as before, and may be kept where it was begun.
                    if last.is_empty() {
                        since = began;
                    }
                    stream.last_id = last;
                    heed(&mut stream, &told).await;
                    last = stream.last_id;
                    self.ledger.good("session stream", began);
                }
                Err(got) => {
                    if self.ended("session stream", &held, &got) {
                        (held, last) = (self.open().await, String::new());
                    } else if matches!(got, Got::Refused(400, _)) && !last.is_empty() {
                        // What was kept is gone with a Redis that was emptied: it begins anew.
                        let causes = [Fault::Redis];
                        let how = "cannot be taken up again";
                        self.ledger.lost("session stream", since, &causes, how);
                        last = String::new();
                    } else {
                        self.judge("session stream", began, gateway, &got);
                        tokio::time::sleep(BREATH).await;
                    }
                }
            }
        }
    }

    /// A listen of the modern era, begun anew when its gateway goes.
    pub(super) async fn watches(self, told: Arc<AtomicUsize>) {
        loop {
            let (gateway, began) = (self.gateway(), Instant::now());
            match self.wire.watch(gateway).await {
                // It ends with an answer, or with its gateway.
                Ok(mut stream) => match heed(&mut stream, &told).await {
                    (Next::End, false) => {
                        let how = "it ended without an answer";
                        self.ledger.lost("listen", began, &[], how);
                    }
                    _ => self.ledger.good("listen", began),
                },
                Err(got) => {
                    self.judge("listen", began, gateway, &got);
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    /// Calls that ask back, in the modern era; some clients never answer.
    pub(super) async fn modern_questions(self) {
        const KIND: &str = "modern question";
        loop {
            a_while(800).await;
            let (gateway, began) = (self.gateway(), Instant::now());
            let question = match self.wire.ask(gateway).await {
                Ok(question) => question,
                Err(got) => {
                    self.judge(KIND, began, gateway, &got);
                    continue;
                }
            };
            if chance().is_multiple_of(8) {
                continue;
            }
            a_while(500).await;
            let elsewhere = self.gateway();
            let got = self.wire.answer(elsewhere, &question).await;
            if self.judge(KIND, began, elsewhere, &got) {
                assert_eq!(got.text(), "Hello, Ada!");
            }
        }
    }

    /// The same of legacy clients: the answer goes to another gateway than the one that waits.
    pub(super) async fn legacy_questions(self) {
        loop {
            a_while(800).await;
            let held = self.open().await;
            self.legacy_question(&held).await;
            if !chance().is_multiple_of(4) {
                let _ = held.session.delete(self.gateway()).await;
            }
        }
    }

    async fn legacy_question(&self, held: &Held) {
        const KIND: &str = "legacy question";
        let (gateway, began) = (self.gateway(), Instant::now());
        let opened = held.session.try_stream(gateway, "ask", json!({})).await;
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(got) => {
                self.judge(KIND, began, gateway, &got);
                return;
            }
        };
        let cut = |next: Result<Next, _>| match next {
            Ok(Next::Message(message)) => Got::Message(message),
            Ok(Next::End) => Got::Broken(ENDED.to_owned()),
            Ok(Next::Broken(why)) => Got::Broken(why),
            Err(_) => Got::Refused(0, "silence".to_owned()),
        };
        let asked = match cut(timeout(STALL, stream.next()).await) {
            Got::Message(asked) if asked["method"] == "elicitation/create" => asked,
            other => {
                self.judge(KIND, began, gateway, &other);
                return;
            }
        };
        if chance().is_multiple_of(8) {
            return;
        }
        a_while(500).await;
        let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
        let reply = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": answer });
        let elsewhere = self.gateway();
        match held.session.post(elsewhere, &reply).await {
            Got::Refused(202, _) => {}
            Got::Broken(_) if elsewhere != STAYS => {
                // Whether it arrived is not known; a client sends it again.
                let _ = held.session.post(STAYS, &reply).await;
            }
            other => {
                let causes = [Fault::Redis, Fault::Gateway];
                let how = format!("the answer was not taken: {other:?}");
                return self.ledger.lost(KIND, began, &causes, &how);
            }
        }
        let got = cut(timeout(STALL, stream.next()).await);
        if self.judge(KIND, began, gateway, &got) {
            assert_eq!(got.text(), "Hello, Ada!");
        }
    }
}

/// How far a stream was read.
enum Followed {
    Answer(Value),
    Cut,
    Wrong(String),
}

/// Counts what a stream tells of changed tools, until it ends; how it ended, and whether an answer
/// came before.
async fn heed(stream: &mut Stream, told: &AtomicUsize) -> (Next, bool) {
    let mut answered = false;
    loop {
        match stream.next().await {
            Next::Message(message) => {
                answered |= message["result"].is_object();
                if message["method"] == "notifications/tools/list_changed" {
                    told.fetch_add(1, Ordering::Relaxed);
                }
            }
            end => return (end, answered),
        }
    }
}
