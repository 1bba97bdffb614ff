//! A private server, started from an installed program, that a test can stop, pause, kill and start
//! again where it was.

use std::fmt::Debug;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::child::{Guarded, find_program, free_port};

const START_DEADLINE: Duration = Duration::from_secs(20);
/// A free port may be taken by somebody else before the server is there.
const ATTEMPTS: usize = 5;

/// What is particular to a program.
pub trait Program: Debug {
    /// Its name, and how to install it.
    const NAME: &'static str;
    const INSTALL: &'static str;

    /// The arguments that it starts with, in `folder`, which is its own.
    fn arguments(&self, folder: &Path, port: u16, command: &mut Command);

    /// Whether it answers.
    fn is_up(&self, folder: &Path, port: u16) -> bool;

    /// It could not have its ports: others, if it has more than one.
    fn turn(&mut self) {}
}

/// A server of this test's own, on loopback. Ends when it is dropped.
#[derive(Debug)]
pub struct Server<P: Program> {
    pub(crate) program: P,
    folder: TempDir,
    port: u16,
    process: Option<Guarded>,
}

impl<P: Program> Server<P> {
    /// Starts it; `prepare` has its folder before.
    pub(crate) fn begin(program: P, prepare: impl FnOnce(&Path)) -> Self {
        let mut server = Self {
            program,
            folder: tempfile::tempdir().expect("temporary folders can be made"),
            port: 0,
            process: None,
        };
        prepare(server.folder());
        for _ in 0..ATTEMPTS {
            server.port = free_port();
            if server.try_start() {
                return server;
            }
            server.program.turn();
        }
        server.does_not_start()
    }

    /// `127.0.0.1:port`; the port stays the same over restarts.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server as its operator would. Nothing happens if it is ended.
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Kills the server. Nothing happens if it is ended.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    fn end(&mut self, signal: Signal) {
        if let Some(process) = self.process.take() {
            process.end(signal);
        }
    }

    /// Starts the server again, on the same port, if it is ended.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        if self.process.is_none() && !self.try_start() {
            self.does_not_start()
        }
    }

    /// Lets the server do nothing, with all connections open.
    pub fn pause(&self) {
        self.running().signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.running().signal(Signal::CONT);
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("server.log")).unwrap_or_default()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn running(&self) -> &Guarded {
        self.process.as_ref().expect("the server was not stopped")
    }

    fn does_not_start(&self) -> ! {
        panic!("{} does not start:\n{}", P::NAME, self.log())
    }

    /// Whether it comes up; not when somebody else has a port.
    fn try_start(&mut self) -> bool {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder().join("server.log"))
            .expect("the folder is ours");
        let errors = log.try_clone().expect("files can be shared");
        let mut command = Command::new(find_program(P::NAME, P::INSTALL));
        self.program
            .arguments(self.folder(), self.port, &mut command);
        command
            .current_dir(self.folder())
            .stdout(log)
            .stderr(errors);
        let mut process = Guarded::start(&mut command);
        let start = Instant::now();
        while start.elapsed() < START_DEADLINE {
            if process.ended().is_some() {
                return false;
            }
            if self.program.is_up(self.folder(), self.port) {
                self.process = Some(process);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}
