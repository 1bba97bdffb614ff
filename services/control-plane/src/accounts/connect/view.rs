//! Attempts to connect an account, as they are asked for and shown.

use domain::Connector;
use serde::{Deserialize, Serialize};
use storage::{ConnectFlow, FlowStatus};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::operations::Operations;

/// What an account is to be connected for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConnection {
    /// Id of the key whose calls it is for; left out, it is for all of the tenant's calls that have
    /// no account of their own. A `tenant_user` key connects for itself alone.
    #[serde(default)]
    pub key: Option<Uuid>,
    /// Id of an account that is to be connected again.
    #[serde(default)]
    pub account: Option<Uuid>,
    /// What a new account is to be called: 1 to 100 characters. By default what the provider calls
    /// it.
    #[serde(default)]
    pub name: Option<String>,
    /// What to ask for beside what the enabled tools need, in the provider's words.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// An attempt to connect an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionView {
    pub id: Uuid,
    /// Slug.
    pub connector: String,
    /// Id of the key whose calls it is for; null: all of the tenant's.
    pub key: Option<Uuid>,
    /// `offered` and `opened`: nobody has gone on to the provider; `redirected`: somebody has;
    /// `choosing`: they choose one of several sites; `connected`: there is the account; `failed`
    /// and `expired`: there will be none.
    #[schema(schema_with = statuses)]
    pub status: String,
    /// The account that came of it, or that is to be connected again.
    pub account: Option<Uuid>,
    /// Why it failed.
    pub problem: Option<String>,
    /// What a person must open, in the answer to its making only. It is a secret until it is used:
    /// who has it connects the account.
    pub url: Option<String>,
    /// What the page shows too, so that a person sees that it is the one they were sent to.
    pub code: String,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// From when on the link is good for nothing.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

fn statuses() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&[
        "offered",
        "opened",
        "redirected",
        "choosing",
        "connected",
        "failed",
        "expired",
    ])
}

impl Operations {
    pub(super) fn connection_view(
        &self,
        flow: &ConnectFlow,
        connector: &Connector,
        url: Option<String>,
    ) -> ConnectionView {
        let over = flow.expires_at <= self.now();
        let status = match flow.status {
            FlowStatus::Connected => "connected",
            FlowStatus::Failed => "failed",
            _ if over => "expired",
            FlowStatus::Offered => "offered",
            FlowStatus::Opened => "opened",
            FlowStatus::Redirected | FlowStatus::Exchanging => "redirected",
            FlowStatus::Choosing => "choosing",
        };
        ConnectionView {
            id: flow.id,
            connector: connector.slug.to_string(),
            key: flow.owner.key().map(|key| key.as_uuid()),
            status: status.to_owned(),
            account: flow.account.map(|id| id.as_uuid()),
            problem: flow.problem.clone(),
            url,
            code: short_code(flow),
            created_at: flow.created_at,
            expires_at: flow.expires_at,
        }
    }
}

/// Eight characters that name an attempt to a person who compares: no secret, and nothing opens by
/// them.
pub(crate) fn short_code(flow: &ConnectFlow) -> String {
    /// Crockford's: without letters that look like digits.
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = flow.nonce_hash[..5]
        .iter()
        .fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    let letter = |at: u32| char::from(LETTERS[(bits >> (5 * at) & 31) as usize]);
    let (first, last): (String, String) = (
        (4..8).rev().map(letter).collect(),
        (0..4).rev().map(letter).collect(),
    );
    format!("{first}-{last}")
}
