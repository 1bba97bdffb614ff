//! The MCP client: one upstream server of either era, over any [`Transport`]. Messages stay raw
//! JSON; ids and progress tokens are minted anew for this hop; nothing of a client's headers
//! travels on.

mod agree;
mod agreement;
mod answer;
mod call;
mod cancel;
mod config;
mod exchange;
mod http;
mod message;
mod peer;
mod rejected;
mod reply;
mod tools;
mod transport;

pub use config::UpstreamConfig;

pub(crate) use self::http::HttpTransport;
pub(crate) use message::ToolCall;
pub(crate) use peer::Peer;
pub(crate) use reply::reply_to;
pub(crate) use transport::{Exchange, Outgoing, Rejected, Transport, Wire};
