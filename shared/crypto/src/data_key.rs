//! The key that seals one tenant's fields, and the place a sealed field is bound to.

use std::fmt;

use domain::TenantId;
use zeroize::Zeroizing;

use crate::seal::{OpenError, open, seal};
use crate::{DerivedKey, RootKey, random};

/// Where a sealed field lies. It opens there and nowhere else, so that whoever can write to the
/// database cannot make one tenant's secret appear as another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aad<'a> {
    /// None for a row of the platform.
    pub tenant: Option<TenantId>,
    pub table: &'a str,
    pub column: &'a str,
    /// The row's own key in the table, as text.
    pub row: &'a str,
    /// Of the data key; see [`DataKey::wrap`].
    pub generation: u32,
}

impl Aad<'_> {
    /// No two places have the same bytes: each part is preceded by its length.
    fn to_bytes(self) -> Vec<u8> {
        let tenant = self.tenant.map(|id| id.as_uuid().into_bytes());
        let parts: [&[u8]; 5] = [
            tenant.as_ref().map_or(&[], |bytes| bytes.as_slice()),
            self.table.as_bytes(),
            self.column.as_bytes(),
            self.row.as_bytes(),
            &self.generation.to_be_bytes(),
        ];
        let mut bytes = Vec::with_capacity(128);
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// Seals the fields of one tenant. Stored wrapped by the root key; when that row is deleted,
/// everything sealed with it is gone, in backups of the other rows too.
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self(random::bytes())
    }

    /// The key for rows that belong to the platform and to no tenant. It lives as long as the
    /// root key does.
    pub fn of_platform(root: &RootKey) -> Self {
        Self(Zeroizing::new(*root.derive("platform-data-key").as_bytes()))
    }

    /// Encrypts this key for storing. `generation` counts a tenant's data keys from 1, so that a
    /// new one can take over field by field while the old one still opens the rest.
    pub fn wrap(&self, root: &RootKey, tenant: TenantId, generation: u32) -> Vec<u8> {
        seal(
            wrapping(root).as_bytes(),
            self.0.as_ref(),
            &wrapped_at(tenant, generation),
        )
    }

    /// Decrypts what [`DataKey::wrap`] made for the same tenant and generation.
    ///
    /// # Errors
    /// The root key, the tenant or the generation is another, or the bytes were altered.
    pub fn unwrap(
        root: &RootKey,
        tenant: TenantId,
        generation: u32,
        wrapped: &[u8],
    ) -> Result<Self, OpenError> {
        let plain = open(
            wrapping(root).as_bytes(),
            wrapped,
            &wrapped_at(tenant, generation),
        )?;
        let key = <[u8; 32]>::try_from(plain.as_slice()).map_err(|_| OpenError)?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// Encrypts a field for its place. Sealing twice gives two different results.
    pub fn seal(&self, plain: &[u8], place: &Aad<'_>) -> Vec<u8> {
        seal(&self.0, plain, &place.to_bytes())
    }

    /// Decrypts a field that was sealed for this place.
    ///
    /// # Errors
    /// The key or the place is another, or the bytes were altered.
    pub fn open(&self, sealed: &[u8], place: &Aad<'_>) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        open(&self.0, sealed, &place.to_bytes())
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

fn wrapping(root: &RootKey) -> DerivedKey {
    root.derive("wrap-data-keys")
}

fn wrapped_at(tenant: TenantId, generation: u32) -> Vec<u8> {
    let tenant = Some(tenant);
    Aad {
        tenant,
        table: "data_keys",
        column: "wrapped",
        row: "",
        generation,
    }
    .to_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn tenant(number: u128) -> TenantId {
        TenantId::new(Uuid::from_u128(number))
    }

    #[test]
    fn a_data_key_unwraps_only_for_its_tenant_generation_and_root_key() {
        let (root, other_root) = (RootKey::generate(), RootKey::generate());
        let key = DataKey::generate();
        let wrapped = key.wrap(&root, tenant(1), 1);

        let back = DataKey::unwrap(&root, tenant(1), 1, &wrapped).unwrap();
        assert_eq!(*back.0, *key.0);

        for refused in [
            DataKey::unwrap(&other_root, tenant(1), 1, &wrapped),
            DataKey::unwrap(&root, tenant(2), 1, &wrapped),
            DataKey::unwrap(&root, tenant(1), 2, &wrapped),
            DataKey::unwrap(&root, tenant(1), 1, &wrapped[1..]),
            DataKey::unwrap(&root, tenant(1), 1, b""),
        ] {
            assert_eq!(refused.map(|_| ()), Err(OpenError));
        }
    }

    #[test]
    fn parts_of_a_place_cannot_run_into_each_other() {
        let place = |table, column| Aad {
            tenant: None,
            table,
            column,
            row: "1",
            generation: 1,
        };
        assert_ne!(place("ab", "c").to_bytes(), place("a", "bc").to_bytes());
    }

    fn places() -> impl Strategy<Value = (Option<u128>, String, String, String, u32)> {
        (
            proptest::option::of(0..4u128),
            "[ab]{0,2}",
            "[ab]{0,2}",
            "[ab]{0,2}",
            0..3u32,
        )
    }

    proptest! {
        #[test]
        fn a_field_opens_at_its_place_and_at_no_other(
            plain in proptest::collection::vec(any::<u8>(), 0..200),
            sealed_at in places(),
            opened_at in places(),
        ) {
            let key = DataKey::generate();
            let place = |p: &(Option<u128>, String, String, String, u32)| p.clone();
            let (a, b) = (place(&sealed_at), place(&opened_at));
            let aad = |p: &'_ (Option<u128>, String, String, String, u32)| {
                (p.0.map(tenant), p.1.clone(), p.2.clone(), p.3.clone(), p.4)
            };
            let (t1, table1, column1, row1, g1) = aad(&a);
            let (t2, table2, column2, row2, g2) = aad(&b);
            let at = Aad { tenant: t1, table: &table1, column: &column1, row: &row1, generation: g1 };
            let elsewhere =
                Aad { tenant: t2, table: &table2, column: &column2, row: &row2, generation: g2 };

            let sealed = key.seal(&plain, &at);

            let opened = key.open(&sealed, &at).unwrap();
            prop_assert_eq!(&*opened, &plain);
            prop_assert_eq!(key.open(&sealed, &elsewhere).is_ok(), at == elsewhere);
            prop_assert!(DataKey::generate().open(&sealed, &at).is_err());
        }

        #[test]
        fn a_field_with_any_bit_flipped_or_byte_cut_does_not_open(
            plain in proptest::collection::vec(any::<u8>(), 0..64),
            at in any::<proptest::sample::Index>(),
            bit in 0..8u8,
        ) {
            let key = DataKey::generate();
            let place = Aad { tenant: None, table: "t", column: "c", row: "r", generation: 1 };
            let sealed = key.seal(&plain, &place);
            let at = at.index(sealed.len());

            let mut flipped = sealed.clone();
            flipped[at] ^= 1 << bit;

            prop_assert!(key.open(&flipped, &place).is_err());
            prop_assert!(key.open(&sealed[..at], &place).is_err());
        }
    }

    #[test]
    fn sealing_twice_gives_different_bytes_without_the_plain_text_in_them() {
        let key = DataKey::generate();
        let place = Aad {
            tenant: None,
            table: "t",
            column: "c",
            row: "r",
            generation: 1,
        };

        let (one, two) = (key.seal(b"hunter2", &place), key.seal(b"hunter2", &place));

        assert_ne!(one, two);
        assert!(!one.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(format!("{key:?}"), "DataKey(..)");
    }
}
