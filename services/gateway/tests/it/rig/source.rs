//! A control-plane that says what a test has it say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use domain::KeyId;
use fabric::{
    BoxFuture, ConfigListener, ConfigSource, PlatformConfig, SourceError, StoredKey, Subject,
    TenantConfig,
};

/// A control-plane of constants.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) tenants: Mutex<HashMap<String, TenantConfig>>,
    pub(crate) platform: Mutex<Vec<StoredKey>>,
    pub(crate) loads: Mutex<Vec<String>>,
    pub(crate) away: Mutex<bool>,
    listeners: Mutex<Vec<Arc<dyn ConfigListener>>>,
}

impl ConfigSource for Source {
    fn platform(&self) -> BoxFuture<'_, Result<PlatformConfig, SourceError>> {
        let keys = self.platform.lock().unwrap().clone();
        Box::pin(async {
            Ok(PlatformConfig {
                revision: i64::MAX,
                keys,
            })
        })
    }

    fn tenant<'a>(
        &'a self,
        slug: &'a str,
    ) -> BoxFuture<'a, Result<Option<TenantConfig>, SourceError>> {
        self.loads.lock().unwrap().push(slug.to_owned());
        let found = match *self.away.lock().unwrap() {
            true => Err(SourceError("away".to_owned())),
            false => Ok(self.tenants.lock().unwrap().get(slug).cloned()),
        };
        Box::pin(async { found })
    }

    fn subscribe(&self, listener: Arc<dyn ConfigListener>) {
        self.listeners.lock().unwrap().push(listener);
    }

    fn keys_used<'a>(&'a self, _keys: &'a [KeyId]) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Source {
    /// Changes a tenant as a control-plane would: first the truth, then the hint.
    pub(crate) fn change(&self, slug: &str, change: impl FnOnce(&mut TenantConfig)) {
        let mut tenants = self.tenants.lock().unwrap();
        let tenant = tenants.get_mut(slug).unwrap();
        tenant.revision += 1;
        change(tenant);
        let (subject, revision) = (Subject::Tenant(slug.to_owned()), tenant.revision);
        drop(tenants);
        for listener in self.listeners.lock().unwrap().iter() {
            listener.changed(&subject, revision);
        }
    }
}
