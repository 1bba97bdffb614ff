//! What the processes that are never killed hold, over the time.

use std::time::{Duration, Instant};

use crate::harness::cluster::{Cluster, Holds, Member};

use super::super::crowd::{BEGIN, Crowd, SESSION_AGE, STAYS};
use super::LEFT;

/// MiB that a process that is warm may still grow by.
const GROWTH: u64 = 24;
/// The same of descriptors and processes, beside a quarter of what there is.
const ROOM: usize = 16;
/// Keys of one session, its streams included.
const KEYS_OF_A_SESSION: usize = 5;

/// Those that are never killed: the second of each role.
fn stays(cluster: &Cluster) -> [&Member; 3] {
    [&cluster.control_planes, &cluster.workers, &cluster.gateways].map(|members| &members[STAYS])
}

/// One line.
struct Row {
    holds: [Holds; 3],
    keys: usize,
    /// Sessions that were begun so far.
    sessions: usize,
}

/// Lines at equal distances.
pub(super) struct Table {
    began: Instant,
    every: Duration,
    /// Results and losses up to the last line.
    totals: (usize, usize),
    rows: Vec<Row>,
}

impl Table {
    pub(super) fn new(every: Duration) -> Self {
        println!(
            "  time strikes results/s lost | control-plane   | worker          | gateway         | Redis\n\
             {:27} | {} | keys",
            "",
            ["  MiB files procs"; 3]
                .map(|title| &title[..15])
                .join(" | ")
        );
        Self {
            began: Instant::now(),
            every,
            totals: (0, 0),
            rows: Vec::new(),
        }
    }

    /// Writes a line when it is time for one.
    pub(super) fn look(&mut self, cluster: &mut Cluster, crowd: &Crowd) {
        let due = self.every * u32::try_from(self.rows.len() + 1).unwrap();
        if self.began.elapsed() < due {
            return;
        }
        let keys = cluster.redis().run(&["DBSIZE"]).parse().unwrap();
        let holds = stays(cluster).map(Member::holds);
        let totals = crowd.ledger.totals();
        let new = (totals.0 - self.totals.0) as f64 / self.every.as_secs_f64();
        let time = self.began.elapsed().as_secs();
        print!(
            "{:3}:{:02} {:7} {new:9.0} {:4}",
            time / 60,
            time % 60,
            crowd.ledger.strikes(),
            totals.1 - self.totals.1,
        );
        for held in &holds {
            print!(
                " | {:5} {:5} {:3}",
                held.memory, held.descriptors, held.processes
            );
        }
        println!(" | {keys:5}");
        self.totals = totals;
        let begun = crowd
            .ledger
            .kinds()
            .get(BEGIN)
            .map_or(0, |count| count.good);
        self.rows.push(Row {
            holds,
            keys,
            sessions: begun,
        });
    }

    /// Nothing grows: the last third of the time is like the one before it; the first one does not
    /// count, since pools and caches fill then.
    pub(super) fn assert_flat(&self, cluster: &Cluster) {
        let third = self.rows.len() / 3;
        assert!(third > 1, "it takes long enough to compare something");
        let (middle, last) = (&self.rows[third..2 * third], &self.rows[2 * third..]);
        for (role, member) in stays(cluster).iter().enumerate() {
            let name = member.name();
            let (before, after) = both(middle, last, |row| row.holds[role].memory);
            assert!(after <= before + GROWTH, "{name}: MiB: {before} -> {after}");
            let (before, after) = both(middle, last, |row| row.holds[role].descriptors);
            flat(&format!("descriptors of {name}"), before, after);
            let (before, after) = both(middle, last, |row| row.holds[role].processes);
            flat(&format!("processes of {name}"), before, after);
        }
        // Those that are of age are gone, whether they were ended or left.
        let living = usize::try_from(SESSION_AGE.as_nanos() / self.every.as_nanos()).unwrap() + 2;
        for (line, row) in self.rows.iter().enumerate() {
            let before = line.checked_sub(living);
            let sessions = row.sessions - before.map_or(0, |before| self.rows[before].sessions);
            assert!(
                row.keys <= LEFT + KEYS_OF_A_SESSION * sessions,
                "line {line}: {} keys of {sessions} sessions",
                row.keys
            );
        }
    }
}

/// The median of both parts.
fn both<T: Ord + Copy>(first: &[Row], second: &[Row], what: impl Fn(&Row) -> T) -> (T, T) {
    let median = |rows: &[Row]| {
        let mut all: Vec<T> = rows.iter().map(&what).collect();
        all.sort_unstable();
        all[all.len() / 2]
    };
    (median(first), median(second))
}

fn flat(what: &str, before: usize, after: usize) {
    assert!(
        after <= before + before / 4 + ROOM,
        "{what}: {before} -> {after}"
    );
}
