//! Work that one control-plane at a time does for all.

use std::time::Duration;

use ::fabric::NodeInfo;
use anyhow::Context;
use uuid::Uuid;

use crate::operations::Operations;

/// How long a leader leads without renewing. A new one takes over that much after it died.
const TERM: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// Whether this control-plane leads where others could: a claim in the database, that ends by the
/// database's clock. It holds no connection, so it passes poolers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leadership {
    node: Uuid,
}

impl Leadership {
    pub(crate) fn of(node: &NodeInfo) -> anyhow::Result<Self> {
        let node = node.id.parse().context("the id of this node")?;
        Ok(Self { node })
    }

    /// Runs `work`: while it leads among others, or for good where there are none.
    pub(crate) async fn lead<W, F>(
        among: Option<Self>,
        operations: &Operations,
        job: &'static str,
        work: W,
    ) -> anyhow::Result<()>
    where
        W: Fn() -> F,
        F: Future<Output = anyhow::Result<()>>,
    {
        match among {
            None => Box::pin(work()).await,
            Some(leadership) => {
                Box::pin(leadership.while_leading(operations, job, work)).await;
                Ok(())
            }
        }
    }

    /// Runs `work`, begun anew each time, whenever this control-plane leads `job`, until the
    /// process ends. What `work` does must hold up when, for a moment, two do it.
    async fn while_leading<W, F>(self, operations: &Operations, job: &'static str, work: W)
    where
        W: Fn() -> F,
        F: Future<Output = anyhow::Result<()>>,
    {
        let shutdown = operations.process().shutdown.clone();
        let mut every = tokio::time::interval(RENEW_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.draining() => return,
                _ = every.tick() => {}
            }
            let mut leadership = match operations.storage().lead(job, self.node, TERM).await {
                Ok(Some(leadership)) => leadership,
                Ok(None) => continue,
                Err(error) => {
                    tracing::debug!(job, "cannot lead: {error}");
                    continue;
                }
            };
            tracing::info!(job, "leads");
            let led = async {
                while leadership.is_held() {
                    every.tick().await;
                    if let Err(error) = leadership.renew().await {
                        tracing::debug!(job, "cannot go on leading: {error}");
                    }
                }
            };
            tokio::select! {
                () = shutdown.draining() => {}
                () = led => tracing::info!(job, "leads no more"),
                ended = Box::pin(work()) => {
                    if let Err(error) = ended {
                        tracing::warn!(job, "work of the leader failed: {error:#}");
                    }
                }
            }
            if shutdown.is_draining() {
                // So that another one leads at once.
                leadership.release().await.ok();
                return;
            }
        }
    }
}
