//! The processes of the installation: who is there, and how far each is.

use std::time::Duration;

use ::fabric::Role;
use domain::{Action, Principal, authorize};
use serde::Serialize;
use storage::KnownNode;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::cluster::{FORGET_AFTER, SILENT_FOR};
use crate::error::Error;
use crate::operations::Operations;
use crate::page::{Page, PageRequest};

pub(crate) mod api;

/// Names this list in page tokens.
const LIST: &str = "nodes";
/// The role of the process that is a whole platform.
pub(crate) const ALL_IN_ONE: &str = "all-in-one";
pub(crate) const STATES: [&str; 3] = ["ready", "draining", "silent"];

/// One run of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NodeView {
    /// Another one after each start.
    pub id: Uuid,
    #[schema(schema_with = roles)]
    pub role: String,
    /// `draining`: it ends what it has and takes nothing new. `silent`: it has said nothing for
    /// 5 s, and is not counted on.
    #[schema(schema_with = states)]
    pub state: String,
    /// Of Turnbuckle.
    pub version: String,
    /// `host:port` where other nodes reach it, or clients a gateway; null where no node has to.
    pub address: Option<String>,
    /// Every change up to this one is in force there.
    pub enforced_revision: i64,
    /// Calls under way; null for nodes that take none.
    pub load: Option<i64>,
    /// Calls that it takes at once; null for nodes that have no such bound.
    pub capacity: Option<i64>,
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it last said how it does.
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen_at: OffsetDateTime,
}

/// A page of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes {
    pub page: Page<NodeView>,
    /// The revision of the last change there is.
    pub newest_revision: i64,
}

fn roles() -> utoipa::openapi::schema::Object {
    let mut all = Role::ALL.map(Role::as_str).to_vec();
    all.push(ALL_IN_ONE);
    crate::openapi::one_of(&all)
}

fn states() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&STATES)
}

impl Operations {
    /// The nodes that were heard of within the last 10 minutes, by role; where there is no
    /// cluster, the one process that is everything.
    pub async fn list_nodes(
        &self,
        caller: &Principal,
        request: &PageRequest,
    ) -> Result<Nodes, Error> {
        authorize(caller, Action::ManagePlatform)?;
        let after = request.after(LIST)?;
        let newest = self.storage().last_revision().await;
        let newest_revision = newest.map_err(Error::storage("read the newest revision"))?;
        let mut views = if self.is_in_cluster() {
            let known = self.storage().list_nodes(FORGET_AFTER).await;
            let known = known.map_err(Error::storage("list the nodes"))?;
            known.into_iter().map(view).collect()
        } else {
            vec![self.all_in_one(newest_revision)]
        };
        views.sort_by_cached_key(place);
        if let Some(after) = after {
            views.retain(|view| place(view) > after);
        }
        views.truncate(request.limit()? as usize);
        Ok(Nodes {
            page: request.page(LIST, views, place)?,
            newest_revision,
        })
    }

    /// In one process a change is in force before it is acknowledged.
    fn all_in_one(&self, newest_revision: i64) -> NodeView {
        let draining = self.process().shutdown.is_draining();
        let (id, started_at) = self.own_run();
        NodeView {
            id,
            role: ALL_IN_ONE.to_owned(),
            state: state(draining, Duration::ZERO).to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: None,
            enforced_revision: newest_revision,
            load: None,
            capacity: None,
            started_at,
            last_seen_at: self.now(),
        }
    }
}

/// Where in the list it stands.
fn place(view: &NodeView) -> String {
    format!("{} {}", view.role, view.id)
}

pub(crate) fn state(draining: bool, silent_for: Duration) -> &'static str {
    match draining {
        _ if silent_for > SILENT_FOR => "silent",
        true => "draining",
        false => "ready",
    }
}

fn view(known: KnownNode) -> NodeView {
    let node = known.node;
    NodeView {
        id: node.id,
        role: node.role.as_str().to_owned(),
        state: state(node.draining, known.silent_for).to_owned(),
        version: node.version,
        address: Some(node.address).filter(|address| !address.is_empty()),
        enforced_revision: node.enforced,
        load: (node.role != Role::ControlPlane).then_some(node.load),
        capacity: Some(node.capacity).filter(|capacity| *capacity > 0),
        started_at: node.started_at,
        last_seen_at: known.last_seen,
    }
}
