//! Waiting until a change holds everywhere.

use std::time::Duration;

use ::fabric::Role;
use tokio::time::Instant;

use super::registry::SILENT_FOR;
use crate::error::Error;
use crate::operations::Operations;

/// How often nodes are asked about.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Gateways that did not enforce a change in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Ids of nodes.
    pub nodes: Vec<String>,
}

impl Operations {
    /// Waits until every gateway that is there enforces `revision`, for `patience` at most. In one
    /// process a change is enforced before it is acknowledged: there is nothing to wait for.
    ///
    /// # Errors
    /// The nodes cannot be read.
    pub async fn wait_enforced(
        &self,
        revision: i64,
        patience: Duration,
    ) -> Result<Result<(), Behind>, Error> {
        let until = Instant::now() + patience;
        loop {
            let nodes = self.storage().list_nodes(SILENT_FOR).await;
            let nodes = nodes.map_err(Error::storage("read the nodes"))?;
            let behind: Vec<String> = nodes
                .into_iter()
                .filter(|seen| seen.node.role == Role::Gateway)
                .filter(|seen| seen.node.enforced < revision)
                .map(|seen| seen.node.id.to_string())
                .collect();
            if behind.is_empty() {
                return Ok(Ok(()));
            }
            if Instant::now() >= until {
                return Ok(Err(Behind { nodes: behind }));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
