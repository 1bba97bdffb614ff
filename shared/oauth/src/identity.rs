//! Whose account was connected, as far as the provider says.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Characters of a name that are kept.
const NAME_MAX: usize = 200;

/// The claims of the answer's ID token. Its signature is not looked at: it came straight from
/// the token endpoint (OpenID Connect Core 1.0 §3.1.3.7, 6), and it decides about no access.
pub(crate) fn claims(body: &Value) -> Option<Value> {
    let token = body.get("id_token")?.as_str()?;
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// A name for people.
pub(crate) fn subject(claims: &Value) -> Option<String> {
    let names = ["email", "preferred_username", "name"];
    names
        .iter()
        .find_map(|claim| name(claims.get(*claim)?.as_str()?))
}

/// A name that stays.
pub(crate) fn identity(claims: &Value) -> Option<String> {
    name(claims.get("sub")?.as_str()?)
}

/// One line of printable text; none where nothing is left.
pub(crate) fn name(text: &str) -> Option<String> {
    let shown: String = text.chars().filter(|c| !c.is_control()).collect();
    let shown: String = shown.trim().chars().take(NAME_MAX).collect();
    (!shown.is_empty()).then_some(shown)
}
