//! Keys that expire while their holders listen. No change of configuration tells of it, so one
//! timer for each tenant with listeners has the tenant looked at when the first of them does.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::task::AbortHandle;

use super::Inner;
use super::registry::TenantState;

/// The clock is asked again at least so often: it may be set, and a machine may sleep.
const AT_LEAST: Duration = Duration::from_secs(600);

/// The timer of a tenant. Dropped, it ends.
pub(super) struct Expiry {
    at: OffsetDateTime,
    timer: AbortHandle,
}

impl Drop for Expiry {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

impl Inner {
    /// Has a tenant looked at again at `first`, when the first of its listeners' keys expires.
    pub(super) fn look_at_expiry(
        &self,
        slug: &Arc<str>,
        tenant: &mut TenantState,
        first: Option<OffsetDateTime>,
    ) {
        let Some(at) = first else {
            tenant.expiry = None;
            return;
        };
        if tenant.expiry.as_ref().is_some_and(|expiry| expiry.at == at) {
            return;
        }
        let (this, slug) = (self.this.clone(), slug.clone());
        let clock = self.parts.clock.clone();
        let shutdown = self.parts.process.shutdown.clone();
        let timer = self.parts.process.tasks.joinable(async move {
            while let Ok(left) = Duration::try_from(at - clock.now())
                && !left.is_zero()
            {
                tokio::select! {
                    () = tokio::time::sleep(left.min(AT_LEAST)) => {}
                    () = shutdown.draining() => return,
                }
            }
            if let Some(this) = this.upgrade() {
                this.look_at(&slug);
            }
        });
        let timer = timer.abort_handle();
        tenant.expiry = Some(Expiry { at, timer });
    }
}
