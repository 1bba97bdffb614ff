//! New ids, as an argument.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// Mints ids whose order is the order of creation.
pub trait IdGen: Send + Sync {
    fn next(&self) -> Uuid;
}

/// UUIDv7 from the machine's clock and randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeOrderedIds;

impl IdGen for TimeOrderedIds {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where ids are made"
    )]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// 1, 2, 3 …, for tests whose output is compared.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

impl IdGen for SequentialIds {
    fn next(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1)
    }
}
