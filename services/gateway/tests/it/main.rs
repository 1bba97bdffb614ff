//! The gateway through its router, with a scripted control-plane and worker around it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod legacy;
mod modern;
mod refusals;
mod rig;
mod streaming;
