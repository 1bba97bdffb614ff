//! Telling a legacy server which log messages are wanted.

use std::sync::Arc;

use egress::Deadline;
use mcp::{ClientProfile, LogLevel};

use super::agree::Agreed;
use super::call::Trouble;
use super::peer::{Caller, Peer};

impl Peer {
    /// Makes the server send log messages of `level` and graver, if it knows of levels. A session
    /// that several share is set to everything once, and each gets what it wants of it.
    pub(super) async fn log_from(&self, level: LogLevel, agreed: &Arc<Agreed>, deadline: Deadline) {
        if !agreed.offers.logging {
            return;
        }
        let wanted = if self.link.capabilities.can_be_asked() {
            level
        } else {
            LogLevel::Debug
        };
        let session = Arc::as_ptr(agreed) as usize;
        {
            let mut set = self.log_level.lock().expect("no panic while held");
            if set.is_some_and(|(of, level)| of == session && level <= wanted) {
                return;
            }
            *set = Some((session, wanted));
        }
        let params = format!(r#""level":"{wanted}""#);
        let client = ClientProfile::default();
        let build =
            |agreed: &Agreed| self.own_request("logging/setLevel", &params, &client, agreed);
        let told = Box::pin(self.ask(build, &Caller::OURS, deadline)).await;
        if let Err(trouble) = told {
            match trouble {
                Trouble::Error(error) => {
                    tracing::debug!(error.code, "the MCP server refused a log level");
                }
                Trouble::Failed(failure) => {
                    tracing::debug!("the MCP server took no log level: {failure}");
                }
            }
        }
    }
}
