use std::sync::LazyLock;

use crypto::{RootKey, TokenSealer};

/// What clients hand back to us: session ids, cursors, task ids, `requestState`. Whatever was
/// changed, by so much as a bit, opens nothing; and nothing that was not sealed does.
pub fn tokens(input: &[u8]) -> (bool, bool) {
    static SEALER: LazyLock<TokenSealer> =
        LazyLock::new(|| TokenSealer::new(&RootKey::generate(), "fuzz"));
    let (plain, change) = input.split_at(input.len() / 2);
    let token = SEALER.seal(plain, b"aad");
    assert_eq!(SEALER.open(&token, b"aad").as_deref(), Some(plain));
    assert_eq!(SEALER.open(&token, input).is_some(), input == b"aad");

    let text = String::from_utf8_lossy(input);
    assert_eq!(SEALER.open(&text, b"aad"), None);

    let mut changed = token.clone().into_bytes();
    for (index, byte) in change.iter().enumerate() {
        let place = index.wrapping_mul(31) % changed.len();
        changed[place] ^= byte;
    }
    let changed = String::from_utf8_lossy(&changed);
    assert_eq!(SEALER.open(&changed, b"aad").is_some(), *changed == *token);
    (plain.is_empty(), *changed == *token)
}
