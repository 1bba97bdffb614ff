//! The only SQL. Tenants, their connectors, tools and keys, and what is sealed of them, in one
//! SQLite file or in Postgres, by the same statements.
//!
//! A tenant's rows are reached only through [`Storage::tenant`], and every statement behind it
//! names that tenant. A change and its row in `config_changes` commit together; what was
//! acknowledged survives a kill at any moment. On Postgres the rows of other tenants are out of
//! sight besides, whatever a statement asks for (docs/decisions/0011). Secrets leave this crate only unsealed by its own
//! functions and enter the database only sealed.

mod accounts;
mod approvals;
mod changes;
mod connect_flows;
mod connectors;
mod error;
mod examine;
mod keys;
mod leases;
mod lock;
mod migrate;
mod nodes;
mod oauth_clients;
mod open;
mod readings;
mod remembered;
mod row;
mod sealed;
mod served;
mod snapshot;
mod tenants;
#[cfg(feature = "testing")]
pub mod testing;
mod tools;
mod tx;
#[cfg(all(test, feature = "testing"))]
mod wall;

pub use accounts::{
    Claim, Claimed, Connected, DueRenewal, HeldAccount, Kept, NewAccount, RenewedTokens, Renewing,
};
pub use changes::Changes;
pub use connect_flows::{ConnectFlow, FlowStatus};
pub use error::{Constraint, StorageError};
pub use examine::{Examination, examine};
pub use leases::Leadership;
pub use nodes::{KnownNode, Node};
pub use oauth_clients::OAuthClientRow;
pub use open::{Storage, StorageConfig, TenantStorage};
pub use readings::{Reading, Replaced};
pub use remembered::{REMEMBERED_FOR, Remembered};
pub use sealed::{SEALED_COLUMNS, SealedColumn};
