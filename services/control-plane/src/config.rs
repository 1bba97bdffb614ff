//! What an operator may set.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

/// The section `control_plane`. Durations are written as seconds, fractions allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Between two readings of each MCP connector's tools, give or take a tenth.
    #[serde(with = "runtime::seconds")]
    pub sync_interval: Duration,
    /// How long one reading may take, the start of a hosted server included.
    #[serde(with = "runtime::seconds")]
    pub sync_deadline: Duration,
    /// Between an upstream's word that its tools changed and the reading that it causes; what it
    /// says in between causes none of its own.
    #[serde(with = "runtime::seconds")]
    pub resync_delay: Duration,
    /// Between two readings of one connector that its upstream's word causes, at least.
    #[serde(with = "runtime::seconds")]
    pub resync_min_interval: Duration,
    /// Readings at once. At least 1.
    pub syncs_at_once: usize,
    /// Between two writings of when keys were last used.
    #[serde(with = "runtime::seconds")]
    pub key_use_interval: Duration,
    /// How long to wait for a worker to let go of a changed connector.
    #[serde(with = "runtime::seconds")]
    pub release_timeout: Duration,
    /// Where browsers reach this installation: scheme, host and port, `https` but on this machine
    /// itself. Absent: nobody can sign in at a provider, but where `up` or a control-plane listens
    /// on loopback, which is then that address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<Url>,
    pub oauth: OAuthConfig,
    pub accounts: AccountsConfig,
}

/// The section `control_plane.accounts`: how connected accounts are kept usable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountsConfig {
    /// How long before its end a token is given to no call any more, but renewed first: 1 to 600
    /// seconds. In the background that happens sooner.
    #[serde(with = "runtime::seconds")]
    pub refresh_ahead: Duration,
    /// How long a provider may take to renew tokens: 1 to 60 seconds. After a crash others wait a
    /// little longer than this before they try.
    #[serde(with = "runtime::seconds")]
    pub token_deadline: Duration,
    /// Requests for new tokens at once, to one provider: 1 to 256.
    pub refreshes_at_once: usize,
    /// Where new tokens are kept, sealed, until the database has them: a folder of this process
    /// alone, which outlives it. Absent: in memory alone; `up` takes one in `data_dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spool_dir: Option<PathBuf>,
}

/// The section `control_plane.oauth`: how people sign in at providers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OAuthConfig {
    /// Origins of providers that are answered elsewhere: `https://github.com` to the base URL of
    /// what stands for it, for browsers too.
    pub origins: BTreeMap<String, Url>,
    /// How long a link to connect an account is good: 5 to 86400 seconds.
    #[serde(with = "runtime::seconds")]
    pub link_lifetime: Duration,
    /// How long a provider may take to give the tokens of an account that is being connected: 1 to
    /// 60 seconds.
    #[serde(with = "runtime::seconds")]
    pub exchange_deadline: Duration,
    /// How long one provider may take to say that it ended an account's tokens: 1 to 60 seconds.
    #[serde(with = "runtime::seconds")]
    pub revocation_deadline: Duration,
}

impl Default for OAuthConfig {
    fn default() -> Self {
        Self {
            origins: BTreeMap::new(),
            link_lifetime: Duration::from_secs(1800),
            exchange_deadline: Duration::from_secs(20),
            revocation_deadline: Duration::from_secs(5),
        }
    }
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            refresh_ahead: Duration::from_secs(60),
            token_deadline: Duration::from_secs(20),
            refreshes_at_once: 16,
            spool_dir: None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sync_interval: Duration::from_secs(600),
            sync_deadline: domain::limits::SYNC_DEADLINE,
            resync_delay: Duration::from_secs(1),
            resync_min_interval: Duration::from_secs(5),
            syncs_at_once: 8,
            key_use_interval: Duration::from_secs(60),
            release_timeout: Duration::from_secs(10),
            public_url: None,
            oauth: OAuthConfig::default(),
            accounts: AccountsConfig::default(),
        }
    }
}

