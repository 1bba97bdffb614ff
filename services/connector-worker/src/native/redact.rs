//! A provider may repeat in an answer what we sent it; the credential must not travel on with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fabric::Outcome;

/// Shorter secrets could be part of any text.
const SHORTEST: usize = 8;
const INSTEAD: &str = "[redacted]";

/// Takes `secret` out of what is told of a call, also as a request has it: the password of a pair
/// by itself, and a pair in Base64.
pub(super) fn redact(outcome: Outcome, secret: Option<&str>) -> Outcome {
    let Some(secret) = secret else {
        return outcome;
    };
    let password = secret.split_once(':').map(|(_, password)| password);
    let packed = [
        secret.to_owned(),
        format!("{}:", secret.trim_end_matches(':')),
    ];
    let packed = packed.map(|pair| STANDARD.encode(pair));
    let forms = std::iter::once(secret).chain(password);
    let forms = forms.chain(packed.iter().map(String::as_str));
    forms
        .filter(|form| form.len() >= SHORTEST)
        .fold(outcome, without)
}

fn without(outcome: Outcome, secret: &str) -> Outcome {
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

        let pair = Some("ada@x.example:api-t0ken");
        let packed = STANDARD.encode("ada@x.example:api-t0ken");
        for form in ["api-t0ken", packed.as_str()] {
            let echoed = format!(r#"{{"text":"no {form} here"}}"#).leak();
            assert_eq!(redacted(echoed, pair), r#"{"text":"no [redacted] here"}"#);
        }
    }
}
