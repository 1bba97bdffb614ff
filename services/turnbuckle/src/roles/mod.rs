//! The roles that this binary can play. Wiring only: what a role does is in its service.

mod up;

pub(crate) use up::{UpArgs, up};
