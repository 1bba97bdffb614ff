//! How the control-plane is put together and kept running.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::fabric::{NodeInfo, Workers};
use anyhow::Context;
use axum::Router;
use crypto::{ApiToken, KeyHasher};
use oauth::TokenEndpoint;
use runtime::{Clock, IdGen, Process};
use storage::Storage;

use crate::accounts::SigningIn;
use crate::catalog::CatalogView;
use crate::cluster::{ClusterDeps, Leadership, Nodes};
use crate::config::Config;
use crate::fabric::Sources;
use crate::operations::Operations;

/// What the control-plane is given.
#[derive(Clone)]
pub struct Deps {
    pub storage: Storage,
    /// Made from the installation's root key.
    pub hasher: Arc<KeyHasher>,
    pub catalog: Arc<dyn CatalogView>,
    /// What asks providers for tokens.
    pub tokens: TokenEndpoint,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGen>,
}

/// A control-plane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    operations: Operations,
}

impl ControlPlane {
    /// Puts it together; nothing runs yet.
    pub fn build(config: Config, deps: Deps, process: &Process) -> anyhow::Result<Self> {
        config.validate().context("control_plane")?;
        let signing_in = SigningIn::of(&config).context("control_plane")?;
        Ok(Self {
            operations: Operations::new(config, signing_in, deps, process)?,
        })
    }

    /// Joins it to the workers, once, and starts its background work: the first reading of tools
    /// that are still missing, the periodic ones, and the housekeeping. What one control-plane
    /// does for all of a cluster, it does while it leads.
    pub fn attach_workers(
        &self,
        workers: Arc<dyn Workers>,
        among: Option<&NodeInfo>,
    ) -> anyhow::Result<()> {
        self.operations.attach_workers(workers)?;
        let leadership = among.map(Leadership::of).transpose()?;
        let tasks = &self.operations.process().tasks;
        let operations = self.operations.clone();
        tasks.essential("key use", async move { operations.keep_key_uses().await });
        let operations = self.operations.clone();
        tasks.essential("tokens in hand", async move {
            operations.store_what_is_in_hand().await
        });
        let operations = self.operations.clone();
        tasks.essential("accounts", async move {
            let keep = || operations.keep_accounts();
            Leadership::lead(leadership, &operations, "accounts", keep).await
        });
        let operations = self.operations.clone();
        tasks.essential("tool sync", async move {
            let sync = || operations.keep_tools_fresh();
            Leadership::lead(leadership, &operations, "tool sync", sync).await
        });
        let operations = self.operations.clone();
        tasks.essential("kept answers", async move {
            let forget = || operations.forget_kept_answers();
            Leadership::lead(leadership, &operations, "kept answers", forget).await
        });
        Ok(())
    }

    /// Reads the tools of all native connectors of these types anew, whose manifests changed.
    pub async fn manifests_changed(&self, types: &BTreeSet<String>) {
        if let Err(error) = self.operations.manifests_changed(types).await {
            tracing::warn!(
                ?types,
                "cannot read the tools of changed manifests: {error}"
            );
        }
    }

    /// Makes it one of a cluster.
    pub fn join(&self, deps: ClusterDeps) -> Nodes {
        Nodes::start(&self.operations, deps)
    }

    /// REST, `/docs` and `/api/v1/openapi.json`. Wrap it with [`web::Observer`] for request ids.
    pub fn router(&self) -> Router {
        crate::api::router(self.operations.clone())
    }

    /// What gateways and workers are served from.
    pub fn sources(&self) -> Sources {
        Sources::new(self.operations.clone())
    }

    /// What every interface calls.
    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    /// Makes the first platform_admin key when none is live, and returns it.
    ///
    /// `keep` is handed the token before the key opens anything: should the process die in
    /// between, nothing is lost but a token that opens nothing, and the next start makes another.
    pub async fn bootstrap(
        &self,
        keep: impl FnOnce(&ApiToken) -> anyhow::Result<()>,
    ) -> anyhow::Result<Option<ApiToken>> {
        self.operations.bootstrap(keep).await
    }

    /// Makes a further platform_admin key, for an operator who has lost all of them but has the
    /// machine. `keep` as in [`Self::bootstrap`].
    pub async fn replace_lost_key(
        &self,
        keep: impl FnOnce(&ApiToken) -> anyhow::Result<()>,
    ) -> anyhow::Result<ApiToken> {
        self.operations.make_admin_key("made at start", keep).await
    }

    /// The name of the live platform_admin key that was made first. Of one that a control-plane has
    /// made at its start, it says which one did: its address, where there are several.
    pub async fn oldest_admin_key(&self) -> anyhow::Result<Option<String>> {
        self.operations.oldest_admin_key().await
    }
}
