//! Why a process ended, and what that means for whom.

use std::fmt;

use fabric::{Failure, FailureKind};

use crate::failure::{sent, unsent};

/// Why a process ended, or is being ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Exited { code: i32 },
    /// By a signal that was not ours.
    Killed { signal: i32 },
    /// The operating system did not run it: its reason.
    CannotRun(String),
    /// Its guard was killed, or could not do its work.
    Unguarded,
    /// Nobody called for long.
    Idle,
    /// Nobody called for a while, and another server needed its place.
    Evicted,
    /// The lane that it was started for is of no use any more.
    Unused,
    /// Its connector was changed, disabled or deleted, or an administrator asked for a restart.
    Released,
    /// The worker itself ends.
    WorkerEnds,
    /// It sent no message within its start timeout (seconds).
    Silent(u64),
    /// It did not read its input.
    Deaf,
    /// It let call after call run out of time.
    Hung,
    /// It closed its output, or a line had no end.
    Unreadable,
}

impl End {
    /// Whether we decided it for reasons that are not the server's fault: no back-off then.
    pub(super) const fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::Idle | Self::Evicted | Self::Unused | Self::Released | Self::WorkerEnds
        )
    }

    /// The metric label.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Exited { .. } => "exited",
            Self::Killed { .. } => "killed",
            Self::CannotRun(_) => "cannot_run",
            Self::Unguarded => "unguarded",
            Self::Idle => "idle",
            Self::Evicted => "evicted",
            Self::Unused => "unused",
            Self::Released => "released",
            Self::WorkerEnds => "worker_ends",
            Self::Silent(_) => "silent",
            Self::Deaf => "deaf",
            Self::Hung => "hung",
            Self::Unreadable => "unreadable",
        }
    }

    /// The sentence for a caller.
    pub(super) fn message(&self) -> String {
        format!("the hosted server {self}")
    }

    /// What a call gets that comes after it.
    pub(super) fn refusal(&self) -> Failure {
        let kind = match self {
            // What somebody wanted to end is not to be started again by a call of before.
            Self::Released | Self::WorkerEnds => FailureKind::Unreachable,
            _ => FailureKind::Died,
        };
        unsent(kind, self.message())
    }

    /// What a call gets that waited when it happened.
    pub(super) fn failure(&self, answered: bool) -> Failure {
        match self {
            // It never said a word: what was sent can only be the handshake.
            Self::Exited { .. } | Self::Killed { .. } if !answered => unsent(
                FailureKind::Unreachable,
                format!(
                    "{} before it answered anything: see its stderr",
                    self.message()
                ),
            ),
            _ if !answered => unsent(FailureKind::Unreachable, self.message()),
            _ => sent(FailureKind::Died, self.message()),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "ended with exit code {code}"),
            Self::Killed { signal } => write!(f, "was ended by signal {signal}"),
            Self::CannotRun(reason) => write!(f, "could not be started: {reason}"),
            Self::Unguarded => f.write_str("was ended because its guard ended"),
            Self::Idle => f.write_str("was stopped because nobody called it"),
            Self::Evicted => {
                f.write_str("was stopped because nobody called it and another needed its place")
            }
            Self::Unused => f.write_str("was stopped because nobody needs it any more"),
            Self::Released => f.write_str("was stopped by an administrator's change"),
            Self::WorkerEnds => f.write_str("was stopped because the worker ends"),
            Self::Silent(seconds) => {
                write!(
                    f,
                    "was stopped because it answered nothing within {seconds} s"
                )
            }
            Self::Deaf => f.write_str("was stopped because it did not read its input"),
            Self::Hung => f.write_str("was stopped because it answered no call in time"),
            Self::Unreadable => f.write_str("was stopped because its output could not be read"),
        }
    }
}
