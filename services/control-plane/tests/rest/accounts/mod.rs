//! Accounts: connecting them as a person does, and managing them.

mod answers;
mod connecting;
mod managing;
mod programs;
mod rig;
