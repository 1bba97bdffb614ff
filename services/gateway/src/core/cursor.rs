//! Page cursors: sealed, and worthless for another tenant, endpoint, key or method.

use crypto::TokenSealer;

use super::session::Bound;

/// A longer cursor is none of ours.
const MAX_TEXT: usize = 32 * 1024;
/// A longer cursor of an upstream cannot be carried.
pub(super) const MAX_PLAIN: usize = 16 * 1024;

/// Seals `plain` for the next page of `method`.
pub(super) fn seal(sealer: &TokenSealer, bound: Bound, method: &str, plain: &[u8]) -> String {
    sealer.seal(plain, &place(bound, method))
}

/// What was sealed for exactly this. Why another cursor is refused is nobody's business.
pub(super) fn open(
    sealer: &TokenSealer,
    bound: Bound,
    method: &str,
    cursor: &str,
) -> Option<Vec<u8>> {
    if cursor.len() > MAX_TEXT {
        return None;
    }
    sealer.open(cursor, &place(bound, method))
}

fn place(bound: Bound, method: &str) -> Vec<u8> {
    bound.place(b"mcp cursor 1", method.as_bytes())
}
