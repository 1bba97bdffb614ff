//! Chance that can be repeated.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

use axum::Router;
use tower::ServiceExt;

/// The environment variable that repeats a choice of gateways.
const SEED: &str = "GATEWAYS_SEED";

/// A small generator; what it gives follows from its seed, which a failure names.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What choices follow from: another one each time, unless the environment names one. Told with
/// a failure.
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
        let given = std::env::var(SEED);
        Self(match given {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => RandomState::new().hash_one(SEED),
        })
    }
}

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "shown with the failure that it is for")]
    fn drop(&mut self) {
        if crate::GATEWAYS > 1 && std::thread::panicking() {
            eprintln!("gateways were chosen with {SEED}={}", self.0);
        }
    }
}

/// Leads each request to one of them.
pub(super) fn any_of(routers: Vec<Router>, seed: &Seed) -> Router {
    if let [only] = &*routers {
        return only.clone();
    }
    let chance = Arc::new(Mutex::new(Chance(seed.0)));
    let any = tower::service_fn(move |request| {
        let chosen = chance.lock().unwrap().below(routers.len() as u64);
        routers[chosen as usize].clone().oneshot(request)
    });
    Router::new().fallback_service(any)
}
