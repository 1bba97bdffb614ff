//! What clients got, and what was done to the cluster meanwhile: a call that was lost must have a
//! cause.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long after it was mended a fault may still show.
const ECHO: Duration = Duration::from_secs(3);
/// So many ways of losing something without a cause are told.
const TOLD: usize = 20;

/// What is done to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scenarios::cluster) enum Fault {
    ControlPlane,
    Worker,
    Gateway,
    Redis,
    Nats,
}

impl Fault {
    pub(in crate::scenarios::cluster) const ALL: [Self; 5] = [
        Self::ControlPlane,
        Self::Worker,
        Self::Gateway,
        Self::Redis,
        Self::Nats,
    ];
}

/// A fault, and when it was there.
struct Strike {
    fault: Fault,
    from: Instant,
    until: Option<Instant>,
}

impl Strike {
    fn tell(&self) -> String {
        let over = self.until.map(|until| until.elapsed());
        format!(
            "{:?} {:?} ago, mended {over:?}",
            self.fault,
            self.from.elapsed()
        )
    }
}

/// What clients of one kind got.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::scenarios::cluster) struct Count {
    pub(in crate::scenarios::cluster) good: usize,
    /// With a fault that explains it.
    pub(in crate::scenarios::cluster) lost: usize,
    pub(in crate::scenarios::cluster) slowest: Duration,
}

#[derive(Default)]
struct Books {
    strikes: Vec<Strike>,
    kinds: BTreeMap<&'static str, Count>,
    /// How those were lost that a fault explains.
    ways: BTreeMap<String, usize>,
    /// The same of those that nothing explains, with what was done before the first.
    unexplained: BTreeMap<String, (usize, String)>,
}

/// Shared by all clients and by who strikes.
#[derive(Default)]
pub(in crate::scenarios::cluster) struct Ledger(Mutex<Books>);

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }

    pub(in crate::scenarios::cluster) fn strike(&self, fault: Fault) {
        self.books().strikes.push(Strike {
            fault,
            from: Instant::now(),
            until: None,
        });
    }

    /// The last fault is over.
    pub(in crate::scenarios::cluster) fn mended(&self) {
        self.books().strikes.last_mut().unwrap().until = Some(Instant::now());
    }

    /// A client got what it wanted.
    pub(in crate::scenarios::cluster) fn good(&self, kind: &'static str, began: Instant) {
        let mut books = self.books();
        let count = books.kinds.entry(kind).or_default();
        count.good += 1;
        count.slowest = count.slowest.max(began.elapsed());
    }

    /// A client did not get what it wanted; one of `causes`, while it was under way, explains it.
    pub(in crate::scenarios::cluster) fn lost(
        &self,
        kind: &'static str,
        began: Instant,
        causes: &[Fault],
        how: &str,
    ) {
        let mut books = self.books();
        let explains = |strike: &Strike| {
            let over = strike.until.is_some_and(|until| until + ECHO < began);
            causes.contains(&strike.fault) && !over
        };
        if books.strikes.iter().any(explains) {
            books.kinds.entry(kind).or_default().lost += 1;
            *books.ways.entry(format!("{kind}: {how}")).or_default() += 1;
        } else {
            let there =
                |strike: &&Strike| strike.until.is_none_or(|until| until + 3 * ECHO > began);
            let strikes = books.strikes.iter().filter(there);
            let before: Vec<String> = strikes.map(Strike::tell).collect();
            let told = format!("took {:?}; {}", began.elapsed(), before.join(", "));
            println!("lost without a cause: {kind}: {how}; {told}");
            let first = books.unexplained.entry(format!("{kind}: {how}"));
            first.or_insert((0, told)).0 += 1;
        }
    }

    pub(in crate::scenarios::cluster) fn strikes(&self) -> usize {
        self.books().strikes.len()
    }

    /// How often there was a fault.
    pub(in crate::scenarios::cluster) fn count(&self, fault: Fault) -> usize {
        let books = self.books();
        books.strikes.iter().filter(|s| s.fault == fault).count()
    }

    /// What all kinds of clients got so far.
    pub(in crate::scenarios::cluster) fn kinds(&self) -> BTreeMap<&'static str, Count> {
        self.books().kinds.clone()
    }

    /// Results and losses of all.
    pub(in crate::scenarios::cluster) fn totals(&self) -> (usize, usize) {
        let books = self.books();
        let add = |sum: (usize, usize), count: &Count| (sum.0 + count.good, sum.1 + count.lost);
        books.kinds.values().fold((0, 0), add)
    }

    /// Ways in which something was lost, with how often.
    pub(in crate::scenarios::cluster) fn ways(&self) -> BTreeMap<String, usize> {
        self.books().ways.clone()
    }

    /// Fails when something was lost without a cause.
    pub(in crate::scenarios::cluster) fn assert_all_is_explained(&self) {
        let books = self.books();
        let tell = |(how, (count, first)): (&String, &(usize, String))| {
            format!("{count} times {how}\n   the first {first}")
        };
        let told: Vec<String> = books.unexplained.iter().take(TOLD).map(tell).collect();
        let told = format!("losses without a cause:\n{}", told.join("\n"));
        assert!(books.unexplained.is_empty(), "{told}");
    }
}
