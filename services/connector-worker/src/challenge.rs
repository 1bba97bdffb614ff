//! What `WWW-Authenticate` says of a token whose grant is too small (RFC 6750 §3).

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// The scopes that would have been enough, if a challenge says that the token's are not; empty
/// where it does not name them.
pub(crate) fn insufficient_scope(headers: &HeaderMap) -> Option<Vec<String>> {
    let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
    let mut challenges = challenges.filter_map(|value| value.to_str().ok());
    let challenge = challenges.find(|challenge| {
        attribute(challenge, "error").is_some_and(|error| error == "insufficient_scope")
    })?;
    let scopes = attribute(challenge, "scope").unwrap_or_default();
    Some(scopes.split_whitespace().map(str::to_owned).collect())
}

/// The value of a parameter of a challenge. Quoted values of scopes and errors hold no escapes.
fn attribute<'c>(challenge: &'c str, name: &str) -> Option<&'c str> {
    let mut rest = challenge;
    while let Some(at) = rest.find('=') {
        let (before, value) = (&rest[..at], &rest[at + 1..]);
        let key = before.rsplit([' ', ',', '\t']).next().unwrap_or_default();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => {
                let end = value.find([',', ' ']).unwrap_or(value.len());
                value.split_at(end)
            }
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_challenge_names_the_scopes_that_are_missing() {
        let read = |value: &'static str| {
            let value = HeaderValue::from_static(value);
            insufficient_scope(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]))
        };
        let all = read(r#"Bearer realm="a, b=c", error="insufficient_scope", scope="one two""#);
        assert_eq!(all, Some(vec!["one".to_owned(), "two".to_owned()]));
        assert_eq!(read("Bearer error=insufficient_scope"), Some(Vec::new()));
        for other in [
            r#"Bearer error="invalid_token", scope="one""#,
            "Bearer",
            r#"Basic realm="error=insufficient_scope"#,
            "=,=",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
