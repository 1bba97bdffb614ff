//! Identifiers. UUIDv7, so that their order is the order of creation and a page cursor needs
//! nothing else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps an id that was minted by `runtime::IdGen` or read from storage.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self)
            }
        }
    };
}

id!(
    /// A tenant. Never reused: a tenant deleted and made anew under the same slug has another id.
    TenantId
);
id!(
    /// A connector of one tenant.
    ConnectorId
);
id!(
    /// The public part of an API key: names it in lists and logs, opens nothing by itself.
    KeyId
);
id!(
    /// An account that somebody connected at a provider, for one connector of one tenant.
    AccountId
);
