//! Randomness from the operating system.

use zeroize::Zeroizing;

/// `N` bytes fit for keys and nonces.
pub(crate) fn bytes<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut()).expect("the kernel always answers small requests");
    bytes
}
