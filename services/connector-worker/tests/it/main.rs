//! The worker through its front door: calls and tool lists of remote and hosted MCP servers.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod asking;
mod asking_on_pipes;
mod eras;
mod failures;
mod holding;
mod hosted;
mod lanes;
mod lists;
mod outside_calls;
mod parking;
mod requests;
mod sessions;
mod sse;
mod standalone;
mod support;
mod task_ends;
mod tasks;
mod watching;
mod watching_tasks;
