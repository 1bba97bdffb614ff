//! A gateway never sees a credential.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::json;

use crate::harness::cluster::{PAIR, Stage};

const MARK: &str = "marked-credential-7c1f0d5b9e";

/// Whether a process has this text in its memory.
fn remembers(pid: u32, text: &str) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut chunk = vec![0; 1 << 20];
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let mut at = u64::from_str_radix(from, 16).unwrap();
        let to = u64::from_str_radix(to, 16).unwrap();
        while at < to {
            let room = usize::try_from((to - at).min(chunk.len() as u64)).unwrap();
            let Ok(read) = memory.read_at(&mut chunk[..room], at) else {
                break;
            };
            if read == 0 {
                break;
            }
            if holds(&chunk[..read], text.as_bytes()) {
                return true;
            }
            // What lies on the edge is seen with the next piece.
            let step = match read < room || at + read as u64 == to {
                true => read,
                false => read - text.len(),
            };
            at += step as u64;
        }
    }
    false
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == text[0]) {
        if rest[at..].starts_with(text) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// Whether a file below a folder has this text.
fn kept(folder: &Path, text: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths.any(|path| match path.is_dir() {
        true => kept(&path, text),
        false => fs::read(&path).is_ok_and(|bytes| holds(&bytes, text.as_bytes())),
    })
}

#[tokio::test]
async fn a_gateway_never_has_a_credential_in_its_memory_or_on_its_disk() {
    let stage = Stage::open().await;
    let marked = stage.marked(MARK).await;
    for n in 0..20 {
        let got = marked.call(n % PAIR, "seen", json!({})).await;
        assert_eq!(got.text(), MARK.len().to_string(), "the upstream gets it");
    }

    let workers = &stage.cluster.workers;
    let found = workers.iter().any(|worker| remembers(worker.pid(), MARK));
    assert!(found, "the search finds what is there: the worker has it");
    for gateway in &stage.cluster.gateways {
        assert!(!remembers(gateway.pid(), MARK), "{}", gateway.name());
        assert!(gateway.state_dir().is_dir());
        assert!(!kept(&gateway.state_dir(), MARK), "{}", gateway.name());
    }
    for member in stage.cluster.members() {
        assert!(!member.log().contains(MARK), "{}", member.name());
    }
}
