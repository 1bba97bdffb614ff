//! The gateway through its router, with a scripted control-plane and worker around it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod affinity;
mod anew;
mod answers;
mod as_it_came;
mod asides;
mod away;
mod batch;
mod busy;
mod eras;
mod errors;
mod events;
mod expiry;
mod features;
mod http2;
mod interleavings;
mod intermediary;
mod legacy;
mod legacy_sse;
mod limits;
mod limits_away;
mod listen;
mod lists;
mod live;
mod missed;
mod modern;
mod moving;
mod reconnecting;
mod refusals;
mod resume;
mod rig;
mod rounds;
mod sse;
mod streaming;
mod streams;
mod tasks;
mod two_gateways;
mod upgrades;
mod websocket;

/// How many gateways a rig has.
const GATEWAYS: usize = 1;
