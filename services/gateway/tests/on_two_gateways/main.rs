//! The gateway's behaviour once more, on two gateways that share one Redis: each request goes to
//! either of them, by chance. The tests are those of `it`, but for
//! - `away`, `moving` and `two_gateways`, which are about two gateways by themselves;
//! - `interleavings`, which lets each of thousands of steps come to rest: over a store that takes
//!   minutes.
//!
//! What a test says of one process it builds with `Rig::alone`, with the reason.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../it/access.rs"]
mod access;
#[path = "../it/affinity.rs"]
mod affinity;
#[path = "../it/anew.rs"]
mod anew;
#[path = "../it/answers.rs"]
mod answers;
#[path = "../it/as_it_came.rs"]
mod as_it_came;
#[path = "../it/asides.rs"]
mod asides;
#[path = "../it/batch.rs"]
mod batch;
#[path = "../it/busy.rs"]
mod busy;
#[path = "../it/eras.rs"]
mod eras;
#[path = "../it/errors.rs"]
mod errors;
#[path = "../it/events.rs"]
mod events;
#[path = "../it/expiry.rs"]
mod expiry;
#[path = "../it/features.rs"]
mod features;
#[path = "../it/http2.rs"]
mod http2;
#[path = "../it/intermediary.rs"]
mod intermediary;
#[path = "../it/legacy.rs"]
mod legacy;
#[path = "../it/legacy_sse.rs"]
mod legacy_sse;
#[path = "../it/limits.rs"]
mod limits;
#[path = "../it/listen.rs"]
mod listen;
#[path = "../it/lists.rs"]
mod lists;
#[path = "../it/live.rs"]
mod live;
#[path = "../it/missed.rs"]
mod missed;
#[path = "../it/modern.rs"]
mod modern;
#[path = "../it/reconnecting.rs"]
mod reconnecting;
#[path = "../it/refusals.rs"]
mod refusals;
#[path = "../it/resume.rs"]
mod resume;
#[path = "../it/rig/mod.rs"]
#[expect(dead_code, reason = "what tests of two gateways by themselves need")]
mod rig;
#[path = "../it/rounds.rs"]
mod rounds;
#[path = "../it/sse.rs"]
mod sse;
#[path = "../it/streaming.rs"]
mod streaming;
#[path = "../it/streams.rs"]
mod streams;
#[path = "../it/tasks.rs"]
mod tasks;
#[path = "../it/upgrades.rs"]
mod upgrades;
#[path = "../it/websocket.rs"]
mod websocket;

/// How many gateways a rig has.
const GATEWAYS: usize = 2;
