//! What the system promises, told through its front doors.

mod access;
mod accounts;
mod architecture;
mod browser;
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
mod manifests;
mod mid_call;
mod on_a_cluster;
mod programs;
mod refusals;
mod shutdown;
mod sign_in;
mod startup;
mod telemetry;
mod traces;

use crate::harness::Platform;
