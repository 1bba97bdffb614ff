//! Assertions, verified as strictly as providers do it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::key::TestKey;

/// How far another's clock may be ahead.
const SKEW: u64 = 5;

/// What an assertion must say.
pub(super) struct Wanted<'a> {
    pub(super) key: &'a TestKey,
    pub(super) issuer: &'a str,
    /// None: whatever it says, or nothing.
    pub(super) subject: Option<&'a str>,
    pub(super) audience: Option<&'a str>,
    /// The longest from `iat` to `exp`.
    pub(super) longest: Duration,
}

/// Seconds since 1970 by the machine's clock, which is that of whoever signs.
pub(super) fn now() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test kit has no runtime::Clock"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The claims of `token`, if it is what is wanted; else what is wrong.
pub(super) fn verified(token: &str, wanted: &Wanted<'_>) -> Result<Map<String, Value>, String> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("the assertion is no JWT".to_owned());
    };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let object =
        |part: &str| -> Option<Map<String, Value>> { serde_json::from_slice(&decoded(part)?).ok() };
    let (Some(said), Some(body), Some(signature)) =
        (object(header), object(claims), decoded(signature))
    else {
        return Err("the assertion cannot be read".to_owned());
    };
    if said.get("alg").and_then(Value::as_str) != Some(wanted.key.algorithm()) {
        return Err("the assertion's algorithm is another".to_owned());
    }
    let named = said.get("x5t#S256").and_then(Value::as_str);
    if named != wanted.key.thumbprint().as_deref() {
        return Err("the assertion names another certificate, or none".to_owned());
    }
    let signed = format!("{header}.{claims}");
    if !wanted.key.signed(signed.as_bytes(), &signature) {
        return Err("Invalid JWT Signature.".to_owned());
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    if text("iss") != Some(wanted.issuer) {
        return Err("iss is another".to_owned());
    }
    if wanted.subject.is_some_and(|sub| text("sub") != Some(sub)) {
        return Err("sub is another".to_owned());
    }
    if wanted.audience.is_some_and(|aud| text("aud") != Some(aud)) {
        return Err(format!("aud is {:?}", text("aud")));
    }
    let moment = |name: &str| body.get(name).and_then(Value::as_u64);
    let (Some(from), Some(until)) = (moment("iat"), moment("exp")) else {
        return Err("iat or exp is missing".to_owned());
    };
    let now = now();
    if from > now + SKEW || until <= now || until - from > wanted.longest.as_secs() {
        return Err("the assertion is not of now, or lasts too long".to_owned());
    }
    Ok(body)
}
