//! Calls that are signed with accounts: whose, what becomes of a token that the provider does not
//! take, and how a person is asked for one that is missing.

mod applied;
mod asking;
mod choice;
mod desk;
mod kept;
mod refused;
mod remote;
