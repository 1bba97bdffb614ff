//! The three streams of a process, each in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fabric::FailureKind;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::mpsc;

use super::end::End;
use super::guard::Report;
use super::lines::{Line, LineReader};
use super::process::{HostedProcess, Surroundings};
use super::ring::{self, Ring};
use crate::failure::sent;
use crate::upstream::{IdScan, Incoming};

/// How much of one answer that is too long is read and thrown away, so that the process stays
/// usable for the calls that answer less.
const SKIP_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of a line of standard error that are read before it is cleaned and cut.
const RAW_STDERR_LINE: usize = 4 * ring::LINE_MAX_BYTES;
/// From a closed input to the verdict that the process does not read, in case it merely ends.
const END_TOLD_WITHIN: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct Pipes {
    pub(super) process: Arc<HostedProcess>,
    pub(super) ring: Arc<Ring>,
    pub(super) around: Surroundings,
}

impl Pipes {
    /// Reads messages until the stream ends or can no longer be read.
    pub(super) async fn read_stdout(self, stdout: ChildStdout) {
        let max = self.around.config.max_message_bytes;
        let mut lines = LineReader::new(stdout, max, SKIP_MAX);
        loop {
            let mut scan = IdScan::default();
            match lines.next(|part| scan.feed(part)).await {
                Ok(Some(Line::Whole(line))) => self.accept(&line),
                Ok(Some(Line::Cut(head))) => match scan.id() {
                    Some(id) => {
                        let message =
                            format!("the hosted server's answer is larger than {max} bytes");
                        self.process.answered.send_replace(true);
                        self.process
                            .calls
                            .answer(id, Err(sent(FailureKind::TooLarge, message)));
                    }
                    None => self.stray(&head),
                },
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!("cannot read a hosted server's output: {error}");
                    return;
                }
            }
        }
    }

    fn accept(&self, line: &Bytes) {
        if line.trim_ascii().is_empty() {
            return;
        }
        let incoming = Incoming::take(line, &self.process.calls, "the hosted server");
        if incoming.is_message {
            self.process
                .answered
                .send_if_modified(|answered| !std::mem::replace(answered, true));
        }
        for reply in &incoming.replies {
            self.process.reply(reply);
        }
        for stray in &incoming.strays {
            self.stray(stray);
        }
    }

    /// Keeps what is no message where an administrator finds it.
    fn stray(&self, line: &[u8]) {
        self.around.metrics.stray_lines.inc();
        self.ring.push_stdout(self.around.clock.now(), line);
    }

    /// Reads standard error until it ends: the guard's reports for the supervisor, the rest for
    /// the ring.
    pub(super) async fn read_stderr(
        self,
        stderr: ChildStderr,
        mark: String,
        reports: mpsc::Sender<Report>,
    ) {
        let mut lines = LineReader::new(stderr, RAW_STDERR_LINE, u64::MAX);
        while let Ok(Some(Line::Whole(line) | Line::Cut(line))) = lines.next(|_| {}).await {
            match Report::parse(&mark, &line) {
                // A server that forges reports until the queue is full gets no room for more.
                Some(report) => drop(reports.try_send(report)),
                None => self.ring.push(self.around.clock.now(), &line),
            }
        }
    }

    /// Writes messages until the process is to end; then closes its input.
    pub(super) async fn write_stdin(
        self,
        mut stdin: ChildStdin,
        mut messages: mpsc::Receiver<Bytes>,
    ) {
        let mut stop = self.process.stop.subscribe();
        let timeout = self.around.config.write_timeout;
        let write = async {
            while let Some(message) = messages.recv().await {
                match tokio::time::timeout(timeout, stdin.write_all(&message)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => {
                        tokio::time::sleep(END_TOLD_WITHIN).await;
                        break;
                    }
                    Err(_) => break,
                }
            }
            self.process.stop(&End::Deaf);
        };
        tokio::select! {
            _ = stop.wait_for(Option::is_some) => {}
            () = write => {}
        }
    }
}
