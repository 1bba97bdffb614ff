//! What an operator decides about a worker.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::limits;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::breaker::BreakerConfig;
use crate::hosted;
use crate::native::{EngineLimits, Origins};
use crate::upstream::UpstreamConfig;

/// The section `worker`. Durations are written as seconds, fractions allowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Calls that run at once, over all connectors; more are refused.
    pub max_calls: usize,
    /// Calls of one connector that run at once; more are refused.
    pub max_calls_per_connector: usize,
    /// Watches of lists and resources that run at once, over all connectors; more are refused.
    pub max_watches: usize,
    /// Connectors whose leases are held at once; the least used one is dropped for another.
    pub max_leases: u64,
    /// Credentials of accounts that are held at once, each for one key's calls to one connector;
    /// the least used one is dropped for another.
    pub max_credentials: u64,
    /// A connector that nobody called for so long is dropped, with its credential and session.
    #[serde(with = "runtime::seconds")]
    pub lease_idle_timeout: Duration,
    /// A lease is asked for anew when it is so old.
    #[serde(with = "runtime::seconds")]
    pub lease_max_age: Duration,
    /// Origins of providers (`https://www.googleapis.com`) and the base URLs that native connectors
    /// call instead, e.g. an operator's own gateway.
    pub origins: BTreeMap<String, Url>,
    pub breaker: BreakerConfig,
    pub hosted: hosted::Config,
    pub native: EngineLimits,
    pub upstream: UpstreamConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_calls: 4_096,
            max_calls_per_connector: limits::CALLS_PER_CONNECTOR,
            max_watches: 65_536,
            max_leases: 10_000,
            max_credentials: 50_000,
            lease_idle_timeout: Duration::from_secs(15 * 60),
            lease_max_age: Duration::from_secs(60 * 60),
            origins: BTreeMap::new(),
            breaker: BreakerConfig::default(),
            hosted: hosted::Config::default(),
            native: EngineLimits::default(),
            upstream: UpstreamConfig::default(),
        }
    }
}

impl Config {
    /// # Errors
    /// One sentence that names the setting and its rule.
    pub fn validate(&self) -> Result<(), String> {
        self.hosted
            .validate()
            .map_err(|rule| format!("worker.hosted: {rule}"))?;
        self.native
            .validate()
            .map_err(|rule| format!("worker.native.{rule}"))?;
        Origins::new(&self.origins).map_err(|rule| format!("worker.origins: {rule}"))?;
        let positive = [
            ("max_calls", self.max_calls),
            ("max_watches", self.max_watches),
            ("max_calls_per_connector", self.max_calls_per_connector),
            (
                "max_leases",
                usize::try_from(self.max_leases).unwrap_or(usize::MAX),
            ),
            (
                "max_credentials",
                usize::try_from(self.max_credentials).unwrap_or(usize::MAX),
            ),
            ("breaker.failures", self.breaker.failures as usize),
            ("upstream.list_max_pages", self.upstream.list_max_pages),
            (
                "upstream.lanes_per_connector",
                self.upstream.lanes_per_connector,
            ),
            (
                "upstream.remote_lanes_per_connector",
                self.upstream.remote_lanes_per_connector,
            ),
            (
                "upstream.parked_per_tenant",
                self.upstream.parked_per_tenant,
            ),
            ("upstream.parked_max", self.upstream.parked_max),
            (
                "upstream.rounds_per_call",
                self.upstream.rounds_per_call as usize,
            ),
        ];
        match positive.into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("worker.{name} must be at least 1")),
            None => Ok(()),
        }
    }
}
