//! The processes of this machine, as `/proc` lists them.

use rustix::process::{Pid, Signal, kill_process};

/// One line of the process table (proc_pid_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pid: u32,
    pub(super) parent: u32,
    pub(super) session: u32,
    /// Ended, and not yet waited for by its parent.
    pub(super) zombie: bool,
}

impl Entry {
    /// Sends `signal`. A process that is gone in the meantime is no error.
    pub(super) fn send(self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Every process that can be seen. Processes come and go while this reads.
pub(super) fn processes() -> Vec<Entry> {
    let Ok(folder) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    folder
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
        .collect()
}

/// Those of `table` that descend from `root`, without it.
pub(super) fn descendants(table: &[Entry], root: u32) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let children = table
            .iter()
            .filter(|entry| entry.parent == parent && entry.pid != root);
        for child in children {
            // The table is no snapshot: a process id that was reused while it was read could make
            // a circle.
            if !found.iter().any(|known| known.pid == child.pid) {
                parents.push(child.pid);
                found.push(*child);
            }
        }
    }
    found
}

/// `pid (name) state parent group session …`; the name may hold spaces and brackets.
fn parse(stat: &str) -> Option<Entry> {
    let (pid, rest) = stat.split_once(" (")?;
    let (_, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let zombie = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    let _group = fields.next()?;
    let session = fields.next()?.parse().ok()?;
    Some(Entry {
        pid: pid.parse().ok()?,
        parent,
        session,
        zombie,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pid: u32, parent: u32) -> Entry {
        Entry {
            pid,
            parent,
            session: 0,
            zombie: false,
        }
    }

    #[test]
    fn a_name_cannot_disturb_the_reading_of_a_process() {
        let sly = "7 (a) Z 1 1 1 () S 3 4 5 0 -1";

        assert_eq!(
            parse(sly),
            Some(Entry {
                pid: 7,
                parent: 3,
                session: 5,
                zombie: false
            })
        );
        assert_eq!(
            parse("7 (sh) Z 3 4 5 0").map(|entry| entry.zombie),
            Some(true)
        );
        assert_eq!(parse("7 (sh"), None);
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_circles_end() {
        let table = [
            entry(2, 1),
            entry(3, 2),
            entry(4, 3),
            entry(5, 1),
            entry(3, 4),
        ];

        let mut pids: Vec<u32> = descendants(&table, 2)
            .iter()
            .map(|entry| entry.pid)
            .collect();
        pids.sort_unstable();

        assert_eq!(pids, [3, 4]);
    }
}
