//! The worker through its front door: calls and tool lists of remote and hosted MCP servers.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod eras;
mod failures;
mod holding;
mod hosted;
mod lists;
mod sessions;
mod support;
