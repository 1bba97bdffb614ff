//! The guard's command line: written by the worker, read by the guard.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

/// What the guard's executable is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hosted) struct Arguments {
    pub(in crate::hosted) role: Role,
    /// Begins the guard's own lines on standard error, and nobody else's.
    pub(in crate::hosted) mark: String,
    /// Program and arguments. Never empty.
    pub(in crate::hosted) command: Vec<OsString>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hosted) enum Role {
    /// Watch the owner and end the tree.
    Watch {
        owner: u32,
        /// Between SIGTERM and SIGKILL.
        grace: Duration,
        /// What leads the executable back here, e.g. `__hosted-guard`.
        relaunch: Vec<OsString>,
    },
    /// Become the command.
    Launch { guard: u32 },
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::hosted) enum Wrong {
    #[error("this is started by a worker, not by hand")]
    Incomplete,
    #[error("unknown argument {0:?}")]
    Unknown(OsString),
    #[error("{0} needs a number")]
    NotANumber(&'static str),
}

const OWNER: &str = "--owner-pid";
const GUARD: &str = "--guard-pid";
const GRACE: &str = "--grace-ms";
const RELAUNCH: &str = "--relaunch";
const COMMAND: &str = "--";

impl Arguments {
    /// What precedes the mark.
    pub(in crate::hosted) const MARK: &str = "--mark";

    pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, Wrong> {
        let mut args = args.into_iter();
        let (mut owner, mut guard, mut grace, mut mark) = (None, None, None, None);
        let mut relaunch = Vec::new();
        loop {
            let name = args.next().ok_or(Wrong::Incomplete)?;
            if name == COMMAND {
                break;
            }
            let value = args.next().ok_or(Wrong::Incomplete)?;
            match name.to_str() {
                Some(OWNER) => owner = Some(number(OWNER, &value)?),
                Some(GUARD) => guard = Some(number(GUARD, &value)?),
                Some(GRACE) => grace = Some(number(GRACE, &value)?),
                Some(Self::MARK) => mark = value.into_string().ok(),
                Some(RELAUNCH) => relaunch.push(value),
                _ => return Err(Wrong::Unknown(name)),
            }
        }
        let command: Vec<OsString> = args.collect();
        let role = match (owner, grace, guard) {
            (Some(owner), Some(grace), None) => Role::Watch {
                owner,
                grace: Duration::from_millis(grace.into()),
                relaunch,
            },
            (None, None, Some(guard)) => Role::Launch { guard },
            _ => return Err(Wrong::Incomplete),
        };
        match mark {
            Some(mark) if !command.is_empty() => Ok(Self {
                role,
                mark,
                command,
            }),
            _ => Err(Wrong::Incomplete),
        }
    }

    /// The command line that `parse` reads back.
    pub(in crate::hosted) fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = Vec::new();
        let mut add = |name: &str, value: &OsStr| args.extend([name.into(), value.to_owned()]);
        match &self.role {
            Role::Watch {
                owner,
                grace,
                relaunch,
            } => {
                add(OWNER, owner.to_string().as_ref());
                add(GRACE, grace.as_millis().to_string().as_ref());
                relaunch.iter().for_each(|word| add(RELAUNCH, word));
            }
            Role::Launch { guard } => add(GUARD, guard.to_string().as_ref()),
        }
        add(Self::MARK, self.mark.as_ref());
        args.push(COMMAND.into());
        args.extend(self.command.iter().cloned());
        args
    }
}

fn number(name: &'static str, value: &OsStr) -> Result<u32, Wrong> {
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or(Wrong::NotANumber(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn what_the_worker_writes_the_guard_reads() {
        let watch = Arguments {
            role: Role::Watch {
                owner: 17,
                grace: Duration::from_secs(2),
                relaunch: words(&["__hosted-guard"]),
            },
            mark: "m".to_owned(),
            command: words(&["npx", "-y", "--", "--mark"]),
        };
        let launch = Arguments {
            role: Role::Launch { guard: 18 },
            ..watch.clone()
        };

        assert_eq!(Arguments::parse(watch.to_args()), Ok(watch));
        assert_eq!(Arguments::parse(launch.to_args()), Ok(launch));
    }

    #[test]
    fn a_command_line_that_no_worker_wrote_is_refused() {
        let parse = |args: &[&str]| Arguments::parse(words(args));

        assert_eq!(parse(&[]), Err(Wrong::Incomplete));
        assert_eq!(parse(&["--mark", "m", "--", "ls"]), Err(Wrong::Incomplete));
        assert_eq!(
            parse(&["--guard-pid", "1", "--mark", "m", "--"]),
            Err(Wrong::Incomplete)
        );
        assert_eq!(
            parse(&["--guard-pid", "x", "--"]),
            Err(Wrong::NotANumber(GUARD))
        );
        assert_eq!(
            parse(&["--help", "x"]),
            Err(Wrong::Unknown("--help".into()))
        );
    }
}
