//! A program that runs for one test, and is killed when the test is gone, whatever the reason.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Kills a process when the other end of its input is gone.
const WATCHDOG: &str = "read -r _; kill -9 \"$1\"";

/// A running program. Killed when dropped, or with the process that started it.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
    watchdog: Child,
}

impl Guarded {
    /// Starts a program without input. Where its output goes is up to `command`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let watchdog = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "watchdog", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("every system has a shell");
        Self { child, watchdog }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the program, which may be gone already.
    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends a signal that ends it, and waits until it has.
    ///
    /// # Panics
    /// When it is still there after ten seconds.
    pub fn end(mut self, signal: Signal) {
        self.signal(signal);
        let start = Instant::now();
        while self.ended().is_none() {
            let patient = start.elapsed() < Duration::from_secs(10);
            assert!(patient, "process {} does not end by {signal:?}", self.pid());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // First, so that it cannot kill whoever has the number next.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process, which may be gone already.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

/// A port of loopback that is free now. Somebody else may take it before it is used: whoever uses
/// it tries again then.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    address.port()
}

/// Where an installed program is: Debian has servers in a folder that not everybody looks into.
///
/// # Panics
/// When it is nowhere; `install` says what to do.
pub(crate) fn find_program(name: &str, install: &str) -> std::path::PathBuf {
    let found = Command::new("/bin/sh")
        .args([
            "-c",
            "PATH=$PATH:/usr/local/sbin:/usr/sbin; command -v \"$1\"",
            "sh",
            name,
        ])
        .output()
        .expect("every system has a shell");
    let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    assert!(
        found.status.success() && path.starts_with('/'),
        "this test needs {name}, which is not installed; {install}"
    );
    path.into()
}
