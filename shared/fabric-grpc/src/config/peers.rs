//! The control-planes of the cluster, as the nodes reach them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tonic::{Code, Status};

use crate::Channel;

/// Time for one question, waiting for a connection included.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Channels to all control-planes; the one that answered last is asked first. Cheap to clone.
#[derive(Clone)]
pub struct ControlPlanes {
    channels: Arc<[Channel]>,
    preferred: Arc<AtomicUsize>,
}

impl ControlPlanes {
    /// `channels` connect when they are first used; at least one.
    ///
    /// # Errors
    /// There is none.
    pub fn new(channels: Vec<Channel>) -> anyhow::Result<Self> {
        anyhow::ensure!(!channels.is_empty(), "no control-plane is named");
        Ok(Self {
            channels: channels.into(),
            preferred: Arc::default(),
        })
    }

    /// The one to ask now.
    pub(super) fn preferred(&self) -> Channel {
        let index = self.preferred.load(Ordering::Relaxed) % self.channels.len();
        self.channels[index].clone()
    }

    /// From now on another one is asked first.
    pub(super) fn next(&self) {
        self.preferred.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks one after the other until one can answer.
    ///
    /// # Errors
    /// What the last one said, or the first that says more than that it cannot answer.
    pub async fn ask<T, F>(&self, question: impl Fn(Channel) -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut last = Status::unavailable("no control-plane can be reached");
        for _ in 0..self.channels.len() {
            let answer = tokio::time::timeout(ANSWER_WITHIN, question(self.preferred())).await;
            last = match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) if matches!(status.code(), Code::Unavailable | Code::Unknown) => {
                    status
                }
                Ok(Err(status)) => return Err(status),
                Err(_) => Status::deadline_exceeded("the control-plane does not answer"),
            };
            self.next();
        }
        Err(last)
    }
}
