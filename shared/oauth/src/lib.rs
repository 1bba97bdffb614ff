//! The client's side of OAuth 2: where a person is sent to consent, what is asked of a token
//! endpoint, and how its answer is read.
//!
//! What is peculiar about a provider is data: of its manifest, or of the metadata that an
//! authorization server publishes. All requests go through `egress`, with a deadline and a bound;
//! redirects are not followed. No token, code or secret is logged or stands in an error's text.

mod answer;
mod assertions;
mod authorize;
mod client;
mod endpoints;
mod error;
mod http;
mod identity;
mod keys;
mod programs;
mod refresh;
mod revoke;
mod scopes;
mod servers;
mod sites;
mod token;
mod variables;
mod whoami;

pub use authorize::{Authorization, authorization};
pub use client::{ClientAuth, ClientSettings, OAuthClient};
pub use egress::{Deadline, Origins};
pub use endpoints::{Endpoints, EndpointsError};
pub use error::TokenError;
pub use http::Limits;
pub use keys::{KeyError, SigningAlgorithm, SigningKey};
pub use programs::{
    Grant, PemKey, Program, ProgramUnreadable, Proof, ServiceAccount, ServiceAccountError,
};
pub use scopes::Scopes;
pub use servers::{
    Challenge, Discovered, DiscoveryError, IssuerMismatch, Management, Registered, Registration,
    ServerMetadata, check_issuer, client_document, registration,
};
pub use sites::Site;
pub use token::{TokenEndpoint, Tokens};
pub use whoami::{Person, WhoAmI, same_source};