impl Config {
    /// # Errors
    /// Names the setting, and what it must be.
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        let seconds = [
            ("sync_interval", self.sync_interval),
            ("sync_deadline", self.sync_deadline),
            ("key_use_interval", self.key_use_interval),
            ("release_timeout", self.release_timeout),
        ];
        for (name, value) in seconds {
            let (least, most) = (Duration::from_secs(1), Duration::from_secs(86_400));
            anyhow::ensure!(
                (least..=most).contains(&value),
                "{name} must be from 1 to 86400"
            );
        }
        let day = Duration::from_secs(86_400);
        anyhow::ensure!(
            self.resync_delay <= day,
            "resync_delay must be from 0 to 86400"
        );
        anyhow::ensure!(
            self.resync_min_interval <= day,
            "resync_min_interval must be from 0 to 86400"
        );
        anyhow::ensure!(
            (1..=256).contains(&self.syncs_at_once),
            "syncs_at_once must be 1 to 256"
        );
        self.oauth.validate()?;
        self.accounts.validate()
    }
}

impl AccountsConfig {
    fn validate(&self) -> anyhow::Result<()> {
        let seconds = Duration::from_secs;
        for (name, value, most) in [
            ("refresh_ahead", self.refresh_ahead, 600),
            ("token_deadline", self.token_deadline, 60),
        ] {
            anyhow::ensure!(
                (seconds(1)..=seconds(most)).contains(&value),
                "accounts.{name} must be from 1 to {most}"
            );
        }
        anyhow::ensure!(
            (1..=256).contains(&self.refreshes_at_once),
            "accounts.refreshes_at_once must be 1 to 256"
        );
        Ok(())
    }
}

impl OAuthConfig {
    fn validate(&self) -> anyhow::Result<()> {
        let seconds = Duration::from_secs;
        anyhow::ensure!(
            (seconds(5)..=seconds(86_400)).contains(&self.link_lifetime),
            "oauth.link_lifetime must be from 5 to 86400"
        );
        for (name, value) in [
            ("exchange_deadline", self.exchange_deadline),
            ("revocation_deadline", self.revocation_deadline),
        ] {
            anyhow::ensure!(
                (seconds(1)..=seconds(60)).contains(&value),
                "oauth.{name} must be from 1 to 60"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_accounts_are_held_to_their_bounds() {
        let refused = |change: &dyn Fn(&mut AccountsConfig)| {
            let mut config = Config::default();
            change(&mut config.accounts);
            config.validate().err().map(|error| error.to_string())
        };
        let seconds = Duration::from_secs;

        for ahead in [1, 600] {
            assert_eq!(refused(&|c| c.refresh_ahead = seconds(ahead)), None);
        }
        for deadline in [1, 60] {
            assert_eq!(refused(&|c| c.token_deadline = seconds(deadline)), None);
        }
        for at_once in [1, 256] {
            assert_eq!(refused(&|c| c.refreshes_at_once = at_once), None);
        }
        let below = seconds(1) - Duration::from_millis(1);
        let ahead = "accounts.refresh_ahead must be from 1 to 600";
        for wrong in [below, seconds(601)] {
            let says = refused(&|c| c.refresh_ahead = wrong);
            assert_eq!(says.as_deref(), Some(ahead));
        }
        let deadline = "accounts.token_deadline must be from 1 to 60";
        for wrong in [below, seconds(61)] {
            let says = refused(&|c| c.token_deadline = wrong);
            assert_eq!(says.as_deref(), Some(deadline));
        }
        let at_once = "accounts.refreshes_at_once must be 1 to 256";
        for wrong in [0, 257] {
            let says = refused(&|c| c.refreshes_at_once = wrong);
            assert_eq!(says.as_deref(), Some(at_once));
        }
    }
}
