//! The circuit breaker: an upstream that cannot be reached or does not answer is left alone for a while, so that
//! calls to it fail at once and with words, not after a timeout each.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use fabric::{Effect, Failure, FailureKind, Outcome};
use prometheus_client::metrics::gauge::Gauge;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::failure::unsent;

/// The section `breaker` of the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// Failures to connect or to answer in time, one after the other, that open it.
    pub failures: u32,
    /// How long it stays open the first time; doubled each time the trial fails.
    #[serde(with = "runtime::seconds")]
    pub open: Duration,
    /// How long it stays open at most.
    #[serde(with = "runtime::seconds")]
    pub open_max: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failures: 3,
            open: Duration::from_secs(5),
            open_max: Duration::from_secs(60),
        }
    }
}

/// The breaker of one connector.
pub(crate) struct Breaker {
    state: Mutex<State>,
    config: BreakerConfig,
    open_breakers: Gauge,
}

#[derive(Debug)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        last: Opening,
    },
    /// One call is let through to try.
    Trial {
        last: Opening,
    },
}

#[derive(Clone, Debug)]
struct Opening {
    lasts: Duration,
    why: String,
}

/// Leave to call. Tell it how the call ended; dropped untold, nothing was learnt.
pub(crate) struct Admission<'a> {
    breaker: &'a Breaker,
    is_trial: bool,
}

impl Breaker {
    pub(crate) fn new(config: BreakerConfig, open_breakers: Gauge) -> Self {
        Self {
            state: Mutex::new(State::Closed { failures: 0 }),
            config,
            open_breakers,
        }
    }

    /// Asks for leave to call.
    ///
    /// # Errors
    /// It is open: the failure says why, and when the upstream will be tried again.
    pub(crate) fn admit(&self) -> Result<Admission<'_>, Failure> {
        let mut state = self.state();
        match &*state {
            State::Closed { .. } => Ok(Admission {
                breaker: self,
                is_trial: false,
            }),
            State::Trial { last } => Err(refusal(last, Duration::ZERO)),
            State::Open { until, last } => {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Err(refusal(last, left));
                }
                *state = State::Trial { last: last.clone() };
                Ok(Admission {
                    breaker: self,
                    is_trial: true,
                })
            }
        }
    }

    /// Leave to call whatever the state is, for somebody who wants to know.
    pub(crate) fn insist(&self) -> Admission<'_> {
        Admission {
            breaker: self,
            is_trial: false,
        }
    }

    fn succeeded(&self) {
        let mut state = self.state();
        if !matches!(*state, State::Closed { .. }) {
            self.open_breakers.dec();
        }
        *state = State::Closed { failures: 0 };
    }

    fn failed(&self, why: &str) {
        let mut state = self.state();
        let lasts = match &mut *state {
            State::Closed { failures } => {
                *failures += 1;
                if *failures < self.config.failures {
                    return;
                }
                self.open_breakers.inc();
                self.config.open
            }
            State::Trial { last } => (last.lasts * 2).min(self.config.open_max),
            // A call that began before it opened.
            State::Open { .. } => return,
        };
        tracing::warn!(
            open_ms = lasts.as_millis() as u64,
            "leaving an upstream alone: {why}"
        );
        let last = Opening {
            lasts,
            why: why.to_owned(),
        };
        *state = State::Open {
            until: Instant::now() + lasts,
            last,
        };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        if !matches!(*self.state(), State::Closed { .. }) {
            self.open_breakers.dec();
        }
    }
}

impl Admission<'_> {
    pub(crate) fn ended(self, outcome: &Outcome) {
        match outcome {
            Outcome::Failed(failure) => self.failed(failure),
            Outcome::Result(_) | Outcome::InputRequired(_) | Outcome::Error(_) => {
                self.succeeded();
            }
        }
    }

    pub(crate) fn succeeded(mut self) {
        self.is_trial = false;
        self.breaker.succeeded();
    }

    /// An upstream that cannot be reached, or does not answer in time, has failed; any other
    /// failure shows that it is there.
    pub(crate) fn failed(mut self, failure: &Failure) {
        self.is_trial = false;
        let unreachable =
            failure.kind == FailureKind::Unreachable && failure.effect == Effect::None;
        if unreachable || failure.kind == FailureKind::Timeout {
            self.breaker.failed(&failure.message);
        } else {
            self.breaker.succeeded();
        }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if !self.is_trial {
            return;
        }
        // The trial was abandoned: the next call makes another.
        let mut state = self.breaker.state();
        if let State::Trial { last } = &*state {
            *state = State::Open {
                until: Instant::now(),
                last: last.clone(),
            };
        }
    }
}

fn refusal(last: &Opening, left: Duration) -> Failure {
    let why = last.why.trim_end_matches('.');
    let message = if left.is_zero() {
        format!("{why}; it is being tried again right now")
    } else {
        format!(
            "{why}; it will be tried again in {} s",
            left.as_secs_f64().ceil()
        )
    };
    unsent(FailureKind::Unreachable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> (Breaker, Gauge) {
        let gauge = Gauge::default();
        (Breaker::new(BreakerConfig::default(), gauge.clone()), gauge)
    }

    fn fail(breaker: &Breaker) {
        let failure = unsent(FailureKind::Unreachable, "down");
        breaker.admit().unwrap().ended(&Outcome::Failed(failure));
    }

    fn refused(breaker: &Breaker) -> Option<String> {
        breaker.admit().err().map(|failure| failure.message)
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_three_failures_and_tries_again_with_one_call_ever_more_slowly() {
        let (breaker, gauge) = breaker();

        (0..3).for_each(|_| fail(&breaker));
        assert_eq!(
            refused(&breaker).unwrap(),
            "down; it will be tried again in 5 s."
        );
        assert_eq!(gauge.get(), 1);

        for wait in [5, 10, 20, 40, 60, 60] {
            tokio::time::advance(Duration::from_secs(wait)).await;
            let trial = breaker.admit().unwrap();
            assert_eq!(
                refused(&breaker).unwrap(),
                "down; it is being tried again right now."
            );
            trial.failed(&unsent(FailureKind::Timeout, "down"));
            assert!(refused(&breaker).is_some());
        }

        tokio::time::advance(Duration::from_secs(60)).await;
        drop(breaker.admit().unwrap()); // abandoned
        breaker.admit().unwrap().succeeded();
        assert_eq!((refused(&breaker), gauge.get()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_answers_badly_is_there_all_the_same() {
        let (breaker, gauge) = breaker();

        fail(&breaker);
        fail(&breaker);
        let garbage = crate::failure::sent(FailureKind::Garbage, "what?");
        breaker.admit().unwrap().ended(&Outcome::Failed(garbage));
        fail(&breaker);
        fail(&breaker);

        assert_eq!(refused(&breaker), None);
        fail(&breaker);
        assert_eq!(gauge.get(), 1);
        drop(breaker);
        assert_eq!(gauge.get(), 0);
    }
}
