//! The processes of hosted MCP servers.

use ::fabric::{ProcessState, ProcessStatus, Workers};
use domain::{Action, Connector, ConnectorKind, ConnectorSecrets, Principal, Tenant};

use super::secrets::redact;
use super::sync::check_runs;
use super::view::{ProcessView, StderrLineView};
use crate::error::Error;
use crate::operations::Operations;

impl Operations {
    pub async fn process_status(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
    ) -> Result<ProcessView, Error> {
        let (_, connector) = self.hosted(caller, tenant, connector).await?;
        self.status_of(&connector).await
    }

    /// The newest lines of the server's standard error, oldest first, without its secrets.
    pub async fn process_stderr(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
    ) -> Result<Vec<StderrLineView>, Error> {
        let (_, connector) = self.hosted(caller, tenant, connector).await?;
        let secrets = self.secrets_of(&connector).await?;
        let lines = self.workers()?.stderr(connector.tenant, connector.id).await;
        let shown = lines.into_iter().map(|mut line| {
            line.text = redact(&line.text, &secrets);
            StderrLineView::from(line)
        });
        Ok(shown.collect())
    }

    /// Ends the process and starts it anew, by reading its tools.
    pub async fn restart_process(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
    ) -> Result<ProcessView, Error> {
        let (tenant, connector) = self.hosted(caller, tenant, connector).await?;
        check_runs(&tenant, &connector)?;
        let this = self.clone();
        self.uninterrupted(async move {
            this.workers()?;
            this.release(connector.tenant, &[connector.id]).await;
            // Whether that went well, the status says better than an error could.
            let _ = this.sync(connector.tenant, connector.id).await;
            this.status_of(&connector).await
        })
        .await
    }

    async fn hosted(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
    ) -> Result<(Tenant, Connector), Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::ManageTenant)
            .await?;
        match connector.kind {
            ConnectorKind::HostedMcp { .. } => Ok((tenant, connector)),
            _ => Err(Error::NotHosted),
        }
    }

    async fn status_of(&self, connector: &Connector) -> Result<ProcessView, Error> {
        let never = ProcessStatus {
            state: ProcessState::Stopped,
            pid: None,
            started_at: None,
            restarts: 0,
            last_exit: None,
        };
        let workers: &dyn Workers = &**self.workers()?;
        let mut status = workers
            .process(connector.tenant, connector.id)
            .await
            .unwrap_or(never);
        if let Some(exit) = &status.last_exit {
            status.last_exit = Some(redact(exit, &self.secrets_of(connector).await?));
        }
        Ok(status.into())
    }

    pub(super) async fn secrets_of(
        &self,
        connector: &Connector,
    ) -> Result<ConnectorSecrets, Error> {
        let found = self
            .storage()
            .tenant(connector.tenant)
            .secrets(connector.id)
            .await;
        Ok(found
            .map_err(Error::storage("read secrets"))?
            .unwrap_or_default())
    }
}
