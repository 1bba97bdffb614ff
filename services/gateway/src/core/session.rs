//! Legacy session ids: sealed tokens that say whose they are, and what was agreed.

use ::mcp::{LEGACY_VERSIONS, ProtocolVersion};
use bytes::Bytes;
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
    /// Unix milliseconds.
    pub(crate) begun: i64,
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

const PURPOSE: &[u8] = b"mcp session 2";
const LENGTH: usize = 16 * 4 + 1 + 8 + 8;
/// Bytes of facts that an id carries. Longer ones stay in the record alone, and a session with
/// such does not outlive it.
const FACTS_MAX: usize = 1_536;
/// No seal of ours is longer; longer ones are not even opened.
const MAX_TEXT: usize = 3_072;

impl Session {
    /// Visible ASCII, as the header demands. `facts` are those of the record; none where they are
    /// not agreed yet.
    pub(crate) fn seal(&self, facts: &[u8], sealer: &TokenSealer) -> String {
        let facts = Some(facts).filter(|facts| facts.len() <= FACTS_MAX);
        let facts = facts.unwrap_or_default();
        let mut plain = Vec::with_capacity(LENGTH + facts.len());
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
        plain.extend_from_slice(&self.begun.to_be_bytes());
        plain.extend_from_slice(facts);
        sealer.seal(&plain, PURPOSE)
    }

    /// Opens a session id that was made here, for exactly what it was bound to, and has not
    /// expired, with its facts if it carries them. Why another one is refused is nobody's
    /// business.
    pub(crate) fn open(
        text: &str,
        sealer: &TokenSealer,
        bound: Bound,
        now: OffsetDateTime,
    ) -> Option<(Self, Option<Bytes>)> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let mut plain = sealer.open(text, PURPOSE)?;
        if plain.len() < LENGTH {
            return None;
        }
        let facts = Bytes::from(plain.split_off(LENGTH));
        let plain: [u8; LENGTH] = plain.try_into().ok()?;
        let number = |at: usize| {
            let bytes = plain[at..at + 8].try_into();
            i64::from_be_bytes(bytes.expect("eight bytes of a longer array"))
        };
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
            expires: number(65),
            begun: number(73),
        };
        let facts = Some(facts).filter(|facts| !facts.is_empty());
        let good = session.bound == bound && now.unix_timestamp() < session.expires;
        good.then_some((session, facts))
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
            begun: 7,
            expires: 100,
        };
        let text = session.seal(b"{}", &sealer);
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let open = |text: &str, bound| Session::open(text, &sealer, bound, at(99));

        assert!(text.bytes().all(|byte| matches!(byte, 0x21..=0x7e)));
        let facts = Bytes::from_static(b"{}");
        assert_eq!(open(&text, bound), Some((session, Some(facts))));
        for none in [vec![], vec![b'x'; FACTS_MAX + 1]] {
            let without = session.seal(&none, &sealer);
            assert_eq!(open(&without, bound), Some((session, None)));
        }
        let most = session.seal(&[b'x'; FACTS_MAX], &sealer);
        assert!(open(&most, bound).is_some_and(|(_, facts)| facts.is_some()));
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
        assert_eq!(open(&"A".repeat(MAX_TEXT + 1), bound), None);
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
            if let Some((session, facts)) = &opened {
                assert!(session.bound == bound && session.expires > 99);
                let facts = facts.as_deref().unwrap_or_default();
                let again = open(&session.seal(facts, &sealer));
                assert!(again.is_some_and(|(again, _)| again == *session));
            }
            opened.map(|(session, _)| session.version)
        });
    }
}
