//! How this control-plane hears of changes: its own at once, those of others by hints, and what
//! hints lose by looking.

use std::sync::Arc;
use std::time::Duration;

use ::fabric::{ConfigListener, Subject};
use bus::{Bus, BusState, Heard, Hint};
use prometheus_client::metrics::gauge::Gauge;
use runtime::ReadCounter;
use tokio::sync::watch;

use crate::operations::Operations;

/// How often the log is looked at, hints or not.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What readiness calls it.
const NAME: &str = "change log";
const HINTS: &str = "change hints";

/// The newest revision that was heard of.
pub(super) struct Feed(Arc<Publisher>);

/// Hears of changes that are made here.
struct Publisher {
    latest: watch::Sender<i64>,
    bus: Arc<dyn Bus>,
}

impl Feed {
    pub(super) fn start(operations: &Operations, bus: Arc<dyn Bus>) -> Self {
        let publisher = Arc::new(Publisher {
            latest: watch::Sender::new(0),
            bus,
        });
        operations.subscribe(publisher.clone());
        let tasks = &operations.process().tasks;
        tasks.essential("change hints", {
            let (publisher, operations) = (publisher.clone(), operations.clone());
            async move {
                publisher.heed_hints(&operations).await;
                Ok(())
            }
        });
        tasks.essential("change log", {
            let (publisher, operations) = (publisher.clone(), operations.clone());
            async move {
                publisher.look(&operations).await;
                Ok(())
            }
        });
        Self(publisher)
    }

    pub(super) fn latest(&self) -> watch::Receiver<i64> {
        self.0.latest.subscribe()
    }

    /// A gateway enforces `revision` now, and it is written down: tells other control-planes, by a
    /// hint of that revision. To who knows it already, it says that somebody took it in.
    pub(super) fn acknowledged(&self, revision: i64) {
        self.0.bus.publish(Hint {
            subject: Subject::Platform,
            revision,
        });
    }
}

impl Publisher {
    fn heard(&self, revision: i64) {
        self.latest.send_if_modified(|latest| {
            let newer = revision > *latest;
            *latest = revision.max(*latest);
            newer
        });
    }

    async fn heed_hints(&self, operations: &Operations) {
        let mut hints = self.bus.subscribe();
        let shutdown = &operations.process().shutdown;
        loop {
            tokio::select! {
                () = shutdown.ending() => return,
                heard = hints.next() => match heard {
                    Some(Heard::Hint(hint)) => {
                        self.heard(hint.revision);
                        operations.acknowledgements().heard();
                    }
                    // What was missed is found by looking.
                    Some(Heard::Gap) => {}
                    None => return,
                },
            }
        }
    }

    async fn look(&self, operations: &Operations) {
        let readiness = &operations.process().readiness;
        let metrics = &operations.process().metrics;
        let latest = metrics.register(
            "config_revision_latest",
            "The newest revision that is stored",
            Gauge::<i64>::default(),
        );
        let hints_up = metrics.register(
            "change_hints_up",
            "Whether hints of changes reach this control-plane",
            Gauge::<i64>::default(),
        );
        let bus = self.bus.clone();
        metrics.register(
            "change_hints_dropped",
            "Hints of changes that could not be sent: those are found by looking",
            ReadCounter::new(move || bus.losses().dropped),
        );
        let bus = self.bus.clone();
        metrics.register(
            "change_hints_rejected",
            "Messages on the subject of hints that were none",
            ReadCounter::new(move || bus.losses().rejected),
        );
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = operations.process().shutdown.ending() => return,
                _ = every.tick() => {}
            }
            match operations.storage().last_revision().await {
                Ok(revision) => {
                    latest.set(revision);
                    self.heard(revision);
                    readiness.recover(NAME);
                }
                Err(error) => readiness.degrade(NAME, error.to_string()),
            }
            let state = self.bus.state();
            hints_up.set(i64::from(matches!(state, BusState::Up)));
            match state {
                BusState::Up => readiness.recover(HINTS),
                BusState::Down => {
                    readiness.degrade(HINTS, "changes of others are found by looking")
                }
            }
        }
    }
}

impl ConfigListener for Publisher {
    fn changed(&self, subject: &Subject, revision: i64) {
        self.heard(revision);
        self.bus.publish(Hint {
            subject: subject.clone(),
            revision,
        });
    }
}
