//! Randomness from the operating system.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// A text that nobody can guess: 32 random bytes in base64url, 43 characters that stand in URLs
/// and cookies as they are.
pub fn unguessable() -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes::<32>()))
}

/// `N` bytes fit for keys and nonces.
pub(crate) fn bytes<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut()).expect("the kernel always answers small requests");
    bytes
}
