//! A provider may repeat in an answer what we sent it; the credential must not travel on with it.

use bytes::Bytes;
use fabric::Outcome;

/// Shorter secrets could be part of any text.
const SHORTEST: usize = 8;
const INSTEAD: &str = "[redacted]";

/// Takes `secret` out of what is told of a call.
pub(super) fn redact(outcome: Outcome, secret: Option<&str>) -> Outcome {
    let Some(secret) = secret.filter(|secret| secret.len() >= SHORTEST) else {
        return outcome;
    };
    match outcome {
        // What a native connector asks back is the platform's own.
        Outcome::InputRequired(_) => outcome,
        Outcome::Result(result) => Outcome::Result(in_bytes(result, secret)),
        Outcome::Error(mut error) => {
            error.message = error.message.replace(secret, INSTEAD);
            error.data = error.data.map(|data| in_bytes(data, secret));
            Outcome::Error(error)
        }
        Outcome::Failed(mut failure) => {
            failure.message = failure.message.replace(secret, INSTEAD);
            Outcome::Failed(failure)
        }
    }
}

fn in_bytes(text: Bytes, secret: &str) -> Bytes {
    match std::str::from_utf8(&text) {
        Ok(found) if found.contains(secret) => found.replace(secret, INSTEAD).into(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_that_comes_back_is_taken_out_and_the_rest_stays() {
        let result = |text: &'static str| Outcome::Result(Bytes::from_static(text.as_bytes()));
        let redacted = |text, secret| match redact(result(text), secret) {
            Outcome::Result(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        };

        let echoed = r#"{"text":"boom Bearer ghp_12345678"}"#;
        assert_eq!(
            redacted(echoed, Some("ghp_12345678")),
            r#"{"text":"boom Bearer [redacted]"}"#
        );
        assert_eq!(
            redacted(echoed, Some("boom")),
            echoed,
            "too short to be sure"
        );
        assert_eq!(redacted(echoed, None), echoed);
    }
}
