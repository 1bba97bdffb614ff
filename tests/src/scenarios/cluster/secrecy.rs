//! A gateway never sees a credential.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::harness::cluster::{Cluster, PAIR, Recorder, Stage};

/// With characters that look different in a URL.
const MARK: &str = "marked+credential/7c1f0d5b9e==";
/// What a gateway may see.
const SAID: &str = "said-by-a-client-2b8e41";

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

/// The text as it may be written: as it is, in a URL, in base64 at each place where it may begin.
fn writings(text: &str) -> Vec<String> {
    let escape = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "-._~".contains(c) => c.to_string(),
        c => format!("%{:02X}", u32::from(c)),
    };
    let url: String = text.chars().map(escape).collect();
    let mut all = vec![text.to_owned(), url.clone(), url.to_lowercase()];
    for before in 0..3 {
        for alphabet in ["+/", "-_"] {
            all.push(base64(before, text, alphabet));
        }
    }
    all
}

/// What is surely there of the text in base64, behind so many other bytes.
fn base64(before: usize, text: &str, last: &str) -> String {
    let letters: Vec<char> = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(last.chars())
        .collect();
    let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(text.bytes()).collect();
    let whole = bytes.chunks_exact(3).flat_map(|three| {
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        [18, 12, 6, 0].map(|shift| letters[(bits >> shift) as usize & 63])
    });
    // The first letters hang on what stands before.
    whole.skip(if before == 0 { 0 } else { 4 }).collect()
}

/// The ways in which a text was said there.
fn found(passed: &[u8], text: &str) -> Vec<String> {
    let mut all = writings(text);
    all.retain(|writing| holds(passed, writing.as_bytes()));
    all
}

#[test]
fn a_text_is_found_however_it_is_written() {
    assert_eq!(base64(0, "a+b/c=", "+/"), "YStiL2M9");
    // "xa+b/c=" is "eGErYi9jPQ==", of which the last letters are not whole.
    assert_eq!(base64(1, "a+b/c=", "+/"), "Yi9j");
    assert!(writings("a+b/c=").contains(&"a%2Bb%2Fc%3D".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_never_passes_a_connection_of_a_gateway() {
    let mut cluster = Cluster::prepare();
    let mut to_planes = Vec::new();
    let mut of_workers = Vec::new();
    for address in cluster.fabric_addresses() {
        to_planes.push((address.clone(), Recorder::start(address.clone()).await));
        of_workers.push((address.clone(), Recorder::start(address).await));
    }
    let mut to_workers = Vec::new();
    for address in cluster.worker_addresses() {
        to_workers.push(Recorder::start(address).await);
    }
    let redis = cluster.redis().address();
    let to_redis = Recorder::start(redis.clone()).await;
    let addresses: Vec<String> = to_workers.iter().map(|r| r.address().to_owned()).collect();
    cluster.advertise_workers(&addresses);
    for (role, proxies) in [("gateway", &to_planes), ("worker", &of_workers)] {
        cluster.configure_further(role, |mut toml| {
            for (address, recorder) in proxies {
                toml = toml.replace(address.as_str(), recorder.address());
            }
            toml.replace(&redis, to_redis.address())
        });
    }
    // What passes can be read.
    for role in ["control-plane", "gateway", "worker"] {
        cluster.configure_further(role, |toml| {
            let (before, _) = toml.split_once("[trust]").unwrap();
            format!("{before}[trust]\ninsecure_loopback = true\n")
        });
    }
    cluster.launch().await;
    let stage = Stage::on(cluster).await;
    let marked = stage.marked(MARK).await;
    for n in 0..PAIR {
        let got = marked.call(n, "seen", json!({})).await;
        assert_eq!(got.text(), MARK.len().to_string(), "the upstream gets it");
        let session = marked.open(n).await;
        let got = session.call(n, "echo", json!({ "text": SAID })).await;
        assert_eq!(got.text(), SAID);
        let got = session.call(PAIR - 1 - n, "seen", json!({})).await;
        assert_eq!(got.text(), MARK.len().to_string());
        let mut stream = session
            .stream(n, "tick", json!({ "count": 5, "every": 5 }))
            .await;
        for _ in 0..6 {
            stream.message(Duration::from_secs(5)).await;
        }
    }

    let leased = of_workers
        .iter()
        .any(|(_, r)| !found(&r.passed(), MARK).is_empty());
    assert!(leased, "the search finds what is there: a worker leased it");
    let said = to_workers
        .iter()
        .any(|r| !found(&r.passed(), SAID).is_empty());
    assert!(said, "and what a gateway tells a worker");
    assert!(!to_redis.passed().is_empty());
    assert!(to_planes.iter().any(|(_, r)| !r.passed().is_empty()));
    let planes = to_planes.iter().map(|(_, recorder)| recorder);
    for recorder in planes.chain(&to_workers).chain([&to_redis]) {
        let found = found(&recorder.passed(), MARK);
        assert!(found.is_empty(), "{}: {found:?}", recorder.address());
    }
}
