//! The text of an API key.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{KeyId, Scope};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::random;

const SECRET_LENGTH: usize = 43;
const ID_LENGTH: usize = 32;

/// An API key in clear: `tb_<scope>_<id>_<secret>`. The scope is two letters so that a key found
/// somewhere tells how bad that is, the id 32 hexadecimal digits, the secret 32 random bytes in
/// base64url.
///
/// What the text says of the scope is not believed: the stored key decides.
pub struct ApiToken {
    id: KeyId,
    scope: Scope,
    secret: Zeroizing<String>,
}

impl ApiToken {
    /// Makes the token of a new key.
    pub fn mint(id: KeyId, scope: Scope) -> Self {
        let secret = URL_SAFE_NO_PAD.encode(random::bytes::<32>());
        Self {
            id,
            scope,
            secret: Zeroizing::new(secret),
        }
    }

    /// Reads a token as a client sends it; `None` when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let (scope, rest) = Scope::ALL
            .into_iter()
            .find_map(|scope| Some((scope, text.strip_prefix(prefix(scope))?)))?;
        let (id, rest) = rest.split_at_checked(ID_LENGTH)?;
        let secret = rest
            .strip_prefix('_')
            .filter(|secret| secret.len() == SECRET_LENGTH)?;

        let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !id.bytes().all(lower_hex) {
            return None;
        }
        let id = KeyId::new(Uuid::try_parse(id).ok()?);
        // Refuses a last character whose unused bits are set: a key has one spelling.
        Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).ok()?);
        Some(Self {
            id,
            scope,
            secret: Zeroizing::new(secret.to_owned()),
        })
    }

    pub fn id(&self) -> KeyId {
        self.id
    }

    /// As the text claims it.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The part that proves; give it to [`crate::KeyHasher`].
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The whole text, for the one answer that shows it.
    pub fn expose(&self) -> String {
        format!(
            "{}{}_{}",
            prefix(self.scope),
            self.id.as_uuid().simple(),
            *self.secret
        )
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiToken")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

const fn prefix(scope: Scope) -> &'static str {
    match scope {
        Scope::PlatformAdmin => "tb_pa_",
        Scope::TenantAdmin => "tb_ta_",
        Scope::TenantUser => "tb_tu_",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: KeyId = KeyId::new(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));

    #[test]
    fn a_minted_token_reads_back_and_has_the_written_form() {
        for (scope, start) in Scope::ALL.into_iter().zip(["tb_pa_", "tb_ta_", "tb_tu_"]) {
            let token = ApiToken::mint(ID, scope);
            let text = token.expose();

            assert!(text.starts_with(&format!("{start}0123456789abcdef0123456789abcdef_")));
            assert_eq!(text.len(), 6 + 32 + 1 + 43);

            let back = ApiToken::parse(&text).unwrap();
            assert_eq!((back.id(), back.scope()), (ID, scope));
            assert_eq!(back.secret(), token.secret());
            assert!(!format!("{token:?}").contains(token.secret()));
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let secret = "A".repeat(43);
        let id = "0".repeat(32);
        assert!(ApiToken::parse(&format!("tb_pa_{id}_{secret}")).is_some());

        for bad in [
            String::new(),
            format!("tb_xx_{id}_{secret}"),
            format!("TB_pa_{id}_{secret}"),
            format!("tb_pa_{id}_{secret}A"),
            format!("tb_pa_{id}_{}", &secret[1..]),
            format!("tb_pa_{id}-{secret}"),
            format!("tb_pa_{}_{secret}", "A".repeat(32)),
            format!("tb_pa_{}_{secret}", "g".repeat(32)),
            format!("tb_pa_{id}_{}!", &secret[1..]),
            format!("tb_pa_{id}_{}B", &secret[1..]),
            format!(" tb_pa_{id}_{secret}"),
        ] {
            assert!(ApiToken::parse(&bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(tb_pa_)?.{0,80}") {
            let _ = ApiToken::parse(&text);
        }
    }
}
