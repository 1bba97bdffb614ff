//! Streamable HTTP, both eras, on one URL. `http` is the transport: it reads a message and sends
//! what comes of it. `dispatch` is the core behind every transport: it knows methods, no HTTP.

mod accept;
mod authenticate;
mod call;
mod dispatch;
mod http;
mod list;
mod modern;
mod post;
mod reply;
mod send;
mod server_info;
mod session;
mod stream;

pub(crate) use http::{aggregate, single};
pub(crate) use server_info::ServerInfo;
