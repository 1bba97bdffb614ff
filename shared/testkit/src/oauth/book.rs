//! The provider's book behind its lock, and its clock.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::ledger::Ledger;

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Codes that became tokens.
    pub exchanges: usize,
    /// Refresh requests that named a known refresh token, by how many refreshes came before it in
    /// its family.
    pub refreshes: Vec<usize>,
    /// Refreshes that gave tokens.
    pub refreshed: usize,
    /// Families that were revoked because a used refresh token came again.
    pub families_revoked: usize,
    /// Tokens that clients gave back.
    pub revocations: usize,
    /// Calls of the protected resource with a good token, and with none or a bad one.
    pub resource_ok: usize,
    pub resource_refused: usize,
    /// Clients that registered themselves.
    pub registrations: usize,
    /// Clients that ended their registration.
    pub unregistrations: usize,
    /// Tokens that programs asked for without a person.
    pub minted: usize,
    /// Documents of clients that were fetched.
    pub client_documents: usize,
}

#[derive(Debug)]
pub(super) struct Book {
    started: Instant,
    ledger: Mutex<Ledger>,
}

impl Book {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            ledger: Mutex::new(Ledger::default()),
        }
    }

    /// The ledger, told what time it is.
    pub(super) fn open(&self) -> MutexGuard<'_, Ledger> {
        let mut ledger = self.ledger.lock().expect("no panic while held");
        ledger.now = self.started.elapsed() + ledger.moved;
        ledger
    }

    pub(super) fn advance(&self, by: Duration) {
        self.open().moved += by;
    }

    pub(super) fn counts(&self) -> Counts {
        self.open().counts.clone()
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.open().violations.clone()
    }

    pub(super) fn revoke_everything(&self) {
        self.open().revoke_everything();
    }

    pub(super) fn expire_access(&self) {
        self.open().expire_access();
    }

    pub(super) fn is_good(&self, access_token: &str) -> bool {
        self.open().holder(access_token).is_some()
    }
}
