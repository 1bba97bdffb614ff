//! Connector manifests: how a provider's API becomes tools, as data.
//!
//! A manifest is one TOML file, written for people and checked without mercy: an unknown key, an
//! argument that goes nowhere, a word outside a closed list or a feature that no engine runs is
//! refused at load, with the file, the tool and the key. What comes out is a [`Connector`] that an
//! engine runs without looking anything up by name. `docs/connectors/manifest-format.md` has the
//! format.

pub mod address;
mod advice;
mod builtin;
mod catalog;
pub mod closed;
mod compile;
mod error;
mod folder;
mod manifest;
pub mod markdown;
mod model;
mod offer;
mod output;
mod path;
mod place;
mod schema;
mod sign;
mod template;
mod uri;

pub use catalog::{Catalog, Summary};
pub use compile::connector as compile;
pub use error::{Fault, ManifestError};
pub use folder::{Check, Folder, Look};
pub use manifest::{AfterConnect, Identity, OAuth2, Refresh, RevokeRequest, TokenResponse};
pub use model::{
    Answer, Arg, Auth, AuthMethod, Base64Alphabet, Call, Change, Connector, ConstWhen,
    CredentialPart, Encoding, Errors, Landing, Later, Method, PageKind, PageParam, Pages,
    Pagination, PathPart, RateLimit, Refusals, Request, Response, Scopes, Spread, Step as HookStep,
    Target, Tool, When,
};
pub use offer::{Prompt, PromptArg, PromptMessage, Resource, ResourceArg, ResourceList};
pub use output::{NamePattern, Output};
pub use path::{ResultPath, Step, WirePath};
pub use template::{Constant, Part, Template};
pub use uri::UriTemplate;
