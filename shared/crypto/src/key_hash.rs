//! How API keys are kept: as a keyed hash of their secret.

use std::fmt;

use subtle::ConstantTimeEq;

use crate::derive::hmac_sha256;
use crate::{DerivedKey, RootKey};

/// Hashes API key secrets. The secrets are 32 random bytes, so a fast keyed hash is enough: a
/// stolen table without the root key gives nothing to guess against.
pub struct KeyHasher(DerivedKey);

impl KeyHasher {
    pub fn new(root: &RootKey) -> Self {
        Self(root.derive("api-key-hash"))
    }

    /// With a key that another process derived; see [`Self::into_key`].
    pub const fn with_key(key: DerivedKey) -> Self {
        Self(key)
    }

    /// What a process needs that checks API keys and has no root key.
    pub fn into_key(self) -> DerivedKey {
        self.0
    }

    /// What is stored of a secret.
    pub fn hash(&self, secret: &str) -> [u8; 32] {
        hmac_sha256(self.0.as_bytes(), &[secret.as_bytes()])
    }

    /// Whether `secret` is the one that `hash` was made of; takes the same time either way.
    pub fn matches(&self, secret: &str, hash: &[u8; 32]) -> bool {
        self.hash(secret).ct_eq(hash).into()
    }
}

impl fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHasher(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_its_own_hash_under_its_own_root_key_only() {
        let root = RootKey::generate();
        let hash = KeyHasher::new(&root).hash("secret");

        assert!(KeyHasher::new(&root).matches("secret", &hash));
        assert!(!KeyHasher::new(&root).matches("Secret", &hash));
        assert!(!KeyHasher::new(&root).matches("", &hash));
        assert!(!KeyHasher::new(&RootKey::generate()).matches("secret", &hash));
    }
}
