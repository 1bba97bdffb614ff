//! What the system promises, told through its front doors.

mod access;
mod architecture;
mod clients;
mod cluster;
mod commands;
mod conformance;
mod conformance_client;
mod conformance_direct;
mod differential;
mod documents;
mod drift;
mod durability;
mod hosted;
mod isolation;
mod on_a_cluster;
mod refusals;
mod shutdown;
mod startup;
mod telemetry;
mod traces;

use crate::harness::Platform;
