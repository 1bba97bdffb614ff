//! Keys for one purpose each, derived from the root key.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::random;
use crate::seal::{OpenError, open, seal};

/// HMAC-SHA256 of the parts, one after the other.
pub(crate) fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// A key made from the root key for one purpose. Knowing it tells nothing of the root key or of
/// any other purpose's key.
pub struct DerivedKey(Zeroizing<[u8; 32]>);

impl DerivedKey {
    /// One block of HKDF-Expand (RFC 5869 §2.3); the root key is uniformly random already, so the
    /// extract step has nothing to do.
    pub(crate) fn expand(root: &[u8; 32], label: &str) -> Self {
        let block = hmac_sha256(root, &[b"turnbuckle/v1/", label.as_bytes(), &[1]]);
        Self(Zeroizing::new(block))
    }

    /// A key that was derived elsewhere and sent here, or kept.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key that comes from no root key: for what one machine keeps for itself.
    pub fn generate() -> Self {
        Self(Zeroizing::new(*random::bytes::<32>()))
    }

    /// Seals what only this key is to open, and only with the same `aad`.
    pub fn seal(&self, plain: &[u8], aad: &[u8]) -> Vec<u8> {
        seal(&self.0, plain, aad)
    }

    /// What was sealed.
    ///
    /// # Errors
    /// It was not sealed with this key and `aad`.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        open(&self.0, sealed, aad)
    }

    /// The key itself, for a primitive outside this crate.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_sealed_opens_with_it_and_its_place_only() {
        let key = DerivedKey::generate();
        let sealed = key.seal(b"config", b"acme");
        let again = DerivedKey::from_bytes(*key.as_bytes());

        assert_eq!(*again.open(&sealed, b"acme").unwrap(), b"config");
        assert!(again.open(&sealed, b"rival").is_err());
        assert!(DerivedKey::generate().open(&sealed, b"acme").is_err());
    }

    #[test]
    fn hmac_agrees_with_the_published_vector() {
        // RFC 4231 §4.3, with its key padded by zeros to 32 bytes, which HMAC does anyway.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");

        let mac = hmac_sha256(&key, &[b"what do ya want ", b"for nothing?"]);

        let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn each_label_has_its_own_key_and_keeps_it() {
        let root = [7; 32];
        let [a, again, b] = ["a", "a", "b"].map(|label| DerivedKey::expand(&root, label));

        assert_eq!(a.as_bytes(), again.as_bytes());
        assert_ne!(a.as_bytes(), b.as_bytes());
        assert_eq!(format!("{a:?}"), "DerivedKey(..)");
    }
}
