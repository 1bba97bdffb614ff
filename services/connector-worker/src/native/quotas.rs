//! What is known of quotas that are used up, so that nobody runs into them again.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::{ConnectorId, TenantId};
use moka::sync::Cache;
use time::OffsetDateTime;

use super::holder::Holder;

/// Quotas of one credential that are remembered; the one that ends first is forgotten for another.
const USED_UP_MAX: usize = 64;
/// Operations of one credential whose bucket is remembered; those that come later are not.
const OPERATIONS_MAX: usize = 512;
/// Bytes of a bucket's name; a longer one is no name.
const NAME_MAX: usize = 128;
/// What nobody has asked about for so long is over, mostly, or is soon learnt again.
const IDLE: Duration = Duration::from_secs(2 * 60 * 60);

/// Which operation of a provider a request is, and of what: by this its quotas are told apart where
/// the provider names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Route {
    /// A hash of what the operation is called. Two that meet share a quota, and no more than that.
    operation: u64,
    /// A hash of those parameters that have quotas of their own.
    owner: u64,
}

impl Route {
    /// `owner` has the names of those parameters, and their values.
    pub(super) fn new(operation: impl Hash, owner: &[(&str, String)]) -> Self {
        Self {
            operation: hash(operation),
            owner: hash(owner),
        }
    }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What requests are counted in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Bucket {
    /// All that the credential is used for.
    All,
    /// What the provider calls so, of this owner.
    Named(Box<str>, u64),
    /// An operation of its own.
    Route(Route),
}

impl Bucket {
    /// The bucket of a request, by what the provider says of it.
    pub(super) fn of(route: Route, name: Option<&str>, is_all: bool) -> Self {
        match name.filter(|name| !name.is_empty() && name.len() <= NAME_MAX) {
            _ if is_all => Self::All,
            Some(name) => Self::Named(name.into(), route.owner),
            None => Self::Route(route),
        }
    }
}

/// A quota that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UsedUp {
    /// Nothing is sent before.
    pub(super) until: OffsetDateTime,
    /// When the provider takes requests again, as it says; may be later than `until`, when it is
    /// asked whether that is so.
    pub(super) resets: OffsetDateTime,
}

/// What is known, by credential. Bounded; of the credentials the least used is forgotten.
pub(super) struct Quotas(Cache<Holder, Arc<Mutex<Known>>>);

#[derive(Default)]
struct Known {
    /// The names of the buckets in which operations were seen to be counted.
    names: HashMap<u64, Box<str>>,
    used_up: HashMap<Bucket, UsedUp>,
}

impl Quotas {
    pub(super) fn new(credentials_max: u64) -> Self {
        let builder = Cache::builder().max_capacity(credentials_max);
        Self(builder.time_to_idle(IDLE).build())
    }

    /// What stands against a request now: of several quotas the one that takes longest.
    pub(super) fn against(
        &self,
        holder: &Holder,
        route: Route,
        now: OffsetDateTime,
    ) -> Option<UsedUp> {
        let known = self.0.get(holder)?;
        let mut known = lock(&known);
        known.used_up.retain(|_, used_up| used_up.until > now);
        if known.used_up.is_empty() {
            return None;
        }
        let name = known.names.get(&route.operation);
        let name = name.map(|name| Bucket::Named(name.clone(), route.owner));
        let buckets = [Some(Bucket::All), Some(Bucket::Route(route)), name];
        let found = buckets.iter().flatten();
        let found = found.filter_map(|bucket| known.used_up.get(bucket).copied());
        found.max_by_key(|used_up| used_up.until)
    }

    /// The operation of `route` is counted in `bucket`.
    pub(super) fn counts_in(&self, holder: &Holder, route: Route, bucket: &Bucket) {
        let Bucket::Named(name, _) = bucket else {
            return;
        };
        let known = self.known(holder);
        let mut known = lock(&known);
        if known.names.get(&route.operation) == Some(name) {
            return;
        }
        if known.names.len() < OPERATIONS_MAX || known.names.contains_key(&route.operation) {
            known.names.insert(route.operation, name.clone());
        }
    }

    pub(super) fn remember(&self, holder: &Holder, bucket: Bucket, used_up: UsedUp) {
        let known = self.known(holder);
        let mut known = lock(&known);
        if known.used_up.len() >= USED_UP_MAX && !known.used_up.contains_key(&bucket) {
            let first = known.used_up.iter().min_by_key(|(_, known)| known.until);
            if let Some(first) = first.map(|(bucket, _)| bucket.clone()) {
                known.used_up.remove(&first);
            }
        }
        known.used_up.insert(bucket, used_up);
    }

