//! What a browser is given, so that a link works in it alone.

use crypto::unguessable;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// Browsers take `__Host-` only over https, from this host, for all of it: no neighbour can set it.
const SECURE_NAME: &str = "__Host-turnbuckle-connect";
const LOOPBACK_NAME: &str = "turnbuckle-connect";
/// Characters of the value.
const LENGTH: usize = 43;
/// Longer than a person is at a provider's page.
const SECONDS: u32 = 86_400;

/// The value, as the browser sent it.
pub(super) fn browser(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let wanted = name(secure);
    let texts = headers.get_all(COOKIE).iter();
    let mut pairs = texts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'));
    let value = pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == wanted).then_some(value)
    })?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (value.len() == LENGTH && value.bytes().all(fits)).then_some(value)
}

/// The value that the browser has, or a new one; and what gives it to the browser.
pub(super) fn given(known: Option<&str>, secure: bool) -> Option<(String, HeaderValue)> {
    let value = known.map_or_else(|| unguessable().to_string(), str::to_owned);
    let (name, secured) = (name(secure), if secure { "; Secure" } else { "" });
    let cookie =
        format!("{name}={value}; Path=/; Max-Age={SECONDS}; HttpOnly; SameSite=Lax{secured}");
    let mut cookie = HeaderValue::from_str(&cookie).ok()?;
    cookie.set_sensitive(true);
    Some((value, cookie))
}

const fn name(secure: bool) -> &'static str {
    if secure { SECURE_NAME } else { LOOPBACK_NAME }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_known_by_the_cookie_that_it_was_given_and_by_no_other() {
        let (value, set) = given(None, true).unwrap();
        let set = set.to_str().unwrap();
        assert!(
            set.starts_with(&format!("__Host-turnbuckle-connect={value}; Path=/;")),
            "{set}"
        );
        assert!(set.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{set}");

        let sent = |text: &str, secure| {
            let headers = HeaderMap::from_iter([(COOKIE, text.parse().unwrap())]);
            browser(&headers, secure).map(str::to_owned)
        };
        let all = format!("a=b; __Host-turnbuckle-connect={value}; c=d");
        assert_eq!(sent(&all, true), Some(value.clone()));
        assert_eq!(sent(&all, false), None);
        assert_eq!(sent(&format!("turnbuckle-connect={value}"), true), None);
        assert_eq!(sent("__Host-turnbuckle-connect=short", true), None);
        assert_eq!(given(Some(&value), true).unwrap().0, value);
    }
}
