//! Programs that sign in by themselves: what an administrator says of one, its first tokens, and
//! where further ones are asked for.
//!
//! What the program signs in with is stored with the account's tokens, sealed as they are, and is
//! never shown. A first token must come of it, or nothing is stored. From then on the account is
//! renewed as any other, by asking for tokens anew.

mod input;
mod place;
mod sign_in;

pub use input::SignInInput;
pub(super) use place::Placed;
pub(super) use sign_in::SignedIn;
