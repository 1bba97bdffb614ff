//! Everything secret: the root key, the data keys it wraps, sealed fields and tokens, and the
//! hashing of API keys.
//!
//! One root key per installation. Each purpose gets a key of its own derived from it, each tenant
//! a data key of its own wrapped by it. No type here shows its contents in `Debug`, and each
//! forgets them when dropped.

mod api_token;
mod data_key;
mod derive;
mod key_hash;
mod random;
mod root_key;
mod seal;
mod token_seal;

pub use api_token::ApiToken;
pub use data_key::{Aad, DataKey};
pub use derive::DerivedKey;
pub use key_hash::KeyHasher;
pub use random::unguessable;
pub use root_key::{RootKey, RootKeyError};
pub use seal::OpenError;
pub use token_seal::TokenSealer;
