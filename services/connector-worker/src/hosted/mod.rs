//! Hosted MCP servers: a tenant's command, run as a child process that speaks JSON-RPC over its
//! standard streams, one message a line.
//!
//! A command is executed as it is, by no shell, in an environment that holds nothing of the
//! platform's but a short list (`environment`), in folders of its own. One process serves all
//! calls of a lane of its connector, and mostly there is one lane; it is started by the first
//! call, stopped when nobody calls, and started again, ever later, when it ends by itself. Nothing
//! of its process tree outlives this worker by more than seconds ([`guard`]).
//!
//! A process is a `Transport`: revisions and handshakes are decided
//! above. What a server can do to this worker is bounded: bytes of a message, of standard error,
//! messages in wait, processes.
//!
//! Linux only, since the guard is: elsewhere every start fails and says so.

mod backoff;
mod config;
mod end;
mod environment;
mod folders;
pub mod guard;
mod lines;
mod metrics;
mod pipes;
mod places;
mod process;
mod procfs;
mod ring;
mod server;
mod servers;
mod supervise;
mod sweep;
#[cfg(test)]
mod tests;

pub use config::{Config, GuardCommand};
pub(crate) use server::Spec;
pub(crate) use servers::HostedServers;
