//! The client against servers on loopback that behave badly.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod guard;
mod limits;
mod server;
mod tls;
