//! The targets. Each takes any bytes, panics when a promise is broken, and answers with the way in
//! which it took them.

mod batch;
mod canonical;
mod edge;
mod envelope;
mod headers;
mod json;
mod params;
mod rename;
mod sse;
mod tokens;
mod websocket;

pub use batch::batch;
pub use canonical::canonical;
pub use edge::edge;
pub use envelope::envelope;
pub use headers::{header_params, header_value};
pub use params::params;
pub use rename::rename;
pub use sse::sse;
pub use tokens::tokens;
pub use websocket::websocket;

#[cfg(test)]
mod tests;
