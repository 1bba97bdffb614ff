//! The figures of a fault.

use std::time::{Duration, Instant};

use bench::figures::{millis, seconds};
use serde_json::{Value, json};

use crate::Found;
use crate::prober::{Prober, Sample, durations, served};

/// What a fault cost.
pub(super) struct Cost {
    name: &'static str,
    calls: Harm,
    /// The first good answer to a call made after the fault.
    first_good: Duration,
    /// Every client has had one.
    all_served: Duration,
    changes: Harm,
    /// From its start to where every process says that it is ready.
    back: Duration,
}

/// What became of requests that ended after the fault.
struct Harm {
    count: usize,
    failed: usize,
    /// When the last one failed, after the fault.
    last_failure: Duration,
    longest: Duration,
}

impl Harm {
    fn of(samples: &[Sample], fault: Instant) -> Self {
        let after = samples.iter().filter(|sample| sample.ended >= fault);
        let failed: Vec<_> = after.clone().filter(|sample| !sample.good).collect();
        let last = failed.iter().map(|sample| sample.ended - fault).max();
        Self {
            count: after.clone().count(),
            failed: failed.len(),
            last_failure: last.unwrap_or_default(),
            longest: durations(after).longest(),
        }
    }

    fn json(&self) -> Value {
        json!({
            "count": self.count, "failed": self.failed,
            "last_failure_s": seconds(self.last_failure), "longest_ms": millis(self.longest),
        })
    }

    fn cells(&self) -> String {
        let (last, longest) = (seconds(self.last_failure), millis(self.longest));
        format!("{} | {} | {last} | {longest}", self.count, self.failed)
    }
}

impl Cost {
    pub(super) fn of(
        name: &'static str,
        fault: Instant,
        back: Duration,
        clients: &Prober,
        changes: &[Sample],
    ) -> Self {
        let (served, calls) = clients.look(|notes| {
            (
                served(&notes.samples, fault),
                Harm::of(&notes.samples, fault),
            )
        });
        let since = |at: Option<&Instant>| at.map(|at| *at - fault).unwrap_or_default();
        Self {
            name,
            calls,
            first_good: since(served.values().min()),
            all_served: since(served.values().max()),
            changes: Harm::of(changes, fault),
            back,
        }
    }
}

/// The table of all faults. `away` is how long stopped servers stayed away.
pub(super) fn found(costs: &[Cost], away: Duration) -> Found {
    let away = away.as_secs();
    let mut table = format!(
        "Faults; what is stopped, and all control-planes, are away for {away} s. Seconds count from the fault, but of the last column from the restart:\n\n\
         | fault | first good answer s | every client served s | calls | failed | last failure s | longest call ms | changes | failed | last failure s | longest change ms | all ready again s |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    let mut faults = Vec::new();
    for cost in costs {
        let Cost { name, .. } = cost;
        let [first, all, back] = [cost.first_good, cost.all_served, cost.back].map(seconds);
        let (calls, changes) = (cost.calls.cells(), cost.changes.cells());
        table.push_str(&format!(
            "| {name} | {first} | {all} | {calls} | {changes} | {back} |\n"
        ));
        faults.push(json!({
            "fault": name, "first_good_s": first, "all_served_s": all,
            "calls": cost.calls.json(), "changes": cost.changes.json(), "ready_again_s": back,
        }));
    }
    let figures = json!({ "away_s": away, "faults": faults });
    Found { table, figures }
}
