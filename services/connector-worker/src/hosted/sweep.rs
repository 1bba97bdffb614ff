//! Ends what a guard could not end because it was killed itself.

use std::collections::HashSet;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::guard::Arguments;
use super::{environment, procfs};

const ROUND: Duration = Duration::from_millis(20);
const GIVE_UP: Duration = Duration::from_secs(2);

/// Kills every process that belongs to the guard's session, or that carries its mark in the
/// environment it was started with, until none is left. Both are looked for, because a daemon
/// leaves the session and a careful program clears its environment. Tells whether all are gone.
pub(super) async fn sweep(guard: u32, mark: &str) -> bool {
    let variable = format!("{}={mark}", environment::MARK);
    let over = Instant::now() + GIVE_UP;
    loop {
        let left: Vec<procfs::Entry> = procfs::processes()
            .into_iter()
            .filter(|entry| !entry.zombie)
            .filter(|entry| entry.session == guard || carries(entry.pid, variable.as_bytes()))
            .collect();
        if left.is_empty() {
            return true;
        }
        if Instant::now() > over {
            return false;
        }
        left.iter().for_each(|entry| entry.send(Signal::KILL));
        tokio::time::sleep(ROUND).await;
    }
}

/// Kills the processes that carry a mark whose guard is gone, of whatever worker they were, and
/// tells how many there were.
pub(super) fn sweep_orphans() -> usize {
    let table = procfs::processes();
    let marked: Vec<(procfs::Entry, Vec<u8>)> = table
        .iter()
        .filter(|entry| !entry.zombie)
        .filter_map(|entry| Some((*entry, mark_of(entry.pid)?)))
        .collect();
    if marked.is_empty() {
        return 0;
    }
    // Guards are known by their command line: anybody may read it, while the environment of an
    // executable with capabilities is closed even to us.
    let guarded: HashSet<Vec<u8>> = table
        .iter()
        .filter_map(|entry| guarded(entry.pid))
        .collect();
    let orphans = marked.iter().filter(|(_, mark)| !guarded.contains(mark));
    orphans
        .inspect(|(entry, _)| entry.send(Signal::KILL))
        .count()
}

fn carries(pid: u32, variable: &[u8]) -> bool {
    environment_of(pid)
        .split(|byte| *byte == 0)
        .any(|one| one == variable)
}

fn mark_of(pid: u32) -> Option<Vec<u8>> {
    let environment = environment_of(pid);
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|one| {
        one.strip_prefix(environment::MARK.as_bytes())?
            .strip_prefix(b"=")
    })?;
    Some(value.to_vec())
}

/// The mark that this process guards, if it is a guard.
fn guarded(pid: u32) -> Option<Vec<u8>> {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = command.split(|byte| *byte == 0);
    words.find(|word| *word == Arguments::MARK.as_bytes())?;
    words.next().map(<[u8]>::to_vec)
}

/// Empty for a process that is gone, or another user's.
fn environment_of(pid: u32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()
}
