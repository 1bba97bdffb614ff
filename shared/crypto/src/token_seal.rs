//! State handed to a client and taken back: it can neither read nor change it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::seal::{open, seal};
use crate::{DerivedKey, RootKey};

/// Seals tokens of one purpose: session ids, page cursors and the like. A token of one purpose is
/// worthless for another.
pub struct TokenSealer(DerivedKey);

impl TokenSealer {
    pub fn new(root: &RootKey, purpose: &str) -> Self {
        Self(root.derive(&format!("token/{purpose}")))
    }

    /// With a key that another process derived; see [`Self::into_key`].
    pub const fn with_key(key: DerivedKey) -> Self {
        Self(key)
    }

    /// What a process needs that seals such tokens and has no root key.
    pub fn into_key(self) -> DerivedKey {
        self.0
    }

    /// A base64url text: visible ASCII, fit for a header or a query. It opens only with the same
    /// `aad`, which is not part of it.
    pub fn seal(&self, plain: &[u8], aad: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(seal(self.0.as_bytes(), plain, aad))
    }

    /// What was sealed, or nothing when the token is not one of ours for this `aad`.
    pub fn open(&self, token: &str, aad: &[u8]) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        let mut plain = open(self.0.as_bytes(), &sealed, aad).ok()?;
        Some(std::mem::take(&mut *plain))
    }
}

impl fmt::Debug for TokenSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSealer(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_opens_for_its_purpose_its_aad_and_its_root_key_only() {
        let root = RootKey::generate();
        let sessions = TokenSealer::new(&root, "session");
        let token = sessions.seal(b"state", b"acme");

        assert_eq!(sessions.open(&token, b"acme"), Some(b"state".to_vec()));
        assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));

        assert_eq!(sessions.open(&token, b"rival"), None);
        assert_eq!(TokenSealer::new(&root, "page").open(&token, b"acme"), None);
        assert_eq!(
            TokenSealer::new(&RootKey::generate(), "session").open(&token, b"acme"),
            None
        );
        assert_eq!(sessions.open("", b"acme"), None);
        assert_eq!(sessions.open(&format!("{token}="), b"acme"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_refused_without_panic(text in ".{0,200}") {
            prop_assert_eq!(TokenSealer::new(&RootKey::generate(), "x").open(&text, b""), None);
        }

        #[test]
        fn any_state_comes_back(plain in proptest::collection::vec(any::<u8>(), 0..300)) {
            let sealer = TokenSealer::new(&RootKey::generate(), "x");
            prop_assert_eq!(sealer.open(&sealer.seal(&plain, b"a"), b"a"), Some(plain));
        }
    }
}
