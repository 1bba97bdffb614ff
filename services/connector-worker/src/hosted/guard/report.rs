//! What the guard tells the worker: lines on the standard error that the server has too, told
//! from the server's by a mark. A server that forges one only misleads its own status.

use std::io::Write as _;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hosted) enum Report {
    /// The process that is, or is about to become, the command.
    Started(u32),
    /// The command could not be run: the operating system's error number.
    CannotRun(i32),
    /// The command ended by itself, with this exit code.
    Exited(i32),
    /// A signal ended the command.
    Killed(i32),
}

impl Report {
    /// Reads a line of standard error without its line end; `None` when it is the server's own.
    pub(in crate::hosted) fn parse(mark: &str, line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.strip_prefix(mark)?;
        let (what, number) = line.strip_prefix(' ')?.split_once(' ')?;
        match what {
            "started" => number.parse().ok().map(Self::Started),
            "cannot-run" => number.parse().ok().map(Self::CannotRun),
            "exited" => number.parse().ok().map(Self::Exited),
            "killed" => number.parse().ok().map(Self::Killed),
            _ => None,
        }
    }

    /// The line. It begins with a line end of its own, because the server may have written half a
    /// line before.
    fn line(self, mark: &str) -> String {
        match self {
            Self::Started(pid) => format!("\n{mark} started {pid}\n"),
            Self::CannotRun(errno) => format!("\n{mark} cannot-run {errno}\n"),
            Self::Exited(code) => format!("\n{mark} exited {code}\n"),
            Self::Killed(signal) => format!("\n{mark} killed {signal}\n"),
        }
    }

    /// Writes the line, unless that would block: a report must not keep the guard from its work,
    /// and the worker learns the essential from the guard's exit code too. One write of less than
    /// `PIPE_BUF` bytes is not torn by what others write.
    #[cfg(target_os = "linux")]
    pub(super) fn send(self, mark: &str) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        let stderr = std::io::stderr();
        let mut wanted = [PollFd::new(&stderr, PollFlags::OUT)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let writable = poll(&mut wanted, Some(&at_once)).is_ok_and(|ready| ready == 1)
            && wanted[0].revents().contains(PollFlags::OUT);
        if writable {
            let _ = stderr.lock().write_all(self.line(mark).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_told_from_what_a_server_writes() {
        for report in [
            Report::Started(7),
            Report::CannotRun(2),
            Report::Exited(-1),
            Report::Killed(9),
        ] {
            let line = report.line("mark-1");
            assert_eq!(
                Report::parse("mark-1", line.trim().as_bytes()),
                Some(report)
            );
            assert_eq!(Report::parse("mark-2", line.trim().as_bytes()), None);
        }
        assert_eq!(Report::parse("mark-1", b"mark-1 started x"), None);
        assert_eq!(Report::parse("mark-1", b"mark-1"), None);
        assert_eq!(Report::parse("mark-1", b"\xff started 7"), None);
    }
}
