//! The whole system, through its front doors: each scenario starts the real `turnbuckle` binary
//! with a data folder of its own on free ports, and speaks to it as a client, an operator or a
//! provider would.
//!
//! `./test` builds the binary first. A scenario fails when the process logs an error:
//! nothing that a client, an upstream or bad input does is one.

#[cfg(test)]
mod harness;
#[cfg(test)]
mod scenarios;
