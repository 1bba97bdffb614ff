//! What reads bytes of strangers, tried with broken ones: each target is a function of any bytes
//! that panics when a promise is broken, and `corpus/<target>/` holds the inputs it starts from.
//!
//! A run takes about a second per target, and is the same for everybody:
//! `cargo nextest run -p fuzz-targets`. `FUZZ_SECONDS=600` goes on for longer, from a seed that it
//! names; `FUZZ_SEED` repeats that one. An input that breaks something is printed, made as small
//! as it goes: put it into the corpus, and it is tried first from then on.
//!
//! See decision 0008 for why this is no coverage-guided fuzzer, and how the targets serve one.

mod budget;
mod corpus;
mod mutate;
mod random;
mod run;
mod shrink;
pub mod targets;

pub use run::fuzz;
