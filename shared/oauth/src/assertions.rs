//! What assertions say.

use std::time::Duration;

use oauth2::CsrfToken;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::keys::{NotSigned, SigningKey};

/// How much older than now an assertion says it is: so far may the other side's clock be behind.
const SKEW: Duration = Duration::from_secs(30);
/// How long one is good that is used at once, and of which a new one is made each time.
const SHORT: Duration = Duration::from_secs(300);
/// The longest life that token endpoints take.
const HOUR: Duration = Duration::from_secs(3600);

/// Who says what to whom.
pub(crate) struct Assertion<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) audience: Option<&'a str>,
    pub(crate) scope: Option<&'a str>,
    is_unique: bool,
    life: Duration,
}

impl<'a> Assertion<'a> {
    /// A client proves itself (RFC 7523 §2.2).
    pub(crate) const fn of_client(id: &'a str, audience: &'a str) -> Self {
        Self {
            issuer: id,
            subject: Some(id),
            audience: Some(audience),
            scope: None,
            is_unique: true,
            life: SHORT,
        }
    }

    /// A grant (RFC 7523 §2.1), as Google has it: with the scopes inside.
    pub(crate) const fn of_grant(
        issuer: &'a str,
        subject: Option<&'a str>,
        audience: &'a str,
        scope: &'a str,
    ) -> Self {
        Self {
            issuer,
            subject,
            audience: Some(audience),
            scope: Some(scope),
            is_unique: false,
            life: HOUR,
        }
    }

    /// An app proves itself, as GitHub has it: nobody but the issuer is named.
    pub(crate) const fn of_app(id: &'a str) -> Self {
        Self {
            issuer: id,
            subject: None,
            audience: None,
            scope: None,
            is_unique: false,
            life: SHORT,
        }
    }

    pub(crate) fn signed(
        &self,
        key: &SigningKey,
        now: OffsetDateTime,
    ) -> Result<String, NotSigned> {
        let from = now - SKEW;
        let mut claims = Map::new();
        let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        claim("iss", json!(self.issuer));
        for (name, text) in [
            ("sub", self.subject),
            ("aud", self.audience),
            ("scope", self.scope),
        ] {
            if let Some(text) = text {
                claim(name, json!(text));
            }
        }
        claim("iat", json!(from.unix_timestamp()));
        claim("exp", json!((from + self.life).unix_timestamp()));
        if self.is_unique {
            claim("jti", json!(CsrfToken::new_random().into_secret()));
        }
        key.sign(&claims)
    }
}
