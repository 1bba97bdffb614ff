//! The gateway through its router, with a scripted control-plane and worker around it.

mod access;
mod legacy;
mod modern;
mod refusals;
mod rig;
mod streaming;
