//! Tokens: `tbs1.<claims>.<signature>`, both parts base64url. The claims are the caller's role and
//! name, the role it speaks to, and when the token ends.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{Peer, Role};

const PREFIX: &str = "tbs1";
/// How long a token is good for.
const LIFETIME: Duration = Duration::from_secs(60);
/// How far the clocks of two processes may be apart.
const SKEW: Duration = Duration::from_secs(30);
/// Characters of a secret.
const SECRET_MIN: usize = 32;
/// Bytes of a token.
const TOKEN_MAX: usize = 1024;

/// What tokens are signed with: the first one signs, all are believed.
pub(super) struct Secrets(Vec<Zeroizing<Vec<u8>>>);

#[derive(Serialize, Deserialize)]
struct Claims<'a> {
    /// The caller's role.
    role: &'a str,
    /// The caller's name.
    name: String,
    /// The role that is spoken to.
    aud: &'a str,
    /// The end, in seconds since 1970.
    exp: i64,
}

/// Why a token is not believed. Callers learn no more than that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untrusted {
    Malformed,
    Forged,
    Expired,
    /// It lives longer than any that this program signs.
    TooLong,
    /// It was made for another role.
    Audience,
}

impl Secrets {
    /// Reads one secret a line.
    pub(super) fn parse(file: &[u8]) -> anyhow::Result<Self> {
        let lines = file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let secrets = lines.filter(|line| !line.is_empty());
        let secrets: Vec<_> = secrets.map(|line| Zeroizing::new(line.to_vec())).collect();
        anyhow::ensure!(!secrets.is_empty(), "it holds no secret");
        anyhow::ensure!(
            secrets.iter().all(|secret| secret.len() >= SECRET_MIN),
            "each line must have {SECRET_MIN} characters or more"
        );
        Ok(Self(secrets))
    }

    /// The value of an `Authorization` field.
    pub(super) fn sign(&self, me: &Peer, to: Role, now: OffsetDateTime) -> HeaderValue {
        let claims = Claims {
            role: me.role.as_str(),
            name: me.name.to_string(),
            aud: to.as_str(),
            exp: (now + LIFETIME).unix_timestamp(),
        };
        let claims = serde_json::to_vec(&claims).expect("plain data");
        let claims = URL_SAFE_NO_PAD.encode(claims);
        let signature = mac(&self.0[0], &claims).finalize().into_bytes();
        let signature = URL_SAFE_NO_PAD.encode(signature);
        let value = format!("Bearer {PREFIX}.{claims}.{signature}");
        let mut value = HeaderValue::try_from(value).expect("base64 and dots");
        value.set_sensitive(true);
        value
    }

    /// Who a token is of, if it is for the role `own`.
    pub(super) fn verify(
        &self,
        field: &HeaderValue,
        own: Role,
        now: OffsetDateTime,
    ) -> Result<Peer, Untrusted> {
        let token = field.to_str().ok().filter(|text| text.len() <= TOKEN_MAX);
        let token = token.and_then(|text| text.strip_prefix("Bearer "));
        let mut parts = token.ok_or(Untrusted::Malformed)?.split('.');
        let (Some(PREFIX), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Untrusted::Malformed);
        };
        let decode = |part| {
            let decoded = URL_SAFE_NO_PAD.decode(part);
            decoded.map_err(|_| Untrusted::Malformed)
        };
        let signature = decode(signature)?;
        // In constant time each.
        let good = |secret: &Zeroizing<Vec<u8>>| mac(secret, claims).verify_slice(&signature);
        if !self.0.iter().any(|secret| good(secret).is_ok()) {
            return Err(Untrusted::Forged);
        }
        let claims = decode(claims)?;
        let claims: Claims<'_> =
            serde_json::from_slice(&claims).map_err(|_| Untrusted::Malformed)?;
        let now = now.unix_timestamp();
        let (lifetime, skew) = (
            LIFETIME.as_secs().cast_signed(),
            SKEW.as_secs().cast_signed(),
        );
        if claims.exp.saturating_add(skew) <= now {
            return Err(Untrusted::Expired);
        }
        if claims.exp > now.saturating_add(lifetime + skew) {
            return Err(Untrusted::TooLong);
        }
        if claims.aud != own.as_str() {
            return Err(Untrusted::Audience);
        }
        Ok(Peer {
            role: Role::named(claims.role).ok_or(Untrusted::Malformed)?,
            name: claims.name.into(),
        })
    }
}

