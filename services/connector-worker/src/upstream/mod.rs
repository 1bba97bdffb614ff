//! The MCP client: one upstream server of either era, over any [`Transport`]. Messages stay raw
//! JSON; ids and progress tokens are minted anew for this hop; nothing of a client's headers
//! travels on.

mod agree;
mod agreement;
mod answer;
mod aside;
mod bearer;
mod board;
mod call;
mod cancel;
mod config;
mod demux;
mod events;
mod exchange;
mod headers;
mod http;
mod id_scan;
mod incoming;
mod inflight;
mod inputs;
mod lane;
mod lanes;
mod listen;
mod log_level;
mod message;
mod notices;
mod offers;
mod outcome;
mod park;
mod peer;
mod rejected;
mod related;
mod remote;
mod reply;
mod server;
mod sink;
mod sse_transport;
mod standalone;
mod strays;
mod task_end;
mod task_talks;
mod tasks;
mod tools;
mod transport;
mod watch;

pub use config::UpstreamConfig;

pub(crate) use bearer::{Bearer, Denial, heard};
pub(crate) use demux::{Demux, Hold, WaitingCall};
pub(crate) use id_scan::IdScan;
pub(crate) use incoming::Incoming;
pub(crate) use lane::{LaneParts, Source};
pub(crate) use notices::{Notices, ToolsChanged};
pub(crate) use park::Parked;
pub(crate) use peer::Known;
pub(crate) use remote::RemoteServer;
pub(crate) use server::UpstreamServer;
pub(crate) use transport::{Exchange, Outgoing, Rejected, Transport, Wire};
