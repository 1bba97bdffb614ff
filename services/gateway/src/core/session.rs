//! Legacy session ids: sealed tokens that say whose they are, and what was agreed.

use ::mcp::{LEGACY_VERSIONS, ProtocolVersion};
use cache::SessionId;
use crypto::TokenSealer;
use domain::{ConnectorId, KeyId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

/// What a session id says, readable by us alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) bound: Bound,
    pub(crate) version: ProtocolVersion,
    /// Unix seconds.
    pub(crate) expires: i64,
}

/// What a session works for: it is dead to every other combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) tenant: TenantId,
    /// The connector of a single-connector endpoint.
    pub(crate) connector: Option<ConnectorId>,
    pub(crate) key: KeyId,
}

impl Bound {
    /// Associated data of a token of `purpose` that is bound to this, and to `what`.
    pub(super) fn place(&self, purpose: &[u8], what: &[u8]) -> Vec<u8> {
        let connector = self.connector.map_or(Uuid::nil(), |id| id.as_uuid());
        let (tenant, key) = (self.tenant.as_uuid(), self.key.as_uuid());
        let bound = [tenant.as_bytes(), connector.as_bytes(), key.as_bytes()];
        let mut out = Vec::with_capacity(purpose.len() + 49 + what.len());
        out.extend_from_slice(purpose);
        out.push(0);
        bound.iter().for_each(|id| out.extend_from_slice(*id));
        out.extend_from_slice(what);
        out
    }
}

const PURPOSE: &[u8] = b"mcp session 1";
const LENGTH: usize = 16 * 4 + 1 + 8;
/// No seal of ours is longer; longer ones are not even opened.
const MAX_TEXT: usize = 512;

impl Session {
    /// Visible ASCII, as the header demands.
    pub(crate) fn seal(&self, sealer: &TokenSealer) -> String {
        let mut plain = Vec::with_capacity(LENGTH);
        plain.extend_from_slice(self.id.as_bytes());
        plain.extend_from_slice(self.bound.tenant.as_uuid().as_bytes());
        let connector = self.bound.connector.map_or(Uuid::nil(), |id| id.as_uuid());
        plain.extend_from_slice(connector.as_bytes());
        plain.extend_from_slice(self.bound.key.as_uuid().as_bytes());
        let version = LEGACY_VERSIONS
            .iter()
            .position(|version| *version == self.version);
        plain.push(version.expect("sessions are legacy") as u8);
        plain.extend_from_slice(&self.expires.to_be_bytes());
        sealer.seal(&plain, PURPOSE)
    }

    /// Opens a session id that was made here, for exactly what it was bound to, and has not
    /// expired. Why another one is refused is nobody's business.
    pub(crate) fn open(
        text: &str,
        sealer: &TokenSealer,
        bound: Bound,
        now: OffsetDateTime,
    ) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let plain: [u8; LENGTH] = sealer.open(text, PURPOSE)?.try_into().ok()?;
        let uuid = |at: usize| {
            Uuid::from_bytes(
                plain[at..at + 16]
                    .try_into()
                    .expect("sixteen bytes of a longer array"),
            )
        };
        let connector = Some(uuid(32)).filter(|id| !id.is_nil());
        let session = Self {
            id: uuid(0),
            bound: Bound {
                tenant: TenantId::new(uuid(16)),
                connector: connector.map(ConnectorId::new),
                key: KeyId::new(uuid(48)),
            },
            version: *LEGACY_VERSIONS.get(usize::from(plain[64]))?,
            expires: i64::from_be_bytes(plain[65..].try_into().expect("the last eight bytes")),
        };
        (session.bound == bound && now.unix_timestamp() < session.expires).then_some(session)
    }
}

#[cfg(test)]
mod tests {
    use crypto::RootKey;

    use super::*;

    #[test]
    fn a_session_opens_for_what_it_is_bound_to_and_until_it_expires() {
        let sealer = TokenSealer::new(&RootKey::generate(), "session");
        let id = |n| Uuid::from_u128(n);
        let bound = Bound {
            tenant: TenantId::new(id(2)),
            connector: Some(ConnectorId::new(id(3))),
            key: KeyId::new(id(4)),
        };
        let version = ProtocolVersion::V2025_06_18;
        let session = Session {
            id: id(1),
            bound,
            version,
            expires: 100,
        };
        let text = session.seal(&sealer);
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let open = |text: &str, bound| Session::open(text, &sealer, bound, at(99));

        assert!(text.bytes().all(|byte| matches!(byte, 0x21..=0x7e)));
        assert_eq!(open(&text, bound), Some(session));
        assert_eq!(Session::open(&text, &sealer, bound, at(100)), None);
        assert_eq!(
            open(
                &text,
                Bound {
                    tenant: TenantId::new(id(9)),
                    ..bound
                }
            ),
            None
        );
        assert_eq!(
            open(
                &text,
                Bound {
                    key: KeyId::new(id(9)),
                    ..bound
                }
            ),
            None
        );
        assert_eq!(
            open(
                &text,
                Bound {
                    connector: None,
                    ..bound
                }
            ),
            None
        );
        assert_eq!(open(&text[..text.len() - 1], bound), None);
        assert_eq!(open("", bound), None);
        assert_eq!(open(&"A".repeat(1_000), bound), None);
        let other = TokenSealer::new(&RootKey::generate(), "session");
        assert_eq!(Session::open(&text, &other, bound, at(99)), None);
    }

    #[test]
    fn no_bytes_are_a_session_id() {
        let sealer = TokenSealer::new(&RootKey::generate(), "session");
        let bound = Bound {
            tenant: TenantId::new(Uuid::from_u128(2)),
            connector: Some(ConnectorId::new(Uuid::from_u128(3))),
            key: KeyId::new(Uuid::from_u128(4)),
        };
        let now = OffsetDateTime::from_unix_timestamp(99).unwrap();
        let open = |text: &str| Session::open(text, &sealer, bound, now);

        fuzz_targets::fuzz("session_id", &[], |input| {
            assert_eq!(open(&String::from_utf8_lossy(input)), None);
            // What nobody but us can have sealed is read with care all the same.
            let opened = open(&sealer.seal(input, PURPOSE));
            if let Some(session) = opened {
                assert!(session.bound == bound && session.expires > 99);
                assert_eq!(open(&session.seal(&sealer)), opened);
            }
            opened.map(|session| session.version)
        });
    }
}
