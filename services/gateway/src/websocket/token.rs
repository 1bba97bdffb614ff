//! `auth/setUserToken`, an extension of the system that this one replaces: the caller's own
//! provider token, for all calls of one connection from now on. Known on this transport only; over
//! HTTP it is a header field of each request.

use std::sync::Arc;

use ::mcp::codes;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::core::Answer;

pub(super) const METHOD: &str = "auth/setUserToken";

/// Bytes of a token.
pub(crate) const MAX_BYTES: usize = 8 * 1024;

/// A user token, kept in memory alone.
pub(crate) type UserToken = Arc<SecretString>;

#[derive(Deserialize)]
struct SetUserToken {
    token: Option<String>,
}

/// Reads the wish: a token, or `null` for none any more.
pub(super) fn read(params: Option<&RawValue>) -> Result<Option<UserToken>, &'static str> {
    const RULE: &str = "Invalid params: token must be 1 to 8192 visible ASCII characters, or null";
    let text = params.map_or("{}", |params| params.get());
    // A message that would say what was wrong could hold the token.
    let wish: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|_| RULE)?;
    if !wish.contains_key("token") {
        return Err(RULE);
    }
    let wish: SetUserToken = serde_json::from_str(text).map_err(|_| RULE)?;
    match wish.token {
        None => Ok(None),
        Some(token) if is_sendable(&token) => Ok(Some(Arc::new(SecretString::from(token)))),
        Some(_) => Err(RULE),
    }
}

/// Whether a token can be sent in a header field.
pub(crate) fn is_sendable(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= MAX_BYTES
        && token.bytes().all(|byte| matches!(byte, 0x21..=0x7e))
}

/// The answer, in the replaced system's words.
pub(super) fn answer(id: &str, read: &Result<Option<UserToken>, &'static str>) -> Answer {
    match read {
        Ok(Some(_)) => Answer::result(id, br#"{"status":"token_set"}"#),
        Ok(None) => Answer::result(id, br#"{"status":"token_cleared"}"#),
        Err(rule) => Answer::error(id, codes::INVALID_PARAMS, rule, None),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(params: &str) -> Result<Option<String>, &'static str> {
        let raw = RawValue::from_string(params.to_owned()).unwrap();
        super::read(Some(&raw)).map(|token| token.map(|token| token.expose_secret().to_owned()))
    }

    #[test]
    fn a_token_is_taken_only_if_it_could_be_sent() {
        assert_eq!(read(r#"{"token":"abc"}"#), Ok(Some("abc".to_owned())));
        assert_eq!(read(r#"{"token":null}"#), Ok(None));
        let longest = "a".repeat(MAX_BYTES);
        assert!(read(&format!(r#"{{"token":"{longest}"}}"#)).is_ok());
        for wrong in [
            "{}".to_owned(),
            r#"{"token":""}"#.to_owned(),
            r#"{"token":"a b"}"#.to_owned(),
            r#"{"token":7}"#.to_owned(),
            format!(r#"{{"token":"{longest}a"}}"#),
        ] {
            assert!(read(&wrong).is_err(), "{wrong:.40}");
        }
    }

    #[test]
    fn no_params_give_a_token_that_cannot_be_sent() {
        let words = ["\"token\":", "\"token\":null", "\"tok\\u0065n\":\"a\""];
        fuzz_targets::fuzz("user_token", &words, |input| {
            let raw: Result<&RawValue, _> = serde_json::from_slice(input);
            let token = super::read(raw.ok());
            if let Ok(Some(token)) = &token {
                assert!(is_sendable(token.expose_secret()));
            }
            token.map(|token| token.is_some())
        });
    }
}
