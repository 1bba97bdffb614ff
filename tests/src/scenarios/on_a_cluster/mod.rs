//! The scenarios of a platform once more, on a cluster: two control-planes, two gateways and two
//! workers as processes, behind a balancer that sends each request to a random one.
//!
//! Each file is the same as in one process; what it knows of where it runs is what it has from
//! here. Not here is what is about one process (its start, its end, its files, its log), what has a
//! cluster of its own (`scenarios::cluster`), and what needs no platform.
#![expect(
    clippy::duplicate_mod,
    reason = "each scenario is written once and runs at both places"
)]

use crate::harness::cluster::Balanced as Platform;

#[path = "../access.rs"]
mod access;
#[path = "../clients.rs"]
mod clients;
#[path = "../commands.rs"]
mod commands;
#[path = "../conformance.rs"]
mod conformance;
#[path = "../differential.rs"]
mod differential;
#[path = "../drift.rs"]
mod drift;
#[path = "../hosted.rs"]
mod hosted;
#[path = "../isolation.rs"]
mod isolation;
#[path = "../mid_call.rs"]
mod mid_call;
