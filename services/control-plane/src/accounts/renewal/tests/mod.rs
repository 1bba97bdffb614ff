//! Proof that a pair of tokens is renewed once, and that none is lost, over real control-planes,
//! a real Postgres and a provider that revokes all that it gave when a used refresh token comes
//! again.

mod crashes;
mod crowd;
mod kinds;
mod model;
mod precedence;
mod rig;
mod trouble;

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

/// Moments of a renewal at which a process may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Before the provider is asked.
    Claimed,
    /// It gave nothing, and nothing of that is written yet.
    Refused,
    /// It gave a pair, which is in memory alone.
    Answered,
    /// The pair is in a file too.
    Kept,
    /// It is in the database, or the database did not take it.
    Stored,
}

/// Where this control-plane comes to a stand, as one does that is killed there.
#[derive(Default)]
pub(super) struct Steps(Mutex<Option<(Step, Arc<Notify>)>>);

impl Steps {
    /// Has it come to a stand at a step; tells when it has.
    fn stand_at(&self, step: Step) -> Arc<Notify> {
        let reached = Arc::new(Notify::new());
        *self.0.lock().unwrap() = Some((step, reached.clone()));
        reached
    }

    pub(super) async fn reached(&self, step: Step) {
        let stands = match &*self.0.lock().unwrap() {
            Some((at, reached)) if *at == step => {
                reached.notify_one();
                true
            }
            _ => false,
        };
        if stands {
            std::future::pending::<()>().await;
        }
    }
}
