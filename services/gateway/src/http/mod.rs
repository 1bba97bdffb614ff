//! HTTP in: Streamable HTTP of every revision, and the two-endpoint transport of 2024-11-05.
//!
//! | file | what |
//! |---|---|
//! | `endpoints` | routes, who is let in, and what each HTTP method means |
//! | `inbound`, `post`, `batch`, `modern` | a POST: forms, era, session, messages |
//! | `send`, `direct`, `respond` | answers as documents, and as streams that live with their connection |
//! | `pump`, `tail`, `event_id`, `get` | streams that a legacy client may take up again |
//! | `legacy_sse` | the transport of 2024-11-05 |

mod accept;
mod authenticate;
mod batch;
mod delivery;
mod direct;
mod endpoints;
mod event_id;
mod get;
mod inbound;
mod legacy_sse;
mod modern;
mod nearby;
mod post;
mod pump;
mod respond;
mod send;
mod tail;

pub(crate) use endpoints::{ROUTES, routes};
