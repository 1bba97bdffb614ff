//! The stand-ins themselves: a double that lets everything pass proves nothing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod provider;