    /// Drops what is known of a connector's credentials.
    pub(super) fn drop_all_of(&self, tenant: TenantId, connector: ConnectorId) {
        for (holder, _) in &self.0 {
            if holder.is_of(tenant, connector) {
                self.0.invalidate(&*holder);
            }
        }
    }

    /// Lets go of what nobody asked about for too long; the cache itself does so only while it is
    /// used.
    pub(super) fn sweep(&self) {
        self.0.run_pending_tasks();
    }

    fn known(&self, holder: &Holder) -> Arc<Mutex<Known>> {
        match self.0.get(holder) {
            Some(known) => known,
            None => self.0.get_with(*holder, Arc::default),
        }
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().expect("no panic while held")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

    fn for_seconds(seconds: i64) -> UsedUp {
        let until = NOW + time::Duration::seconds(seconds);
        UsedUp {
            until,
            resets: until,
        }
    }

    #[test]
    fn a_bucket_stands_against_its_own_operations_and_owner_until_it_is_filled_again() {
        let quotas = Quotas::new(10);
        let (holder, other) = (Holder::own(1, 2, 1), Holder::own(1, 2, 2));
        let route = |operation, owner: &str| Route::new(operation, &[("id", owner.to_owned())]);
        let (search, same, far) = (route("search", "1"), route("find", "1"), route("find", "2"));
        let bucket = Bucket::of(search, Some("search"), false);
        let against = |holder, route, at| quotas.against(holder, route, NOW + at);
        let second = time::Duration::SECOND;

        quotas.counts_in(&holder, search, &bucket);
        quotas.counts_in(&holder, same, &bucket);
        assert_eq!(against(&holder, search, second), None);
        quotas.remember(&holder, bucket.clone(), for_seconds(9));

        for at in [time::Duration::ZERO, second * 8] {
            assert_eq!(against(&holder, search, at), Some(for_seconds(9)));
            assert_eq!(against(&holder, same, at), Some(for_seconds(9)));
        }
        assert_eq!(against(&holder, far, second), None);
        assert_eq!(against(&holder, route("list", "1"), second), None);
        assert_eq!(against(&other, search, second), None);
        // Of two that stand against it the longer one counts.
        quotas.remember(&holder, Bucket::All, for_seconds(20));
        assert_eq!(against(&holder, far, second), Some(for_seconds(20)));
        assert_eq!(against(&holder, search, second), Some(for_seconds(20)));
        // At its end it is over.
        assert_eq!(against(&holder, search, second * 19), Some(for_seconds(20)));
        assert_eq!(against(&holder, search, second * 20), None);
    }

    #[test]
    fn what_is_known_of_one_credential_is_bounded() {
        let quotas = Quotas::new(10);
        let holder = Holder::own(1, 2, 1);
        for number in 0..2_000_u32 {
            let route = Route::new(number, &[]);
            let bucket = Bucket::of(route, Some(&format!("bucket {number}")), false);
            quotas.counts_in(&holder, route, &bucket);
            quotas.remember(&holder, bucket, for_seconds(1 + i64::from(number)));
        }

        let known = quotas.known(&holder);
        let known = lock(&known);
        assert_eq!(known.used_up.len(), USED_UP_MAX);
        assert_eq!(known.names.len(), OPERATIONS_MAX);
        let least = known.used_up.values().map(|used_up| used_up.until).min();
        assert_eq!(least, Some(for_seconds(2_001 - USED_UP_MAX as i64).until));
    }

    #[test]
    fn a_name_without_end_is_no_name() {
        let route = Route::new("a", &[]);
        for name in ["", &"x".repeat(NAME_MAX + 1)] {
            assert_eq!(Bucket::of(route, Some(name), false), Bucket::Route(route));
        }
        let longest = "x".repeat(NAME_MAX);
        let named = Bucket::of(route, Some(&longest), false);
        assert!(matches!(named, Bucket::Named(..)));
    }

    #[test]
    fn letting_a_connector_go_forgets_its_own_and_nothing_else() {
        let quotas = Quotas::new(10);
        let route = Route::new("a", &[]);
        let holders = [
            Holder::own(1, 2, 1),
            Holder::own(1, 3, 1),
            Holder::own(2, 2, 1),
        ];
        for holder in &holders {
            quotas.remember(holder, Bucket::Route(route), for_seconds(9));
        }
        let (tenant, connector) = holders[0].place();
        quotas.drop_all_of(tenant, connector);

        let found = holders.map(|holder| quotas.against(&holder, route, NOW).is_some());
        assert_eq!(found, [false, true, true]);
    }
}
