//! Programs that sign in by themselves: with what an administrator was given at the provider, and
//! without a person who consents. Their access tokens are short, and are not refreshed but asked
//! for anew.

mod grant;
mod installation;
mod mint;
mod service_account;

pub use grant::{Grant, PemKey, Program, ProgramUnreadable, Proof};
pub use service_account::{ServiceAccount, ServiceAccountError};
