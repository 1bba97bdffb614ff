//! What the programs of the bench share: a client of one connection, and how to make figures of
//! measurements.

pub mod client;
pub mod figures;