fn mac(secret: &[u8], claims: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key");
    mac.update(PREFIX.as_bytes());
    mac.update(b".");
    mac.update(claims.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-21 12:00 UTC);

    fn secrets(text: &str) -> Secrets {
        Secrets::parse(text.as_bytes()).unwrap()
    }

    fn gateway() -> Peer {
        Peer {
            role: Role::Gateway,
            name: "g1".into(),
        }
    }

    #[test]
    fn a_token_opens_its_audience_for_a_minute_and_nothing_else() {
        let ours = secrets(&"a".repeat(32));
        let theirs = secrets(&"b".repeat(32));
        let token = ours.sign(&gateway(), Role::Worker, NOW);
        let at = |seconds| NOW + time::Duration::seconds(seconds);

        assert_eq!(ours.verify(&token, Role::Worker, NOW), Ok(gateway()));
        assert_eq!(ours.verify(&token, Role::Worker, at(-30)), Ok(gateway()));
        assert_eq!(ours.verify(&token, Role::Worker, at(89)), Ok(gateway()));
        for (verdict, found) in [
            (
                Untrusted::Expired,
                ours.verify(&token, Role::Worker, at(90)),
            ),
            (
                Untrusted::TooLong,
                ours.verify(&token, Role::Worker, at(-31)),
            ),
            (
                Untrusted::Audience,
                ours.verify(&token, Role::ControlPlane, NOW),
            ),
            (Untrusted::Forged, theirs.verify(&token, Role::Worker, NOW)),
        ] {
            assert_eq!(found, Err(verdict));
        }
        let text = token.to_str().unwrap();
        for bad in [
            "",
            "Bearer ",
            "Basic eDp5",
            "Bearer tbs1.a",
            &format!("{text}.x"),
        ] {
            let field = HeaderValue::from_str(bad).unwrap();
            let found = ours.verify(&field, Role::Worker, NOW);
            assert_eq!(found, Err(Untrusted::Malformed), "{bad:?}");
        }
        let (head, signature) = text.rsplit_once('.').unwrap();
        let claims = br#"{"role":"worker","name":"g1","aud":"worker","exp":1795262460}"#;
        let changed = format!("Bearer tbs1.{}.{signature}", URL_SAFE_NO_PAD.encode(claims));
        assert!(changed.len() < TOKEN_MAX && changed != format!("{head}.{signature}"));
        let changed = HeaderValue::try_from(changed).unwrap();
        let found = ours.verify(&changed, Role::Worker, NOW);
        assert_eq!(found, Err(Untrusted::Forged));
        assert!(!format!("{token:?}").contains("tbs1"));
    }

    #[test]
    fn a_secret_is_replaced_without_a_moment_of_distrust() {
        let (old, new) = ("o".repeat(32), "n".repeat(32));
        let before = secrets(&old);
        let both = secrets(&format!("{new}\n{old}\n"));
        let after = secrets(&new);

        let signed = |by: &Secrets| by.sign(&gateway(), Role::Worker, NOW);
        let believed =
            |by: &Secrets, token: &HeaderValue| by.verify(token, Role::Worker, NOW).is_ok();

        assert!(believed(&both, &signed(&before)));
        assert!(believed(&after, &signed(&both)));
        assert!(!believed(&after, &signed(&before)));
        for bad in ["", "\n", "short", &format!("{old}\nshort")] {
            assert!(Secrets::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
