//! The contracts over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod calls;
mod choosing;
mod failing;
mod following;
mod leases;
mod rig;
mod trusting;
